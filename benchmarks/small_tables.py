"""A small table: queries found by its log beside Delta's own, and commits that need no number.

python -m benchmarks.small_tables
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import date
from statistics import median

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.measure import Row, run_python
from crm_spark.features.rfm_tables import RFM_CUT_POINTS
from crm_spark.lake.delta import Lake
from crm_spark.lake.lock import lake_lock
from crm_spark.lake.storage import StorageSection
from crm_spark.runtime.session import open_session, quick_for_few_rows

N_ROWS, N_WARM, N_MEASURED = 1_000, 30, 20
# What is measured, and what it stands beside.
CASES = {
    "a query": "Delta",
    "the first query after a commit": "Delta",
    "a commit of a run alone on the lake": "numbered",
}


def measured(*, repeats: int) -> Iterator[Row]:
    """Give a row for each case: seconds of one, ours and the peer's in turn, in a warm session."""
    runs = [run_python(["-m", "benchmarks.small_tables"]) for _ in range(repeats)]
    for case, peer in CASES.items():
        ours, peers = ([run.found[case][who] for run in runs] for who in ("ours", "peer"))
        peak = max(run.peak_bytes for run in runs)
        yield Row("small_tables", f"{case}, {N_ROWS:,} rows", ours, peer, peers, None, None, peak)


def main() -> None:
    """Print the median seconds of each case, ours and the peer's."""
    start = time.perf_counter()
    with (
        open_session("small_tables") as spark,
        tempfile.TemporaryDirectory() as root,
        quick_for_few_rows(spark, N_ROWS),
    ):
        found = _found(spark, root)
    sys.stdout.write(json.dumps({"seconds": time.perf_counter() - start, **found}) + "\n")


def _found(spark: SparkSession, root: str) -> dict[str, dict[str, float]]:
    lake = Lake(spark, StorageSection(root=root), "benchmark")
    values = (date(2025, 1, 31), "n_orders", 1, 2.0, "benchmark")
    pairs = zip(RFM_CUT_POINTS.schema.names, values, strict=True)
    rows = spark.range(N_ROWS).select(*[F.lit(value).alias(name) for name, value in pairs])

    def commit(*, is_alone: bool) -> None:
        with lake_lock(spark, root, job="benchmark") if is_alone else nullcontext():
            lake.overwrite(RFM_CUT_POINTS, rows)

    def query(read: Callable[[], DataFrame]) -> None:
        assert read().count() == N_ROWS

    def by_delta() -> DataFrame:
        return spark.read.format("delta").load(lake.path(RFM_CUT_POINTS))

    def by_log() -> DataFrame:
        return lake.read(RFM_CUT_POINTS)

    def after_a_commit(read: Callable[[], DataFrame]) -> float:
        commit(is_alone=True)
        return _seconds(lambda: query(read))

    commit(is_alone=True)
    cases = {
        "a query": [
            lambda: _seconds(lambda: query(by_log)),
            lambda: _seconds(lambda: query(by_delta)),
        ],
        "the first query after a commit": [
            lambda: after_a_commit(by_log),
            lambda: after_a_commit(by_delta),
        ],
        "a commit of a run alone on the lake": [
            lambda: _seconds(lambda: commit(is_alone=True)),
            lambda: _seconds(lambda: commit(is_alone=False)),
        ],
    }
    return {case: _in_turn(*both) for case, both in cases.items()}


def _in_turn(ours: Callable[[], float], peer: Callable[[], float]) -> dict[str, float]:
    """Measure both in turn, after as long as Java takes to compile what they run."""
    for _ in range(N_WARM):
        ours(), peer()
    pairs = [(ours(), peer()) for _ in range(N_MEASURED)]
    return {"ours": median(one for one, _ in pairs), "peer": median(other for _, other in pairs)}


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
