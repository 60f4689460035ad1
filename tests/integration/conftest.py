"""Whole runs on real data, each made once and looked at by many tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from integration.runs import Lake, command, demo_arguments


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, complete_journey: Path) -> Lake:
    """Give the lake that the demo's pipeline leaves in local mode."""
    folder = tmp_path_factory.mktemp("demo folder")  # with a space, as users have it
    run = command("run_pipeline", *demo_arguments(folder, complete_journey))
    assert run.code == 0, run.log[-3000:]
    return Lake(folder / "lake", f"sqlite:///{folder / 'mlflow.db'}", run)
