"""Features: build_features beside DuckDB, which makes 28 columns of the source's files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data import AS_OF, TIME_ZONE, loaded_lake, sample
from benchmarks.measure import Row, Run, run_job, run_python

# The models that dates are built for, and the goal: a model that needs no past dates, and all.
CASES = {"one date": (["--set", "models=[segments]"], 3.0), "the dates of all models": ([], 6.0)}


def measured(place: Path, *, n_customers: int, repeats: int) -> Iterator[Row]:
    """Give a row for one date, and one for all dates that training needs, from core on."""
    source, day = sample(place, n_customers), AS_OF
    loaded, n_lines = loaded_lake(place, source)
    lake, target = place / "lake", place / "duckdb.parquet"
    runs: dict[str, list[Run]] = {case: [] for case in CASES}
    peers = []
    flags = ["--config", source.config, "--set", f"storage.root={lake}", "--as-of", str(day)]
    for _ in range(repeats):
        peer = ["-m", "benchmarks.duckdb_features", str(source.lines), str(day), TIME_ZONE]
        peers.append(run_python([*peer, str(target)]))
        for case, (models, _) in CASES.items():
            shutil.rmtree(lake, ignore_errors=True)
            shutil.copytree(loaded, lake)
            runs[case].append(run_job("build_features", *flags, *models))
        run_python(["-m", "benchmarks.agreement", str(lake), str(day), str(target)])
    for case, (_, goal) in CASES.items():
        yield Row.of_runs(
            "features",
            f"{case}, {n_lines:,} lines",
            runs[case],
            "DuckDB, 28 columns",
            peers,
            goal=goal,
            n_rows=n_lines,
        )
