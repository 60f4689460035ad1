"""Features on one scale: signed logarithms in standard deviations from their means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.models.binary_metrics import Floats

# No value counts for more than this many standard deviations from the mean.
MOST_DEVIATIONS = 5.0


def bent(values: Floats) -> Floats:
    """Give sign(x) log(1 + |x|)."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


@dataclass(frozen=True)
class Scale:
    """Means and standard deviations of signed logarithms, of the values that are known."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def of(cls, values: Floats) -> Scale:
        """Measure values [rows, features], NaN where they are not known."""
        logs = bent(values)
        known = ~np.isnan(logs)
        n_known = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, logs, 0).sum(axis=0) / n_known
        spread = np.sqrt((np.where(known, logs - mean, 0) ** 2).sum(axis=0) / n_known)
        # What is left of a constant feature is the last bits of its mean.
        scale = np.where(spread > 1e-9 * np.maximum(1.0, np.abs(mean)), spread, 1.0)
        return cls(_plain(mean), _plain(scale))

    @staticmethod
    def deviation(name: str, mean: float, scale: float) -> Column:
        """Give the deviation of one feature as a column."""
        value = F.col(name).cast(T.DoubleType())
        # fdlibm's log of Java and numpy's agree to the last bits of a double.
        logs = F.signum(value) * F.log1p(F.abs(value))
        most = F.lit(MOST_DEVIATIONS)
        kept = F.greatest(F.least((logs - mean) / scale, most), -most)
        # greatest() and least() pass over nulls: what is unknown is 0.
        return F.when(value.isNotNull() & ~F.isnan(value), kept).otherwise(0.0)

    def deviations(self, values: Floats) -> Floats:
        """Give (l(x) - mean) / scale, kept within MOST_DEVIATIONS; 0 where x is not known."""
        deviation = (bent(values) - np.array(self.mean)) / np.array(self.scale)
        kept = np.clip(deviation, -MOST_DEVIATIONS, MOST_DEVIATIONS)
        return np.where(np.isnan(values), 0.0, kept)


def _plain(values: Floats | Sequence[float]) -> tuple[float, ...]:
    return tuple(float(one) for one in values)
