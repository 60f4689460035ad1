"""Gives every churn score its outcome, once: ops.metrics, ops.checks, and what is still to be done.

What is done stands in ops.outputs, a row for each scored date. Figures are appended date by date
and never again for a date and version; verdicts follow in one commit, and the rows of ops.outputs
last. So a run that was cut off is completed by the next one, which adds no figure that is there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.orders import count_changes
from crm_spark.features.tables import CUSTOMER_ORDERS, CUSTOMER_SNAPSHOT
from crm_spark.lake.delta import Lake
from crm_spark.lake.run import LINES, Finished
from crm_spark.lake.state import Output, State, Target
from crm_spark.models.binary_metrics import ScoreCounts, count_scores
from crm_spark.models.calibration_gate import gate
from crm_spark.models.churn.feature_checks import DROPPED, FEATURES_MODEL
from crm_spark.models.churn.labels import LABEL, with_label
from crm_spark.models.churn.past_scores import (
    AUC,
    SCORE_PSI,
    Checked,
    Drift,
    Quote,
    ScoredDate,
    feature_shifts,
    outcome_figures,
    outcome_verdicts,
    score_shift,
    scored_date,
)
from crm_spark.models.churn.section import ChurnSection, closed_after
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.models.decisions import Decision, decisions
from crm_spark.models.feature_health import MOST_ROWS, Shift
from crm_spark.models.model_run import ModelRun
from crm_spark.models.outcomes import closings, orders_in_horizon
from crm_spark.models.records import MetricRow, write_metrics
from crm_spark.models.rows import sampled_customers
from crm_spark.runtime.progress import log, stage
from crm_spark.tables.checks import write_checks
from crm_spark.tables.columns import CHURN_PROBABILITY
from crm_spark.tables.core import TRANSACTIONS
from crm_spark.tables.ops import CHECKS, METRICS

JOB, TRAINED = "check_outcomes", "train_churn"
# What ops.outputs calls the outcome of a scored date.
OUTCOMES = "outcomes.churn"
# So many dates the report shows, the newest; older ones are looked at once and never again.
N_DATES = 12


def outcome_targets(params: ChurnSection, day: date, state: State) -> list[Target]:
    """Give the outcomes of the scored dates whose window has closed by a day, the earliest first.

    The newest dates, and whatever older one has no outcome yet. A window closes once the orders of
    all its days are known: the day may lie after the newest order.
    """
    scored = [output for output in state.outputs(CUSTOMER_CHURN.name) if output.as_of_date]
    closed = sorted(
        output.as_of_date
        for output in scored
        if output.as_of_date
        and output.as_of_date + closed_after(params) <= _known_to(state, day)
        and state.is_whole(output)
    )
    older, newest = closed[:-N_DATES], closed[-N_DATES:]
    without = [one for one in older if state.newest(Output(OUTCOMES, one)) is None]
    return [_target(one) for one in (*without, *newest)]


def outcomes_shown(params: ChurnSection, day: date, state: State) -> list[Output]:
    """Give the outcomes that the report of a day shows."""
    return [target.output for target in outcome_targets(params, day, state)[-N_DATES:]]


def _target(day: date) -> Target:
    return Target(
        Output(OUTCOMES, day),
        (Output(CUSTOMER_CHURN.name, day), Output(CUSTOMER_ORDERS.name), LINES),
        optional=(Output(CUSTOMER_SNAPSHOT.name, day),),
    )


def _known_to(state: State, day: date) -> date:
    """Give the day before which all orders are known: this one, or the one after the newest."""
    row = state.newest(LINES)
    newest = row.facts.get("newest_event_date") if row else None
    return min(day, date.fromisoformat(newest) + timedelta(days=1)) if newest else day


class Recorded:
    """What ops.metrics and ops.checks have of past scorings, and of the trainings behind them.

    Rows of check_outcomes are read at once, those of a training when a version of it is asked for:
    a year of trainings has a million.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._metrics = lake.rows(METRICS, pc.field("job") == JOB)
        self._checks = lake.rows(CHECKS, pc.field("job") == JOB)
        self._quotes: dict[str, Quote] = {}

    def has(self, scored: ScoredDate) -> bool:
        """Whether a version has its figures of a date."""
        return bool(self._rows(scored))

    def is_judged(self, scored: ScoredDate) -> bool:
        """Whether verdicts followed its figures: by the run that left them, or one after it."""
        return any(
            check["as_of_date"] >= row["as_of_date"] and check["recorded_at"] >= row["recorded_at"]
            for row in self._rows(scored)[:1]
            for check in self._checks
        )

    def dates_of(self, name: str) -> list[date]:
        """Give the dates of which a version has figures, the earliest first."""
        return sorted({row["cutoff_date"] for row in self._metrics if row["model_name"] == name})

    def quote(self, scored: ScoredDate) -> Quote:
        """Give what the training of a version quoted; nothing where no decision names it."""
        if scored.name not in self._quotes:
            known = decisions(self._lake, scored.model_name)
            of_version = [one for one in known if one.version == scored.version]
            self._quotes[scored.name] = self._quote(of_version[-1]) if of_version else Quote()
        return self._quotes[scored.name]

    def _quote(self, decision: Decision) -> Quote:
        """Give what a training quoted of a kind: figures of its newest cut-off, all shifts."""
        of_training = (pc.field("job") == TRAINED) & (
            pc.field("run_id") == decision.training_run_id
        )
        metrics, checks = (self._lake.rows(table, of_training) for table in (METRICS, CHECKS))
        aucs = [
            row for row in metrics if (row["model_name"], row["metric"]) == (decision.kind, AUC)
        ]
        quoted = max(aucs, key=lambda row: row["cutoff_date"], default=None)
        psi: dict[str, float] = {}
        for row in metrics:
            name = row["metric"].removeprefix("feature.").removesuffix(".psi")
            if row["model_name"] == FEATURES_MODEL and row["metric"] == _psi(name):
                psi[name] = max(psi.get(name, 0.0), row["value"] or 0.0)
        unlearnt = frozenset(
            row["subject"]
            for row in checks
            if row["check"] == DROPPED and row["found"] in ("never known", "constant")
        )
        auc, low = (quoted["value"], quoted["low"]) if quoted else (None, None)
        return Quote(auc, low, psi, unlearnt)

    def _rows(self, scored: ScoredDate) -> list[Mapping[str, Any]]:
        return [
            row
            for row in self._metrics
            if row["model_name"] == scored.name and row["cutoff_date"] == scored.day
        ]


