"""How much better models are than another on the same customers, and whether that is chance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crm_spark.models.binary_metrics import Floats, ScoreCounts, placements

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Gain:
    """By how much a model is better, with its 95 % interval; None where too few rows tell."""

    value: float | None
    low: float | None = None
    high: float | None = None


def auc_gains(label: Flags, scores: Mapping[str, Floats], *, reference: str) -> dict[str, Gain]:
    """Give the AUC of each model less that of the reference, on the same rows.

    `label` and each of `scores` have one row a customer; equal scores count half. The interval is
    that of DeLong, DeLong and Clarke-Pearson (1988), which takes into account what the scores have
    in common. No value with one class only, no interval with fewer than two rows of a class.
    ValueError where labels are not true or false, scores are unknown or not as many as labels, or
    the reference is not among them.
    """
    _check(label, scores, reference)
    if label.all() or not label.any():
        return dict.fromkeys(scores, Gain(None))
    of_reference = _placements_of_rows(label, scores[reference])
    gains = {}
    for name, score in scores.items():
        positives, negatives = _placements_of_rows(label, score)
        gains[name] = _gain(positives - of_reference[0], negatives - of_reference[1])
    return gains


def brier_gains(
    label: Flags, probabilities: Mapping[str, Floats], *, reference: str
) -> dict[str, Gain]:
    """Give by how much the Brier score of each model is lower than the reference's, same rows.

    `label` and each of `probabilities` have one row a customer. The interval is that of a mean of
    differences by row. No value without rows, no interval with fewer than two. ValueError as for
    `auc_gains`.
    """
    _check(label, probabilities, reference)
    if not len(label):
        return dict.fromkeys(probabilities, Gain(None))
    of_reference = np.square(probabilities[reference] - label)
    return {
        name: _gain(of_reference - np.square(probability - label))
        for name, probability in probabilities.items()
    }


def _check(label: Flags, scores: Mapping[str, Floats], reference: str) -> None:
    # Labels of 0 and 1 would be taken for places of rows.
    faults = [] if label.dtype == np.bool_ else [f"labels are {label.dtype}, not true or false"]
    for name, score in scores.items():
        if score.shape != label.shape:
            faults.append(f"{name} has shape {score.shape}, labels have {label.shape}")
        elif np.isnan(score).any():
            faults.append(f"{name} has unknown scores")
    if reference not in scores:
        faults.append(f"{reference} is not among {', '.join(scores) or 'no scores'}")
    if faults:
        raise ValueError("; ".join(faults))


def _placements_of_rows(label: Flags, score: Floats) -> tuple[Floats, Floats]:
    """Give of each positive the share of negatives it outranks, of each negative the reverse."""
    falling, which = np.unique(-score, return_inverse=True)
    n = np.bincount(which).astype(float)
    n_positive = np.bincount(which[label], minlength=len(falling)).astype(float)
    outranked, above = placements(ScoreCounts(-falling, n, n_positive))
    return outranked[which[label]], above[which[~label]]


def _gain(*differences: Floats) -> Gain:
    """Take the mean of the first for the value; each adds the variance of its mean."""
    value = float(differences[0].mean())
    if min(map(len, differences)) < 2:
        return Gain(value)
    half = 1.96 * math.sqrt(sum(float(one.var(ddof=1)) / len(one) for one in differences))
    return Gain(value, value - half, value + half)
