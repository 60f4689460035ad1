"""horizon_days: auto is settled once, from the earlier orders, and stays."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from shop import shop_config, write_shop

from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.jobs import build_features, ingest_sources
from crm_spark.jobs.status import standings_of
from crm_spark.lake.delta import Lake
from crm_spark.models.churn.chosen_days import chosen_of, days_target
from crm_spark.pipeline.days import DayPlan
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.runtime.session import session_settings

pytestmark = pytest.mark.long

# A horizon of 21 days is in the shop's configuration.
AUTO = ("models=[churn]", "churn.horizon_days=auto", "churn.active_days=auto")
N_DAYS, DAY = 420, date(2025, 2, 25)


def _share_returning(folder: Path, days: int, within: int, known_to: date) -> tuple[float, int]:
    """Give the share of silences of so many days that ended in time, where nothing is cut off."""
    lines = pd.read_csv(folder / "shop.csv", parse_dates=["at"])
    ordered = lines.assign(day=lines["at"].dt.normalize())[["customer", "day"]].drop_duplicates()
    ordered = ordered[ordered["day"] < pd.Timestamp(known_to)].sort_values(["customer", "day"])
    following = ordered.groupby("customer")["day"].shift(-1)
    whole = ordered["day"] + pd.Timedelta(days=days + within) < pd.Timestamp(known_to)
    gap = (following - ordered["day"]).dt.days.fillna(10_000)[whole]
    longer = gap > days
    return float((gap[longer] <= days + within).mean()), int(longer.sum())


def test_the_days_are_chosen_once_and_everything_is_made_by_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    write_shop(tmp_path / "shop.csv", n_customers=150, n_days=N_DAYS)
    config = shop_config(tmp_path, "lake", *AUTO)
    with session_settings(spark, {"spark.sql.session.timeZone": config.time_zone}):
        ingest_sources.run(spark, config, None)
        build_features.run(spark, config, DAY)
        with job_run(spark, config, "a_test", DAY) as job:
            plan = DayPlan.of(job)
            output = days_target(config.churn).output
            (row,) = job.state.rows(output)
        chosen = chosen_of(dict(row.facts))
        churn = plan.config.churn
        assert (churn.horizon_days, churn.active_days) == (chosen.days, chosen.days)
        assert churn.is_settled
        # Three quarters of some 418 days.
        assert date(2024, 11, 1) < chosen.known_to < date(2024, 11, 20)
        # A third of the customers stops: of those silent for longer than all rhythms few return.
        assert chosen.is_rare
        assert chosen.share <= 0.2
        assert 21 <= chosen.days <= 56
        # By hand, of the silences that are seen whole.
        share, n = _share_returning(tmp_path, chosen.days, chosen.within_days, chosen.known_to)
        assert n > 10
        assert abs(share - chosen.share) < 0.12
        # The cut-offs of the snapshots are those of the days chosen.
        dates = {output.as_of_date for output in plan.state.outputs(CUSTOMER_SNAPSHOT.name)}
        assert max(one for one in dates if one and one < DAY) == DAY - (
            pd.Timedelta(days=chosen.days).to_pytimedelta()
        )
        # Another date, another look: nothing is chosen again.
        standings_of(spark, config, DAY)
        with job_run(spark, config, "a_test", date(2025, 2, 20)) as job:
            assert DayPlan.of(job).config.churn.horizon_days == chosen.days
        with job_run(spark, config, "a_test", DAY) as job:
            assert len(job.state.rows(output)) == 1
        lake = Lake(spark, config.storage, "test")
        assert lake.read_date(CUSTOMER_SNAPSHOT, DAY).count() > 0
