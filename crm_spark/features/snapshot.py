"""The customer snapshot: every feature of every customer as of one or many dates, in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.behaviour import contact_features, feedback_features, visit_features
from crm_spark.features.catalogue import (
    DAY_PARTS,
    FEATURES,
    HALF_LIFE_DAYS,
    LEAST_FOR_Z,
    MOST_Z,
    TREND_DAYS,
    VARIETY_DAYS,
    WEEKDAYS,
    WINDOW_DAYS,
    Z_SCALE,
    Feature,
)
from crm_spark.features.lines import ITEM_FRACTIONS, MINOR_UNITS, is_visible, midnight
from crm_spark.features.orders import OrderChanges, orders_as_of

# Powers of a half are summed as whole multiples of this, so that no order of summation shows.
DECAY_STEPS = 1_000_000_000
_GRAIN = ("customer_id", "as_of_date")


def customer_snapshot(
    orders: DataFrame,
    lines: DataFrame,
    departments: DataFrame | None,
    *,
    dates: Sequence[date],
    horizon_days: int,
    changes: OrderChanges | None = None,
    events: DataFrame | None = None,
    feedback: DataFrame | None = None,
    contacts: DataFrame | None = None,
    with_channels: bool = False,
) -> DataFrame:
    """Give every feature of every customer with an order before each date.

    Grain: customer_id, as_of_date. Reads features.customer_orders, core.transactions and, for
    department variety, `departments` (product_id, department, as_of_date); core.events,
    core.feedback and core.campaign_contacts where they are given, else their features are null.
    Gives the columns of the feature catalogue; their formulas, units and null rules stand there.
    No row ordered or arrived on or after a date has any influence on that date's rows.
    """
    known = orders_as_of(orders, lines, dates=dates, changes=changes)
    days = order_days(known)
    customers = (
        days.groupBy(*_GRAIN)
        .agg(*_totals(), *_windows(), *_trend_sums(), *_decayed_sums(), *_calendar_sums())
        .where(F.col("n_orders") > 0)
    )
    features = _derive(customers, horizon_days=horizon_days)
    parts = [product_variety(lines, departments, dates=dates)]
    if with_channels:
        parts.append(channel_mix(known))
    besides = {visit_features: events, feedback_features: feedback, contact_features: contacts}
    parts += [make(df, dates=dates) for make, df in besides.items() if df is not None]
    for part in parts:
        features = features.join(part, list(_GRAIN), "left")
    given = {"visits": events, "feedback": feedback, "complaints": feedback, "contacts": contacts}
    return features.select(*_GRAIN, *[_feature(features, feature, given) for feature in FEATURES])


def _feature(df: DataFrame, feature: Feature, given: Mapping[str, DataFrame | None]) -> Column:
    """Give a feature's column: null without its table, and a count of nothing is 0 with it."""
    if feature.name not in df.columns:
        data_type = T.LongType() if feature.is_count else T.DoubleType()
        return F.lit(None).cast(data_type).alias(feature.name)
    if feature.is_count and given.get(feature.unit) is not None:
        return F.coalesce(F.col(feature.name), F.lit(0).cast(T.LongType())).alias(feature.name)
    return F.col(feature.name)


def channel_mix(orders: DataFrame) -> DataFrame:
    """Give over how many channels each customer's orders spread, and the share of the main one.

    Grain: customer_id, as_of_date, customers with an order of known channel. Reads orders as of
    dates.
    """
    known = orders.where(F.col("is_counted") & F.col("channel").isNotNull())
    by_channel = known.groupBy(*_GRAIN, "channel").agg(F.count(F.lit(1)).alias("_n"))
    return by_channel.groupBy(*_GRAIN).agg(
        F.count(F.lit(1)).alias("n_channels"),
        (F.max("_n") / F.sum("_n").cast(T.DoubleType())).alias("main_channel_share"),
    )