def _psi(feature: str) -> str:
    return f"feature.{feature}.psi"


def check_outcomes(run: ModelRun[ChurnSection]) -> None:
    """Append the outcomes of past scores to ops.metrics, and the verdicts to ops.checks.

    Nothing is appended where every score whose window has closed has its outcome. Raises DataError
    where what they are made of is not whole.
    """
    lake_run = run.run
    targets = outcome_targets(run.section, run.day, lake_run.state)
    due = [target for target in targets if not lake_run.state.is_current(target)]
    if not due:
        log.info("every score whose window has closed by %s has its outcome", run.day)
        return
    for target in due:
        lake_run.require(target)
    known_to = _known_to(lake_run.state, run.day)
    recorded = Recorded(lake_run.lake)
    # As the dates come in order, the first one of a version is there before it is compared with.
    first_dates: dict[str, list[date]] = {}
    checked: list[Checked] = []
    finished: list[Finished] = []
    for number, target in enumerate(due, start=1):
        day = target.output.as_of_date
        assert day is not None
        scores = run.lake.read_date(CUSTOMER_CHURN, day)
        found = scored_date(scores, day)
        if any(one.closes_on(run.section.grace_days) > known_to for one in found):
            log.info("the scores of %s are for a longer horizon, which is still open", day)
            continue
        for scored in found:
            if scored.is_backfilled or recorded.is_judged(scored):
                continue
            log.info("date %d of %d: %s", number, len(due), day)
            dates = first_dates.setdefault(scored.name, recorded.dates_of(scored.name))
            with stage(run.spark, f"outcomes of the scores of {day}"):
                of_version = scores.where(F.col("model_version") == scored.version)
                one = _checked(run, scored, of_version, recorded.quote(scored), dates)
            if not recorded.has(scored):
                write_metrics(lake_run, run.day, metric_rows(one))
            dates.append(day)
            checked.append(one)
        finished.append(_finished(target, found))
    _conclude(run, checked, finished)


def metric_rows(checked: Checked) -> list[MetricRow]:
    """Give the rows of ops.metrics of a past scoring, under its model's name with the version."""
    scored, drift = checked.scored, checked.drift
    rows = [
        MetricRow(scored.name, scored.day, one.name, one.value, one.n, one.low, one.high)
        for one in outcome_figures(checked.counts, checked.gate)
    ]
    shifts: dict[str, Shift] = {}
    if drift and drift.scores:
        shifts[SCORE_PSI] = drift.scores
    if drift:
        shifts |= {_psi(name): shift for name, shift in drift.features.items()}
    rows += [
        MetricRow(scored.name, scored.day, name, shift.psi, shift.n)
        for name, shift in shifts.items()
    ]
    return rows


