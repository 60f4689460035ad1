"""Whole pipelines on exports in which there is nothing to tell apart, or less than nothing.

The right values are those of the cases' expected.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession
from report.reading import Node, read
from system.exports import Export

from crm_spark.errors import DataError
from crm_spark.features.rfm_tables import CUSTOMER_RFM
from crm_spark.jobs import run_pipeline
from crm_spark.lake.contract import Table
from crm_spark.lake.delta import Lake
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.models.recommender.tables import PRODUCT_RECOMMENDATIONS
from crm_spark.models.segments.tables import CUSTOMER_SEGMENTS, SEGMENT_PROFILES
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.checks import read_checks_of_run

# As little to fit as will do; what is named has to succeed.
QUICK = (
    "models=[churn, segments, recommender]",
    "churn.n_training_cutoffs=1",
    "churn.forest.n_trees=3",
    "churn.importance_rows=200",
    "segments.k=4",
    "segments.n_starts=1",
    "recommendations.als.iterations=2",
)
SCORES = ("recency_score", "frequency_score", "monetary_score", "rfm_segment")


@dataclass(frozen=True)
class Ran:
    """A pipeline that came to its end, and what it left."""

    export: Export
    summary: RunSummary
    error: DataError | None

    @property
    def lake(self) -> Lake:
        """The lake."""
        return Lake(self.export.spark, self.export.config.storage, "test")

    @property
    def status(self) -> dict[str, str]:
        """The status of each job."""
        return {job.job: job.status for job in self.summary.jobs}

    def why(self, job: str) -> str:
        """Give the error of a job."""
        return next(str(one.error) for one in self.summary.jobs if one.job == job)

    def rows(self, table: Table) -> list[Row]:
        """Give the rows of a table."""
        return self.lake.read(table).collect()

    @property
    def page(self) -> Node:
        """The report."""
        return read((self.export.folder / "report.html").read_text(encoding="utf-8"))


def ran(spark: SparkSession, case: str, folder: Path) -> Ran:
    """Run the pipeline of a case, into the copy of its folder."""
    export = Export.of(spark, case, folder)
    here = (
        f"tracking.uri=sqlite:///{export.folder}/mlflow.db",
        f"report.path={export.folder}/report.html",
    )
    return again(Ran(replace(export, overrides=(*here, *QUICK)), RunSummary("none"), None))


def again(before: Ran) -> Ran:
    """Run the pipeline of a case once more."""
    export, conf = before.export, before.export.spark.conf
    zone = conf.get("spark.sql.session.timeZone")
    conf.set("spark.sql.session.timeZone", export.config.time_zone)
    try:
        return Ran(export, run_pipeline.run(export.spark, export.config, None), None)
    except DataError as error:
        return Ran(export, error.summary, error)  # type: ignore[attr-defined]
    finally:
        conf.set("spark.sql.session.timeZone", zone)


def texts(node: Node, tag: str, **attributes: str) -> list[str]:
    return [found.text for found in node.all(tag, **attributes)]


def leaves(node: Node) -> Iterator[str]:
    """Give every piece of text between two tags."""
    for one in node.contents:
        if isinstance(one, str):
            yield one.strip()
        else:
            yield from leaves(one)


def assert_sound(page: Node) -> None:
    """Assert that the page counts in words, has no share beyond all, and no value that is none."""
    said = list(leaves(page))
    one_of_many = re.compile(
        r"(?<![\d,.])1 (?:\w+ )?(?:customers|orders|days|products|rows|jobs)\b"
    )
    assert [text for text in said if one_of_many.search(text)] == []
    assert [text for text in said if text in ("nan", "inf", "None", "unknown")] == []
    shares = [float(text.rstrip("%")) for text in said if re.fullmatch(r"-?[\d.]+%", text)]
    assert shares
    assert [share for share in shares if not 0 <= share <= 100] == []


# --- one customer --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run the export of one customer."""
    return ran(spark, "one_customer", tmp_path_factory.mktemp("alone"))


def test_one_customer_is_loaded_and_scored_by_rfm(alone: Ran) -> None:
    assert alone.export.customers() == {"k1": (52, 598)}
    (row,) = alone.rows(CUSTOMER_RFM)
    assert all(1 <= row[score] <= 5 for score in SCORES[:3])
    assert row["rfm_segment"]


def test_each_model_says_that_one_customer_is_too_few_and_the_code_is_3(alone: Ran) -> None:
    assert alone.error is not None and alone.error.exit_code == 3
    for name in ("churn", "segments", "recommender"):
        assert alone.status[f"train_{name}"] == "failed"
        assert "1 customer is too few" in alone.why(f"train_{name}")
        assert "is customer_id mapped from the right column" in alone.why(f"train_{name}")
    assert not {"score_churn", "score_segments", "recommend_products"} & set(alone.status)


