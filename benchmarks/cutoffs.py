"""Cut-offs: build_features for the twelve dates of a long training beside one date."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data import AS_OF, FIRST_DAY, loaded_lake, sample
from benchmarks.measure import Row, Run, run_job
from crm_spark.config import load_config
from crm_spark.pipeline.days import feature_dates, made_models

GOAL, N_DATES = 2.0, 12
ONE_DATE = ["models=[segments]"]
# The day itself, the cut-off to test on, and those to learn from.
TWELVE_DATES = ["models=[churn]", f"churn.n_training_cutoffs={N_DATES - 2}"]


def measured(place: Path, *, n_customers: int, repeats: int) -> Iterator[Row]:
    """Give the row of twelve dates beside one: the same lines, in lakes of their own."""
    source = sample(place, n_customers)
    found = n_dates(source.config, TWELVE_DATES)
    assert found == N_DATES, f"snapshots of {found} dates are built, not of {N_DATES}"
    loaded, n_lines = loaded_lake(place, source)
    lake = place / "lake"
    runs: dict[int, list[Run]] = {1: [], N_DATES: []}
    for _ in range(repeats):
        for n, settings in ((1, ONE_DATE), (N_DATES, TWELVE_DATES)):
            shutil.rmtree(lake, ignore_errors=True)
            shutil.copytree(loaded, lake)
            flags = ["--config", source.config, "--as-of", str(AS_OF)]
            for setting in (f"storage.root={lake}", *settings):
                flags += ["--set", setting]
            runs[n].append(run_job("build_features", *flags))
    case = f"{N_DATES} dates, {n_lines:,} lines"
    yield Row.of_runs(
        "cutoffs", case, runs[N_DATES], "one date", runs[1], goal=GOAL, n_rows=n_lines
    )


def n_dates(config: str, settings: list[str]) -> int:
    """Count the dates of the snapshot that build_features makes under these settings."""
    text = Path(config).read_text(encoding="utf-8")
    loaded = load_config(text, name=config, overrides=settings)
    return len(feature_dates(loaded, AS_OF, FIRST_DAY, made_models(loaded)).snapshots)
