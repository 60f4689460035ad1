"""A shop of more than two years: the season moves tests and scores, and the report says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from shop import shop_config, write_shop

from crm_spark.jobs import build_features, ingest_sources, score_churn, train_churn, write_report
from crm_spark.lake.delta import Lake
from crm_spark.models.churn import season
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.tables.ops import METRICS, MODEL_DECISIONS

pytestmark = pytest.mark.long

DAY = date(2026, 3, 30)


@dataclass
class Shop:
    """Scores of a day without a season and with one, and what was left of the latter."""

    probability: dict[bool, dict[str, float]] = field(default_factory=dict)
    champions: dict[bool, str] = field(default_factory=dict)
    season: dict[str, float] = field(default_factory=dict)
    page: str = ""


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("years")
    write_shop(folder / "shop.csv", n_customers=120, n_days=830)
    page = folder / "report.html"
    config = shop_config(
        folder,
        "lake",
        "models=[churn]",
        "churn.candidates=[logistic_regression]",
        "churn.horizon_days=14",
        "churn.n_reasons=0",
        f"report.path={page}",
    )
    ingest_sources.run(spark, config, None)
    build_features.run(spark, config, DAY)
    lake, found = Lake(spark, config.storage, "test"), Shop()
    # Chance is all that there is in a small shop: what is sure is said here.
    for is_sure in (False, True):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(season.Evidence, "is_sure", is_sure)
            patched.setattr(season, "_share", lambda _: 0.5)
            train_churn.run(spark, config, DAY)
        score_churn.run(spark, config, DAY)
        scores = lake.read_date(CUSTOMER_CHURN, DAY).collect()
        found.probability[is_sure] = {
            row["customer_id"]: row["churn_probability"] for row in scores
        }
        newest = (
            lake.read(MODEL_DECISIONS).where("is_champion").orderBy(F.desc("decided_at")).first()
        )
        assert newest is not None
        found.champions[is_sure] = newest["kind"]
        run_id = newest["run_id"]
        rows = lake.read(METRICS).where(F.col("run_id") == run_id).collect()
        found.season = {
            row["metric"]: row["value"] for row in rows if row["model_name"] == "season"
        }
    write_report.run(spark, config, DAY)
    found.page = page.read_text(encoding="utf-8")
    yield found


def test_scores_are_moved_by_the_shift_of_the_date(shop: Shop) -> None:
    assert shop.champions[False] == shop.champions[True]
    customers = sorted(shop.probability[False])
    assert customers == sorted(shop.probability[True])
    without, moved = (
        np.array([shop.probability[one][customer] for customer in customers])
        for one in (False, True)
    )
    shift = shop.season["shift_of_date"]
    assert abs(shift) > 0.01
    difference = np.log(moved / (1 - moved)) - np.log(without / (1 - without))
    assert difference == pytest.approx(shift, abs=1e-9)


def test_the_figures_say_what_was_used(shop: Shop) -> None:
    assert set(shop.season) == {"share", "gain", "shift", "shift_of_date"}
    assert shop.season["share"] == 0.5


def test_the_report_says_it_in_a_sentence(shop: Shop) -> None:
    assert "Leaving has a season: in " in shop.page