def order_days(orders: DataFrame) -> DataFrame:
    """Give what each customer did on each day with an order, as of each date.

    Grain: customer_id, as_of_date, order_date. Only counted orders count, but returned amounts of
    orders that are nothing but a return are kept. A second grain below the customer makes distinct
    days a count of rows.
    """
    is_counted = F.col("is_counted")
    counted = {
        "n_lines": "n_lines",
        "items_milli": "items_milli",
        "spend_amount_minor": "spend_amount_minor",
        "kept_amount_minor": "kept_amount_minor",
        "n_order_products": "n_products",
        "discount_amount_minor": "discount_amount_minor",
    }
    has_discount = is_counted & (F.col("discount_amount_minor") > 0)
    in_part = {
        name: is_counted & (F.col("order_hour") >= start) & (F.col("order_hour") < end)
        for name, (start, end) in DAY_PARTS.items()
    }
    return orders.groupBy(*_GRAIN, "order_date").agg(
        F.count_if(is_counted).alias("n_day_orders"),
        *[F.sum(F.when(is_counted, F.col(name))).alias(total) for total, name in counted.items()],
        F.collect_list(
            F.when(is_counted & (F.col("spend_amount_minor") > 0), F.col("spend_amount_minor"))
        ).alias("order_amounts_minor"),
        F.sum("spend_amount_minor").alias("bought_amount_minor"),
        F.sum("returned_amount_minor").alias("returned_amount_minor"),
        F.sum("orphan_returned_amount_minor").alias("orphan_returned_amount_minor"),
        F.count_if(is_counted & F.col("n_products").isNotNull()).alias("n_product_orders"),
        F.count_if(has_discount).alias("n_discounted_orders"),
        *[F.count_if(condition).alias(f"n_{name}_orders") for name, condition in in_part.items()],
    )


def _age() -> Column:
    """Days from an order's day to the as-of date: 1 is the day before it."""
    return F.datediff("as_of_date", "order_date")


def _is_order_day() -> Column:
    return F.col("n_day_orders") > 0


def _within(days: int, value: Column) -> Column:
    return F.sum(F.when(_age() <= days, value).otherwise(F.lit(0).cast(T.LongType())))


def _money(minor: Column) -> Column:
    return minor / F.lit(float(MINOR_UNITS))


def _totals() -> list[Column]:
    sums = (
        "n_lines",
        "items_milli",
        "spend_amount_minor",
        "kept_amount_minor",
        "bought_amount_minor",
        "returned_amount_minor",
        "orphan_returned_amount_minor",
        "discount_amount_minor",
        "n_order_products",
        "n_product_orders",
        "n_discounted_orders",
    )
    order_date = F.when(_is_order_day(), F.col("order_date"))
    return [
        F.sum("n_day_orders").alias("n_orders"),
        F.count_if(_is_order_day()).alias("n_order_days"),
        F.array_sort(F.collect_list(order_date)).alias("_days"),
        F.array_sort(F.flatten(F.collect_list("order_amounts_minor"))).alias("_amounts"),
        *[F.sum(name).alias(f"_{name}") for name in sums],
    ]


def _windows() -> list[Column]:
    sums: list[Column] = []
    for days in WINDOW_DAYS:
        sums += [
            _within(days, F.col("n_day_orders")).alias(f"n_orders_{days}d"),
            F.count_if((_age() <= days) & _is_order_day()).alias(f"n_order_days_{days}d"),
            _money(_within(days, F.coalesce("spend_amount_minor", F.lit(0)))).alias(
                f"spend_amount_{days}d"
            ),
            (_within(days, F.coalesce("items_milli", F.lit(0))) / float(ITEM_FRACTIONS)).alias(
                f"n_items_{days}d"
            ),
        ]
    return sums


def _trend_sums() -> list[Column]:
    """Give orders and spend of the last window and of the one before, to be compared later."""
    values = {
        "n_orders": F.col("n_day_orders"),
        "spend": F.coalesce("spend_amount_minor", F.lit(0)),
    }
    sums = []
    for days in TREND_DAYS:
        for name, value in values.items():
            sums.append(_within(days, value).alias(f"_{name}_last_{days}d"))
            both = _within(2 * days, value)
            sums.append((both - _within(days, value)).alias(f"_{name}_before_{days}d"))
    return sums


def _decayed_sums() -> list[Column]:
    sums = []
    for days in HALF_LIFE_DAYS:
        weight = F.pow(F.lit(0.5), _age() / F.lit(float(days)))
        steps = F.round(weight * DECAY_STEPS).cast(T.LongType()) * F.col("n_day_orders")
        sums.append((F.sum(steps) / float(DECAY_STEPS)).alias(f"n_orders_half_life_{days}d"))
    return sums


