"""A table of contracts with a label of its own, and no order: from the file to the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from conftest import REPOSITORY, SHARED_DATA
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config, load_local_config
from crm_spark.errors import ConfigError, DataError
from crm_spark.jobs import ingest_sources, run_pipeline, score_contract_churn, train_churn
from crm_spark.runtime.run import RunSummary

AS_OF = date(2024, 1, 1)
FILE = SHARED_DATA / "telco" / "Telco-Customer-Churn.csv"
N_CUSTOMERS, N_LEFT, N_WITHOUT_TOTAL = 7043, 1869, 11
# A small forest: that of the defaults is in scripts/prove contract_churn.
QUICK = ("contract_churn.forest.n_trees=20",)


@dataclass(frozen=True)
class Telco:
    """A lake of Telco, and the pipeline that made it."""

    folder: Path
    config: Config
    summary: RunSummary

    def read(self, spark: SparkSession, table: str) -> DataFrame:
        """Give the rows of a table."""
        return spark.read.format("delta").load(str(self.folder / "lake" / table.replace(".", "/")))


def config_of(folder: Path, file: Path, *others: str) -> Config:
    """Give the example of a configuration with its lake in a folder, and others of its settings."""
    overrides = (
        f"storage.root={folder / 'lake'}",
        f"tracking.uri=sqlite:///{folder / 'mlflow.db'}",
        f"sources.contracts.path={file}",
        *others,
    )
    return load_local_config(str(REPOSITORY / "conf/examples/telco.yml"), overrides=overrides)


@pytest.fixture(scope="module")
def telco(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Telco]:
    """Run the whole pipeline on the real file, without any transactions."""
    assert FILE.is_file(), f"{FILE} is missing"
    folder = tmp_path_factory.mktemp("telco")
    config = config_of(folder, FILE, *QUICK)
    yield Telco(folder, config, run_pipeline.run(spark, config, AS_OF))


@pytest.mark.real_data
def test_all_customers_are_there_and_a_blank_is_not_known(
    spark: SparkSession, telco: Telco
) -> None:
    jobs = [(job.job, job.status) for job in telco.summary.jobs]
    names = ("ingest_sources", "train_contract_churn", "score_contract_churn", "write_report")
    assert jobs == [(name, "succeeded") for name in names]
    counts = telco.summary.jobs[0].tables["core.contracts"]
    assert (counts.rows_read, counts.rows_written, counts.rows_rejected) == (7043, 7043, 0)
    rows = telco.read(spark, "core.contracts").withColumns(
        {
            "total": F.map_from_entries("numbers")["TotalCharges"],
            "tenure": F.map_from_entries("numbers")["tenure"],
        }
    )
    assert rows.count() == rows.select("customer_id").distinct().count() == N_CUSTOMERS
    assert rows.where("has_left").count() == N_LEFT
    blank = rows.where("total IS NULL")
    assert blank.count() == N_WITHOUT_TOTAL
    assert {row["tenure"] for row in blank.collect()} == {0.0}
    assert telco.read(spark, "core.contracts_rejected").isEmpty()


@pytest.mark.real_data
def test_the_champion_ranks_as_well_as_published_and_no_better_than_can_be(
    spark: SparkSession, telco: Telco
) -> None:
    (decided,) = telco.read(spark, "ops.model_decisions").where("is_champion").collect()
    assert decided["kind"] in ("forest", "logistic_regression", "average")
    assert not decided["chose_itself"] and decided["why"].endswith("by cross-validation")
    metrics = telco.read(spark, "ops.metrics").where("metric IN ('auc', 'cross_validated.auc')")
    auc = {(row["model_name"], row["metric"]): row for row in metrics.collect()}
    quoted = auc[decided["kind"], "auc"]
    # 1,761 customers: the standard error of one split is .010.
    assert quoted["n"] == 1761 and 0.83 < quoted["value"] < 0.87
    assert 0.84 < auc[decided["kind"], "cross_validated.auc"]["value"] < 0.855
    for rule in ("strongest_category", "strongest_number"):
        assert 0.7 < auc[rule, "auc"]["value"] < 0.76
    verdicts = telco.read(spark, "ops.checks").where("job = 'train_contract_churn'").collect()
    assert {row["level"] for row in verdicts} == {"ok"}


@pytest.mark.real_data
def test_who_has_not_left_is_scored_with_reasons_and_shown(
    spark: SparkSession, telco: Telco
) -> None:
    scores = telco.read(spark, "scores.contract_churn")
    stayed = telco.read(spark, "core.contracts").where("NOT has_left")
    assert scores.count() == scores.join(stayed, "customer_id").count() == stayed.count()
    tenths = scores.groupBy("churn_decile").count().collect()
    assert sorted(row["churn_decile"] for row in tenths) == list(range(1, 11))
    assert {row["count"] for row in tenths} <= {517, 518}
    first = scores.orderBy(F.desc("churn_probability"), "customer_id").first()
    assert first is not None and first["churn_probability"] > 0.6
    texts = [reason["text"] for reason in first["reasons"]]
    assert len(texts) == 3 and "Contract is Month-to-month" in texts
    page = (telco.folder / "lake" / "reports" / f"{AS_OF}.html").read_text(encoding="utf-8")
    for text in ("Which contract customers are likely to leave", first["customer_id"], "Grade A"):
        assert text in page
    assert "rule: the category that tells most by itself" in page
    # Nothing of orders, and nothing that is said to be missing of them.
    assert "placed no order" not in page and "What could not be had" not in page


@pytest.mark.real_data
def test_a_second_run_is_current_and_jobs_of_orders_say_what_they_need(
    spark: SparkSession, telco: Telco
) -> None:
    assert run_pipeline.run(spark, telco.config, AS_OF).jobs == []
    with pytest.raises(DataError, match=r"churn is about sources\.transactions"):
        train_churn.run(spark, telco.config, AS_OF)
    with pytest.raises(ConfigError, match="--as-of is needed"):
        score_contract_churn.run(spark, telco.config, None)


HEADER = "id,churn,months,total,plan"


def test_what_is_no_number_is_rejected_and_told_and_a_second_row_of_a_customer_is_one_too_many(
    spark: SparkSession, tmp_path: Path
) -> None:
    lines = ["a,Yes,1, ,basic", "b,,3,12.5, ", "c,No,?,1,basic", ",No,2,1,basic", "d,No,4,1,plus"]
    config = _small(tmp_path, [*lines, "d,Yes,4,1,plus", "d,No,4,1,plus"])
    counts = ingest_sources.run(spark, config, None).tables["core.contracts"]
    assert (counts.rows_read, counts.rows_written) == (7, 3)
    assert (counts.rows_rejected, counts.rows_duplicate) == (3, 1)
    read = spark.read.format("delta").load(str(tmp_path / "lake/core/contracts"))
    rows = {row["customer_id"]: row for row in read.collect()}
    assert [tuple(one) for one in rows["a"]["numbers"]] == [("months", 1.0), ("total", None)]
    assert rows["a"]["has_left"] is True and rows["b"]["has_left"] is None
    assert [tuple(one) for one in rows["b"]["categories"]] == [("plan", None)]
    kept = spark.read.format("delta").load(str(tmp_path / "lake/core/contracts_rejected"))
    reasons = {reason for row in kept.collect() for reason in row["reasons"]}
    assert reasons == {
        "number months cannot be read as double from months",
        "customer_id is missing (id)",
        "another row has the same customer_id and other content",
    }


def test_what_is_read_from_the_outcome_is_no_attribute(spark: SparkSession, tmp_path: Path) -> None:
    config = _small(tmp_path, ["a,Yes,1,2,basic"], "sources.contracts.categories.gone=churn")
    with pytest.raises(ConfigError, match=r"categories\.gone: reads churn, as has_left does"):
        ingest_sources.run(spark, config, None)
    unknown = _small(tmp_path, ["a,Yes,1,2,basic"], "sources.contracts.numbers.age=yaers")
    with pytest.raises(ConfigError, match=r"sources\.contracts\.numbers\.age: 'yaers'"):
        ingest_sources.run(spark, unknown, None)


def _small(folder: Path, lines: list[str], *others: str) -> Config:
    file = folder / "contracts.csv"
    file.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return config_of(
        folder,
        file,
        "sources.contracts.columns={customer_id: id, has_left: churn = 'Yes'}",
        "sources.contracts.numbers={months: months, total: total}",
        "sources.contracts.categories={plan: plan}",
        *others,
    )
