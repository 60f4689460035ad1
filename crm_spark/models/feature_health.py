"""How healthy each feature is: known, varying, stable from cut-off to cut-off, telling on its own.

One aggregate over all training rows says what is known and what varies. All else comes from one
sample of bounded size on the driver, drawn by hash of the customer and sorted by key: sums over it
arrive in one order, so that the same rows give the same figures whatever their partitioning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families import FEATURES
from crm_spark.features.families.family import Feature
from crm_spark.models.binary_metrics import Floats, ScoreCounts, auc_interval, from_arrays, roc_auc
from crm_spark.models.rows import sampled_customers

# Of more labelled training rows than these a sample by hash of the customer is looked at.
MOST_ROWS = 100_000
N_BINS = 10
# Siddiqi (2006): below the first a feature is stable, up to the second it is shifting.
STABLE_PSI, UNSTABLE_PSI = 0.1, 0.25
# Kuhn and Johnson (2013), section 3.5, flag 95 rows of the commonest value to 5 of the second; here
# to 5 of all others together, since a tree makes good use of amounts that are mostly zero.
NEAR_CONSTANT_SHARE = 0.95

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ValueRange:
    """What one feature's values span, over all rows."""

    n_rows: int
    n_known: int
    low: float | None
    high: float | None

    @property
    def tells_customers_apart(self) -> bool:
        """Whether there are two different values; null beside known values is one of its own."""
        return self.n_known > 0 and (self.low != self.high or self.n_known < self.n_rows)


@dataclass(frozen=True)
class Strength:
    """The AUC of one feature as the only score, whichever way round ranks better.

    `low` and `high` are the 95 % interval; below one half of it even the direction is unsure. All
    are None with one class only, the interval with one row of a class. `n_rarer` counts the rows of
    the rarer class.
    """

    auc: float | None
    low: float | None
    high: float | None
    n: int
    n_rarer: int


@dataclass(frozen=True)
class Shift:
    """The population stability index of one cut-off against all cut-offs before it.

    `by_chance` is what one in twenty features exceeds where nothing has changed; `n` are the rows
    of the cut-off.
    """

    psi: float
    by_chance: float
    n: int

    @property
    def is_unstable(self) -> bool:
        """Whether the index is above Siddiqi's limit, and above chance on few rows."""
        return self.psi > max(UNSTABLE_PSI, self.by_chance)


@dataclass(frozen=True)
class FeatureHealth:
    """What is known of one feature; all but the figures by cut-off is of the training rows alone.

    `missing_share` is of all rows, the rest of the sample. `variance` is of the known values; None
    with fewer than two.
    """

    feature: str
    values: ValueRange
    missing_share: float
    variance: float | None
    most_common_share: float
    strength: Strength
    strength_by_cutoff: Mapping[date, Strength]
    shift_by_cutoff: Mapping[date, Shift]

    @property
    def is_near_constant(self) -> bool:
        """Whether next to all training rows have one value; null is one."""
        return self.most_common_share > NEAR_CONSTANT_SHARE


@dataclass(frozen=True)
class MeasuredFeatures:
    """The health of all features, in the catalogue's order, and how alike they are.

    `correlation` holds Spearman's coefficients of the training rows, nulls filled as for the
    models: a tree knows values by their ranks alone.
    """

    health: tuple[FeatureHealth, ...]
    correlation: Floats
    training: tuple[date, ...]
    test: date
    n_sample: int


def value_ranges(frame: DataFrame, features: Sequence[Feature] = FEATURES) -> dict[str, ValueRange]:
    """Give the number of known values, the least and the greatest of each feature."""
    row = frame.agg(
        *[F.min(feature.name).alias(f"min_{feature.name}") for feature in features],
        *[F.max(feature.name).alias(f"max_{feature.name}") for feature in features],
        *[F.count(feature.name).alias(f"n_{feature.name}") for feature in features],
        F.count(F.lit(1)).alias("_rows"),
    ).collect()[0]
    return {
        name: ValueRange(row["_rows"], row[f"n_{name}"], row[f"min_{name}"], row[f"max_{name}"])
        for name in (feature.name for feature in features)
    }


def measure_features(
    frame: DataFrame,
    *,
    training: Sequence[date],
    test: date,
    label: str,
    features: Sequence[Feature] = FEATURES,
) -> MeasuredFeatures:
    """Measure features of labelled snapshot rows on the training cut-offs and on the later one.

    Reads customer_id, as_of_date, the 0/1 label and the features. The share of customers in the
    sample follows from the training rows alone, so that the test rows have no part in what the
    training figures are.
    """
    ranges = value_ranges(frame.where(F.col("as_of_date").isin(list(training))), features)
    n_training = next(iter(ranges.values())).n_rows
    read = frame.where(F.col("as_of_date").isin([*training, test]))
    sample = sampled_customers(read, n_rows=n_training, most=MOST_ROWS)
    rows = _collected(sample, label, features)
    days, labels = rows["as_of_date"].to_numpy(), rows[label].to_numpy(float)
    cutoffs = {day: days == day for day in sorted({*training, test})}
    health = tuple(
        _health(feature, ranges[feature.name], rows[feature.name].to_numpy(), labels, cutoffs, test)
        for feature in features
    )
    learnt = rows[days != test]
    filled = {
        feature.name: _filled(learnt[feature.name].to_numpy(), feature) for feature in features
    }
    return MeasuredFeatures(
        health, rank_correlation(pd.DataFrame(filled)), tuple(training), test, len(learnt)
    )


