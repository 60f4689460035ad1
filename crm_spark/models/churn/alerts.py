"""The alerts of a day: whose silence is likely to become a lapse, each silence once."""

from __future__ import annotations

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.lake.run import Finished
from crm_spark.lake.state import Output, State, Target
from crm_spark.models.churn.alert_backtest import POLICIES, policies_row, policy_for
from crm_spark.models.churn.alert_policies import (
    LAPSE_PROBABILITY,
    LEVEL,
    RISE,
    SILENCE,
    Policy,
    PolicyName,
    lapse_probability,
)
from crm_spark.models.churn.model import PROBABILITY
from crm_spark.models.churn.past_scores import scored_date
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.churn.tables import CUSTOMER_ALERTS, CUSTOMER_CHURN
from crm_spark.models.decisions import decisions
from crm_spark.models.model_run import ModelRun
from crm_spark.runtime.progress import log, stage
from crm_spark.words import counted

JOB = "raise_alerts"


def alerts_target(section: ChurnSection, day: date, state: State) -> Target:
    """Give the target of a day's alerts: its scores, the policies, and what went before."""
    row = policies_row(section, day, state)
    before = [
        output
        for name in (CUSTOMER_CHURN.name, CUSTOMER_ALERTS.name)
        for output in _before(section, day, state, name)
    ]
    policies = [Output(POLICIES, row.output.as_of_date)] if row else []
    return Target(
        Output(CUSTOMER_ALERTS.name, day),
        (Output(CUSTOMER_CHURN.name, day), Output(CUSTOMER_SNAPSHOT.name, day)),
        {
            "lapse_days": section.lapse_days,
            "silent_days": section.silent_days,
            "cool_down_days": section.alerts.cool_down_days,
        },
        optional=(*policies, *before),
    )


def _before(section: ChurnSection, day: date, state: State, name: str) -> list[Output]:
    """Give the whole dates of a table that a silence, or a cool-down, may reach back to."""
    reach = max(section.lapse_days, section.alerts.cool_down_days)
    return [
        output
        for output in state.outputs(name)
        if output.as_of_date and day - timedelta(days=reach) <= output.as_of_date < day
        if state.is_whole(output)
    ]


def raise_alerts(run: ModelRun[ChurnSection]) -> None:
    """Write scores.customer_alerts of the date.

    Raises DataError where the date has no scores.
    """
    lake_run, section = run.run, run.section
    target = alerts_target(section, run.day, lake_run.state)
    lake_run.settle(CUSTOMER_ALERTS)
    lake_run.require(target)
    scores = run.lake.read_date(CUSTOMER_CHURN, run.day)
    policy = _policy(run, scores)
    snapshot = run.lake.read_date(CUSTOMER_SNAPSHOT, run.day)
    alerts = customers_to_alert(
        scores,
        snapshot.select("customer_id", "days_since_last_order"),
        _rows_before(run, CUSTOMER_CHURN.name),
        _rows_before(run, CUSTOMER_ALERTS.name),
        policy,
        section,
        day=run.day,
    ).withColumn("scored_at", F.lit(lake_run.summary.started_at))
    with stage(run.spark, f"write {CUSTOMER_ALERTS.name}"):
        written = lake_run.replace_dates(CUSTOMER_ALERTS, alerts, [run.day])
    log.info(
        "%s of %s, by %s from %.3g on",
        counted(written.rows, "alert"),
        run.day,
        policy.name,
        policy.threshold,
    )
    lake_run.finish(Finished(target, written.version, written.content_checksum))


def _policy(run: ModelRun[ChurnSection], scores: DataFrame) -> Policy:
    """Give the policy for the kind of model that scored the date, and say where it is the rule."""
    row = policies_row(run.section, run.day, run.run.state)
    found = scored_date(scores, run.day)
    kinds = {
        one.version: one.kind
        for scored in found[:1]
        for one in decisions(run.lake, scored.model_name)
    }
    kind = kinds.get(found[0].version, "") if found else ""
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


def _rows_before(run: ModelRun[ChurnSection], name: str) -> DataFrame | None:
    """Give what of earlier dates was known to those who scored them; None where there is none."""
    table = {one.name: one for one in (CUSTOMER_CHURN, CUSTOMER_ALERTS)}[name]
    dates = [one.as_of_date for one in _before(run.section, run.day, run.run.state, name)]
    if not dates:
        return None
    rows = run.lake.read(table).where(F.col("as_of_date").isin(dates))
    return rows.where(~F.col("is_backfilled"))


def customers_to_alert(
    scores: DataFrame,
    silences: DataFrame,
    earlier_scores: DataFrame | None,
    earlier_alerts: DataFrame | None,
    policy: Policy,
    section: ChurnSection,
    *,
    day: date,
) -> DataFrame:
    """Give the alerts of a day: customers whose signal reaches the policy's threshold.

    Grain: customer_id. Reads scores.customer_churn of the day, customer_id and
    days_since_last_order of the day (0: ordered on the day before), and the rows of earlier dates
    of scores.customer_churn and scores.customer_alerts. Left out are customers who have lapsed
    already, who had an alert in the same silence, or one in the cool-down. Gives the columns of
    scores.customer_alerts but for run_id and scored_at.
    """
    begun = F.date_sub(F.lit(day), F.col("days_silent"))
    left = (F.lit(section.lapse_days) - F.col("days_silent")).cast(T.DoubleType())
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
            "lapse_probability": lapse_probability(F.col(PROBABILITY), left, section.horizon_days),
        }
    )
    signals: dict[PolicyName, Column] = {
        SILENCE: F.col("days_silent").cast(T.DoubleType()),
        LEVEL: F.col(PROBABILITY),
        RISE: F.col(PROBABILITY) - F.col("least_probability"),
        LAPSE_PROBABILITY: F.col("lapse_probability"),
    }
    newest = F.col("_newest_alert")
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
    """Add least_probability of the customer's own scores from a day on, null without any."""
    if earlier is None:
        return rows.withColumn("least_probability", F.lit(None).cast(T.DoubleType()))
    least = (
        earlier.where(F.col("as_of_date") >= F.lit(since))
        .groupBy("customer_id")
        .agg(F.min(PROBABILITY).alias("least_probability"))
    )
    return rows.join(least, "customer_id", "left")


def _with_newest_alert(rows: DataFrame, earlier: DataFrame | None) -> DataFrame:
    """Add the date of the customer's newest alert, null without any."""
    if earlier is None:
        return rows.withColumn("_newest_alert", F.lit(None).cast(T.DateType()))
    newest = earlier.groupBy("customer_id").agg(F.max("as_of_date").alias("_newest_alert"))
    return rows.join(newest, "customer_id", "left")
