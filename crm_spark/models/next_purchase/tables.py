"""The score table of next purchase."""

from __future__ import annotations

from pyspark.sql import types as T

from crm_spark.lake.contract import Column, Table
from crm_spark.tables.columns import AS_OF_DATE, CUSTOMER_ID, IS_BACKFILLED, SCORED_BY

HORIZON = T.StructType(
    [
        T.StructField("horizon_days", T.IntegerType()),
        T.StructField("order_probability", T.DoubleType()),
    ]
)

CUSTOMER_NEXT_PURCHASE = Table(
    name="scores.customer_next_purchase",
    comment="How probably each customer orders in the days from the date on, and when.",
    key=("customer_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        CUSTOMER_ID,
        AS_OF_DATE,
        Column("horizon_days", T.IntegerType(), "Days from the date on", nullable=False),
        Column(
            "order_probability",
            T.DoubleType(),
            "Probability of an order in the horizon",
            nullable=False,
            minimum=0,
            maximum=1,
        ),
        Column(
            "by_horizon",
            T.ArrayType(HORIZON),
            "The same of every horizon; null: no cut-off so long ago to learn it from",
            nullable=False,
        ),
        Column(
            "expected_date",
            T.DateType(),
            "Day by which the next order has come with a chance of a half; null: later than can be "
            "told",
        ),
        Column("expected_date_low", T.DateType(), "The same with a chance of a tenth"),
        Column(
            "expected_date_high",
            T.DateType(),
            "The same with a chance of nine tenths: at least 80 % lies between the two; null: open",
        ),
        Column("n_order_days", T.IntegerType(), "Days with an order before", nullable=False),
        Column("days_since_order", T.IntegerType(), "Days since the last of them", nullable=False),
        Column(
            "mean_gap_days",
            T.DoubleType(),
            "Mean days from an order day to the next; null: one order day",
        ),
        IS_BACKFILLED,
        *SCORED_BY,
    ),
)
