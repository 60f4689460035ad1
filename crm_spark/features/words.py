"""Features in words, for those who never saw the catalogue."""

from __future__ import annotations

import re

from crm_spark.report.words import plain
from crm_spark.words import counted

# Features whose column name does not say it to everyone.
_FEATURES = {
    "days_since_last_order": "days since the last order",
    "stddev_gap_days": "unevenness of the gaps between orders",
    "median_gap_days": "usual gap between orders",
    "mean_gap_days": "mean gap between orders",
    "longest_gap_days": "longest gap between orders",
    "silence_over_median_gap": "silence in usual gaps",
    "longer_gaps_share": "share of earlier gaps that were longer",
    "empty_windows_share": "share of earlier periods without an order",
    "n_order_days": "days with an order",
    "spend_amount": "amount bought",
    "spend_per_order": "amount of an order",
    "tenure_days": "days since the first order",
}
_WINDOW = re.compile(r"(.+?)_(\d+)d")
_HALF_LIFE = re.compile(r"(.+?)_half_life_(\d+)d")
_TREND = re.compile(r"(.+?)_trend_(\d+)d")


def feature_in_words(name: str) -> str:
    """Name a feature so that somebody who never saw the catalogue understands it."""
    if name in _FEATURES:
        return _FEATURES[name]
    if match := _HALF_LIFE.fullmatch(name):
        return f"{plain(match[1])}, older ones counting less ({counted(int(match[2]), 'day')})"
    if match := _TREND.fullmatch(name):
        return f"trend of {plain(match[1])} over {counted(int(match[2]), 'day')}"
    if match := _WINDOW.fullmatch(name):
        return f"{_FEATURES.get(match[1], plain(match[1]))} in {counted(int(match[2]), 'day')}"
    return plain(name)
