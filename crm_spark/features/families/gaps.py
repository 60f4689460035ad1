"""The rhythm of a customer: the days between order days, and how the last silence compares."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families.family import Family, Feature, count_feature
from crm_spark.features.order_histories import middle, unpacked

_FEWER_THAN_TWO = "null with fewer than 2 order days"

FEATURES = (
    Feature("median_gap_days", "median of gaps", "days", _FEWER_THAN_TWO),
    Feature("mean_gap_days", "mean of gaps", "days", _FEWER_THAN_TWO),
    Feature(
        "stddev_gap_days",
        "sample standard deviation of gaps",
        "days",
        "null with fewer than 3 order days",
    ),
    count_feature("longest_gap_days", "longest gap", "days", _FEWER_THAN_TWO),
    Feature("silence_over_median_gap", "silence / median_gap_days", "ratio", _FEWER_THAN_TWO),
    Feature(
        "longer_gaps_share",
        "share of gaps longer than silence + h",
        "share",
        _FEWER_THAN_TWO,
    ),
    Feature(
        "empty_windows_share",
        "of all windows of h days that lie after the first order day and before D: "
        "share without an order",
        "share",
        "null when the first order is h days old or younger",
    ),
)


def _derived(horizon_days: int) -> Mapping[str, Column]:
    gaps, n = unpacked("_sorted_gaps"), F.size("_gaps")
    zero = F.lit(0).cast(T.LongType())
    total = F.datediff(F.element_at("_days", -1), F.get("_days", F.lit(0))).cast(T.LongType())
    squares = F.aggregate(gaps, zero, lambda subtotal, gap: subtotal + gap.cast(T.LongType()) * gap)
    # n * sum of squares - square of the sum is a whole number: no cancellation, no order.
    spread = (n * squares - total * total) / (n * (n - 1)).cast(T.DoubleType())
    silence = F.col("days_since_last_order")
    longest = F.array_max("_sorted_gaps")
    n_longer = F.size(F.filter(gaps, lambda gap: gap > silence + horizon_days))
    empty_between = F.aggregate(
        F.filter(gaps, lambda gap: gap > horizon_days),
        zero,
        lambda subtotal, gap: subtotal + (gap - horizon_days),
    )
    n_windows = F.col("tenure_days") - horizon_days
    empty_now = F.greatest(silence + 1 - horizon_days, F.lit(0))
    median = F.when(n > 0, middle("_sorted_gaps"))
    return {
        "median_gap_days": median,
        "mean_gap_days": F.when(n > 0, total / n.cast(T.DoubleType())),
        "stddev_gap_days": F.when(n > 1, F.sqrt(spread)),
        "longest_gap_days": longest.cast(T.LongType()),
        "silence_over_median_gap": silence / median,
        "longer_gaps_share": F.when(n > 0, n_longer / n.cast(T.DoubleType())),
        "empty_windows_share": F.when(
            n_windows > 0, (empty_between + empty_now) / n_windows.cast(T.DoubleType())
        ),
    }


GAPS = Family(FEATURES, derived=_derived)

TREND_FEATURES = (
    Feature(
        "gap_trend",
        "(newer - older) / (newer + older): means of the newer and the older "
        "half of gaps in order of time, the middle one left out",
        "-1 to 1",
        "null with fewer than 3 order days",
        fill=-2.0,
    ),
)


def _trend(horizon_days: int) -> Mapping[str, Column]:
    # Gaps that follow one another sum up to the days between the first and the last of their ends.
    n = F.size("_gaps")
    half = F.floor(n / 2).cast(T.IntegerType())
    older = F.datediff(F.get("_days", half), F.get("_days", F.lit(0)))
    newer = F.datediff(F.get("_days", n), F.get("_days", n - half))
    trend = (newer - older) / (newer + older).cast(T.DoubleType())
    return {"gap_trend": F.when(n > 1, trend)}


GAP_TREND = Family(TREND_FEATURES, derived=_trend)
