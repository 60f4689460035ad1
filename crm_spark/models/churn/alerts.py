"""The alerts of a day: whose silence is likely to become a lapse, each silence once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.lake.contract import Table
from crm_spark.lake.run import Finished
from crm_spark.lake.state import Output, State, Target
from crm_spark.models.churn.alert_backtest import policies_row, policy_for
from crm_spark.models.churn.alert_policies import (
    LAPSE_PROBABILITY,
    LEVEL,
    RISE,
    SILENCE,
    Policy,
    PolicyName,
    lapse_probability,
)
from crm_spark.models.churn.past_scores import scored_date
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.churn.tables import CUSTOMER_ALERTS, CUSTOMER_CHURN
from crm_spark.models.decisions import kind_of_version
from crm_spark.models.model_run import ModelRun
from crm_spark.runtime.progress import log, stage
from crm_spark.tables.columns import CHURN_PROBABILITY
from crm_spark.words import counted

JOB = "raise_alerts"


def memory_of_alerts(section: ChurnSection) -> timedelta:
    """Give how far back earlier scores and alerts have a say: a silence, or a cool-down."""
    return timedelta(days=max(section.lapse_days, section.alerts.cool_down_days))


def alerts_target(section: ChurnSection, day: date, state: State) -> Target:
    """Give the target of a day's alerts: its scores, and what went before.

    What a later backtest chooses is for later dates: alerts that were raised stay as they are.
    """
    reach = memory_of_alerts(section)
    before = [
        output
        for table in (CUSTOMER_CHURN, CUSTOMER_ALERTS)
        for output in _whole(state, table, lambda one: day - reach <= one < day)
    ]
    return Target(
        Output(CUSTOMER_ALERTS.name, day),
        (Output(CUSTOMER_CHURN.name, day), Output(CUSTOMER_SNAPSHOT.name, day)),
        {
            "lapse_days": section.lapse_days,
            "silent_days": section.silent_days,
            "cool_down_days": section.alerts.cool_down_days,
        },
        optional=tuple(before),
    )


def _whole(state: State, table: Table, is_wanted: Callable[[date], bool]) -> list[Output]:
    """Give the dates of a table that stand, of those wanted."""
    return [
        output
        for output in state.outputs(table.name)
        if output.as_of_date and is_wanted(output.as_of_date) and state.is_whole(output)
    ]


def raise_alerts(run: ModelRun[ChurnSection]) -> None:
    """Write scores.customer_alerts of the date.

    Raises DataError where the date has no scores.
    """
    lake_run, section, day = run.run, run.section, run.day
    lake_run.settle(CUSTOMER_ALERTS)
    target = alerts_target(section, day, lake_run.state)
    lake_run.require(target)
    scores = run.lake.read_date(CUSTOMER_CHURN, day)
    snapshot = run.lake.read_date(CUSTOMER_SNAPSHOT, day)
    scored = scored_date(scores, day)
    is_backfilled = bool(scored) and scored[0].is_backfilled
    kind = kind_of_version(run.lake, scored[0].model_name, scored[0].version) if scored else ""
    policy = _policy(run, kind)
    reach = memory_of_alerts(section)

    def rows(table: Table, is_wanted: Callable[[date], bool]) -> DataFrame | None:
        """Give what was known to those who had the date's scores; of a back-fill, all of it."""
        dates = [one.as_of_date for one in _whole(lake_run.state, table, is_wanted)]
        if not dates:
            return None
        found = run.lake.read(table).where(F.col("as_of_date").isin(dates))
        return found if is_backfilled else found.where(~F.coalesce("is_backfilled", F.lit(False)))

    alerts = customers_to_alert(
        scores,
        snapshot.select("customer_id", "days_since_last_order"),
        policy=policy,
        section=section,
        day=day,
        earlier_scores=rows(CUSTOMER_CHURN, lambda one: day - reach <= one < day),
        earlier_alerts=rows(CUSTOMER_ALERTS, lambda one: day - reach <= one < day),
        later_alerts=rows(CUSTOMER_ALERTS, lambda one: day < one <= day + reach),
    ).withColumn("scored_at", F.lit(lake_run.summary.started_at))
    with stage(run.spark, f"write {CUSTOMER_ALERTS.name}"):
        written = lake_run.replace_dates(CUSTOMER_ALERTS, alerts, [day])
    log.info(
        "%s of %s, by %s from %.3g on",
        counted(written.rows, "alert"),
        day,
        policy.name,
        policy.threshold,
    )
    lake_run.finish(Finished(target, written.version, written.content_checksum))