def _conclude(
    run: ModelRun[ChurnSection], checked: Sequence[Checked], finished: Sequence[Finished]
) -> None:
    """Leave the verdicts, tell of them, and note what is done."""
    verdicts = outcome_verdicts(checked)
    write_checks(run.run, run.day, verdicts)
    for verdict in verdicts:
        level = logging.WARNING if verdict.level == "warning" else logging.INFO
        log.log(level, "%s", verdict.message)
    if not checked:
        log.info("no score whose window has closed by %s was without its outcome", run.day)
    run.run.finish(*finished)


def _finished(target: Target, found: Sequence[ScoredDate]) -> Finished:
    names = ", ".join(one.name for one in found if not one.is_backfilled)
    facts = {"versions": names} if names else {"left_out": "scored by a later model, or nobody"}
    return Finished(target, checksum=f"{OUTCOMES}:{names}", facts=facts)


def _checked(
    run: ModelRun[ChurnSection],
    scored: ScoredDate,
    scores: DataFrame,
    quote: Quote,
    dates_of_version: Sequence[date],
) -> Checked:
    """Put the scores of a date beside what came, and beside how scores and features were before."""
    counts = outcome_counts(run, scored, scores)
    return Checked(
        scored,
        counts,
        gate(counts, seed=run.section.seed),
        quote,
        _drift(run, scored, counts, dates_of_version),
    )


def outcome_counts(
    run: ModelRun[ChurnSection], scored: ScoredDate, scores: DataFrame
) -> ScoreCounts:
    """Count scored customers and leavers by probability, as known when the window closed."""
    orders, days = run.lake.read(CUSTOMER_ORDERS), [scored.day]
    horizon, grace = scored.horizon_days, run.section.grace_days
    closed = closings(days, horizon_days=horizon, grace_days=grace)
    ordered = orders_in_horizon(
        orders,
        run.lake.read(TRANSACTIONS),
        dates=days,
        horizon_days=horizon,
        grace_days=grace,
        changes=count_changes(orders, dates=closed),
    )
    labelled = with_label(scores.select("customer_id", "as_of_date", CHURN_PROBABILITY), ordered)
    return count_scores(labelled, probability=CHURN_PROBABILITY, label=LABEL)


def _drift(
    run: ModelRun[ChurnSection],
    scored: ScoredDate,
    counts: ScoreCounts,
    dates_of_version: Iterable[date],
) -> Drift | None:
    """Compare with the first date of the version, where that is this one with the date before it.

    None where there is no earlier date. Scores of different versions are not compared.
    """
    state = run.run.state
    standing = {
        output.as_of_date
        for output in state.outputs(CUSTOMER_CHURN.name)
        if output.as_of_date and output.as_of_date < scored.day and state.is_whole(output)
    }
    first = min((day for day in dates_of_version if day in standing), default=None)
    since = first or max((day for day in standing if day), default=None)
    if since is None:
        return None
    before, after = _feature_rows(run, since, scored.day)
    names = [name for name in before.columns if len(before) and len(after)]
    features = feature_shifts(before, after, names)
    if first is None:
        return Drift(since, features)
    earlier = run.lake.read_date(CUSTOMER_CHURN, first).withColumn(LABEL, F.lit(0.0))
    of_version = earlier.where(F.col("model_version") == scored.version)
    of_first = count_scores(of_version, probability=CHURN_PROBABILITY, label=LABEL)
    if not of_first.rows:  # scored again by another version since
        return Drift(since, features)
    return Drift(since, features, first, score_shift(of_first, counts))


def _feature_rows(
    run: ModelRun[ChurnSection], before: date, after: date
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give the features of the customers scored on two dates, of a sample where they are many.

    Whatever the snapshots hold, changed by another program, too: drift is what is looked for.
    """
    dates = [before, after]
    if not run.lake.exists(CUSTOMER_SNAPSHOT):
        return pd.DataFrame(), pd.DataFrame()
    who = run.lake.read(CUSTOMER_CHURN).where(F.col("as_of_date").isin(dates))
    who = who.select("customer_id", "as_of_date")
    snapshot = run.of_dates(CUSTOMER_SNAPSHOT, dates)
    names = [one.name for one in run.features if one.name in snapshot.columns]
    drawn = sampled_customers(snapshot, n_rows=who.count(), most=2 * MOST_ROWS)
    rows = (
        drawn.join(who, ["customer_id", "as_of_date"], "left_semi")
        .select("as_of_date", *[F.col(name).cast(T.DoubleType()) for name in names])
        .toPandas()  # about MOST_ROWS rows of each date, whatever the base
    )
    of_date = [rows[rows["as_of_date"] == day][names] for day in dates]
    return of_date[0], of_date[1]
