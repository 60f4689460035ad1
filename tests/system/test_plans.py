"""What Spark plans for whole jobs: how often lines are read and moved, and what must not happen."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pytest
from pyspark.sql import SparkSession
from shop import shop_config, write_shop

from crm_spark.jobs import build_features, ingest_sources
from crm_spark.runtime.run import RunSummary

AS_OF = date(2024, 7, 1)
# Every row of one side against every row of the other.
PRODUCTS_OF_ROWS = re.compile("CartesianProduct|BroadcastNestedLoopJoin")
# Rows that leave the JVM.
PYTHON = re.compile(
    "(BatchEval|ArrowEval)Python|(Map|FlatMap|Window)\\w*In(Pandas|Arrow)|PythonMap"
)


@dataclass(frozen=True)
class Plan:
    """The physical plan of one query, as Spark describes it."""

    text: str

    @property
    def n_shuffles(self) -> int:
        """How often it moves rows between tasks; broadcasts are none."""
        return len(re.findall(r"[ -]Exchange \(\d+\)$", self._tree, re.MULTILINE))

    def n_scans(self, path: str) -> int:
        """How often it reads a file or a folder that ends so, or files of that folder."""
        return len(re.findall(rf"^Location: .*{re.escape(path)}[],/]", self.text, re.MULTILINE))

    @property
    def _tree(self) -> str:
        return self.text.split("\n\n\n")[0]


@dataclass(frozen=True)
class Ran:
    """What a job made Spark plan, and its summary."""

    plans: list[Plan]
    summary: RunSummary

    def reading(self, path: str) -> list[Plan]:
        """The plans that read these files."""
        return [plan for plan in self.plans if plan.n_scans(path)]


@pytest.fixture(scope="module")
def jobs(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """Load a shop without returns, and build features for the dates of all models."""
    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder / "shop.csv")
    config = shop_config(folder, "lake")
    store = spark._jsparkSession.sharedState().statusStore()
    bus = spark.sparkContext._jsc.sc().listenerBus()

    def executions() -> dict[int, str]:
        bus.waitUntilEmpty(60_000)  # what was planned reaches the store a moment later
        listed = store.executionsList()
        found = [listed.apply(at) for at in range(listed.size())]
        return {one.executionId(): one.physicalPlanDescription() for one in found}

    def ran(run: Callable[[], RunSummary]) -> Ran:
        last = max(executions(), default=-1)
        summary = run()
        since = {key: plan for key, plan in executions().items() if key > last}
        # So few rows are planned once, not anew between stages; and Spark has forgotten none.
        assert min(since) == last + 1
        return Ran([Plan(since[key]) for key in sorted(since)], summary)

    return {
        "ingest_sources": ran(lambda: ingest_sources.run(spark, config, None)),
        "build_features": ran(lambda: build_features.run(spark, config, AS_OF)),
    }


def test_the_jobs_did_what_is_judged(jobs: dict[str, Ran]) -> None:
    written = jobs["build_features"].summary.tables
    assert jobs["ingest_sources"].summary.tables["core.transactions"].rows_written > 1_000
    assert written["features.customer_snapshot"].rows_written > 100
    assert written["features.product_interactions"].rows_written > 100


def test_a_load_reads_its_file_once_for_a_sample_and_once_and_moves_its_lines_once(
    jobs: dict[str, Ran],
) -> None:
    sample, load = jobs["ingest_sources"].reading("shop.csv")
    assert (sample.n_scans("shop.csv"), sample.n_shuffles) == (1, 0)
    assert (load.n_scans("shop.csv"), load.n_shuffles) == (1, 1)


def test_features_read_the_lines_six_times_in_four_queries(jobs: dict[str, Ran]) -> None:
    plans = jobs["build_features"].reading("core/transactions")
    orders, snapshot, interactions, prices = plans
    # Those that no return can touch, those that returns may, and what was returned.
    assert orders.n_scans("core/transactions") == 3
    # What is left moves by product and by order.
    assert orders.n_shuffles <= 6
    # Sums and histories read orders; the variety of products alone reads lines.
    assert snapshot.n_scans("features/customer_orders") == 2
    assert snapshot.n_scans("core/transactions") == 1
    assert snapshot.n_shuffles <= 5
    assert [plan.n_scans("core/transactions") for plan in (interactions, prices)] == [1, 1]
    assert [plan.n_shuffles <= 2 for plan in (interactions, prices)] == [True, True]


@pytest.mark.parametrize("job", ["ingest_sources", "build_features"])
def test_no_rows_meet_all_others_and_none_leave_the_jvm(jobs: dict[str, Ran], job: str) -> None:
    plans = [plan.text for plan in jobs[job].plans]
    assert len(plans) > 10
    assert [plan for plan in plans if PRODUCTS_OF_ROWS.search(plan)] == []
    assert [plan for plan in plans if PYTHON.search(plan)] == []
