"""Whole runs on real data, each made once and looked at by many tests."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from conftest import once_for_all_processes
from system.runs import Ended, Lake, command, demo_arguments


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, complete_journey: Path) -> Lake:
    """Give the lake that the demo's pipeline leaves in local mode, once for all processes."""
    # With a space, as users have it.
    with once_for_all_processes(tmp_path_factory, "demo folder") as folder:
        ended = folder / "ended.json"
        if not ended.exists():
            run = command("run_pipeline", *demo_arguments(folder, complete_journey))
            ended.write_text(json.dumps(asdict(run)), encoding="utf-8")
    run = Ended(**json.loads(ended.read_text(encoding="utf-8")))
    assert run.code == 0, run.log[-3000:]
    return Lake(folder / "lake", f"sqlite:///{folder / 'mlflow.db'}", run)
