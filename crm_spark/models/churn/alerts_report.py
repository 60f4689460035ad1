"""Early warning on the page and on the console: the day's alerts, and how well alerts warn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.lake.state import Output
from crm_spark.models.churn.alert_backtest import policies_row, policy_for
from crm_spark.models.churn.alert_policies import (
    LAPSE_PROBABILITY,
    LEVEL,
    OF_SCORES,
    RISE,
    SILENCE,
    WARNING_GAIN,
    Policy,
    PolicyName,
)
from crm_spark.models.churn.alert_table import ALERTS_OF
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.churn.tables import CUSTOMER_ALERTS, CUSTOMER_CHURN
from crm_spark.models.decisions import kind_of_version
from crm_spark.report.blocks import Block, Section, Text, TextTable
from crm_spark.report.section import ReportSection
from crm_spark.report.subject import ReportRequest
from crm_spark.report.words import day_in_words, decimal, figure, money, share
from crm_spark.tables.ops import METRICS
from crm_spark.words import counted, verb

VALUES = "scores.customer_value"
N_SHOWN = 10
_CALLED: dict[PolicyName, str] = {
    SILENCE: "a silence",
    LEVEL: "the churn probability",
    RISE: "its rise above the customer's own least",
    LAPSE_PROBABILITY: "the probability of a lapse",
}


@dataclass(frozen=True)
class Alert:
    """One alert of the day, with what is at risk; None where that is not known."""

    customer_id: str
    days_silent: int
    lapse_date: date
    lapse_probability: float
    least_probability: float | None
    churn_probability: float
    at_risk: float | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class PolicyFigures:
    """How well one way to raise alerts warned, on silences that chose nothing."""

    name: PolicyName
    precision: float | None
    recall: float | None
    warning_days: float | None
    lead_days: float | None
    per_1000: float | None
    threshold: float | None
    mean_signal: float | None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None


@dataclass(frozen=True)
class AlertFacts:
    """The alerts of a date, the largest first, and how well such alerts warn, the rule first."""

    n: int
    first: tuple[Alert, ...]
    policy: Policy
    lapse_days: int
    has_values: bool = False
    figures: tuple[PolicyFigures, ...] = ()


def read_alerts(request: ReportRequest, section: ChurnSection) -> AlertFacts | None:
    """Read the day's alerts, and the backtest of what raised them; None where there are none whole.

    A date on which nobody is named has no rows, and is whole all the same.
    """
    run, day = request.run, request.day
    if not run.state.is_whole(_output(day)):
        return None
    rows, scores = request.of_date(CUSTOMER_ALERTS), request.of_date(CUSTOMER_CHURN)
    any_score = scores.select("model_name", "model_version").head() if scores is not None else None
    kind = kind_of_version(request.lake, *any_score) if any_score else ""
    backtest = policies_row(section, day, run.state)
    any_alert = rows.select("raised_by", "threshold").head() if rows is not None else None
    policy = Policy(*any_alert) if any_alert else policy_for(section, backtest, kind)
    return AlertFacts(
        n=0 if rows is None else rows.count(),
        first=() if rows is None else _first(request, rows),
        policy=policy,
        lapse_days=section.lapse_days,
        has_values=request.of_date(request.tables.get(VALUES)) is not None,
        figures=_figures(request, backtest.run_id, kind) if backtest else (),
    )


def _output(day: date) -> Output:
    return Output(CUSTOMER_ALERTS.name, day)


def _first(request: ReportRequest, rows: DataFrame) -> tuple[Alert, ...]:
    """Give the alerts with most at risk: by the values, where there are none by what was spent."""
    values = request.of_date(request.tables.get(VALUES))
    if values is not None:
        at_risk = values.groupBy("customer_id").agg(
            F.max_by("value_at_risk_amount", "horizon_days").alias("_at_risk")
        )
    else:
        snapshot = request.lake.read_date(CUSTOMER_SNAPSHOT, request.day)
        spent = F.greatest(F.col("spend_amount_84d"), F.lit(0))
        at_risk = (
            rows.select("customer_id", "lapse_probability")
            .join(snapshot.select("customer_id", "spend_amount_84d"), "customer_id")
            .select("customer_id", (F.col("lapse_probability") * spent).alias("_at_risk"))
        )
    order = [F.desc_nulls_last("_at_risk"), F.desc("lapse_probability"), F.asc("customer_id")]
    return tuple(
        Alert(
            row["customer_id"],
            row["days_silent"],
            row["lapse_date"],
            row["lapse_probability"],
            row["least_probability"],
            row["churn_probability"],
            row["_at_risk"],
            tuple(reason["text"] for reason in row["reasons"] or () if reason["text"]),
        )
        for row in rows.join(at_risk, "customer_id", "left")
        .orderBy(*order)
        .limit(N_SHOWN)
        .collect()
    )


def _figures(request: ReportRequest, run_id: str, kind: str) -> tuple[PolicyFigures, ...]:
    """Give the figures of a backtest on its newest silences."""
    is_of_kind = pc.field("model_name") == f"{ALERTS_OF}{kind}"
    rows = request.lake.rows(METRICS, (pc.field("run_id") == run_id) & is_of_kind)
    newest = max((row["cutoff_date"] for row in rows), default=None)
    by_name = {row["metric"]: row for row in rows if row["cutoff_date"] == newest}

    def value(name: PolicyName, metric: str, column: str = "value") -> float | None:
        row = by_name.get(f"{name}.{metric}")
        found: float | None = row[column] if row else None
        return found

    return tuple(
        PolicyFigures(
            name,
            value(name, "precision"),
            value(name, "recall"),
            value(name, "warning_days"),
            value(name, "lead_days"),
            value(name, "alerts_per_1000"),
            value(name, "threshold"),
            value(name, "mean_signal"),
            value(name, WARNING_GAIN),
            value(name, WARNING_GAIN, "low"),
            value(name, WARNING_GAIN, "high"),
        )
        for name in (SILENCE, *OF_SCORES)
        if f"{name}.precision" in by_name
    )


def alerts_section(facts: AlertFacts | None, day: date, style: ReportSection) -> Section | None:
    """Lay out whom to reach now, and what such alerts came to; None where none was looked for."""
    if facts is None:
        return None
    blocks: list[Block] = [Text(_alerts_in_words(facts, day))]
    if facts.first:
        blocks.append(_table(facts, style))
    blocks.append(Text(quality_in_words(facts), is_verdict=not facts.figures))
    if facts.figures:
        blocks.append(_quality_table(facts))
    return Section("churn-alerts", "Early warning: whom to reach now", blocks)


def alert_lines(facts: AlertFacts | None) -> tuple[str, ...]:
    """Give what the console says of the alerts."""
    if facts is None:
        return ()
    by = _CALLED[facts.policy.name]
    named = counted(facts.n, "customer")
    return (f"  early warning: {named} named, by {by} (scores.customer_alerts)",)


def _alerts_in_words(facts: AlertFacts, day: date) -> str:
    lapse = counted(facts.lapse_days, "day")
    if not facts.n:
        return (
            f"On {day_in_words(day)} nobody was named who is about to order nothing for {lapse}: "
            "who was named before, in the same silence, is not named again."
        )
    return (
        f"{counted(facts.n, 'customer')} {verb(facts.n, 'is', 'are')} named on {day_in_words(day)} "
        f"as about to order nothing for {lapse}, for the first time in this silence. Reach them "
        "before the day by which they have lapsed."
    )


def _table(facts: AlertFacts, style: ReportSection) -> TextTable:
    columns = [
        "Customer",
        "Silent, days",
        "Lapsed by",
        "Chance of it",
        "Probability to leave",
        "At risk",
        "What raises it",
    ]
    what = (
        "the value that leaving would cost"
        if facts.has_values
        else "the chance of a lapse times what was bought in the last 84 days"
    )
    return TextTable(
        f"Alerts of the day (scores.customer_alerts), the most at risk first: {what}; in brackets "
        "the least of the customer's own probabilities in the days before",
        columns,
        [
            [
                one.customer_id,
                f"{one.days_silent}",
                str(one.lapse_date),
                share(one.lapse_probability),
                _with_least(one),
                money(style, one.at_risk),
                "; ".join(one.reasons) or "nothing by itself",
            ]
            for one in facts.first
        ],
        numbers=columns[1:6],
    )


def _with_least(one: Alert) -> str:
    now = share(one.churn_probability)
    least = one.least_probability
    return now if least is None else f"{now} (least {share(least)})"


def quality_in_words(facts: AlertFacts) -> str:
    """Say how well such alerts warned, beside the rule."""
    raised_by = _in_words(facts.policy)
    rule = next((one for one in facts.figures if one.name == SILENCE), None)
    used = next((one for one in facts.figures if one.name == facts.policy.name), None)
    if rule is None or used is None or not used.per_1000:
        by_rule = ": a plain rule" if facts.policy.name == SILENCE else ""
        return (
            f"Alerts are raised by {raised_by}{by_rule}. How many come true has not been measured "
            "by this date: run backtest_alerts."
        )
    said = f"Alerts are raised by {raised_by}. In the backtest {share(used.precision)} came true"
    if used.name == LAPSE_PROBABILITY:
        said += f" (expected: {share(used.mean_signal)})"
    said += f", and {share(used.recall)} of all lapses were named, {_lead(used)}."
    if used is rule:
        return f"{said} No use of the probabilities warned longer for sure."
    said += (
        f" The rule, {_in_words(Policy(SILENCE, rule.threshold or 0))}, comes to "
        f"{share(rule.precision)} and {share(rule.recall)}, {_lead(rule)}, with "
        f"{decimal(rule.per_1000 or 0)} alerts for 1,000 customers in 28 days in place of "
        f"{decimal(used.per_1000)}."
    )
    if (used.gain or 0.0) <= 0:
        said += " On these silences the rule would have warned as long: look at it again."
    return said


def _lead(one: PolicyFigures) -> str:
    """Say how long before a lapse could be seen the alert was."""
    days = one.lead_days or 0.0
    return f"half of them {counted(days, 'day')} or more before they could be seen"


def _in_words(policy: Policy) -> str:
    """Give what raises alerts, with its threshold."""
    if policy.name == SILENCE:
        return f"{_CALLED[SILENCE]} of {counted(policy.threshold, 'day')}"
    if policy.name == RISE:
        return f"{_CALLED[RISE]}, from {figure(policy.threshold, 3)} on"
    return f"{_CALLED[policy.name]}, from {share(policy.threshold)} on"


def _quality_table(facts: AlertFacts) -> TextTable:
    columns = [
        "Alert by",
        "Came true",
        "Lapses named",
        "Days of warning",
        "More than the rule",
        "Alerts of 1,000 a month",
    ]
    return TextTable(
        "Every way to raise alerts, on silences that chose none of them: the share of alerts that "
        "came true, the share of lapses that had one, days of warning a lapse (0 without an "
        "alert), with what that is more than by the rule, and alerts for 1,000 customers in 28 "
        "days (backtest_alerts)",
        columns,
        [
            [
                _CALLED[one.name] + (", used" if one.name == facts.policy.name else ""),
                share(one.precision),
                share(one.recall),
                decimal(one.warning_days or 0, 1),
                _gain(one),
                decimal(one.per_1000 or 0),
            ]
            for one in facts.figures
        ],
        numbers=columns[1:],
    )


def _gain(one: PolicyFigures) -> str:
    if one.gain is None or one.gain_low is None or one.gain_high is None:
        return ""
    ends = f"{decimal(one.gain_low, 1)} to {decimal(one.gain_high, 1)}"
    return f"{decimal(one.gain, 1)} ({ends})"