def _calendar_sums() -> list[Column]:
    orders_on = [
        F.sum(
            F.when(F.weekday("order_date") == index, F.col("n_day_orders")).otherwise(F.lit(0))
        ).alias(f"_{day}_orders")
        for index, day in enumerate(WEEKDAYS)
    ]
    orders_at = [F.sum(f"n_{part}_orders").alias(f"_{part}_orders") for part in DAY_PARTS]
    return orders_on + orders_at


def _derive(customers: DataFrame, *, horizon_days: int) -> DataFrame:
    """Turn sums and sorted order days into features."""
    with_gaps = (
        customers.withColumn("_gaps", _gaps(F.col("_days")))
        .withColumns(
            {
                "days_since_last_order": (
                    F.datediff("as_of_date", F.element_at("_days", -1)) - 1
                ).cast(T.LongType()),
                "tenure_days": F.datediff("as_of_date", F.get("_days", 0)).cast(T.LongType()),
                "_sorted_gaps": F.array_sort("_gaps"),
                "_n_gaps": F.size("_gaps"),
                # Nine decimals: no machine's last bit shows.
                "_logs": F.transform("_amounts", lambda amount: F.round(F.log(amount), 9)),
            }
        )
        .withColumn("_centre", _middle("_logs"))
    )
    distances = F.transform("_logs", lambda log_amount: F.abs(log_amount - F.col("_centre")))
    with_spread = with_gaps.withColumn("_distances", F.array_sort(distances)).withColumn(
        "_spread", F.nullif(_middle("_distances"), F.lit(0.0))
    )
    return with_spread.withColumns(
        {
            **_money_features(),
            **_unusual_features(),
            **_gap_features(horizon_days),
            **_basket_features(),
            **_discount_features(),
            **_share_features(),
            **_trend_features(),
        }
    ).withColumn(
        "silence_over_median_gap", F.col("days_since_last_order") / F.col("median_gap_days")
    )


def _gaps(days: Column) -> Column:
    """Give the days between neighbours in a sorted array of distinct dates."""
    later = F.slice(days, F.lit(2), F.greatest(F.size(days) - 1, F.lit(0)))
    earlier = F.slice(days, F.lit(1), F.greatest(F.size(days) - 1, F.lit(0)))
    return F.zip_with(earlier, later, lambda left, right: F.datediff(right, left))


def _money_features() -> dict[str, Column]:
    spend = _money(F.col("_spend_amount_minor"))
    returned = _money(F.col("_returned_amount_minor"))
    orphan = F.col("_orphan_returned_amount_minor")
    bought = F.nullif(F.col("_bought_amount_minor"), F.lit(0)).cast(T.DoubleType())
    return {
        "spend_amount": spend,
        "returned_amount": returned,
        "net_spend_amount": _money(F.col("_kept_amount_minor")),
        "orphan_returned_amount": _money(orphan),
        "returned_share": (F.col("_returned_amount_minor") - orphan) / bought,
    }


def _middle(ordered: str) -> Column:
    """Give the median of a sorted array, null of an empty one."""
    n = F.size(ordered)
    upper = F.get(ordered, F.floor(n / 2).cast(T.IntegerType()))
    return (upper + F.get(ordered, F.floor((n - 1) / 2).cast(T.IntegerType()))) / 2.0


def _unusual_features() -> dict[str, Column]:
    n = F.size("_amounts")
    fence = F.when(n >= LEAST_FOR_Z, F.col("_spread") * (MOST_Z / Z_SCALE))
    n_outside = F.size(F.filter("_distances", lambda distance: distance > fence))
    most = F.round(F.exp(F.col("_centre") + fence)).cast(T.LongType())
    zero = F.lit(0).cast(T.LongType())
    capped = F.aggregate(
        "_amounts", zero, lambda subtotal, amount: subtotal + F.least(amount, most)
    )
    return {
        "median_order_amount": _money(_middle("_amounts")),
        "unusual_orders_share": F.when(fence.isNotNull(), n_outside / n.cast(T.DoubleType())),
        "capped_spend_amount": F.when(n > 0, _money(capped)),
    }