def _collected(drawn: DataFrame, label: str, features: Sequence[Feature]) -> pd.DataFrame:
    """Collect customers at all of their cut-offs, sorted by key."""
    columns = [F.col(feature.name).cast(T.DoubleType()) for feature in features]
    rows = drawn.select("customer_id", "as_of_date", label, *columns)
    sample = rows.toPandas()  # about MOST_ROWS rows of each, training and test, whatever the base
    return sample.sort_values(["as_of_date", "customer_id"], ignore_index=True)


def _health(
    feature: Feature,
    value_range: ValueRange,
    values: Floats,
    labels: Floats,
    cutoffs: Mapping[date, Flags],
    test: date,
) -> FeatureHealth:
    filled = _filled(values, feature)
    learnt = ~cutoffs[test]
    known = values[learnt & ~np.isnan(values)]
    return FeatureHealth(
        feature=feature.name,
        values=value_range,
        missing_share=1 - value_range.n_known / value_range.n_rows if value_range.n_rows else 1.0,
        variance=float(np.var(known, ddof=1)) if len(known) > 1 else None,
        most_common_share=_most_common_share(filled[learnt]),
        strength=single_feature_strength(filled[learnt], labels[learnt]),
        strength_by_cutoff={
            day: single_feature_strength(filled[is_day], labels[is_day])
            for day, is_day in cutoffs.items()
        },
        shift_by_cutoff=_shifts(values, cutoffs),
    )


def _filled(values: Floats, feature: Feature) -> Floats:
    return np.where(np.isnan(values), feature.fill, values)


def _most_common_share(filled: Floats) -> float:
    if not len(filled):
        return 1.0
    return float(np.unique(filled, return_counts=True)[1].max() / len(filled))


def _shifts(values: Floats, cutoffs: Mapping[date, Flags]) -> dict[date, Shift]:
    """Give the shift of each cut-off but the first, `cutoffs` being in order of time."""
    shifts = {}
    before = np.zeros(len(values), dtype=bool)
    for day, is_day in cutoffs.items():
        if before.any() and is_day.any():
            shifts[day] = population_stability(values[before], values[is_day])
        before |= is_day
    return shifts


def population_stability(expected: Floats, actual: Floats) -> Shift:
    """Give the population stability index of `actual` against `expected`.

    Sum over bins of (a - e) ln(a / e), a and e being the shares of rows in the bin. Siddiqi (2006).
    Bins are cut at the deciles of `expected`, rows of one value staying in one bin; unknown values
    (NaN) are a bin of their own. A bin that is empty in one of the two counts half a row there,
    one that is empty in both is left out.

    By chance alone the index is distributed as (1 / n + 1 / m) times chi-squared with one degree
    of freedom less than there are bins. Yurdakul (2018).
    """
    known = expected[~np.isnan(expected)]
    tenths = np.arange(1, N_BINS) / N_BINS
    edges = np.unique(np.quantile(known, tenths, method="inverted_cdf")) if len(known) else known
    return stability_of_bins(_bin_counts(expected, edges), _bin_counts(actual, edges))


def stability_of_bins(expected: Floats, actual: Floats) -> Shift:
    """Give the population stability index of rows counted by bin, as population_stability()."""
    is_used = (expected > 0) | (actual > 0)
    n_expected, n_actual = float(expected.sum()), float(actual.sum())
    e = np.maximum(expected[is_used], 0.5) / n_expected
    a = np.maximum(actual[is_used], 0.5) / n_actual
    by_chance = (1 / n_expected + 1 / n_actual) * _chi_squared_95(int(is_used.sum()) - 1)
    return Shift(float(((a - e) * np.log(a / e)).sum()), by_chance, int(n_actual))


def _bin_counts(values: Floats, edges: Floats) -> Floats:
    """Count the values up to each edge, those above the last, and the unknown ones."""
    known = values[~np.isnan(values)]
    places = np.searchsorted(edges, known, side="left")
    counts = np.bincount(places, minlength=len(edges) + 1)
    return np.append(counts, len(values) - len(known)).astype(float)


def _chi_squared_95(degrees: int) -> float:
    """Give the 95 % quantile of chi-squared, to a hundredth or so. Wilson and Hilferty (1931)."""
    if degrees < 1:
        return 0.0
    part = 2 / (9 * degrees)
    return degrees * (1 - part + 1.645 * math.sqrt(part)) ** 3


def single_feature_strength(filled: Floats, labels: Floats) -> Strength:
    """Give the AUC of a feature as the only score, max(AUC, 1 - AUC), with DeLong's interval.

    Exact, ties counting half; nulls have been filled as for the models.
    """
    counts = _counts(filled, labels)
    n_rarer = min(counts.positives, counts.rows - counts.positives)
    auc = roc_auc(counts)
    low, high = auc_interval(counts) or (None, None)
    if auc is not None and auc < 0.5:
        turned = _counts(-filled, labels)
        auc = roc_auc(turned)
        low, high = auc_interval(turned) or (None, None)
    return Strength(auc, low, high, counts.rows, n_rarer)


def _counts(filled: Floats, labels: Floats) -> ScoreCounts:
    values, places, n = np.unique(filled, return_inverse=True, return_counts=True)
    positive = np.bincount(places, weights=labels, minlength=len(values))
    return from_arrays(values, n.astype(float), positive.astype(float))


def rank_correlation(filled: pd.DataFrame) -> Floats:
    """Give Spearman's rank correlation of all columns, ties by their mean rank; 0 of a constant.

    Rounded to nine decimals, so that what is alike does not hang on how sums were rounded.
    """
    if len(filled) < 2:
        return np.eye(filled.shape[1])
    ranks = filled.rank().to_numpy(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.corrcoef(ranks, rowvar=False)
    return np.round(np.nan_to_num(found), 9)
