"""How figures, days and names are written."""

from __future__ import annotations

import math
import re
from datetime import date

from crm_spark.report.content.inputs import ReportInputs, Values

MODELS = {
    "forest": "random forest",
    "recency": "rule: days since the last order",
    "recency_frequency_tenure": "rule: last order, number of orders, tenure",
    "popular": "rule: the most popular products",
    "buy_again": "rule: what the customer buys most",
    "als": "ALS matrix factorisation",
    "ladder": "what is recommended",
    "kmeans": "k-means",
    "spend_groups": "rule: groups of equal size by spend",
}


def day_in_words(day: date) -> str:
    """Write a date: 1 December 2017."""
    return f"{day.day} {day:%B %Y}"


def money(held: ReportInputs, value: float | None, *, cents: bool = False) -> str:
    """Write an amount, in whole units or with cents."""
    if value is None:
        return "unknown"
    return f"{held.currency}{value:,.2f}" if cents else f"{held.currency}{value:,.0f}"


def counted(n: int, word: str) -> str:
    """Write a number of things: 1 order, 2 orders."""
    return f"{n:,} {word}" + ("" if n == 1 else "s")


def share(value: float | None, decimals: int = 0) -> str:
    """Write a share as a percentage."""
    return "unknown" if value is None else f"{value:.{decimals}%}"


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


def plain(name: str) -> str:
    """Give a name of ours as words: underscores become spaces."""
    return name.removeprefix("n_").replace("_", " ")


def feature_in_words(name: str) -> str:
    """Name a feature so that somebody who never saw the catalogue understands it."""
    if name in _FEATURES:
        return _FEATURES[name]
    if match := _HALF_LIFE.fullmatch(name):
        return f"{plain(match[1])}, older ones counting less ({match[2]} days)"
    if match := _TREND.fullmatch(name):
        return f"trend of {plain(match[1])} over {match[2]} days"
    if match := _WINDOW.fullmatch(name):
        return f"{_FEATURES.get(match[1], plain(match[1]))} in {match[2]} days"
    return plain(name)


def figure(value: float | None, decimals: int = 4) -> str:
    """Write a metric; nothing where it is not known."""
    return "" if value is None else f"{value:.{decimals}f}"


def number(value: float | None) -> str:
    """Write a feature's value as short as it can be read."""
    if value is None or not math.isfinite(value):
        return "unknown"
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:,.2f}"


def with_interval(row: Values | None, *, is_share: bool = False) -> str:
    """Write a metric with its 95 % interval, where it has one."""
    if row is None or row["value"] is None:
        return ""
    if is_share:
        return share(row["value"], 2)
    text = figure(row["value"])
    if row["low"] is None:
        return text
    return f"{text} ({figure(row['low'], 3)} to {figure(row['high'], 3)})"


def in_words(text: str) -> str:
    """Replace the names of models in a sentence by what they are called."""
    for name in sorted(MODELS, key=len, reverse=True):
        if "_" in name:
            text = text.replace(name, MODELS[name])
    return text
