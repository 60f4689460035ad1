"""The grade of a champion: what may be done with its scores, for who decides on that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crm_spark.models.calibration_gate import (
    CALIBRATION_ERROR,
    CALIBRATION_LIMIT,
    is_within_limit,
)
from crm_spark.models.classifiers.figures import AUC_GAIN
from crm_spark.models.records import MetricRow

# A customer who leaves is told from one who stays in five pairs of a thousand more than by the best
# rule. Less than that is not worth a model's upkeep: our convention.
GAIN_FOR_A = 0.005


@dataclass(frozen=True)
class Grade:
    """A, B or C, and in one sentence why, and what the scores are good for."""

    letter: str
    why: str


def grade(
    gain: float | None, low: float | None, high: float | None, *, is_calibrated: bool
) -> Grade:
    """Grade a champion by its gain in AUC over the best rule, with its 95 % interval.

    A: the lower end is at least +.005, and the probabilities pass the calibration gate. B: it is
    above 0, and they pass. C: everything else: no better than the best rule for sure, not
    calibrated, or the gain is not known, as where a part of it is None.
    """
    if gain is None or low is None or high is None:
        return Grade("C", f"gain unknown: {_use(is_calibrated=is_calibrated, is_better=False)}")
    is_better = low > 0
    degree = (
        "better than the best rule for sure"
        if is_better
        else "not surely better than the best rule"
    )
    compared = f"{degree} (AUC {gain:+.4f}, 95 % interval {low:+.4f} to {high:+.4f})"
    use = _use(is_calibrated=is_calibrated, is_better=is_better)
    if not is_better or not is_calibrated:
        return Grade("C", f"{compared}: {use}")
    if low >= GAIN_FOR_A:
        return Grade("A", f"clearly {compared.replace(' for sure', '', 1)}: {use}")
    return Grade("B", f"{compared}: {use}, but the gain may be small")


def is_calibrated(figures: Mapping[str, MetricRow]) -> bool | None:
    """Whether a candidate's probabilities pass the gate, by its quoted figures; None: not known."""
    error, limit = (figures.get(name) for name in (CALIBRATION_ERROR, CALIBRATION_LIMIT))
    return is_within_limit(error.value if error else None, limit.value if limit else None)


def grade_of_champion(figures: Mapping[str, MetricRow], *, is_rule: bool) -> str:
    """Give a champion's grade with its reason, by its quoted figures; nothing without them."""
    passes = is_calibrated(figures)
    if passes is None:
        return ""
    if is_rule:
        use = "its probabilities can be used" if passes else "use its ranking alone"
        return f"Grade C: a rule scores; {use}"
    gain = figures.get(AUC_GAIN)
    given = grade(
        *((gain.value, gain.low, gain.high) if gain else (None, None, None)),
        is_calibrated=passes,
    )
    return f"Grade {given.letter}: {given.why}"


def _use(*, is_calibrated: bool, is_better: bool) -> str:
    """Say what may be done with the scores."""
    if not is_calibrated:
        use = "use the ranking, not the probabilities, which are not calibrated"
    else:
        use = "use the probabilities"
    return use if is_better else f"{use}; nothing shows that a plain rule would do worse"
