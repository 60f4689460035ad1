"""Weights of features: a score as a column and by arrays, and a logistic regression of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.classifiers.arrays import learnt_arrays
from crm_spark.models.classifiers.chord import along_chord
from crm_spark.models.classifiers.deviations import MOST_DEVIATIONS, Scale, bent
from crm_spark.models.logistic import LogisticRegression, fit_logistic, sigmoid


@dataclass(frozen=True)
class Linear:
    """sigmoid(intercept + sum of weight * deviation), a raw score between 0 and 1.

    A deviation is (l(x) - mean) / scale, kept within MOST_DEVIATIONS, and 0 where x is not known;
    l(x) = sign(x) log(1 + |x|).
    """

    features: tuple[str, ...]
    regression: LogisticRegression
    form: ClassVar[str] = "linear"

    def raw_score(self) -> Column:
        """Give the score of rows of features.customer_snapshot."""
        logit = F.lit(self.regression.intercept)
        for name, weight, mean, scale in zip(
            self.features,
            self.regression.weights,
            self.regression.mean,
            self.regression.scale,
            strict=True,
        ):
            if weight:
                logit += weight * Scale.deviation(name, mean, scale)
        return 1 / (1 + F.exp(-logit))

    def contributions(self, values: Floats) -> tuple[Floats, Floats]:
        """Give what each feature adds to the score, [rows, features], and the scores.

        `values` has a column a feature, NaN where it is not known. What the terms add to the
        logit is scaled by the chord of the sigmoid, so that it adds up from `base` to the score.
        """
        scale = Scale(self.regression.mean, self.regression.scale)
        terms = scale.deviations(values) * np.array(self.regression.weights)
        return along_chord(terms, self.regression.intercept)

    @property
    def base(self) -> float:
        """The score of a customer with the mean of everything."""
        return float(sigmoid(np.array(self.regression.intercept)))

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {"features": list(self.features), "regression": self.regression.spec()}

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Linear:
        """Put it together again."""
        return cls(tuple(spec["features"]), LogisticRegression.of(spec["regression"]))


def fit_linear(frame: DataFrame, features: Sequence[str], *, label: str, penalty: float) -> Linear:
    """Fit on labelled rows by maximum likelihood with a ridge penalty on standardised features."""
    values, hits = learnt_arrays(frame, features, label=label)
    scale = Scale.of(values)
    mean, spread = np.array(scale.mean), np.array(scale.scale)
    most = MOST_DEVIATIONS * spread
    # An unknown value stands at the mean, where it adds nothing.
    filled = np.where(np.isnan(values), mean, np.clip(bent(values), mean - most, mean + most))
    fitted = fit_logistic([(filled, hits)], penalty=penalty)
    # Standardised by what is known: the weights are taken over to these deviations.
    weights, intercept = np.array(fitted.weights), fitted.intercept
    moved = weights * spread / np.array(fitted.scale)
    intercept += float((weights * (mean - np.array(fitted.mean)) / np.array(fitted.scale)).sum())
    return Linear(
        tuple(features),
        LogisticRegression(intercept, tuple(map(float, moved)), scale.mean, scale.scale),
    )
