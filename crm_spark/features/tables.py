"""Features: what is computed of each customer from the core tables, as of a date."""

from __future__ import annotations

from collections.abc import Iterable

from pyspark.sql import types as T

from crm_spark.features.families import FEATURES
from crm_spark.features.families.family import Feature
from crm_spark.features.families.unusual import LEAST_FOR_Z, MOST_Z, Z_SCALE
from crm_spark.lake.contract import Column, Table

_AS_OF_DATE = Column(
    "as_of_date", T.DateType(), "Snapshot of what was known before this day", nullable=False
)
_RUN_ID = Column("run_id", T.StringType(), "Run that wrote the row", provenance=True)

CUSTOMER_ORDERS = Table(
    name="features.customer_orders",
    comment=(
        "Orders as they are known now. An order with last_change_at before D is as it was on D; "
        "with lines_changed_at before D, first_returned_at not and no split_after_days, it was so "
        "with nothing taken back; the others are computed again from their lines."
    ),
    key=("customer_id", "order_id", "order_part"),
    version=4,
    columns=(
        Column("customer_id", T.StringType(), "Customer", nullable=False),
        Column("order_id", T.StringType(), "Order number", nullable=False),
        Column(
            "order_part",
            T.IntegerType(),
            "1; of a number that was used again more than order_span_days later 2, 3 and so on",
            nullable=False,
        ),
        Column(
            "split_after_days",
            T.IntegerType(),
            "order_span_days, where lines bought under the number lie or lay further apart; "
            "null: they do not",
        ),
        Column(
            "has_refund",
            T.BooleanType(),
            "It has a return that names the order it is of, and no product",
            nullable=False,
        ),
        Column("ordered_at", T.TimestampType(), "Time of its first line (UTC); null: no line left"),
        Column("order_date", T.DateType(), "Local date of ordered_at"),
        Column("order_hour", T.IntegerType(), "Local hour of ordered_at, 0 to 23"),
        Column(
            "first_known_at", T.TimestampType(), "When its first line had been ordered and known"
        ),
        Column(
            "last_change_at",
            T.TimestampType(),
            "When a line of it, or one that decides what returns leave of it, last came or was "
            "replaced",
        ),
        Column(
            "lines_changed_at",
            T.TimestampType(),
            "When a line of it last came or was replaced",
        ),
        Column(
            "first_returned_at",
            T.TimestampType(),
            "When the first return became known that may take something of it back; null: none",
        ),
        Column(
            "is_counted",
            T.BooleanType(),
            "It has a line that is no return, and was not taken back as a whole",
        ),
        Column(
            "channel",
            T.StringType(),
            "Channel of its bought lines, the first by name; null: not known",
        ),
        Column("n_lines", T.LongType(), "Lines that are no returns"),
        Column("n_return_lines", T.LongType(), "Lines that are returns"),
        Column("n_products", T.LongType(), "Distinct products bought; null: none known"),
        Column(
            "items_milli", T.LongType(), "Items bought, in thousandths; an unknown quantity is 1"
        ),
        Column("spend_amount_minor", T.LongType(), "Amounts bought, in minor units (cents)"),
        Column(
            "kept_amount_minor",
            T.LongType(),
            "Of the amounts bought, what no later return took back, in minor units",
        ),
        Column(
            "returned_amount_minor",
            T.LongType(),
            "Absolute amounts of its own lines that are returns, in minor units",
        ),
        Column(
            "orphan_returned_amount_minor",
            T.LongType(),
            "Of these, what nothing bought before explains, in minor units",
        ),
        Column(
            "discount_amount_minor", T.LongType(), "Discounts, in minor units; null: none known"
        ),
        _RUN_ID,
    ),
)


def _feature_column(feature: Feature) -> Column:
    comment = f"{feature.formula} [{feature.unit}; {feature.null_rule}]"
    return Column(feature.name, feature.type, comment, minimum=0 if feature.is_count else None)