def _gap_features(horizon_days: int) -> dict[str, Column]:
    gaps, n = F.col("_gaps"), F.col("_n_gaps")
    zero = F.lit(0).cast(T.LongType())
    total = F.aggregate(gaps, zero, lambda subtotal, gap: subtotal + gap)
    squares = F.aggregate(gaps, zero, lambda subtotal, gap: subtotal + gap.cast(T.LongType()) * gap)
    # n * sum of squares - square of the sum is a whole number: no cancellation, no order.
    spread = (n * squares - total * total) / (n * (n - 1)).cast(T.DoubleType())
    ordered = F.col("_sorted_gaps")
    middle = F.floor(n / 2).cast(T.IntegerType())
    below = F.get(ordered, F.floor((n - 1) / 2).cast(T.IntegerType()))
    silence = F.col("days_since_last_order")
    n_longer = F.size(F.filter(gaps, lambda gap: gap > silence + horizon_days))
    empty_after = F.aggregate(
        gaps, zero, lambda subtotal, gap: subtotal + F.greatest(gap - horizon_days, F.lit(0))
    )
    n_windows = F.col("tenure_days") - horizon_days
    half = F.floor(n / 2).cast(T.IntegerType())
    older = F.aggregate(F.slice(gaps, F.lit(1), half), zero, lambda subtotal, gap: subtotal + gap)
    newer = F.aggregate(
        F.slice(gaps, F.greatest(n - half + 1, F.lit(1)), half),
        zero,
        lambda subtotal, gap: subtotal + gap,
    )
    empty_now = F.greatest(silence + 1 - horizon_days, F.lit(0))
    return {
        "median_gap_days": F.when(n > 0, (F.get(ordered, middle) + below) / 2.0),
        "mean_gap_days": F.when(n > 0, total / n.cast(T.DoubleType())),
        "stddev_gap_days": F.when(n > 1, F.sqrt(spread)),
        "gap_trend": F.when(n > 1, (newer - older) / (newer + older).cast(T.DoubleType())),
        "longest_gap_days": F.array_max(gaps).cast(T.LongType()),
        "longer_gaps_share": F.when(n > 0, n_longer / n.cast(T.DoubleType())),
        "empty_windows_share": F.when(
            n_windows > 0, (empty_after + empty_now) / n_windows.cast(T.DoubleType())
        ),
    }


def _basket_features() -> dict[str, Column]:
    n_orders = F.col("n_orders").cast(T.DoubleType())
    return {
        "items_per_order": F.col("_items_milli") / float(ITEM_FRACTIONS) / n_orders,
        "lines_per_order": F.col("_n_lines") / n_orders,
        "products_per_order": F.when(
            F.col("_n_product_orders") > 0,
            F.col("_n_order_products") / F.col("_n_product_orders").cast(T.DoubleType()),
        ),
        "spend_per_order": _money(F.col("_spend_amount_minor")) / n_orders,
    }


def _discount_features() -> dict[str, Column]:
    discount, spend = F.col("_discount_amount_minor"), F.col("_spend_amount_minor")
    share = discount / F.nullif(discount + spend, F.lit(0)).cast(T.DoubleType())
    orders_share = F.col("_n_discounted_orders") / F.col("n_orders").cast(T.DoubleType())
    return {
        "discount_amount": _money(discount),
        "discount_share": share,
        "discounted_orders_share": F.when(discount.isNotNull(), orders_share),
    }


def _share_features() -> dict[str, Column]:
    n_orders = F.col("n_orders").cast(T.DoubleType())
    return {
        f"{name}_orders_share": F.col(f"_{name}_orders") / n_orders
        for name in (*WEEKDAYS, *DAY_PARTS)
    }


def _trend_features() -> dict[str, Column]:
    features = {}
    for days in TREND_DAYS:
        for name in ("n_orders", "spend"):
            last, before = F.col(f"_{name}_last_{days}d"), F.col(f"_{name}_before_{days}d")
            both = F.nullif(last + before, F.lit(0)).cast(T.DoubleType())
            features[f"{name}_trend_{days}d"] = (last - before) / both
    return features


