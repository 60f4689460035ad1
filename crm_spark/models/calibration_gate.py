"""Whether probabilities are near enough to what came for use: no nearer than chance allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm_spark.models.binary_metrics import ScoreCounts, expected_calibration_error
from crm_spark.words import counted

# What ops.metrics calls a calibration error, and how large it may be.
CALIBRATION_ERROR, CALIBRATION_LIMIT = "calibration_error", "calibration_limit"
# An error of two points changes no decision on whom to address, nor does a tenth of what is usual:
# our convention. Where the outcome is rare two points are most of it.
HARMLESS_ERROR, HARMLESS_SHARE = 0.02, 0.1
SHARE, N_DRAWS = 0.95, 200
# Neighbouring probabilities are drawn together beyond so many: a million would take a minute.
_MOST_DISTINCT = 10_000


@dataclass(frozen=True)
class CalibrationGate:
    """The calibration error of `n` customers' probabilities, and how large it may be.

    `expected_by_chance` is the mean error of probabilities that are exactly right.
    """

    error: float
    expected_by_chance: float
    limit: float
    n: int

    @property
    def passes(self) -> bool:
        """Whether the probabilities may be used as such."""
        return self.error <= self.limit

    @property
    def why(self) -> str:
        """Say how large the error is, and how large it may be."""
        outcome = "within" if self.passes else "above"
        return (
            f"calibration error {self.error:.4f} for {counted(self.n, 'customer')}, {outcome} the "
            f"limit of {self.limit:.4f}; exactly right probabilities would show "
            f"{self.expected_by_chance:.4f} by chance"
        )


def is_within_limit(error: float | None, limit: float | None) -> bool | None:
    """Whether probabilities pass the gate; None without an error. No limit: nothing calibrated."""
    return None if error is None else limit is not None and error <= limit


def gate(counts: ScoreCounts, *, seed: int) -> CalibrationGate:
    """Hold the calibration error against its limit; ValueError as `perfect_calibration_error`.

    The limit is what exactly right probabilities stay below by chance 95 times in 100, but never
    less than what is harmless: two points, or a tenth of the mean probability where that is less.
    With many customers chance comes to so little that no real model would stay within it.
    """
    mean, point = perfect_calibration_error(counts, seed=seed)
    expected = float((counts.probability * counts.n).sum() / counts.n.sum())
    limit = max(point, harmless_error(expected))
    return CalibrationGate(expected_calibration_error(counts), mean, limit, counts.rows)


def harmless_error(probability: float) -> float:
    """Give by how much a mean probability may be off without harm."""
    return min(HARMLESS_ERROR, HARMLESS_SHARE * probability)


def perfect_calibration_error(
    counts: ScoreCounts, *, seed: int, share: float = SHARE, n_draws: int = N_DRAWS
) -> tuple[float, float]:
    """Give the calibration error that exactly right probabilities would show by chance.

    The mean, and what a `share` of `n_draws` draws of outcomes stay below, the same for a seed.
    Outcomes are drawn from the probabilities themselves, as in the consistency resampling of
    Bröcker and Smith (2007). ValueError without customers, or where a probability is
    not between 0 and 1.
    """
    if not counts.rows:
        raise ValueError("calibration needs customers, found none")
    if not ((counts.probability >= 0) & (counts.probability <= 1)).all():
        raise ValueError("a probability to calibrate is not between 0 and 1")
    drawn_from = _few_distinct(counts)
    probability, n = drawn_from.probability, drawn_from.n
    random = np.random.default_rng(seed)
    errors = []
    for _ in range(n_draws):
        drawn = random.binomial(n.astype(np.int64), probability).astype(float)
        errors.append(expected_calibration_error(ScoreCounts(probability, n, drawn)))
    return float(np.mean(errors)), float(np.quantile(errors, share))


def _few_distinct(counts: ScoreCounts) -> ScoreCounts:
    """Take neighbours at their mean probability where there are very many distinct ones.

    Only sums of outcomes over a tenth of the rows matter, and these are spread alike.
    """
    distinct = len(counts.n)
    if distinct <= _MOST_DISTINCT:
        return counts
    starts = np.linspace(0, distinct, _MOST_DISTINCT, endpoint=False).astype(int)
    n, n_positive, expected = (
        np.add.reduceat(values, starts)
        for values in (counts.n, counts.n_positive, counts.n * counts.probability)
    )
    return ScoreCounts(np.clip(expected / n, 0, 1), n, n_positive)
