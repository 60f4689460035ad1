"""The catalogue of snapshot features: formula, unit, null rule, and what a model fills nulls with.

Notation: D is the as-of date. An *order* is one that counts (it has a line that is no return, and
was not taken back as a whole before D) and was known before D. Its *day* is the local date of its
first line, its *age* is D minus that day in days, so 1 means yesterday. A window of w days holds
ages 1 to w. *Silence* is the age of the newest order minus 1. *Gaps* are the days between
neighbouring distinct order days. h is the churn horizon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WINDOW_DAYS = (7, 14, 28, 56, 84, 180, 365)
HALF_LIFE_DAYS = (7, 21, 60)
TREND_DAYS = (28, 84)
VARIETY_DAYS = 84
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Part of the day -> first hour and hour after the last, on the local clock.
DAY_PARTS = {"night": (0, 6), "morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24)}

Unit = Literal["orders", "days", "items", "lines", "products", "departments", "money", "share",
               "ratio", "-1 to 1"]  # fmt: skip

NEVER_NULL = "never null"


@dataclass(frozen=True)
class Feature:
    """One feature of features.customer_snapshot.

    `fill` is what models put in place of a null; it lies outside the feature's range, so that trees
    can tell "unknown" from any value.
    """

    name: str
    formula: str
    unit: Unit
    null_rule: str = NEVER_NULL
    is_count: bool = False
    fill: float = -1.0


def _count(name: str, formula: str, unit: Unit, null_rule: str = NEVER_NULL) -> Feature:
    return Feature(name, formula, unit, null_rule, is_count=True)


def _rfm() -> list[Feature]:
    return [
        _count("n_orders", "orders", "orders"),
        _count("n_order_days", "distinct order days", "days"),
        Feature("spend_amount", "sum of amounts bought in orders", "money"),
        Feature("returned_amount", "sum of absolute amounts of returned lines", "money"),
        Feature(
            "net_spend_amount",
            "sum of amounts bought in orders and not taken back before D: "
            "a return takes back the newest purchase of its customer and product",
            "money",
        ),
        Feature(
            "orphan_returned_amount",
            "the part of returned_amount that no purchase before the return explains",
            "money",
        ),
        Feature(
            "returned_share",
            "(returned_amount - orphan_returned_amount) / amounts bought, "
            "orders taken back as a whole included",
            "share",
            "null when nothing was paid",
        ),
        _count("days_since_last_order", "silence; 0: ordered on the day before D", "days"),
        _count("tenure_days", "age of the first order", "days"),
    ]


def _windows() -> list[Feature]:
    features: list[Feature] = []
    for days in WINDOW_DAYS:
        window = f"in the last {days} days"
        features += [
            _count(f"n_orders_{days}d", f"orders {window}", "orders"),
            _count(f"n_order_days_{days}d", f"distinct order days {window}", "days"),
            Feature(f"spend_amount_{days}d", f"spend of orders {window}", "money"),
            Feature(f"n_items_{days}d", f"items bought in orders {window}", "items"),
        ]
    return features


def _decayed() -> list[Feature]:
    return [
        Feature(
            f"n_orders_half_life_{days}d",
            f"sum over orders of 0.5 ^ (age / {days}), each term rounded to 9 decimals",
            "orders",
        )
        for days in HALF_LIFE_DAYS
    ]


def _gaps() -> list[Feature]:
    fewer_than_two = "null with fewer than 2 order days"
    return [
        Feature("median_gap_days", "median of gaps", "days", fewer_than_two),
        Feature("mean_gap_days", "mean of gaps", "days", fewer_than_two),
        Feature(
            "stddev_gap_days",
            "sample standard deviation of gaps",
            "days",
            "null with fewer than 3 order days",
        ),
        _count("longest_gap_days", "longest gap", "days", fewer_than_two),
        Feature("silence_over_median_gap", "silence / median_gap_days", "ratio", fewer_than_two),
        Feature(
            "longer_gaps_share",
            "share of gaps longer than silence + h",
            "share",
            fewer_than_two,
        ),
        Feature(
            "empty_windows_share",
            "of all windows of h days that lie after the first order day and before D: "
            "share without an order",
            "share",
            "null when the first order is h days old or younger",
        ),
    ]


def _baskets() -> list[Feature]:
    return [
        Feature("items_per_order", "items bought / n_orders", "items"),
        Feature("lines_per_order", "lines bought / n_orders", "lines"),
        Feature("products_per_order", "mean of distinct products, over orders with a known one",
                "products",
                "null when no product is known"),
        Feature("spend_per_order", "spend_amount / n_orders", "money"),
    ]  # fmt: skip


def _variety() -> list[Feature]:
    no_product = "null when no product of the customer is known"
    no_department = "null when no department of the customer's products is known"
    window = f"in the last {VARIETY_DAYS} days, by the line's own day"
    return [
        _count("n_products", "distinct products bought", "products", no_product),
        _count(f"n_products_{VARIETY_DAYS}d", f"distinct products bought {window}", "products",
               no_product),
        _count("n_departments", "distinct departments bought from", "departments", no_department),
        _count(f"n_departments_{VARIETY_DAYS}d", f"distinct departments bought from {window}",
               "departments", no_department),
    ]  # fmt: skip


def _discounts() -> list[Feature]:
    no_discount = "null when no discount of the customer is known"
    return [
        Feature("discount_amount", "sum of discounts on bought lines", "money", no_discount),
        Feature("discount_share", "discount_amount / (discount_amount + spend_amount)", "share",
                no_discount + ", or the sum is 0"),
        Feature("discounted_orders_share", "orders with a discount above 0 / n_orders", "share",
                no_discount),
    ]  # fmt: skip


def _calendar() -> list[Feature]:
    weekdays = [
        Feature(
            f"{day}_orders_share", f"share of orders whose day is a {day.capitalize()}", "share"
        )
        for day in WEEKDAYS
    ]
    parts = [
        Feature(
            f"{part}_orders_share", f"share of orders from {start}:00 to before {end}:00", "share"
        )
        for part, (start, end) in DAY_PARTS.items()
    ]
    return weekdays + parts


def _trends() -> list[Feature]:
    features: list[Feature] = []
    for days in TREND_DAYS:
        formula = f"(last - before) / (last + before), last: {{}} of ages 1 to {days}, " + (
            f"before: of ages {days + 1} to {2 * days}"
        )
        both_zero = "null when last + before is 0"
        features += [
            Feature(f"n_orders_trend_{days}d", formula.format("orders"), "-1 to 1", both_zero,
                    fill=-2.0),
            Feature(f"spend_trend_{days}d", formula.format("spend"), "-1 to 1", both_zero,
                    fill=-2.0),
        ]  # fmt: skip
    return features


FEATURES: tuple[Feature, ...] = (
    *_rfm(),
    *_windows(),
    *_decayed(),
    *_gaps(),
    *_baskets(),
    *_variety(),
    *_discounts(),
    *_calendar(),
    *_trends(),
)
