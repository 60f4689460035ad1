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

from crm_spark.words import counted

WINDOW_DAYS = (7, 14, 28, 56, 84, 180, 365)
HALF_LIFE_DAYS = (7, 21, 60)
TREND_DAYS = (28, 84)
VARIETY_DAYS = 84
VISIT_DAYS = (28, 84)
FEEDBACK_DAYS = 365
CONTACT_DAYS = 180
# The modified z-score of Iglewicz and Hoaglin (1993) and its limit; fewer amounts tell no outlier.
Z_SCALE, MOST_Z, LEAST_FOR_Z = 0.6745, 3.5, 5
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# Part of the day -> first hour and hour after the last, on the local clock.
DAY_PARTS = {"night": (0, 6), "morning": (6, 12), "afternoon": (12, 18), "evening": (18, 24)}

Unit = Literal[
    "orders",
    "days",
    "items",
    "lines",
    "products",
    "departments",
    "money",
    "share",
    "ratio",
    "-1 to 1",
    "nats",
    "channels",
    "visits",
    "seconds",
    "contacts",
    "feedback",
    "complaints",
    "score",
]

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


def _unusual() -> list[Feature]:
    amounts = "amounts above 0 of orders"
    fence = f"exp(median + {MOST_Z} MAD / {Z_SCALE}) of the logarithms"
    return [
        Feature("median_order_amount", f"median of {amounts}", "money", "null without any"),
        Feature(
            "unusual_orders_share",
            f"of {amounts}: share whose modified z, "
            f"{Z_SCALE} (ln amount - median) / MAD, lies outside -{MOST_Z} to {MOST_Z} "
            "(Iglewicz and Hoaglin 1993)",
            "share",
            f"null with fewer than {LEAST_FOR_Z}, or when half of them are equal",
        ),
        Feature(
            "capped_spend_amount",
            f"sum of {amounts}, each counted up to {fence} (in "
            "minor units, rounded); whole where unusual_orders_share is null",
            "money",
            "null without any",
        ),
    ]


def _windows() -> list[Feature]:
    features: list[Feature] = []
    for days in WINDOW_DAYS:
        window = f"in the last {counted(days, 'day')}"
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
        Feature(
            "products_per_order",
            "mean of distinct products, over orders with a known one",
            "products",
            "null when no product is known",
        ),
        Feature("spend_per_order", "spend_amount / n_orders", "money"),
    ]


def _variety() -> list[Feature]:
    no_product = "null when no product of the customer is known"
    no_department = "null when no department of the customer's products is known"
    window = f"in the last {VARIETY_DAYS} days, by the line's own day"
    return [
        _count("n_products", "distinct products bought", "products", no_product),
        _count(
            f"n_products_{VARIETY_DAYS}d",
            f"distinct products bought {window}",
            "products",
            no_product,
        ),
        _count("n_departments", "distinct departments bought from", "departments", no_department),
        _count(
            f"n_departments_{VARIETY_DAYS}d",
            f"distinct departments bought from {window}",
            "departments",
            no_department,
        ),
    ]


def _discounts() -> list[Feature]:
    no_discount = "null when no discount of the customer is known"
    return [
        Feature("discount_amount", "sum of discounts on bought lines", "money", no_discount),
        Feature(
            "discount_share",
            "discount_amount / (discount_amount + spend_amount)",
            "share",
            no_discount + ", or the sum is 0",
        ),
        Feature(
            "discounted_orders_share",
            "orders with a discount above 0 / n_orders",
            "share",
            no_discount,
        ),
    ]


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
            Feature(
                f"n_orders_trend_{days}d", formula.format("orders"), "-1 to 1", both_zero, fill=-2.0
            ),
            Feature(
                f"spend_trend_{days}d", formula.format("spend"), "-1 to 1", both_zero, fill=-2.0
            ),
        ]
    return features


def _habits() -> list[Feature]:
    no_product = "null when no product of the customer is known"
    no_channel = "null when no channel of the customer's orders is known"
    return [
        Feature(
            "gap_trend",
            "(newer - older) / (newer + older): means of the newer and the older "
            "half of gaps in order of time, the middle one left out",
            "-1 to 1",
            "null with fewer than 3 order days",
            fill=-2.0,
        ),
        Feature(
            "repeat_products_share",
            "products bought in two or more orders / n_products",
            "share",
            no_product,
        ),
        Feature(
            "department_entropy",
            "-sum of p ln p, p: share of a department in the bought "
            "lines of known department (Shannon 1948, section 6)",
            "nats",
            "null when no department of the customer's products is known",
        ),
        _count("n_channels", "distinct channels of orders", "channels", no_channel),
        Feature(
            "main_channel_share",
            "orders in the channel with the most / orders with a known channel",
            "share",
            no_channel,
        ),
    ]


def _visits() -> list[Feature]:
    never = "null without core.events; 0 when the customer has none"
    none = "null when no visit before D is known"
    return [
        *[
            _count(f"n_visits_{days}d", f"events of ages 1 to {days}", "visits", never)
            for days in VISIT_DAYS
        ],
        _count("days_since_last_visit", "age of the newest event - 1", "days", none),
        Feature(
            "mean_visit_seconds",
            "mean of known duration_seconds of events",
            "seconds",
            "null when no duration is known",
        ),
    ]


def _feedback() -> list[Feature]:
    window = f"of ages 1 to {FEEDBACK_DAYS}"
    never = "null without core.feedback; 0 when the customer has none"
    return [
        _count(f"n_feedback_{FEEDBACK_DAYS}d", f"feedback {window}", "feedback", never),
        _count(f"n_complaints_{FEEDBACK_DAYS}d", f"complaints {window}", "complaints", never),
        _count(
            "days_since_last_complaint",
            "age of the newest complaint - 1",
            "days",
            "null without a complaint",
        ),
        Feature("mean_rating", "mean of ratings before D", "score", "null without a rating"),
        Feature(
            "mean_csat_score", "mean of CSAT answers before D", "score", "null without an answer"
        ),
        Feature(
            "last_nps_score",
            "newest answer to the NPS question (Reichheld 2003) before D",
            "score",
            "null without an answer",
        ),
    ]


def _contacts() -> list[Feature]:
    window = f"contacts of ages 1 to {CONTACT_DAYS}"
    never = "null without core.campaign_contacts; 0 when the customer has none"
    none = f"null without a contact in the last {CONTACT_DAYS} days"
    return [
        _count(f"n_contacts_{CONTACT_DAYS}d", window, "contacts", never),
        _count(
            "days_since_last_contact",
            "age of the newest contact - 1",
            "days",
            "null without a contact before D",
        ),
        *[
            Feature(
                f"{response}_contacts_share_{CONTACT_DAYS}d",
                f"{window} that were {response} before D / {window}",
                "share",
                none,
            )
            for response in ("opened", "clicked", "converted")
        ],
    ]


# Features of core.events, core.feedback and core.campaign_contacts.
VISITS, FEEDBACK, CONTACTS = tuple(_visits()), tuple(_feedback()), tuple(_contacts())

FEATURES: tuple[Feature, ...] = (
    *_rfm(),
    *_unusual(),
    *_windows(),
    *_decayed(),
    *_gaps(),
    *_baskets(),
    *_variety(),
    *_discounts(),
    *_calendar(),
    *_trends(),
    *_habits(),
    *VISITS,
    *FEEDBACK,
    *CONTACTS,
)
