"""Maps that bend raw scores into probabilities that hold on a later cut-off; Platt scaling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
from pyspark.sql import Column
from pyspark.sql import functions as F

from crm_spark.models.binary_metrics import Floats, ScoreCounts

# Raw scores are kept this far from 0 and 1, where the logit ends.
EDGE = 1e-4
_MAX_STEPS = 200


class Calibration(Protocol):
    """A map from raw scores to probabilities that keeps their order, as a column and by arrays.

    `form` names the class in a spec.
    """

    form: ClassVar[str]

    def probability(self, raw: Column) -> Column:
        """Give the calibrated probability of a raw score between 0 and 1; null of a null."""

    def probabilities(self, raw: Floats) -> Floats:
        """Give the calibrated probabilities of raw scores of any shape."""

    def shifted(self, log_odds: float) -> Calibration:
        """Give the map with so much added to the log-odds of all."""

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""


@dataclass(frozen=True)
class PlattCalibration:
    """probability = sigmoid(slope * logit(raw) + intercept). Platt (1999)."""

    form: ClassVar[str] = "platt"

    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> PlattCalibration:
        """Give the calibration of a spec."""
        return cls(spec["slope"], spec["intercept"])

    def probability(self, raw: Column) -> Column:
        """Give the calibrated probability of a raw score between 0 and 1; null of a null."""
        return 1 / (1 + F.exp(-(logit(raw) * self.slope + self.intercept)))

    def probabilities(self, raw: Floats) -> Floats:
        """Give the calibrated probabilities of raw scores of any shape."""
        return np.asarray(1 / (1 + np.exp(-(logits(raw) * self.slope + self.intercept))))

    def shifted(self, log_odds: float) -> PlattCalibration:
        """Give the map with so much added to the log-odds of all."""
        return replace(self, intercept=self.intercept + log_odds)

    def spec(self) -> dict[str, Any]:
        """Give slope and intercept."""
        return asdict(self)


def logit(raw: Column) -> Column:
    """Give the logit of a raw score, which is kept off 0 and 1; null of a null."""
    # greatest() and least() pass over nulls: an unknown raw score has to stay unknown.
    kept = F.when(raw.isNotNull(), F.greatest(F.least(raw, F.lit(1 - EDGE)), F.lit(EDGE)))
    return F.log(kept / (1 - kept))


def logits(raw: Floats) -> Floats:
    """Give the logits of raw scores of any shape, which are kept off 0 and 1."""
    kept = np.clip(raw, EDGE, 1 - EDGE)
    return np.asarray(np.log(kept / (1 - kept)))


def fit_platt(counts: ScoreCounts) -> PlattCalibration:
    """Fit slope and intercept by maximum likelihood (Newton's method) on counts of raw scores.

    Targets are Platt's smoothed ones, so that separable data do not run away. The slope stays
    positive: calibration must not turn the ranking round; then, and with one class only, it is 1
    and just the intercept is corrected.
    """
    logit = logits(counts.probability)
    n_positive, n_negative = counts.n_positive.sum(), counts.n.sum() - counts.n_positive.sum()
    high = (n_positive + 1) / (n_positive + 2)
    low = 1 / (n_negative + 2)
    hits = counts.n_positive * high + (counts.n - counts.n_positive) * low
    is_flat = np.ptp(logit) < 1e-9 or min(n_positive, n_negative) == 0
    if not is_flat:
        slope, intercept = _maximise(logit, counts.n, hits, with_slope=True)
        if slope > 0:
            return PlattCalibration(slope, intercept)
    return PlattCalibration(*_maximise(logit, counts.n, hits, with_slope=False))


def _maximise(logit: Floats, n: Floats, hits: Floats, *, with_slope: bool) -> tuple[float, float]:
    """Newton's method with halved steps: the likelihood is concave, so it always arrives.

    Logits are centred, which keeps slope and intercept apart.
    """
    centre = float((logit * n).sum() / n.sum())
    centred = logit - centre
    share = hits.sum() / n.sum()
    slope, level = 1.0, float(np.log(share / (1 - share)))

    def loss(slope: float, level: float) -> float:
        z = slope * centred + level
        return float((n * np.logaddexp(0.0, z) - hits * z).sum())

    for _ in range(_MAX_STEPS):
        p = 1 / (1 + np.exp(-np.clip(slope * centred + level, -500, 500)))
        residual, weight = hits - n * p, n * p * (1 - p)
        gradient = np.array([(residual * centred).sum(), residual.sum()])
        across = (weight * centred).sum()
        hessian = np.array([[(weight * centred**2).sum(), across], [across, weight.sum()]])
        hessian += 1e-12 * n.sum() * np.eye(2)
        if with_slope:
            step = np.linalg.solve(hessian, gradient)
        else:
            step = np.array([0.0, gradient[1] / hessian[1, 1]])
        now, size = loss(slope, level), 1.0
        while size > 1e-10 and loss(slope + size * step[0], level + size * step[1]) > now:
            size /= 2
        if size <= 1e-10 or float(np.abs(size * step).max()) < 1e-12:
            break
        slope, level = slope + float(size * step[0]), level + float(size * step[1])
    return slope, level - slope * centre
