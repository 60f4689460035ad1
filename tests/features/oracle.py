"""The customer snapshot once more, in plain Python, from its specification alone.

One customer and one date at a time, with exact fractions, no Spark and no thought of speed. The
specification are the families in crm_spark/features/families; their notation is used here.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

from pyspark.sql import DataFrame, SparkSession

from crm_spark.features.families import CONTACTS, FEEDBACK, VISITS
from crm_spark.features.families.calendar import DAY_PARTS, WEEKDAYS
from crm_spark.features.families.decayed import HALF_LIFE_DAYS
from crm_spark.features.families.products import VARIETY_DAYS
from crm_spark.features.families.trends import TREND_DAYS
from crm_spark.features.families.windows import WINDOW_DAYS
from crm_spark.tables.core import TRANSACTIONS

Value = int | float | None


@dataclass(frozen=True)
class Line:
    """One line of core.transactions, as far as features look at it."""

    customer_id: str
    order_id: str
    ordered_at: datetime
    arrived_at: datetime
    superseded_at: datetime | None = None
    product_id: str | None = None
    quantity: Decimal | None = None
    amount: Decimal = Decimal(0)
    discount_amount: Decimal | None = None
    is_return: bool = False
    channel: str | None = None


def as_frame(spark: SparkSession, lines: Sequence[Line]) -> DataFrame:
    """Give the lines as core.transactions."""
    rows = [
        {
            **asdict(line),
            "line_id": f"{number:06d}",
            "is_deleted": False,
            "replaces_order": False,
            "is_zero_amount": line.amount == 0,
            "is_zero_quantity": line.quantity == 0,
        }
        for number, line in enumerate(lines)
    ]
    names = TRANSACTIONS.schema.names
    return spark.createDataFrame(
        [tuple(row.get(name) for name in names) for row in rows], TRANSACTIONS.schema
    )


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Give the instant at which a local day begins."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def is_visible(line: Line, cut: datetime) -> bool:
    """Tell whether a line was ordered, known and not yet replaced just before `cut`."""
    is_over = line.superseded_at is not None and line.superseded_at < cut
    return line.ordered_at < cut and line.arrived_at < cut and not is_over


class Order:
    """One order, from its visible lines, seen on the day D."""

    def __init__(
        self, lines: Sequence[Line], kept: Mapping[int, Fraction], day: date, zone: ZoneInfo
    ) -> None:
        bought = [line for line in lines if not line.is_return]
        first = min(line.ordered_at for line in lines).astimezone(zone)
        products = {line.product_id for line in bought} - {None}
        discounts = [line.discount_amount for line in bought if line.discount_amount is not None]
        self.kept = sum(kept[id(line)] for line in bought)
        self.spend = sum(Fraction(line.amount) for line in bought)
        self.is_counted = bool(bought) and not (self.kept == 0 and self.spend > 0)
        self.age = (day - first.date()).days
        self.weekday = WEEKDAYS[first.weekday()]
        self.hour = first.hour
        self.channel = min((x.channel for x in bought if x.channel is not None), default=None)
        self.n_lines = len(bought)
        self.n_products = len(products) if products else None
        self.items = sum(Fraction(1 if x.quantity is None else x.quantity) for x in bought)
        self.discount = sum(map(Fraction, discounts)) if discounts else None


def take_back(lines: Sequence[Line]) -> tuple[dict[int, Fraction], Fraction]:
    """Give what is kept of each bought line, by id(), and what no purchase explains.

    One product at a time, in order of time: a return takes from the newest line bought before.
    """
    kept = {id(line): Fraction(line.amount) for line in lines if not line.is_return}
    orphaned = Fraction(0)
    for product in {line.product_id for line in lines}:
        stack: list[Line] = []
        of_product = [line for line in lines if line.product_id == product]
        for line in sorted(of_product, key=lambda row: (row.ordered_at, row.is_return)):
            if not line.is_return:
                stack.append(line)
                continue
            due = abs(Fraction(line.amount))
            while due and stack:
                taken = min(due, max(kept[id(stack[-1])], Fraction(0)))
                kept[id(stack[-1])] -= taken
                due -= taken
                if due:
                    stack.pop()
            orphaned += due
    return kept, orphaned


def snapshot_row(
    lines: Sequence[Line],
    departments: Mapping[str, str | None] | None,
    *,
    day: date,
    zone: ZoneInfo,
    horizon_days: int,
) -> dict[str, Value] | None:
    """Give every feature of the customer of these lines as of `day`; None without an order."""
    visible = [line for line in lines if is_visible(line, midnight(day, zone))]
    by_order: dict[str, list[Line]] = {}
    for line in visible:
        by_order.setdefault(line.order_id, []).append(line)
    kept, orphaned = take_back(visible)
    every = [Order(of_order, kept, day, zone) for of_order in by_order.values()]
    orders = [order for order in every if order.is_counted]
    if not orders:
        return None
    bought = [line for line in visible if not line.is_return]
    returned = sum(abs(Fraction(line.amount)) for line in visible if line.is_return)
    return (
        _rfm(orders)
        | _returns(orders, every, returned, orphaned)
        | _unusual(orders)
        | _windows(orders)
        | _decayed(orders)
        | _gaps(orders, horizon_days)
        | _baskets(orders)
        | _variety(bought, departments, day, zone)
        | _discounts(orders)
        | _calendar(orders)
        | _trends(orders)
        | _channels(orders)
        | dict.fromkeys(
            feature.name for family in (VISITS, FEEDBACK, CONTACTS) for feature in family.features
        )
    )


def _returns(
    orders: list[Order], every: list[Order], returned: Fraction, orphaned: Fraction
) -> dict[str, Value]:
    bought = sum(order.spend for order in every)
    return {
        "returned_amount": float(returned),
        "net_spend_amount": float(sum(order.kept for order in orders)),
        "orphan_returned_amount": float(orphaned),
        "returned_share": float((returned - orphaned) / bought) if bought else None,
    }


def _rfm(orders: list[Order]) -> dict[str, Value]:
    ages = {order.age for order in orders}
    spend = sum(order.spend for order in orders)
    return {
        "n_orders": len(orders),
        "n_order_days": len(ages),
        "spend_amount": float(spend),
        "days_since_last_order": min(ages) - 1,
        "tenure_days": max(ages),
    }


def _in_window(orders: list[Order], first_age: int, last_age: int) -> list[Order]:
    return [order for order in orders if first_age <= order.age <= last_age]


def _unusual(orders: list[Order]) -> dict[str, Value]:
    amounts = [float(order.spend) for order in orders if order.spend > 0]
    logs = [math.log(amount) for amount in amounts]
    if not amounts:
        return dict.fromkeys(("median_order_amount", "unusual_orders_share", "capped_spend_amount"))
    centre = statistics.median(logs)
    spread = statistics.median(abs(log - centre) for log in logs)
    share, most = None, math.inf
    if len(amounts) >= 5 and spread > 0:
        z_scores = [0.6745 * (log - centre) / spread for log in logs]
        share = sum(abs(z) > 3.5 for z in z_scores) / len(logs)
        most = round(math.exp(centre + 3.5 * spread / 0.6745) * 100) / 100
    return {
        "median_order_amount": statistics.median(amounts),
        "unusual_orders_share": share,
        "capped_spend_amount": sum(min(amount, most) for amount in amounts),
    }


def _windows(orders: list[Order]) -> dict[str, Value]:
    row: dict[str, Value] = {}
    for days in WINDOW_DAYS:
        within = _in_window(orders, 1, days)
        row[f"n_orders_{days}d"] = len(within)
        row[f"n_order_days_{days}d"] = len({order.age for order in within})
        row[f"spend_amount_{days}d"] = float(sum(order.spend for order in within))
        row[f"n_items_{days}d"] = float(sum(order.items for order in within))
    return row


def _decayed(orders: list[Order]) -> dict[str, Value]:
    def term(age: int, half_life: int) -> Decimal:
        exact = Decimal(repr(0.5 ** (age / half_life)))
        return exact.quantize(Decimal("1e-9"), rounding=ROUND_HALF_UP)

    return {
        f"n_orders_half_life_{days}d": float(sum(term(order.age, days) for order in orders))
        for days in HALF_LIFE_DAYS
    }


def _gaps(orders: list[Order], horizon_days: int) -> dict[str, Value]:
    ages = sorted({order.age for order in orders}, reverse=True)
    gaps = [older - newer for older, newer in pairwise(ages)]
    first, silence = ages[0], ages[-1] - 1
    median = statistics.median(gaps) if gaps else None
    # A window is named by the age of its newest day; all of it is younger than the first order.
    newest_days = range(1, first - horizon_days + 1)
    windows = [range(newest, newest + horizon_days) for newest in newest_days]
    empty = [window for window in windows if not any(age in window for age in ages)]
    longer = [gap for gap in gaps if gap > silence + horizon_days]
    half = len(gaps) // 2
    older, newer = sum(gaps[:half]), sum(gaps[len(gaps) - half :])
    return {
        "gap_trend": (newer - older) / (newer + older) if half else None,
        "median_gap_days": median,
        "mean_gap_days": statistics.fmean(gaps) if gaps else None,
        "stddev_gap_days": statistics.stdev(gaps) if len(gaps) > 1 else None,
        "longest_gap_days": max(gaps, default=None),
        "silence_over_median_gap": silence / median if median else None,
        "longer_gaps_share": len(longer) / len(gaps) if gaps else None,
        "empty_windows_share": len(empty) / len(windows) if windows else None,
    }


def _baskets(orders: list[Order]) -> dict[str, Value]:
    n_orders = len(orders)
    known = [order.n_products for order in orders if order.n_products is not None]
    return {
        "items_per_order": float(sum(order.items for order in orders) / n_orders),
        "lines_per_order": sum(order.n_lines for order in orders) / n_orders,
        "products_per_order": statistics.fmean(known) if known else None,
        "spend_per_order": float(sum(order.spend for order in orders) / n_orders),
    }


def _variety(
    bought: list[Line], departments: Mapping[str, str | None] | None, day: date, zone: ZoneInfo
) -> dict[str, Value]:
    known = [line for line in bought if line.product_id is not None]
    lately = [
        line
        for line in known
        if (day - line.ordered_at.astimezone(zone).date()).days <= VARIETY_DAYS
    ]

    def n_products(lines: list[Line]) -> int | None:
        return len({line.product_id for line in lines}) if known else None

    def named(lines: list[Line]) -> set[str | None]:
        return {(departments or {}).get(str(line.product_id)) for line in lines} - {None}

    def n_departments(lines: list[Line]) -> int | None:
        return len(named(lines)) if named(known) else None

    orders_of: dict[str | None, set[str]] = {}
    lines_of: dict[str, int] = {}
    for line in known:
        orders_of.setdefault(line.product_id, set()).add(line.order_id)
        department = (departments or {}).get(str(line.product_id))
        if department is not None:
            lines_of[department] = lines_of.get(department, 0) + 1
    repeated = [product for product, ids in orders_of.items() if len(ids) > 1]
    shares = [n / sum(lines_of.values()) for n in lines_of.values()]
    return {
        "repeat_products_share": len(repeated) / len(orders_of) if orders_of else None,
        "department_entropy": -sum(p * math.log(p) for p in shares) if shares else None,
        "n_products": n_products(known),
        f"n_products_{VARIETY_DAYS}d": n_products(lately),
        "n_departments": n_departments(known),
        f"n_departments_{VARIETY_DAYS}d": n_departments(lately),
    }


def _discounts(orders: list[Order]) -> dict[str, Value]:
    known = [order.discount for order in orders if order.discount is not None]
    if not known:
        return dict.fromkeys(("discount_amount", "discount_share", "discounted_orders_share"))
    discount, spend = sum(known), sum(order.spend for order in orders)
    return {
        "discount_amount": float(discount),
        "discount_share": _ratio(discount, discount + spend),
        "discounted_orders_share": sum(amount > 0 for amount in known) / len(orders),
    }


def _calendar(orders: list[Order]) -> dict[str, Value]:
    weekdays = {
        f"{day}_orders_share": sum(order.weekday == day for order in orders) / len(orders)
        for day in WEEKDAYS
    }
    parts = {
        f"{part}_orders_share": sum(start <= order.hour < end for order in orders) / len(orders)
        for part, (start, end) in DAY_PARTS.items()
    }
    return weekdays | parts


def _trends(orders: list[Order]) -> dict[str, Value]:
    row: dict[str, Value] = {}
    for days in TREND_DAYS:
        last, before = _in_window(orders, 1, days), _in_window(orders, days + 1, 2 * days)
        n_last, n_before = Fraction(len(last)), Fraction(len(before))
        spend_last, spend_before = (sum((o.spend for o in x), Fraction(0)) for x in (last, before))
        row[f"n_orders_trend_{days}d"] = _ratio(n_last - n_before, n_last + n_before)
        row[f"spend_trend_{days}d"] = _ratio(spend_last - spend_before, spend_last + spend_before)
    return row


def _channels(orders: list[Order]) -> dict[str, Value]:
    known = [order.channel for order in orders if order.channel is not None]
    most = max((known.count(channel) for channel in known), default=0)
    return {
        "n_channels": len(set(known)) if known else None,
        "main_channel_share": most / len(known) if known else None,
    }


def _ratio(part: Fraction, whole: Fraction) -> float | None:
    return float(part / whole) if whole else None