def test_the_report_of_one_customer_says_what_could_not_be_had(alone: Ran) -> None:
    assert alone.status["write_report"] == "succeeded"
    assert_sound(alone.page)
    assert "1 customer placed 52 orders" in alone.page.section("base").text
    assert "There is one customer" in alone.page.section("rfm").text
    rows = alone.page.section("missing").one("tbody").children
    assert {row.children[0].text for row in rows} == {"churn", "segments", "recommendations"}
    months = alone.page.section("base").all("svg")[1]
    assert [text for text in texts(months, "text") if "-" not in text] == ["0", "1", "customers"]


# --- customers who are all alike -----------------------------------------------------------------


@pytest.fixture(scope="module")
def alike(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run the export of 80 customers who are all alike."""
    return ran(spark, "identical_customers", tmp_path_factory.mktemp("alike"))


@pytest.mark.long
def test_customers_who_are_alike_have_the_same_scores(alike: Ran) -> None:
    rows = alike.rows(CUSTOMER_RFM)
    assert len(rows) == 80
    assert len({tuple(row[name] for name in SCORES) for row in rows}) == 1


@pytest.mark.long
def test_what_cannot_tell_customers_apart_says_why_and_the_code_is_3(alike: Ran) -> None:
    assert alike.error is not None and alike.error.exit_code == 3
    assert "0 churned, 80 did not" in alike.why("train_churn")
    segments = alike.why("train_segments")
    assert "have the same value for all 80 customers" in segments
    run_id = next(job.run_id for job in alike.summary.jobs if job.job == "train_segments")
    checks = {row.check: row for row in read_checks_of_run(alike.lake, run_id)}
    assert (checks["learnable"].level, checks["learnable"].message) == ("error", segments)


@pytest.mark.long
def test_the_only_product_is_offered_to_everybody_as_the_only_one(alike: Ran) -> None:
    rows = alike.rows(PRODUCT_RECOMMENDATIONS)
    assert len({row["customer_id"] for row in rows}) == len(rows) == 80
    assert {row["product_id"] for row in rows} == {"only"}
    section = alike.page.section("recommendations")
    assert texts(section, "p")[0].startswith(
        "80 customers are offered 1 product each, the only one on sale."
    )
    assert "nothing else to recommend" in section.text
    assert section.all("table") == []


@pytest.mark.long
def test_the_report_of_customers_who_are_alike_gives_the_reasons(alike: Ran) -> None:
    assert alike.status["write_report"] == "succeeded"
    assert_sound(alike.page)
    rows = alike.page.section("missing").one("tbody").children
    assert [row.children[0].text for row in rows] == ["churn", "segments"]
    assert "have the same value for all 80 customers" in rows[1].text
    assert "RFM does not tell them apart" in alike.page.section("rfm").text


@pytest.mark.long
def test_what_the_data_do_not_carry_is_not_tried_again_before_they_change(alike: Ran) -> None:
    second = again(alike)
    assert second.error is not None
    assert "have the same value for all 80 customers" in str(second.error)
    assert not [job for job in second.status if job.startswith("train_")]


# --- adjustments beyond what was bought ----------------------------------------------------------


@pytest.fixture(scope="module")
def below(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run the export with adjustments that take ten customers below zero."""
    return ran(spark, "negative_totals_emoji", tmp_path_factory.mktemp("below"))


@pytest.mark.long
def test_ten_customers_are_below_zero_and_everything_is_trained_and_scored(below: Ran) -> None:
    amounts = [amount for _, amount in below.export.customers().values()]
    assert (len(amounts), sum(amount < 0 for amount in amounts)) == (90, 10)
    assert below.error is None
    assert set(below.status.values()) == {"succeeded"}
    assert {"score_churn", "score_segments", "recommend_products"} <= set(below.status)


@pytest.mark.long
def test_no_score_is_none(below: Ran) -> None:
    tables: dict[Table, str] = {
        CUSTOMER_CHURN: "churn_probability",
        CUSTOMER_SEGMENTS: "distance_to_center",
        PRODUCT_RECOMMENDATIONS: "score",
    }
    for table, column in tables.items():
        rows = below.rows(table)
        assert len({row["customer_id"] for row in rows}) == 90
        assert all(math.isfinite(row[column]) for row in rows)
    # No share of a whole that has parts below zero.
    profiles = below.rows(SEGMENT_PROFILES)
    assert min(row["mean_spend_amount"] for row in profiles) < 0
    assert {row["spend_share"] for row in profiles} == {None}


@pytest.mark.long
def test_the_report_of_amounts_below_zero_has_amounts_and_no_shares(below: Ran) -> None:
    assert_sound(below.page)
    for section in ("rfm", "segments"):
        assert "adds up to less than zero" in below.page.section(section).text
    (table,) = (one for one in below.page.all("table") if "Whom to call" in one.text)
    at_risk = [row.children[3].text for row in table.one("tbody").children]
    assert at_risk and all(float(amount.replace(",", "")) > 0 for amount in at_risk)


@pytest.mark.long
def test_products_of_any_name_stand_as_text(below: Ran) -> None:
    said = {one.split(" (")[0] for one in texts(below.page, "li")}
    assert {"<b>bold</b>", "tea \N{TEACUP WITHOUT HANDLE}", '50% off, "new"', "café"} <= said
    assert below.page.all("b") == []
