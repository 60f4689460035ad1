"""Parts of a logit as parts of the probability."""

from __future__ import annotations

import numpy as np

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.logistic import sigmoid


def along_chord(terms: Floats, base_logit: float) -> tuple[Floats, Floats]:
    """Give what each term [rows, features] of a logit adds to the score, and the scores.

    The terms add up from `base_logit` to the logit. Scaled by the chord of the sigmoid they add up
    from sigmoid(base_logit) to the score (the rescale rule of Shrikumar, Greenside and Kundaje
    2017).
    """
    total = terms.sum(axis=1)
    base = sigmoid(np.array(base_logit))
    score = sigmoid(total + base_logit)
    is_flat = np.abs(total) < 1e-9
    chord = np.where(is_flat, base * (1 - base), (score - base) / np.where(is_flat, 1, total))
    return terms * chord[:, None], score
