"""Which alerts warn of lapses, and how well: every way to raise them, on the past."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import DataFrame

from crm_spark.errors import DataError
from crm_spark.features.tables import CUSTOMER_ORDERS
from crm_spark.lake.run import LINES, Finished
from crm_spark.lake.state import Output, OutputRow, State, Target, why_made_otherwise
from crm_spark.models.churn.alert_arrays import SILENT, watched_of
from crm_spark.models.churn.alert_policies import (
    OF_SCORES,
    SILENCE,
    Lapses,
    Policy,
    PolicyName,
    Span,
    Warned,
    Watched,
    chosen_policy,
    fitted_policy,
    warned,
    warning_figures,
    warning_gain,
)
from crm_spark.models.churn.alert_table import ALERTS_OF, policy_table
from crm_spark.models.churn.candidates import candidates_of
from crm_spark.models.churn.feature_checks import (
    measured_features,
    selected_features,
    used_features,
)
from crm_spark.models.churn.inputs import counted_orders, labelled
from crm_spark.models.churn.labels import is_active
from crm_spark.models.churn.model import GENERATION
from crm_spark.models.churn.section import ChurnSection, cutoffs_for_test
from crm_spark.models.churn.train import step_of
from crm_spark.models.classifiers.classifier import Classifier, score
from crm_spark.models.classifiers.step import TESTED_ROWS
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.model_run import ModelRun
from crm_spark.models.records import MetricRow, write_metrics
from crm_spark.models.results import Measured
from crm_spark.models.rows import sampled_customers
from crm_spark.runtime.progress import log, stage
from crm_spark.tables.columns import CHURN_PROBABILITY
from crm_spark.words import counted

# What ops.outputs calls the policies of a day: this, and by which settings they are.
POLICIES = "alerts.policies"
_KEEP = ("customer_id", "as_of_date", SILENT)
# Keys of the section on which no probability depends.
_NO_PART = frozenset(
    {
        "alerts",
        "backtest_cutoffs",
        "explained_deciles",
        "importance_rows",
        "n_reasons",
        "subgroups",
    }
)

Snapshots = Callable[[Sequence[date], DataFrame | None], DataFrame]


@dataclass(frozen=True)
class Spans:
    """The days of a backtest: dates that are watched, silences to choose by and to measure by.

    Every silence to choose by has ended or lapsed before the first one to measure by began.
    """

    dates: tuple[date, ...]
    choice: Span
    quoted: Span
    known_to: date


def spans_until(section: ChurnSection, known_to: date) -> Spans:
    """Give the spans of the configured days before `known_to`, less the days of grace."""
    alerts, n_days = section.alerts, section.backtest_days
    room = (n_days - 2 * section.lapse_days) // 2
    start = known_to - timedelta(days=n_days + section.grace_days)
    every = alerts.backtest_every_days
    first = start.toordinal()
    quoted = first + room + section.lapse_days
    return Spans(
        tuple(start + timedelta(days=days) for days in range(0, n_days, every)),
        Span(first, first + room),
        Span(quoted, quoted + room),
        known_to,
    )


def policies_target(section: ChurnSection, day: date) -> Target:
    """Give the target of the policies as of a day; other settings have others beside them."""
    settings = {
        **section.model_dump(mode="json", exclude_defaults=True, exclude=set(_NO_PART)),
        **section.alerts.model_dump(mode="json"),
        "lapse_days": section.lapse_days,
        "silent_days": section.silent_days,
        "backtest_days": section.backtest_days,
    }
    name = f"{POLICIES}/{Target(Output(POLICIES), settings=settings).fingerprint[:8]}"
    reads = (Output(CUSTOMER_ORDERS.name), LINES)
    return Target(Output(name, day), reads, settings, GENERATION)


def policies_row(section: ChurnSection, day: date, state: State) -> OutputRow | None:
    """Give the newest backtest as of a date not later, under these settings and by this code."""
    wanted = policies_target(section, day)
    found = [
        row
        for output in state.outputs(wanted.output.name)
        if (row := state.newest(output)) and output.as_of_date and output.as_of_date <= day
        if why_made_otherwise(row, wanted) is None
    ]
    return max(found, key=lambda row: str(row.output.as_of_date), default=None)


def rule_of(section: ChurnSection) -> Policy:
    """Give the rule: an alert after so many days of silence."""
    return Policy(SILENCE, float(section.silent_days))


def policy_for(section: ChurnSection, row: OutputRow | None, kind: str) -> Policy:
    """Give the policy by which scores of a kind raise alerts: the rule where none was measured."""
    if row is None or kind not in row.facts:
        return rule_of(section)
    return Policy(**json.loads(row.facts[kind]))


def backtest_alerts(run: ModelRun[ChurnSection], snapshots: Snapshots) -> None:
    """Measure every policy with every candidate's scores, and leave which of them is to be used.

    Leaves ops.metrics and a row of ops.outputs. Models are trained on what had closed before the
    first date that is watched. Raises DataError where history is too short.
    """
    section = run.section
    try:
        first, newest = run.run.order_dates()
        known_to = min(run.day, newest + timedelta(days=1))
        spans = spans_until(section, known_to)
        step = _require_training(section, spans.dates[0], first)
        target = policies_target(section, run.day)
        run.run.require(target)
        models = _trained(run, step, snapshots)
        watched, lapses = _watched(run, spans, models, snapshots)
    finally:
        run.release()
    rows: list[MetricRow] = []
    chosen: dict[str, Policy] = {}
    for kind, of_kind in watched.items():
        policies = _policies(section, of_kind, lapses, spans.choice)
        on_choice, quoted = (
            {
                name: (policy, _warned(section, of_kind, lapses, policy, span))
                for name, policy in policies.items()
            }
            for span in (spans.choice, spans.quoted)
        )
        rows += [*_rows(kind, on_choice, spans.choice), *_rows(kind, quoted, spans.quoted)]
        of_scores = {name: one for name, one in on_choice.items() if name != SILENCE}
        chosen[kind] = chosen_policy(of_scores, on_choice[SILENCE])
    write_metrics(run.run, run.day, rows)
    for line in policy_table(rows, spans.quoted, chosen):
        log.info("%s", line)
    facts = {
        kind: json.dumps({"name": one.name, "threshold": one.threshold})
        for kind, one in chosen.items()
    }
    checksum = f"{POLICIES}:{json.dumps(facts, sort_keys=True)}"
    run.run.finish(Finished(target, checksum=checksum, facts=facts))


def _require_training(section: ChurnSection, start: date, first_order: date) -> Cutoffs:
    step = cutoffs_for_test(section, start, first_order)
    if len(step.training) < 2:
        raise DataError(
            f"alerts cannot be measured from {start} on: the first order is of {first_order}, and "
            "two cut-offs have to close before, one to learn from and one to calibrate on; a "
            "smaller churn.alerts.backtest_days begins later"
        )
    return step


def _trained(
    run: ModelRun[ChurnSection], step: Cutoffs, snapshots: Snapshots
) -> dict[str, Classifier]:
    """Give every candidate, trained and calibrated as on the first date."""
    dates = [step.test, *step.training]
    rows = run.keep(labelled(run.lake, snapshots(dates, None), dates, run.section))
    with stage(run.spark, f"labelled snapshots of {counted(len(dates), 'cut-off')}"):
        measured = measured_features(rows, step, run.features)
    selection = selected_features(measured, run.section.trusted_features)
    of_step = step_of(rows, step, run.section, used_features(selection, run.features))
    models = {}
    for candidate in candidates_of(run.section):
        with stage(run.spark, f"fit {candidate.name} before {step.test}"):
            models[candidate.name] = of_step.fitted(candidate).model
    return models


def _watched(
    run: ModelRun[ChurnSection],
    spans: Spans,
    models: Mapping[str, Classifier],
    snapshots: Snapshots,
) -> tuple[dict[str, Watched], Lapses]:
    """Score the dates with every model, of a sample of customers where there are many."""
    orders = counted_orders(run.lake, spans.known_to).select("customer_id", "order_date").distinct()
    customers = orders.select("customer_id").distinct()
    n_rows = customers.count() * len(spans.dates)
    drawn = run.keep(sampled_customers(customers, n_rows=n_rows, most=TESTED_ROWS))
    rows = run.keep(snapshots(spans.dates, drawn).where(is_active(run.section.active_days)))
    n_dates = counted(len(spans.dates), "date")
    with stage(run.spark, f"snapshots of {n_dates}"):
        rows.count()
    frames = {}
    for kind, model in models.items():
        with stage(run.spark, f"score {n_dates} with {kind}"):
            scored = score(model, rows, keep=_KEEP, probability=CHURN_PROBABILITY)
            frames[kind] = scored.toPandas()  # TESTED_ROWS, or few more
    with stage(run.spark, "what came after"):
        days = orders.join(drawn, "customer_id").toPandas()  # of the same customers
    return watched_of(frames, days, run.section, dates=spans.dates, known_to=spans.known_to)


def _warned(
    section: ChurnSection, watched: Watched, lapses: Lapses, policy: Policy, span: Span
) -> Warned:
    return warned(watched, lapses, policy, span, cool_down_days=section.alerts.cool_down_days)


def _policies(
    section: ChurnSection, watched: Watched, lapses: Lapses, span: Span
) -> dict[PolicyName, Policy]:
    """Give the rule, and each policy of scores with the threshold that warns longest.

    With no less precision than the rule; where a precision is asked for, the rule's days of silence
    are fitted to it, too, as far as it can be had.
    """
    alerts, rule = section.alerts, rule_of(section)

    def fitted(name: PolicyName, precision: float) -> Policy | None:
        return fitted_policy(
            watched, lapses, name, span, precision=precision, cool_down_days=alerts.cool_down_days
        )

    if alerts.precision is None:
        precision = _warned(section, watched, lapses, rule, span).precision or 0.0
    else:
        precision, asked = alerts.precision, fitted(SILENCE, alerts.precision)
        if asked is None:
            log.warning(
                "no silence has a precision of %.2f: the rule stays at %s",
                precision,
                counted(rule.threshold, "day"),
            )
        rule = asked or rule
    found = {name: policy for name in OF_SCORES if (policy := fitted(name, precision))}
    return {SILENCE: rule, **found}


def _rows(
    kind: str, measured: Mapping[PolicyName, tuple[Policy, Warned]], span: Span
) -> list[MetricRow]:
    """Give rows of ops.metrics: alerts.<kind>, <policy>.<figure>, by the first day of the span."""
    _, by_rule = measured[SILENCE]
    rows = []
    for name, (policy, found) in measured.items():
        figures: list[Measured] = warning_figures(found, policy)
        if name != SILENCE and (gain := warning_gain(found, by_rule)):
            figures.append(gain)
        rows += [
            MetricRow(
                f"{ALERTS_OF}{kind}",
                date.fromordinal(span.first),
                f"{name}.{one.name}",
                one.value,
                one.n,
                one.low,
                one.high,
            )
            for one in figures
        ]
    return rows