def snapshot_table(features: Iterable[Feature]) -> Table:
    """Give features.customer_snapshot with these features."""
    return Table(
        name="features.customer_snapshot",
        comment=(
            "Each customer with an order before the as-of date, with all features as of that date."
        ),
        key=("customer_id", "as_of_date"),
        partition_by=("as_of_date",),
        columns=(
            Column("customer_id", T.StringType(), "Customer", nullable=False),
            _AS_OF_DATE,
            *(_feature_column(feature) for feature in features),
            _RUN_ID,
        ),
    )


# With our features alone; its rows have those of the user's families besides.
CUSTOMER_SNAPSHOT = snapshot_table(FEATURES)

# Half-lives of the decayed counts of a product's orders: what a recommender can weigh by.
PRODUCT_HALF_LIFE_DAYS = (30, 90)

PRODUCT_INTERACTIONS = Table(
    name="features.product_interactions",
    comment="What each customer bought of each product before the as-of date.",
    key=("customer_id", "product_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        Column("customer_id", T.StringType(), "Customer", nullable=False),
        Column("product_id", T.StringType(), "Product", nullable=False),
        _AS_OF_DATE,
        Column("n_orders", T.LongType(), "Orders with a line of it that is no return"),
        *(
            Column(
                f"n_orders_half_life_{days}d",
                T.DoubleType(),
                f"Sum over these orders of 0.5 ^ (age / {days}), each term rounded to 9 decimals",
            )
            for days in PRODUCT_HALF_LIFE_DAYS
        ),
        Column("days_since_last_order", T.LongType(), "Days since the last of them; 0: yesterday"),
        _RUN_ID,
    ),
)

CUSTOMER_DEPARTMENTS = Table(
    name="features.customer_departments",
    comment=(
        "Recency, frequency and monetary value of each customer in each department, as of the date."
    ),
    key=("customer_id", "department", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        Column("customer_id", T.StringType(), "Customer", nullable=False),
        Column("department", T.StringType(), "Department of the products", nullable=False),
        _AS_OF_DATE,
        Column(
            "days_since_last_order",
            T.LongType(),
            "Days since the last order with a line of it that is no return; 0: yesterday",
        ),
        Column("n_orders", T.LongType(), "Orders with a line of it that is no return"),
        Column("n_products", T.LongType(), "Distinct products of it bought"),
        Column("spend_amount", T.DoubleType(), "Amounts of these lines, before returns"),
        Column(
            "spend_share",
            T.DoubleType(),
            "Share of the customer's spend in all departments; null where that is not above 0",
        ),
        _RUN_ID,
    ),
)

# A price is usual up to this many times the median, and down to as small a part of it, however
# little the product's prices vary: an offer at two thirds of the one price is none to look into.
LEAST_FACTOR = 2.0

PRODUCT_PRICES = Table(
    name="features.product_prices",
    comment=(
        "What each product was sold at before the as-of date, and how much of it at prices far "
        "from its usual one. Of lines that are no returns, with amount and quantity above 0."
    ),
    key=("product_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        Column("product_id", T.StringType(), "Product", nullable=False),
        _AS_OF_DATE,
        Column("n_lines", T.LongType(), "These lines"),
        Column("sold_amount", T.DoubleType(), "Their amounts"),
        Column("median_price", T.DoubleType(), "exp(median of ln(amount / quantity)) over lines"),
        Column("lowest_price", T.DoubleType(), "Lowest amount / quantity"),
        Column("highest_price", T.DoubleType(), "Highest amount / quantity"),
        Column(
            "usual_from_price",
            T.DoubleType(),
            f"median_price / w, ln w = the larger of {MOST_Z} MAD / {Z_SCALE} of the logarithms "
            f"(Iglewicz and Hoaglin 1993) and ln {LEAST_FACTOR:g}; null with fewer than "
            f"{LEAST_FOR_Z} lines",
        ),
        Column("usual_to_price", T.DoubleType(), "median_price * w; null as usual_from_price"),
        Column(
            "n_unusual_lines",
            T.LongType(),
            "Lines at a lower or higher price than these; null where they are",
        ),
        Column("unusual_amount", T.DoubleType(), "Amounts of these lines; null where they are"),
        _RUN_ID,
    ),
)
