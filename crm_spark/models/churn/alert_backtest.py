"""Which alerts warn of lapses, and how well: every way to raise them, on the past."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame

from crm_spark.errors import DataError
from crm_spark.features.tables import CUSTOMER_ORDERS
from crm_spark.lake.run import LINES, Finished
from crm_spark.lake.state import Output, OutputRow, State, Target
from crm_spark.models.churn.alert_policies import (
    OF_SCORES,
    SILENCE,
    WARNING_GAIN,
    Days,
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
from crm_spark.models.churn.candidates import candidates_of
from crm_spark.models.churn.feature_checks import (
    measured_features,
    require_features,
    selected_features,
)
from crm_spark.models.churn.inputs import counted_orders, labelled
from crm_spark.models.churn.labels import is_active
from crm_spark.models.churn.model import PROBABILITY
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
from crm_spark.words import counted

# What ops.outputs calls the policies of a day, and ops.metrics the figures of a model's alerts.
POLICIES, ALERTS_OF = "alerts.policies", "alerts."
# Fewer days of silences to choose by, or to measure by, tell nothing.
FEWEST_DAYS_OF_A_SPAN = 7
_SILENT = "days_since_last_order"
_KEEP = ("customer_id", "as_of_date", _SILENT)

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
    """Give the spans of the configured days before `known_to`.

    Raises DataError where they leave too few days beside two lapses.
    """
    alerts, lapse = section.alerts, section.lapse_days
    room = (alerts.backtest_days - 2 * lapse) // 2
    if room < FEWEST_DAYS_OF_A_SPAN:
        needed = 2 * (lapse + FEWEST_DAYS_OF_A_SPAN)
        raise DataError(
            f"churn.alerts.backtest_days {alerts.backtest_days} is too few: {needed} are needed "
            f"with lapses of {counted(lapse, 'day')}"
        )
    start = known_to - timedelta(days=alerts.backtest_days)
    n_dates = -(-alerts.backtest_days // alerts.backtest_every_days)
    first = start.toordinal()
    quoted = first + room + lapse
    return Spans(
        tuple(
            start + timedelta(days=place * alerts.backtest_every_days) for place in range(n_dates)
        ),
        Span(first, first + room),
        Span(quoted, quoted + room),
        known_to,
    )


def policies_target(section: ChurnSection, day: date) -> Target:
    """Give the target of the policies as of a day."""
    settings = section.model_dump(mode="json", exclude_defaults=True, exclude={"backtest_cutoffs"})
    return Target(Output(POLICIES, day), (Output(CUSTOMER_ORDERS.name), LINES), settings)


def policies_row(section: ChurnSection, day: date, state: State) -> OutputRow | None:
    """Give the newest backtest as of a date not later, made under these settings."""
    wanted = policies_target(section, day)
    found = [
        row
        for output in state.outputs(POLICIES)
        if (row := state.newest(output)) and row.output.as_of_date and row.output.as_of_date <= day
        if row.fingerprint == wanted.fingerprint
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
    rule = rule_of(section)
    rows: list[MetricRow] = []
    chosen: dict[str, Policy] = {}
    for kind, of_kind in watched.items():
        tried = _policies(section, of_kind, lapses, spans.choice, rule)
        on_choice = {
            name: (one, _warned(section, of_kind, lapses, one, spans.choice))
            for name, one in tried.items()
        }
        by_rule = on_choice.pop(SILENCE)
        chosen[kind] = chosen_policy(on_choice, by_rule)
        for span in (spans.choice, spans.quoted):
            rows += _rows(section, kind, of_kind, lapses, tried, span)
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
    require_features(selection)
    used = [feature for feature in run.features if feature.name in selection.kept]
    of_step = step_of(rows, step, run.section, used)
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
            scored = score(model, rows, keep=_KEEP, probability=PROBABILITY)
            frames[kind] = scored.toPandas()  # TESTED_ROWS, or few more
    with stage(run.spark, "what came after"):
        days = orders.join(drawn, "customer_id").toPandas()  # of the same customers
    return watched_of(frames, days, spans, run.section)


def watched_of(
    frames: Mapping[str, pd.DataFrame],
    orders: pd.DataFrame,
    spans: Spans,
    section: ChurnSection,
) -> tuple[dict[str, Watched], Lapses]:
    """Put scores of each model and the order days of the same customers into arrays.

    `frames` have customer_id, as_of_date, days_since_last_order and churn_probability, `orders`
    customer_id and order_date. Silences that go on at the end of what is known have no next order.
    """
    names = np.sort(orders["customer_id"].unique())
    dates = np.array([day.toordinal() for day in spans.dates])
    known_to = spans.known_to.toordinal()
    customer = np.searchsorted(names, orders["customer_id"].to_numpy())
    ordered = np.array([day.toordinal() for day in orders["order_date"]], np.int64)
    # One number a customer and day, so that the next order is looked up at once.
    width = int(max(ordered.max(initial=0), dates.max())) + 2
    keys = np.sort(customer * width + ordered)
    next_order = _next_orders(keys, width, dates, len(names), never=known_to + section.lapse_days)
    shape = (len(names), len(dates))
    watched = {}
    for kind, frame in frames.items():
        row = np.searchsorted(names, frame["customer_id"].to_numpy())
        place = np.searchsorted(dates, [day.toordinal() for day in frame["as_of_date"]])
        silent, probability = np.full(shape, np.nan), np.full(shape, np.nan)
        # 0 is an order on the day before the date.
        silent[row, place] = frame[_SILENT].to_numpy(float) + 1
        probability[row, place] = frame[PROBABILITY].to_numpy(float)
        watched[kind] = Watched(
            dates,
            silent,
            probability,
            next_order,
            known_to,
            section.lapse_days,
            section.horizon_days,
        )
    return watched, _lapses(keys, width, section.lapse_days, known_to)


def _next_orders(keys: Days, width: int, dates: Days, n_customers: int, *, never: int) -> Days:
    """Give the first order on or after each date, [customers, dates]."""
    asked = np.arange(n_customers)[:, None] * width + dates[None, :]
    place = np.searchsorted(keys, asked)
    found = keys[np.minimum(place, len(keys) - 1)]
    is_own = (place < len(keys)) & (found // width == asked // width)
    return np.where(is_own, found % width, never)


def _lapses(keys: Days, width: int, lapse_days: int, known_to: int) -> Lapses:
    """Give the silences of lapse_days or more that can be seen in what is known."""
    customer, day = keys // width, keys % width
    following = np.append(day[1:], 0)
    is_last = np.append(customer[1:] != customer[:-1], True)
    ended = np.where(is_last, known_to, following)
    is_lapse = (ended - day >= lapse_days) & (day + lapse_days <= known_to)
    return Lapses(customer[is_lapse], day[is_lapse])


def _warned(
    section: ChurnSection, watched: Watched, lapses: Lapses, policy: Policy, span: Span
) -> Warned:
    return warned(watched, lapses, policy, span, cool_down_days=section.alerts.cool_down_days)


def _policies(
    section: ChurnSection, watched: Watched, lapses: Lapses, span: Span, rule: Policy
) -> dict[PolicyName, Policy]:
    """Give the rule, and each policy of scores with the threshold that warns longest."""
    by_rule = _warned(section, watched, lapses, rule, span)
    precision = section.alerts.precision or by_rule.precision or 0.0
    found: dict[PolicyName, Policy] = {SILENCE: rule}
    for name in OF_SCORES:
        policy = fitted_policy(
            watched,
            lapses,
            name,
            span,
            precision=precision,
            cool_down_days=section.alerts.cool_down_days,
        )
        if policy is not None:
            found[name] = policy
    return found


def _rows(
    section: ChurnSection,
    kind: str,
    watched: Watched,
    lapses: Lapses,
    policies: Mapping[PolicyName, Policy],
    span: Span,
) -> list[MetricRow]:
    """Give rows of ops.metrics: alerts.<kind>, <policy>.<figure>, by the first day of the span."""
    by_rule = _warned(section, watched, lapses, policies[SILENCE], span)
    rows = []
    for name, policy in policies.items():
        found = _warned(section, watched, lapses, policy, span)
        measured: list[Measured] = warning_figures(found, policy)
        if name != SILENCE and (gain := warning_gain(found, by_rule)):
            measured.append(gain)
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
            for one in measured
        ]
    return rows


_COLUMNS = {
    "precision": "precision",
    "recall": "recall",
    "warning_days": "warning",
    "lead_days": "lead",
    "alerts_per_1000": "per 1000",
    WARNING_GAIN: "gain",
}


def policy_table(
    rows: Sequence[MetricRow], quoted: Span, chosen: Mapping[str, Policy]
) -> list[str]:
    """Lay out the rule and each model's policies on what is quoted; * is what is used."""
    cutoff = date.fromordinal(quoted.first)
    value = {(row.model_name, row.metric): row.value for row in rows if row.cutoff == cutoff}
    lines = [
        f"alerts of silences that began from {cutoff} to {date.fromordinal(quoted.end - 1)}, which "
        "chose nothing;",
        "warning, and its gain on the rule: mean days a lapse; lead: median days; alerts of 1,000 "
        "in 28 days",
        f"{'scores':<26}{'alert by':<20}" + "".join(f"{title:>9}" for title in _COLUMNS.values()),
    ]

    def line(kind: str, name: PolicyName, shown: str, mark: str) -> str:
        cells = [value.get((f"{ALERTS_OF}{kind}", f"{name}.{metric}")) for metric in _COLUMNS]
        figures = "".join(f"{'-' if cell is None else f'{cell:.3f}':>9}" for cell in cells)
        return f"{shown:<26}{name + mark:<20}{figures}"

    for number, (kind, used) in enumerate(chosen.items()):
        if not number:  # the rule is the same for all
            lines.append(line(kind, SILENCE, "any", ""))
        tried = [one for one in OF_SCORES if (f"{ALERTS_OF}{kind}", f"{one}.precision") in value]
        lines += [line(kind, one, kind, " *" if used.name == one else "") for one in tried]
        if used.name == SILENCE:
            lines.append(f"{kind:<26}{SILENCE} *")
    return lines
