"""A logistic regression on features of the snapshot, as a column and by arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.logistic import LogisticRegression, fit_logistic, sigmoid
from crm_spark.models.rows import sampled_customers

# No value counts for more than this many standard deviations from the mean.
MOST_DEVIATIONS = 5.0
# Of more rows those of a sample of customers, by hash, are learnt from: a few dozen weights do not
# gain by more, and they fit the driver.
LEARNT_ROWS = 200_000


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
                value = F.col(name).cast(T.DoubleType())
                # fdlibm's log of Java and numpy's agree to the last bits of a double.
                bent = F.signum(value) * F.log1p(F.abs(value))
                deviation = (bent - mean) / scale
                most = F.lit(MOST_DEVIATIONS)
                kept = F.greatest(F.least(deviation, most), -most)
                # greatest() and least() pass over nulls: what is unknown adds nothing.
                logit += weight * F.when(value.isNotNull() & ~F.isnan(value), kept).otherwise(0.0)
        return 1 / (1 + F.exp(-logit))

    def contributions(self, values: Floats) -> tuple[Floats, Floats]:
        """Give what each feature adds to the score, [rows, features], and the scores.

        `values` has a column a feature, NaN where it is not known. What the terms add to the
        logit is scaled by the chord of the sigmoid, so that it adds up from `base` to the score
        (the rescale rule of Shrikumar, Greenside and Kundaje 2017).
        """
        terms = self._deviations(values) * np.array(self.regression.weights)
        total = terms.sum(axis=1)
        score = sigmoid(total + self.regression.intercept)
        slope_at_base = self.base * (1 - self.base)
        is_flat = np.abs(total) < 1e-9
        chord = np.where(is_flat, slope_at_base, (score - self.base) / np.where(is_flat, 1, total))
        return terms * chord[:, None], score

    @property
    def base(self) -> float:
        """The score of a customer with the mean of everything."""
        return float(sigmoid(np.array(self.regression.intercept)))

    def _deviations(self, values: Floats) -> Floats:
        mean, scale = np.array(self.regression.mean), np.array(self.regression.scale)
        deviation = np.clip((_bent(values) - mean) / scale, -MOST_DEVIATIONS, MOST_DEVIATIONS)
        return np.where(np.isnan(values), 0.0, deviation)

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {"features": list(self.features), "regression": self.regression.spec()}

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Linear:
        """Put it together again."""
        return cls(tuple(spec["features"]), LogisticRegression.of(spec["regression"]))


def fit_linear(frame: DataFrame, features: Sequence[str], *, label: str, penalty: float) -> Linear:
    """Fit on labelled rows by maximum likelihood with a ridge penalty on standardised features."""
    rows = sampled_customers(frame, n_rows=frame.count(), most=LEARNT_ROWS)
    columns = [F.col(name).cast(T.DoubleType()).alias(name) for name in features]
    table = rows.select("customer_id", "as_of_date", label, *columns).toPandas()
    # In one order, whatever the partitioning: sums of floats depend on it.
    table = table.sort_values(["as_of_date", "customer_id"])
    values = table[list(features)].to_numpy(float)
    bent = _bent(values)
    known = ~np.isnan(bent)
    n_known = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, bent, 0).sum(axis=0) / n_known
    spread = np.sqrt((np.where(known, bent - mean, 0) ** 2).sum(axis=0) / n_known)
    low, high = mean - MOST_DEVIATIONS * spread, mean + MOST_DEVIATIONS * spread
    # An unknown value stands at the mean, where it adds nothing.
    filled = np.where(known, np.clip(bent, low, high), mean)
    fitted = fit_logistic([(filled, table[label].to_numpy(float))], penalty=penalty)
    # Standardised by what is known: the weights are taken over to these deviations.
    weights, intercept = np.array(fitted.weights), fitted.intercept
    # What is left of a constant feature is the last bits of its mean.
    scale = np.where(spread > 1e-9 * np.maximum(1.0, np.abs(mean)), spread, 1.0)
    moved = weights * scale / np.array(fitted.scale)
    intercept += float((weights * (mean - np.array(fitted.mean)) / np.array(fitted.scale)).sum())
    return Linear(
        tuple(features),
        LogisticRegression(
            intercept, tuple(map(float, moved)), tuple(map(float, mean)), tuple(map(float, scale))
        ),
    )


def _bent(values: Floats) -> Floats:
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))
