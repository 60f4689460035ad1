"""Features: build_features beside DuckDB and Polars, which make 28 columns of the same lines."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data import AS_OF, TIME_ZONE, loaded_lake, sample
from benchmarks.measure import Row, Run, run_job, run_python
from benchmarks.same_columns import require_same_columns

# The models that dates are built for, and the goal: a model that needs no past dates, and all.
CASES = {"one date": (["--set", "models=[segments]"], 3.0), "the dates of all models": ([], 6.0)}
PEERS = {"DuckDB": "duckdb", "Polars": "polars"}


def measured(place: Path, *, n_customers: int, repeats: int) -> Iterator[Row]:
    """Give a row for one date, and one for all dates that training needs, beside each peer."""
    source, day = sample(place, n_customers), AS_OF
    loaded, n_lines = loaded_lake(place, source)
    lake = place / "lake"
    tables = {peer: place / f"{module}.parquet" for peer, module in PEERS.items()}
    runs: dict[str, list[Run]] = {case: [] for case in CASES}
    peers: dict[str, list[Run]] = {peer: [] for peer in PEERS}
    flags = ["--config", source.config, "--set", f"storage.root={lake}", "--as-of", str(day)]
    for _ in range(repeats):
        for peer, module in PEERS.items():
            made = [str(source.lines), str(day), TIME_ZONE, str(tables[peer])]
            peers[peer].append(run_python(["-m", f"benchmarks.{module}_features", *made]))
        require_same_columns(tables["DuckDB"], tables["Polars"])
        for case, (models, _) in CASES.items():
            shutil.rmtree(lake, ignore_errors=True)
            shutil.copytree(loaded, lake)
            runs[case].append(run_job("build_features", *flags, *models))
        run_python(["-m", "benchmarks.agreement", str(lake), str(day), str(tables["DuckDB"])])
    for case, (_, goal) in CASES.items():
        for peer in PEERS:
            yield Row.of_runs(
                "features",
                f"{case}, {n_lines:,} lines",
                runs[case],
                f"{peer}, 28 columns",
                peers[peer],
                goal=goal,
                n_rows=n_lines,
            )
