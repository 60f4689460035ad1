"""Whole runs on real data, each made once and looked at by many tests."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest
from integration.runs import Ended, Lake, command, demo_arguments


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, complete_journey: Path) -> Lake:
    """Give the lake that the demo's pipeline leaves in local mode, once for all processes."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "demo folder"  # with a space, as users have it
    folder.mkdir(exist_ok=True)
    ended = folder / "ended.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ended.exists():
            run = command("run_pipeline", *demo_arguments(folder, complete_journey))
            ended.write_text(json.dumps(asdict(run)), encoding="utf-8")
    run = Ended(**json.loads(ended.read_text(encoding="utf-8")))
    assert run.code == 0, run.log[-3000:]
    return Lake(folder / "lake", f"sqlite:///{folder / 'mlflow.db'}", run)
