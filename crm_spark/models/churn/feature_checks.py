"""Which features churn may use, and the metrics and checks that say how healthy all of them are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame

from crm_spark.errors import DataError
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.models.churn.candidates import RULES
from crm_spark.models.churn.labels import LABEL
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.feature_health import (
    NEAR_CONSTANT_SHARE,
    UNSTABLE_PSI,
    FeatureHealth,
    MeasuredFeatures,
    measure_features,
)
from crm_spark.models.feature_selection import (
    LEAK_AUC,
    SAME_CORRELATION,
    Dropped,
    Reason,
    Selection,
    Suspicion,
    select_features,
    suspicion_at,
)
from crm_spark.models.records import MetricRow
from crm_spark.models.usability.facts import Level, Verdict
from crm_spark.runtime.progress import log

# What ops.metrics calls them: they are no model.
FEATURES_MODEL = "features"
LEAK, DROPPED, UNSTABLE, NEAR_CONSTANT = FEATURE_CHECKS = (
    "suspected_leak",
    "feature_dropped",
    "feature_unstable",
    "feature_near_constant",
)
_LEVELS: dict[Reason, Level] = {
    "never known": "advice",
    "constant": "advice",
    "suspected leak": "warning",
    "redundant": "ok",
}
_NEEDED: dict[Reason, str] = {
    "never known": "a known value",
    "constant": "two different values",
    "suspected leak": f"AUC up to {LEAK_AUC}",
    "redundant": f"rank correlation up to {SAME_CORRELATION} with a stronger feature",
}


def measured_features(frame: DataFrame, cutoffs: Cutoffs) -> MeasuredFeatures:
    """Measure all features on labelled snapshot rows of these cut-offs."""
    return measure_features(frame, training=cutoffs.training, test=cutoffs.test, label=LABEL)


def selected_features(measured: MeasuredFeatures, trusted: Sequence[str]) -> Selection:
    """Choose the features, and say how many were left out and which look too good."""
    selection = select_features(measured, trusted=trusted)
    told = _counted(selection)
    log.info("of %d features the forest uses %d%s", len(measured.health), len(selection.kept), told)
    for held in selection.suspicions:
        log.warning("%s", leak_in_words(held))
    return selection


def require_features(selection: Selection) -> None:
    """Refuse to train a forest that has nothing to learn from."""
    if not selection.kept:
        raise DataError(
            f"churn cannot be trained: no feature is left{_counted(selection)}; name those that "
            "are proved clean in churn.trusted_features, or map more columns"
        )


def _counted(selection: Selection) -> str:
    counted = Counter(held.reason for held in selection.dropped.values())
    return "".join(f", {n} {reason}" for reason, n in sorted(counted.items()))


def feature_metrics(measured: MeasuredFeatures) -> list[MetricRow]:
    """Give rows of ops.metrics: feature.<name>.<figure>.

    What is of all training rows stands at the latest training cut-off: missing_share, variance,
    most_common_share, training_auc. At each cut-off: auc, and from the second on psi.
    """
    newest = max(measured.training)
    rows: list[MetricRow] = []
    for held in measured.health:
        found: list[tuple[date, str, float | None, int]] = [
            (newest, "missing_share", held.missing_share, held.values.n_rows),
            (newest, "variance", held.variance, measured.n_sample),
            (newest, "most_common_share", held.most_common_share, measured.n_sample),
            *[(cutoff, "psi", one.psi, one.n) for cutoff, one in held.shift_by_cutoff.items()],
        ]
        rows += [
            MetricRow(FEATURES_MODEL, cutoff, _metric(held, figure), value, n)
            for cutoff, figure, value, n in found
        ]
        strengths = [(newest, "training_auc", held.strength)]
        strengths += [(cutoff, "auc", one) for cutoff, one in held.strength_by_cutoff.items()]
        rows += [
            MetricRow(
                FEATURES_MODEL, cutoff, _metric(held, figure), one.auc, one.n, one.low, one.high
            )
            for cutoff, figure, one in strengths
        ]
    return rows


def _metric(held: FeatureHealth, figure: str) -> str:
    return f"feature.{held.feature}.{figure}"


def feature_checks(
    measured: MeasuredFeatures, selection: Selection, trusted: Sequence[str]
) -> list[Verdict]:
    """Give rows of ops.checks: leaks suspected, features dropped, unstable and near constant."""
    rows = _leak_checks(measured, selection, trusted)
    for held in measured.health:
        if dropped := selection.dropped.get(held.feature):
            rows.append(_dropped_check(dropped))
            continue
        rows += _drift_checks(held) + _near_constant_checks(held)
    return rows


def _dropped_check(dropped: Dropped) -> Verdict:
    return Verdict(
        DROPPED,
        dropped.feature,
        found=dropped.reason,
        needed=_NEEDED[dropped.reason],
        level=_LEVELS[dropped.reason],
        message=dropped_in_words(dropped),
    )


def _leak_checks(
    measured: MeasuredFeatures, selection: Selection, trusted: Sequence[str]
) -> list[Verdict]:
    needed = f"AUC up to {LEAK_AUC}"
    told: list[tuple[Level, Suspicion, str]] = [
        ("warning", held, leak_in_words(held)) for held in selection.suspicions
    ]
    told += [
        ("advice", held, f"{_too_good(held)}; churn.trusted_features clears it of that")
        for held in selection.trusted
    ]
    told += [
        ("warning", held, late_leak_in_words(held)) for held in _late(measured, selection, trusted)
    ]
    if not told:
        return [_no_leak_check(measured, needed)]
    return [
        Verdict(
            LEAK,
            held.feature,
            found=f"AUC {held.auc:.3f}",
            needed=needed,
            level=level,
            message=message,
        )
        for level, held, message in told
    ]


def _late(
    measured: MeasuredFeatures, selection: Selection, trusted: Sequence[str]
) -> list[Suspicion]:
    """Give used features that are too good on the test cut-off alone."""
    found = [suspicion_at(held, measured.test) for held in measured.health]
    return [
        held
        for held in found
        if held and held.feature in selection.kept and held.feature not in trusted
    ]


def _no_leak_check(measured: MeasuredFeatures, needed: str) -> Verdict:
    best = max(measured.health, key=lambda held: held.strength.auc or 0.0)
    auc = f"AUC {best.strength.auc or 0.0:.3f}"
    return Verdict(
        LEAK,
        CUSTOMER_SNAPSHOT.name,
        found=auc,
        needed=needed,
        level="ok",
        message=f"no feature alone is too good to be true; the best is {best.feature} with {auc}",
    )


def _too_good(held: Suspicion) -> str:
    where = f"at {held.cutoff}" if held.cutoff else "over the training cut-offs"
    return f"{held.feature} alone ranks leavers with AUC {held.auc:.3f} {where}"


def leak_in_words(held: Suspicion) -> str:
    """Say why a feature is kept out of the model, and what to do."""
    rules = [name for name, inputs in RULES.items() if held.feature in inputs]
    beside = f" (the trivial rules {', '.join(rules)} still read it)" if rules else ""
    return (
        f"{_too_good(held)}: that looks like the outcome in disguise, and it is kept out of the "
        f"forest{beside} until churn.trusted_features names it"
    )


def late_leak_in_words(held: Suspicion) -> str:
    """Say that a feature is too good on the test cut-off, which must not choose features."""
    return (
        f"{_too_good(held)}, and on no earlier cut-off; it is used, since earlier cut-offs decide "
        "on that, and the test may flatter the forest: find out what changed"
    )


def dropped_in_words(held: Dropped) -> str:
    """Say in one sentence why a feature is not used."""
    match held.reason:
        case "never known":
            return f"{held.feature} is never known on the training cut-offs"
        case "constant":
            return f"{held.feature} has the same value for everybody on the training cut-offs"
        case "redundant":
            return (
                f"{held.feature} says the same as {held.same_as} (rank correlation "
                f"{held.figure:.3f}, limit {SAME_CORRELATION}), which tells at least as much alone"
            )
        case "suspected leak":
            return f"{held.feature} is suspected to leak the outcome: AUC {held.figure:.3f} alone"


def _drift_checks(held: FeatureHealth) -> list[Verdict]:
    """Advise on a feature that moved beyond Siddiqi's limit at any cut-off."""
    unstable = {
        cutoff: found.psi for cutoff, found in held.shift_by_cutoff.items() if found.is_unstable
    }
    if not unstable:
        return []
    worst, newest = max(unstable, key=lambda cutoff: unstable[cutoff]), max(held.shift_by_cutoff)
    told = f"PSI {unstable[worst]:.2f} at {worst}"
    if newest != worst:
        told += f", {held.shift_by_cutoff[newest].psi:.2f} at {newest}"
    return [
        Verdict(
            UNSTABLE,
            held.feature,
            found=told,
            needed=f"PSI up to {UNSTABLE_PSI}",
            level="advice",
            message=f"{held.feature} is spread otherwise than on the cut-offs before: {told}; it "
            "is used, and may no longer mean what the model learnt",
        )
    ]


def _near_constant_checks(held: FeatureHealth) -> list[Verdict]:
    if not held.is_near_constant:
        return []
    share = f"{held.most_common_share:.1%}"
    return [
        Verdict(
            NEAR_CONSTANT,
            held.feature,
            level="advice",
            found=f"{share} alike",
            needed=f"up to {NEAR_CONSTANT_SHARE:.0%} alike",
            message=f"{held.feature} has the same value on {share} of the training rows; it is "
            "used, and can say little",
        )
    ]
