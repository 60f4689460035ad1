"""Platt scaling: bends raw scores into probabilities that hold on a later cut-off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column
from pyspark.sql import functions as F

from crm_spark.models.binary_metrics import ScoreCounts

# Raw scores are kept this far from 0 and 1, where the logit ends.
EDGE = 1e-4
_MAX_STEPS = 50


@dataclass(frozen=True)
class PlattCalibration:
    """probability = sigmoid(slope * logit(raw) + intercept). Platt (1999)."""

    slope: float = 1.0
    intercept: float = 0.0

    def probability(self, raw: Column) -> Column:
        """Give the calibrated probability of a raw score between 0 and 1."""
        kept = F.greatest(F.least(raw, F.lit(1 - EDGE)), F.lit(EDGE))
        logit = F.log(kept / (1 - kept))
        return 1 / (1 + F.exp(-(logit * self.slope + self.intercept)))


def fit_platt(counts: ScoreCounts) -> PlattCalibration:
    """Fit slope and intercept by maximum likelihood (Newton's method) on counts of raw scores.

    Targets are Platt's smoothed ones, so that separable data do not run away. The slope stays
    positive: calibration must not turn the ranking round; then, and with one class only, it is 1
    and just the intercept is corrected.
    """
    raw = np.clip(counts.probability, EDGE, 1 - EDGE)
    logit = np.log(raw / (1 - raw))
    n_positive, n_negative = counts.n_positive.sum(), counts.n.sum() - counts.n_positive.sum()
    high = (n_positive + 1) / (n_positive + 2)
    low = 1 / (n_negative + 2)
    hits = counts.n_positive * high + (counts.n - counts.n_positive) * low
    slope, intercept = _newton(logit, counts.n, hits, with_slope=True)
    if slope <= 0 or min(n_positive, n_negative) == 0:
        slope, intercept = _newton(logit, counts.n, hits, with_slope=False)
    return PlattCalibration(slope, intercept)


def _newton(
    logit: np.ndarray, n: np.ndarray, hits: np.ndarray, *, with_slope: bool
) -> tuple[float, float]:
    slope, intercept = 1.0, 0.0
    for _ in range(_MAX_STEPS):
        p = 1 / (1 + np.exp(-(slope * logit + intercept)))
        residual, weight = hits - n * p, n * p * (1 - p)
        gradient = np.array([(residual * logit).sum(), residual.sum()])
        hessian = np.array(
            [
                [(weight * logit**2).sum(), (weight * logit).sum()],
                [(weight * logit).sum(), weight.sum()],
            ]
        ) + 1e-9 * np.eye(2)
        if with_slope:
            step = np.linalg.solve(hessian, gradient)
        else:
            step = np.array([0.0, gradient[1] / hessian[1, 1]])
        step = np.clip(step, -2, 2)
        slope, intercept = slope + float(step[0]), intercept + float(step[1])
        if np.abs(step).max() < 1e-10:
            break
    return slope, intercept
