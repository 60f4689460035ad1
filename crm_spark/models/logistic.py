"""Logistic regression of arrays: a few columns, as many rows as there are, read in pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.newton import DECIMALS, minimised


@dataclass(frozen=True)
class LogisticRegression:
    """probability = sigmoid(intercept + sum of weight * (column - mean) / scale)."""

    intercept: float
    weights: tuple[float, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    def probability(self, columns: Floats) -> Floats:
        """Give the probability of each row of a matrix."""
        standard = (columns - np.array(self.mean)) / np.array(self.scale)
        return sigmoid(standard @ np.array(self.weights) + self.intercept)

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "intercept": self.intercept,
            "weights": list(self.weights),
            "mean": list(self.mean),
            "scale": list(self.scale),
        }

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> LogisticRegression:
        """Put it together again."""
        return cls(
            spec["intercept"], tuple(spec["weights"]), tuple(spec["mean"]), tuple(spec["scale"])
        )


# Of one column that is the logit already.
AS_IT_IS = LogisticRegression(0.0, (1.0,), (0.0,), (1.0,))


def sigmoid(value: Floats) -> Floats:
    """Give 1 / (1 + exp(-value)), which overflows nowhere."""
    return np.asarray(0.5 * (1 + np.tanh(value / 2)), np.float64)


def fit_logistic(
    pieces: Sequence[tuple[Floats, Floats]], *, penalty: float = 1.0
) -> LogisticRegression:
    """Fit by maximum likelihood with a ridge penalty. Newton's method with halved steps.

    `pieces` are matrices with the outcomes of their rows, 0 or 1. The penalty is on the squares of
    the weights of columns that are standardised, not on the intercept; it keeps them finite where a
    column parts the outcomes. A column that is the same everywhere gets the weight 0. Raises
    ValueError without rows.
    """
    mean, scale, share = _moments(pieces)
    standard = [(_with_one((columns - mean) / scale), hits) for columns, hits in pieces]
    n_columns = len(mean) + 1
    # Never none at all: of columns that add up to one another no weights would be the best.
    ridge = np.full(n_columns, max(penalty, 1e-6))
    ridge[0] = 1e-9
    weights = np.zeros(n_columns)
    weights[0] = np.log(share / (1 - share))

    def loss(at: Floats) -> float:
        found = (np.logaddexp(0.0, rows @ at).sum() - hits @ (rows @ at) for rows, hits in standard)
        return float(sum(found) + 0.5 * (ridge * at**2).sum())

    def slopes(at: Floats) -> tuple[Floats, Floats]:
        descent, hessian = -ridge * at, np.diag(ridge)
        for rows, hits in standard:
            p = sigmoid(rows @ at)
            descent += rows.T @ (hits - p)
            hessian += (rows * (p * (1 - p))[:, None]).T @ rows
        return descent, hessian

    weights = minimised(weights, loss, slopes)
    return LogisticRegression(
        round(float(weights[0]), DECIMALS),
        tuple(round(float(one), DECIMALS) for one in weights[1:]),
        tuple(map(float, mean)),
        tuple(map(float, scale)),
    )


def _moments(pieces: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats, float]:
    """Give mean and standard deviation of the columns, and the share of hits, kept from 0 and 1."""
    n = sum(len(hits) for _, hits in pieces)
    if not n:
        raise ValueError("there are no rows to learn from")
    mean = sum(columns.sum(axis=0) for columns, _ in pieces) / n
    variance = sum(((columns - mean) ** 2).sum(axis=0) for columns, _ in pieces) / n
    scale = np.sqrt(variance)
    # Rounded, so that sums in another order standardise by the same.
    mean, scale = np.round(mean, DECIMALS), np.round(scale, DECIMALS)
    # What is left of a constant column is the last bits of its sum.
    scale = np.where(scale > 1e-9 * np.maximum(1.0, np.abs(mean)), scale, 1.0)
    hits = float(sum(float(one.sum()) for _, one in pieces))
    return mean, scale, (hits + 0.5) / (n + 1)


def _with_one(rows: Floats) -> Floats:
    return np.hstack([np.ones((len(rows), 1)), rows])