def _policy(run: ModelRun[ChurnSection], kind: str) -> Policy:
    """Give the policy for the kind of model that scored the date, and say where it is the rule."""
    row = policies_row(run.section, run.day, run.run.state)
    policy = policy_for(run.section, row, kind)
    if row is None:
        log.info(
            "no backtest_alerts by %s under these settings: alerts follow the rule, a silence of "
            "%s",
            run.day,
            counted(run.section.silent_days, "day"),
        )
    elif policy.name == SILENCE:
        log.info("no use of the scores of %s warns longer than the rule for sure", kind)
    return policy


def customers_to_alert(
    scores: DataFrame,
    silences: DataFrame,
    *,
    policy: Policy,
    section: ChurnSection,
    day: date,
    earlier_scores: DataFrame | None = None,
    earlier_alerts: DataFrame | None = None,
    later_alerts: DataFrame | None = None,
) -> DataFrame:
    """Give the alerts of a day: customers whose signal reaches the policy's threshold.

    Grain: customer_id. Reads scores.customer_churn of the day, customer_id and
    days_since_last_order of the day (0: ordered on the day before; null falls out), and of other
    dates the rows of scores.customer_churn and scores.customer_alerts. Left out are customers who
    have lapsed already, who had an alert in the same silence, on a later date too, or one in the
    cool-down. Gives the columns of scores.customer_alerts but for run_id and scored_at.
    """
    begun = F.date_sub(F.lit(day), F.col("days_silent"))
    known = silences.select(
        "customer_id",
        (F.col("days_since_last_order") + 1).cast(T.IntegerType()).alias("days_silent"),
    )
    rows = scores.join(known, "customer_id").where(F.col("days_silent") < section.lapse_days)
    rows = _with_least(rows, earlier_scores, since=day - timedelta(days=section.lapse_days))
    rows = _with_newest_alert(rows, earlier_alerts)
    rows = rows.withColumns(
        {
            "last_order_date": begun,
            "lapse_date": F.date_add(begun, section.lapse_days),
            "lapse_probability": lapse_probability(
                F.col(CHURN_PROBABILITY),
                days_left=F.lit(section.lapse_days) - F.col("days_silent"),
                horizon_days=F.col("horizon_days"),
            ),
        }
    )
    if later_alerts is not None:
        named = later_alerts.select("customer_id", "last_order_date").distinct()
        rows = rows.join(named, ["customer_id", "last_order_date"], "left_anti")
    signals: dict[PolicyName, Column] = {
        SILENCE: F.col("days_silent").cast(T.DoubleType()),
        LEVEL: F.col(CHURN_PROBABILITY),
        RISE: F.col(CHURN_PROBABILITY) - F.col("least_probability"),
        LAPSE_PROBABILITY: F.col("lapse_probability"),
    }
    newest = F.col("_newest_alert")
    # An order on the day of an alert was not known by then: it begins a new silence.
    is_first = newest.isNull() | (newest <= F.col("last_order_date"))
    rested = F.lit(day - timedelta(days=section.alerts.cool_down_days))
    is_rested = newest.isNull() | (newest <= rested)
    return (
        rows.where((signals[policy.name] >= policy.threshold) & is_first & is_rested)
        .withColumn("raised_by", F.lit(policy.name))
        .withColumn("threshold", F.lit(policy.threshold))
        .drop("_newest_alert", "churn_decile", "horizon_days", "run_id", "scored_at")
    )


def _with_least(rows: DataFrame, earlier: DataFrame | None, *, since: date) -> DataFrame:
    """Add least_probability of the customer's own scores from a day on, null without any.

    Of scores for the same horizon: others are of another question.
    """
    if earlier is None:
        return rows.withColumn("least_probability", F.lit(None).cast(T.DoubleType()))
    key = ["customer_id", "horizon_days"]
    least = (
        earlier.where(F.col("as_of_date") >= F.lit(since))
        .groupBy(*key)
        .agg(F.min(CHURN_PROBABILITY).alias("least_probability"))
    )
    return rows.join(least, key, "left")


def _with_newest_alert(rows: DataFrame, earlier: DataFrame | None) -> DataFrame:
    """Add the date of the customer's newest alert, null without any."""
    if earlier is None:
        return rows.withColumn("_newest_alert", F.lit(None).cast(T.DateType()))
    newest = earlier.groupBy("customer_id").agg(F.max("as_of_date").alias("_newest_alert"))
    return rows.join(newest, "customer_id", "left")