def product_variety(
    lines: DataFrame, departments: DataFrame | None, *, dates: Sequence[date]
) -> DataFrame:
    """Count the different products and departments each customer had bought by each date.

    Grain: customer_id, as_of_date. Reads core.transactions (lines that are no returns) and
    `departments` (product_id, department, as_of_date). Lines shrink to orders of a product, to
    customer and product, then to customer and department, with a column a date; only then does each
    date get rows of its own.
    """
    days = dict(enumerate(sorted(set(dates))))
    by_order: list[Column] = []
    by_product: list[Column] = []
    by_department: list[Column] = []
    of_dates: list[Column] = []
    for index, day in days.items():
        at = F.when(is_visible(midnight(F.lit(day))), F.col("ordered_at"))
        by_order += [F.max(at).alias(f"_last_{index}"), F.count(at).alias(f"_lines_{index}")]
        by_product += [
            F.max(f"_last_{index}").alias(f"_last_{index}"),
            F.count(f"_last_{index}").alias(f"_orders_{index}"),
            F.sum(f"_lines_{index}").alias(f"_lines_{index}"),
        ]
        last = F.when(F.col(f"_is_of_{index}"), F.col(f"_last_{index}"))
        is_recent = F.to_date(last) >= F.date_sub(F.lit(day), VARIETY_DAYS)
        is_repeat = F.col(f"_is_of_{index}") & (F.col(f"_orders_{index}") > 1)
        lines_of = F.when(F.col(f"_is_of_{index}"), F.col(f"_lines_{index}"))
        by_department += [
            F.count(last).alias(f"_n_{index}"),
            F.count_if(is_recent).alias(f"_n_recent_{index}"),
            F.count_if(is_repeat).alias(f"_n_repeat_{index}"),
            F.sum(lines_of).alias(f"_n_lines_{index}"),
        ]
        names = ("n", "n_recent", "n_repeat", "n_lines")
        of_dates.append(
            F.struct(
                F.lit(day).alias("as_of_date"),
                *[F.col(f"_{name}_{index}").alias(name) for name in names],
            )
        )
    pairs = (
        lines.where(~F.col("is_return") & F.col("product_id").isNotNull())
        .groupBy("customer_id", "product_id", "order_id")
        .agg(*by_order)
        .groupBy("customer_id", "product_id")
        .agg(*by_product)
    )
    pairs = _with_departments(pairs, departments, days)
    bought = (
        pairs.groupBy("customer_id", "department")
        .agg(*by_department)
        .select("customer_id", "department", F.inline(F.array(*of_dates)))
        .where(F.col("n") > 0)
    )
    is_department = F.col("department").isNotNull()
    n_departments = F.count_if(is_department)
    n_recent_departments = F.count_if(is_department & (F.col("n_recent") > 0))
    return bought.groupBy(*_GRAIN).agg(
        F.sum("n").alias("n_products"),
        F.sum("n_recent").alias(f"n_products_{VARIETY_DAYS}d"),
        (F.sum("n_repeat") / F.sum("n").cast(T.DoubleType())).alias("repeat_products_share"),
        F.when(n_departments > 0, n_departments).alias("n_departments"),
        F.when(n_departments > 0, n_recent_departments).alias(f"n_departments_{VARIETY_DAYS}d"),
        _entropy(F.when(is_department, F.col("n_lines"))).alias("department_entropy"),
    )


def _with_departments(
    pairs: DataFrame, departments: DataFrame | None, days: Mapping[int, date]
) -> DataFrame:
    """Add the department of each product, and for each date whether it was that one then.

    A product that changed its department has a row for each; at each date one of them counts.
    """
    if departments is None:
        none = {"department": F.lit(None).cast(T.StringType())}
        return pairs.withColumns(none | {f"_is_of_{index}": F.lit(True) for index in days})
    valid = [
        F.bool_or(F.col("as_of_date") == F.lit(day)).alias(f"_is_of_{index}")
        for index, day in days.items()
    ]
    by_department = departments.groupBy("product_id", "department").agg(*valid)
    known = {f"_is_of_{index}": F.coalesce(f"_is_of_{index}", F.lit(True)) for index in days}
    return pairs.join(by_department, "product_id", "left").withColumns(known)


def _entropy(n: Column) -> Column:
    """Give the entropy of counts, in nats: ln N - sum of n ln n / N, each term to 9 decimals."""
    term = F.round(n * F.log(n.cast(T.DoubleType())) * DECAY_STEPS).cast(T.LongType())
    total = F.sum(n).cast(T.DoubleType())
    entropy = F.log(total) - F.sum(term) / float(DECAY_STEPS) / total
    # Rounded terms can leave less than nothing; the greatest of null and 0 would be 0.
    return F.when(total.isNotNull(), F.greatest(entropy, F.lit(0.0)))
