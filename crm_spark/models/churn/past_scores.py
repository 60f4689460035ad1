"""Past churn scores beside what came of them: figures, drift, and the verdicts on both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.models.binary_metrics import (
    Floats,
    ScoreCounts,
    auc_interval,
    bin_figures,
    brier,
    lift,
    roc_auc,
    wilson_interval,
)
from crm_spark.models.calibration_gate import (
    CALIBRATION_ERROR,
    CALIBRATION_LIMIT,
    CalibrationGate,
)
from crm_spark.models.feature_health import (
    N_BINS,
    UNSTABLE_PSI,
    Shift,
    population_stability,
    stability_of_bins,
)
from crm_spark.models.results import Measured
from crm_spark.tables.checks import Verdict
from crm_spark.words import counted, verb

SUBJECT = "churn"
CALIBRATION, RANKING, SCORE_DRIFT, FEATURE_DRIFT = OUTCOME_CHECKS = (
    "outcomes_calibration",
    "outcomes_ranking",
    "score_drift",
    "feature_drift",
)
# The metrics that others read by name.
CUSTOMERS, EXPECTED, ACTUAL = "customers", "expected_leavers", "actual_leavers"
AUC, LIFT, SCORE_PSI = "auc", "lift_at_10_percent", "score.psi"


@dataclass(frozen=True)
class ScoredDate:
    """What of a date one version scored: `n` customers, for a horizon."""

    day: date
    model_name: str
    version: str
    horizon_days: int
    is_backfilled: bool
    n: int

    @property
    def name(self) -> str:
        """What ops.metrics calls the version."""
        return versioned(self.model_name, self.version)

    def closes_on(self, grace_days: int) -> date:
        """Give the date from which the outcome stands."""
        return self.day + timedelta(days=self.horizon_days + grace_days)


def versioned(model_name: str, version: str) -> str:
    """Give what ops.metrics calls a version of a registered model: crm_spark_churn/3."""
    return f"{model_name}/{version}"


def scored_date(scores: DataFrame, day: date) -> list[ScoredDate]:
    """Give who scored the rows of a date: one version, as each scoring replaces the date."""
    by = ("model_name", "model_version", "horizon_days", "is_backfilled")
    rows = scores.groupBy(*by).agg(F.count(F.lit(1)).alias("n")).collect()  # a row a version
    rows.sort(key=lambda row: (row["model_name"], row["model_version"], row["horizon_days"]))
    return [
        ScoredDate(
            day,
            row["model_name"],
            row["model_version"],
            row["horizon_days"],
            bool(row["is_backfilled"]),
            row["n"],
        )
        for row in rows
    ]


def outcome_figures(counts: ScoreCounts, limits: CalibrationGate) -> list[Measured]:
    """Give what was expected of the scores of a date beside what came.

    The interval of the expected leavers holds 95 of 100 counts that exactly right probabilities
    would bring. Of ten groups of equal size what bin_figures() gives.
    """
    n = counts.rows
    expected, low, high = expected_leavers(counts)
    auc_low, auc_high = auc_interval(counts) or (None, None)
    found = [
        Measured(CUSTOMERS, float(n), n),
        Measured(EXPECTED, expected, n, low, high),
        Measured(ACTUAL, float(counts.positives), n),
        Measured("mean_probability", expected / n, n),
        Measured(
            "positive_share", counts.positives / n, n, *wilson_interval(counts.positives / n, n)
        ),
        Measured(AUC, roc_auc(counts), n, auc_low, auc_high),
        Measured("brier", brier(counts), n),
        Measured(CALIBRATION_ERROR, limits.error, n),
        Measured(CALIBRATION_LIMIT, limits.limit, n),
        Measured(LIFT, lift(counts), n),
    ]
    return found + bin_figures(counts)


def expected_leavers(counts: ScoreCounts) -> tuple[float, float, float]:
    """Give the sum of the probabilities, and between what 95 of 100 sums of outcomes would lie."""
    p, n = counts.probability, counts.n
    expected = float((p * n).sum())
    half = 1.96 * math.sqrt(float((p * (1 - p) * n).sum()))
    return expected, max(0.0, expected - half), min(float(counts.rows), expected + half)


def score_shift(before: ScoreCounts, after: ScoreCounts) -> Shift:
    """Give the population stability index of scores, binned at the deciles of those before."""
    order = np.argsort(before.probability, kind="stable")
    p, reached = before.probability[order], np.cumsum(before.n[order])
    tenths = np.arange(1, N_BINS) / N_BINS * reached[-1]
    edges = np.unique(p[np.searchsorted(reached, tenths, side="left")])
    return stability_of_bins(_by_bin(before, edges), _by_bin(after, edges))


def _by_bin(counts: ScoreCounts, edges: Floats) -> Floats:
    places = np.searchsorted(edges, counts.probability, side="left")
    return np.bincount(places, weights=counts.n, minlength=len(edges) + 1).astype(float)


def feature_shifts(
    before: pd.DataFrame, after: pd.DataFrame, features: Sequence[str]
) -> dict[str, Shift]:
    """Give the population stability index of each feature that was known before."""
    columns = {name: before[name].to_numpy(float) for name in features}
    return {
        name: population_stability(values, after[name].to_numpy(float))
        for name, values in columns.items()
        if not np.isnan(values).all()
    }


@dataclass(frozen=True)
class Quote:
    """What the training of a version quoted: its AUC, and how far each feature moved there.

    `unlearnt` are the features of which it could learn nothing: never known, or the same for all.
    """

    auc: float | None = None
    auc_low: float | None = None
    psi: Mapping[str, float] = field(default_factory=dict)
    unlearnt: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Drift:
    """How scores and features of a date moved; scores since a date of the version, if any."""

    features_since: date
    features: Mapping[str, Shift]
    scores_since: date | None = None
    scores: Shift | None = None


@dataclass(frozen=True)
class Checked:
    """A past scoring whose window has closed, beside what came of it."""

    scored: ScoredDate
    counts: ScoreCounts
    gate: CalibrationGate
    quote: Quote = Quote()
    drift: Drift | None = None


def is_surely_worse(counts: ScoreCounts, quote: Quote) -> bool:
    """Whether the AUC lies below that of the training by more than chance explains.

    The interval of a difference from those of its parts: Newcombe (1998), method 10. Where nothing
    was quoted, whether it lies below that of a coin.
    """
    auc, interval = roc_auc(counts), auc_interval(counts)
    if auc is None or interval is None:
        return False
    if quote.auc is None:
        return interval[1] < 0.5
    quoted_half = quote.auc - quote.auc_low if quote.auc_low is not None else 0.0
    return quote.auc - auc > math.hypot(interval[1] - auc, quoted_half)


def psi_limit(shift: Shift, seen_in_training: float = 0.0) -> float:
    """Give the index that is still no drift: Siddiqi's, that of chance, or twice training's.

    What grows with the history moves from cut-off to cut-off, and the model was tested so. Twice is
    our convention: on the demo, once the most that was seen is passed by tenure now and then.
    """
    return max(UNSTABLE_PSI, shift.by_chance, 2 * seen_in_training)


def outcome_verdicts(checked: Sequence[Checked]) -> list[Verdict]:
    """Give the verdicts on past scorings: one a check, but of drifting features one a feature."""
    if not checked:
        return []
    return [
        _calibration_verdict(checked),
        _ranking_verdict(checked),
        *_score_drift_verdicts(checked),
        *_feature_drift_verdicts(checked),
    ]


def _calibration_verdict(checked: Sequence[Checked]) -> Verdict:
    worst = max(checked, key=lambda one: one.gate.error / one.gate.limit)
    n_off = sum(not one.gate.passes for one in checked)
    of = worst.scored
    expected, low, high = expected_leavers(worst.counts)
    came = (
        f"of {counted(of.n, 'customer')} scored on {of.day}, {expected:,.0f} were expected to "
        f"leave ({low:,.0f} to {high:,.0f}), and {worst.counts.positives:,} did"
    )
    advice = "the probabilities may be taken at their word"
    if n_off:
        advice = (
            f"the probabilities of version {of.version} are off: train churn again; until then go "
            "by the order of customers, not by the number that it says will leave"
        )
    return Verdict(
        CALIBRATION,
        SUBJECT,
        found=f"calibration error {worst.gate.error:.4f} on {of.day}{_others(n_off, checked)}",
        needed=f"up to {worst.gate.limit:.4f}",
        level="warning" if n_off else "ok",
        message=f"{came} (calibration error {worst.gate.error:.4f}, limit "
        f"{worst.gate.limit:.4f}): {advice}",
    )


def _ranking_verdict(checked: Sequence[Checked]) -> Verdict:
    bad = [one for one in checked if is_surely_worse(one.counts, one.quote)]
    shown = min(bad or checked, key=lambda one: roc_auc(one.counts) or 1.0)
    of, auc = shown.scored, roc_auc(shown.counts)
    quoted = shown.quote.auc
    needed = "an AUC above .5" if quoted is None else f"AUC {quoted:.4f}, less what is chance"
    if auc is None:
        found, message = "all or nobody left", f"of the customers of {of.day} all or nobody left"
    else:
        found = f"AUC {auc:.4f} on {of.day}{_others(len(bad), checked)}"
        beside = "" if quoted is None else f"; its training quoted {quoted:.4f}"
        message = f"the scores of {of.day} ranked leavers with AUC {auc:.4f}{beside}"
    advice = "that is no less than chance allows"
    if bad:
        advice = (
            f"version {of.version} ranks worse than it promised: train churn again, and look at "
            "feature_drift for what has changed"
        )
    return Verdict(
        RANKING,
        SUBJECT,
        found=found,
        needed=needed,
        level="warning" if bad else "ok",
        message=f"{message}: {advice}",
    )


def _others(n_off: int, checked: Sequence[Checked]) -> str:
    """Say of several dates how many did not pass."""
    if len(checked) == 1 or not n_off:
        return ""
    return f"; not passed on {n_off} of {counted(len(checked), 'date')}"


def _score_drift_verdicts(checked: Sequence[Checked]) -> list[Verdict]:
    """Judge the scores that have earlier ones of the same version; nothing where none have."""
    known = [
        (one.scored, one.drift.scores_since, one.drift.scores)
        for one in checked
        if one.drift and one.drift.scores and one.drift.scores_since
    ]
    if not known:
        return []
    of, since, shift = max(known, key=lambda one: one[2].psi / psi_limit(one[2]))
    limit = psi_limit(shift)
    is_drift = shift.psi > limit
    advice = (
        "the base, or what the scores are made of, is no longer as it was: see feature_drift, and "
        "train churn again if the change is real"
        if is_drift
        else "they are spread as they were"
    )
    return [
        Verdict(
            SCORE_DRIFT,
            SUBJECT,
            found=f"PSI {shift.psi:.2f} on {of.day} against {since}",
            needed=f"PSI up to {limit:.2f}",
            level="warning" if is_drift else "ok",
            message=f"the scores of {of.day} beside those of {since}, by the same version "
            f"{of.version} (PSI {shift.psi:.2f}, limit {limit:.2f}): {advice}",
        )
    ]


@dataclass(frozen=True)
class _Moved:
    """One feature on one date."""

    feature: str
    day: date
    since: date
    psi: float
    limit: float


def _feature_drift_verdicts(checked: Sequence[Checked]) -> list[Verdict]:
    """Warn of each feature that drifted, by its worst date; else say that none has."""
    moved = [
        _Moved(
            name,
            one.scored.day,
            one.drift.features_since,
            shift.psi,
            psi_limit(shift, one.quote.psi.get(name, 0.0)),
        )
        for one in checked
        if one.drift
        for name, shift in one.drift.features.items()
        if name not in one.quote.unlearnt
    ]
    if not moved:
        return []
    drifted: dict[str, _Moved] = {}
    for one in sorted(moved, key=lambda one: (one.psi / one.limit, one.day)):
        if one.psi > one.limit:
            drifted[one.feature] = one
    if drifted:
        return [_feature_drift(drifted[name]) for name in sorted(drifted)]
    most = max(moved, key=lambda one: (one.psi / one.limit, one.feature))
    n = len({one.feature for one in moved})
    return [
        Verdict(
            FEATURE_DRIFT,
            SUBJECT,
            found=f"PSI {most.psi:.2f} of {most.feature} on {most.day} against {most.since}",
            needed=f"PSI up to {most.limit:.2f}",
            level="ok",
            message=f"{counted(n, 'feature')} {verb(n, 'is', 'are')} spread no more otherwise than "
            f"training saw; {most.feature} moved most (PSI {most.psi:.2f}, limit {most.limit:.2f})",
        )
    ]


def _feature_drift(moved: _Moved) -> Verdict:
    return Verdict(
        FEATURE_DRIFT,
        moved.feature,
        found=f"PSI {moved.psi:.2f} on {moved.day} against {moved.since}",
        needed=f"PSI up to {moved.limit:.2f}",
        level="warning",
        message=f"{moved.feature} of the customers scored on {moved.day} is spread otherwise than "
        f"on {moved.since} (PSI {moved.psi:.2f}, limit {moved.limit:.2f}): look whether its source "
        "has changed; if the change is real, train churn again",
    )
