"""Which features churn may use, and the metrics and checks that say how healthy all of them are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame

from crm_spark.errors import DataError
from crm_spark.features.families.family import Feature
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
from crm_spark.runtime.progress import log
from crm_spark.tables.checks import Level, Verdict
from crm_spark.words import counted

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


def measured_features(
    frame: DataFrame, cutoffs: Cutoffs, features: Sequence[Feature]
) -> MeasuredFeatures:
    """Measure features on labelled snapshot rows of these cut-offs."""
    return measure_features(
        frame, training=cutoffs.training, test=cutoffs.test, label=LABEL, features=features
    )


def selected_features(measured: MeasuredFeatures, trusted: Sequence[str]) -> Selection:
    """Choose the features, and say how many were left out and which look too good."""
    selection = select_features(measured, trusted=trusted)
    left_out = _counted(selection)
    log.info(
        "of %s models may use %d%s",
        counted(len(measured.health), "feature"),
        len(selection.kept),
        left_out,
    )
    for suspect in selection.suspicions:
        log.warning("%s", leak_in_words(suspect))
    return selection


def used_features(selection: Selection, features: Sequence[Feature]) -> list[Feature]:
    """Give the features that models may use. Raises DataError where there is none to learn from."""
    if not selection.kept:
        raise DataError(
            f"churn cannot be trained: no feature is left{_counted(selection)}; name those that "
            "are proved clean in churn.trusted_features, or map more columns"
        )
    return [feature for feature in features if feature.name in selection.kept]


def _counted(selection: Selection) -> str:
    counted = Counter(dropped.reason for dropped in selection.dropped.values())
    return "".join(f", {n} {reason}" for reason, n in sorted(counted.items()))


def feature_metrics(measured: MeasuredFeatures) -> list[MetricRow]:
    """Give rows of ops.metrics: feature.<name>.<figure>.

    What is of all training rows stands at the latest training cut-off: missing_share, variance,
    most_common_share, training_auc. At each cut-off: auc, and from the second on psi.
    """
    newest = max(measured.training)
    rows: list[MetricRow] = []
    for health in measured.health:
        found: list[tuple[date, str, float | None, int]] = [
            (newest, "missing_share", health.missing_share, health.values.n_rows),
            (newest, "variance", health.variance, measured.n_sample),
            (newest, "most_common_share", health.most_common_share, measured.n_sample),
            *[(cutoff, "psi", one.psi, one.n) for cutoff, one in health.shift_by_cutoff.items()],
        ]
        rows += [
            MetricRow(FEATURES_MODEL, cutoff, _metric(health, figure), value, n)
            for cutoff, figure, value, n in found
        ]
        strengths = [(newest, "training_auc", health.strength)]
        strengths += [(cutoff, "auc", one) for cutoff, one in health.strength_by_cutoff.items()]
        rows += [
            MetricRow(
                FEATURES_MODEL, cutoff, _metric(health, figure), one.auc, one.n, one.low, one.high
            )
            for cutoff, figure, one in strengths
        ]
    return rows


def _metric(health: FeatureHealth, figure: str) -> str:
    return f"feature.{health.feature}.{figure}"


def feature_checks(
    measured: MeasuredFeatures, selection: Selection, trusted: Sequence[str]
) -> list[Verdict]:
    """Give rows of ops.checks: leaks suspected, features dropped, unstable and near constant."""
    rows = _leak_checks(measured, selection, trusted)
    for health in measured.health:
        if dropped := selection.dropped.get(health.feature):
            rows.append(_dropped_check(dropped))
            continue
        rows += _drift_checks(health) + _near_constant_checks(health)
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
    leaks: list[tuple[Level, Suspicion, str]] = [
        ("warning", suspect, leak_in_words(suspect)) for suspect in selection.suspicions
    ]
    leaks += [
        ("advice", suspect, f"{_too_good(suspect)}; churn.trusted_features clears it of that")
        for suspect in selection.trusted
    ]
    leaks += [
        ("warning", suspect, late_leak_in_words(suspect))
        for suspect in _late(measured, selection, trusted)
    ]
    if not leaks:
        return [_no_leak_check(measured, needed)]
    return [
        Verdict(
            LEAK,
            suspect.feature,
            found=f"AUC {suspect.auc:.3f}",
            needed=needed,
            level=level,
            message=message,
        )
        for level, suspect, message in leaks
    ]


def _late(
    measured: MeasuredFeatures, selection: Selection, trusted: Sequence[str]
) -> list[Suspicion]:
    """Give used features that are too good on the test cut-off alone."""
    found = [suspicion_at(suspect, measured.test) for suspect in measured.health]
    return [
        suspect
        for suspect in found
        if suspect and suspect.feature in selection.kept and suspect.feature not in trusted
    ]


def _no_leak_check(measured: MeasuredFeatures, needed: str) -> Verdict:
    best = max(measured.health, key=lambda health: health.strength.auc or 0.0)
    auc = f"AUC {best.strength.auc or 0.0:.3f}"
    return Verdict(
        LEAK,
        CUSTOMER_SNAPSHOT.name,
        found=auc,
        needed=needed,
        level="ok",
        message=f"no feature alone is too good to be true; the best is {best.feature} with {auc}",
    )


def _too_good(suspect: Suspicion) -> str:
    where = f"at {suspect.cutoff}" if suspect.cutoff else "over the training cut-offs"
    return f"{suspect.feature} alone ranks leavers with AUC {suspect.auc:.3f} {where}"


def leak_in_words(suspect: Suspicion) -> str:
    """Say why a feature is kept out of the model, and what to do."""
    rules = [name for name, inputs in RULES.items() if suspect.feature in inputs]
    beside = f" (the trivial rules {', '.join(rules)} still read it)" if rules else ""
    return (
        f"{_too_good(suspect)}: that looks like the outcome in disguise, and it is kept out of the "
        f"models{beside} until churn.trusted_features names it"
    )


def late_leak_in_words(suspect: Suspicion) -> str:
    """Say that a feature is too good on the test cut-off, which must not choose features."""
    return (
        f"{_too_good(suspect)}, and on no earlier cut-off; it is used, since earlier cut-offs "
        "decide on that, and the test may flatter the models: find out what changed"
    )


def dropped_in_words(dropped: Dropped) -> str:
    """Say in one sentence why a feature is not used."""
    match dropped.reason:
        case "never known":
            return f"{dropped.feature} is never known on the training cut-offs"
        case "constant":
            return f"{dropped.feature} has the same value for everybody on the training cut-offs"
        case "redundant":
            return (
                f"{dropped.feature} says the same as {dropped.same_as} (rank correlation "
                f"{dropped.figure:.3f}, limit {SAME_CORRELATION}), which tells at least as much "
                "alone"
            )
        case "suspected leak":
            auc = f"AUC {dropped.figure:.3f} alone"
            return f"{dropped.feature} is suspected to leak the outcome: {auc}"


def _drift_checks(health: FeatureHealth) -> list[Verdict]:
    """Advise on a feature that moved beyond Siddiqi's limit at any cut-off."""
    unstable = {
        cutoff: found.psi for cutoff, found in health.shift_by_cutoff.items() if found.is_unstable
    }
    if not unstable:
        return []
    worst, newest = max(unstable, key=lambda cutoff: unstable[cutoff]), max(health.shift_by_cutoff)
    found = f"PSI {unstable[worst]:.2f} at {worst}"
    if newest != worst:
        found += f", {health.shift_by_cutoff[newest].psi:.2f} at {newest}"
    return [
        Verdict(
            UNSTABLE,
            health.feature,
            found=found,
            needed=f"PSI up to {UNSTABLE_PSI}",
            level="advice",
            message=f"{health.feature} is spread otherwise than on the cut-offs before: {found}; "
            "it is used, and may no longer mean what the model learnt",
        )
    ]


def _near_constant_checks(health: FeatureHealth) -> list[Verdict]:
    if not health.is_near_constant:
        return []
    share = f"{health.most_common_share:.1%}"
    return [
        Verdict(
            NEAR_CONSTANT,
            health.feature,
            level="advice",
            found=f"{share} alike",
            needed=f"up to {NEAR_CONSTANT_SHARE:.0%} alike",
            message=f"{health.feature} has the same value on {share} of the training rows; it is "
            "used, and can say little",
        )
    ]
