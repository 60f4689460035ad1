"""Which map calibrates: Platt's, or, of many customers, an isotonic one that is surely nearer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from crm_spark.models.binary_metrics import Floats, ScoreCounts
from crm_spark.models.calibration import Calibration, PlattCalibration, fit_platt
from crm_spark.models.isotonic import IsotonicCalibration, fit_isotonic

# An isotonic map of fewer follows chance. Niculescu-Mizil and Caruana (2005) saw it catch up with
# Platt's from 1,000 rows on: so many of the rarer outcome, and groups of 400 (our convention).
FEWEST_CUSTOMERS, FEWEST_OF_A_CLASS = 20_000, 1_000
_N_FOLDS, _SEED = 5, 7
# Probabilities are kept this far from 0 and 1, as in log_loss().
_EDGE = 1e-6

_FORMS: Mapping[str, Callable[[Mapping[str, Any]], Calibration]] = {
    PlattCalibration.form: PlattCalibration.of,
    IsotonicCalibration.form: IsotonicCalibration.of,
}


def fit_calibration(counts: ScoreCounts) -> Calibration:
    """Fit the map that the rule below chooses on counts of raw scores, which are all it sees.

    Platt's, unless there are at least 20,000 customers, 1,000 of them of the rarer outcome, and an
    isotonic map has the smaller log loss in a cross-validation over these customers, by more than
    one standard error of the gain (the rule of Breiman et al. 1984: else the simpler).
    """
    platt = fit_platt(counts)
    rarer = min(counts.positives, counts.rows - counts.positives)
    if counts.rows < FEWEST_CUSTOMERS or rarer < FEWEST_OF_A_CLASS:
        return platt
    gain, error = isotonic_gain(counts)
    return fit_isotonic(counts, platt) if gain > error else platt


def isotonic_gain(counts: ScoreCounts) -> tuple[float, float]:
    """Give by how much an isotonic map lowers the log loss of a customer, with its standard error.

    In a cross-validation: each customer is in a fold by chance, the same for the same counts, and
    has the probabilities of maps fitted to the others. Dealing the sorted customers out in turn
    would not do: neighbours would be in all folds alike, and chance would look like a shape.
    """
    random = np.random.default_rng(_SEED)
    even = np.full(_N_FOLDS, 1 / _N_FOLDS)
    positives = random.multinomial(counts.n_positive.astype(np.int64), even).astype(float)
    others = (counts.n - counts.n_positive).astype(np.int64)
    negatives = random.multinomial(others, even).astype(float)
    summed, squares = 0.0, 0.0
    for hits, misses in zip(positives.T, negatives.T, strict=True):
        rest = ScoreCounts(counts.probability, counts.n - hits - misses, counts.n_positive - hits)
        platt = fit_platt(rest)
        isotonic = fit_isotonic(rest, platt)
        losses, losses_of_isotonic = _losses(platt, counts), _losses(isotonic, counts)
        for n, gain in zip((hits, misses), losses - losses_of_isotonic, strict=True):
            summed += float((n * gain).sum())
            squares += float((n * gain**2).sum())
    mean = summed / counts.rows
    return mean, math.sqrt(max(0.0, squares / counts.rows - mean**2) / counts.rows)


def _losses(calibration: Calibration, counts: ScoreCounts) -> Floats:
    """Give the log loss of a customer at each raw score: with the outcome, and without."""
    p = np.clip(calibration.probabilities(counts.probability), _EDGE, 1 - _EDGE)
    return np.stack([-np.log(p), -np.log(1 - p)])


def calibration_spec(calibration: Calibration) -> dict[str, Any]:
    """Give a calibration as plain values, with its form."""
    return {"form": calibration.form, **calibration.spec()}


def load_calibration(spec: Mapping[str, Any]) -> Calibration:
    """Put a calibration together again from its spec; what was stored without a form is Platt's."""
    return _FORMS[spec.get("form", PlattCalibration.form)](spec)
