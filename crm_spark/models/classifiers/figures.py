"""What is measured of a candidate beside the best rule, and who of them scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crm_spark.models.binary_metrics import bin_figures
from crm_spark.models.calibration_gate import (
    CALIBRATION_ERROR,
    CALIBRATION_LIMIT,
    gate,
    is_within_limit,
)
from crm_spark.models.choice import Choice, Criterion, better_for_sure
from crm_spark.models.classifiers.step import Fitted
from crm_spark.models.isotonic import IsotonicCalibration
from crm_spark.models.paired_gain import Gain, auc_gains, brier_gains
from crm_spark.models.results import Measured, Tested

# By how much a candidate is better than the best rule, and how far chance alone would be off.
AUC_GAIN, BRIER_GAIN = "auc_gain", "brier_gain"
CALIBRATION_BY_CHANCE = "calibration_by_chance"
# So many knots has the isotonic map, where that calibrates.
ISOTONIC_KNOTS = "isotonic_knots"


def figures(fitted: Fitted, rule: Fitted | None, *, seed: int) -> list[Measured]:
    """Give the metrics of a tested candidate, how its probabilities came true, and its gain.

    Of ten groups of equal size what bin_figures() gives. Of what is no rule the gains over the best
    `rule` on the same customers, with their 95 % intervals, and the limit that its calibration
    error has to stay within. The knots of an isotonic map. Of a search setting.<name>, as chosen.
    """
    n = fitted.counts.rows
    found = [
        Measured(metric.name, metric.value, n, metric.low, metric.high) for metric in fitted.metrics
    ]
    found += bin_figures(fitted.counts)
    if fitted.is_calibrated:  # else there was nothing to calibrate on, and the gate says nothing
        limits = gate(fitted.counts, seed=seed)
        found.append(Measured(CALIBRATION_LIMIT, limits.limit, n))
        found.append(Measured(CALIBRATION_BY_CHANCE, limits.expected_by_chance, n))
    calibration = fitted.model.calibration
    if isinstance(calibration, IsotonicCalibration):
        found.append(Measured(ISOTONIC_KNOTS, float(len(calibration.knots)), n))
    if fitted.tried:
        chosen = fitted.model.settings.items()
        found += [Measured(f"setting.{name}", float(value), n) for name, value in chosen]
    if rule is not None:
        found += [
            Measured(name, gain.value, n, gain.low, gain.high)
            for name, gain in _gains(fitted, rule).items()
        ]
    return found


def best_rule(rules: Sequence[Fitted]) -> Fitted:
    """Give the rule that ranks best on the test, ties by their Brier scores."""

    def place(one: Fitted) -> tuple[float, float]:
        auc, brier = one.value("auc"), one.value("brier")
        return (0.0 if auc is None else auc, -1.0 if brier is None else -brier)

    return max(rules, key=place)


def _gains(fitted: Fitted, rule: Fitted) -> dict[str, Gain]:
    outcomes = rule.outcomes
    both = {"rule": outcomes.probability, "candidate": fitted.outcomes.probability}
    return {
        AUC_GAIN: auc_gains(outcomes.is_positive, both, reference="rule")["candidate"],
        BRIER_GAIN: brier_gains(outcomes.is_positive, both, reference="rule")["candidate"],
    }


def choose_calibrated(tested: Sequence[Tested[Any]], criteria: Sequence[Criterion]) -> Choice:
    """Choose the best candidate where it beats the best rule for sure, and is calibrated.

    One that is not calibrated stands back where another is, or the rule is off by less.
    """
    calibrated = [one for one in tested if one.is_rule or _is_calibrated(one)]
    has_challenger = any(not one.is_rule for one in calibrated)
    choice = better_for_sure(calibrated if has_challenger else tested, criteria, gain=AUC_GAIN)
    by_name = {one.name: one for one in tested}
    champion, rule = by_name[choice.champion], by_name[choice.registered[0]]
    if champion.is_rule or _is_calibrated(champion):
        return choice
    error, of_rule = (one.value(CALIBRATION_ERROR) or 0.0 for one in (champion, rule))
    if not _is_calibrated(rule) and of_rule >= error:
        return choice
    limit = champion.value(CALIBRATION_LIMIT)
    passes = (
        "and there was no cut-off to calibrate them on"
        if limit is None
        else f"more than the {limit:.4f} that may pass"
    )
    why = (
        f"the {champion.name} is not calibrated: its probabilities are off by {error:.4f}, "
        f"{passes}; {choice.why}"
    )
    return Choice(rule.name, choice.registered, why)


def _is_calibrated(tested: Tested[Any]) -> bool:
    """Whether the calibration error is within its limit, as far as it is known."""
    error, limit = tested.value(CALIBRATION_ERROR), tested.value(CALIBRATION_LIMIT)
    return is_within_limit(error, limit) is not False
