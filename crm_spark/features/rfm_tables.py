"""The tables of RFM: scores and segments of customers, and the cut points behind them."""

from __future__ import annotations

from pyspark.sql import types as T

from crm_spark.lake.contract import Column, Table
from crm_spark.tables.columns import AS_OF_DATE, CUSTOMER_ID, WRITTEN_BY

CUSTOMER_RFM = Table(
    name="scores.customer_rfm",
    comment="Recency, frequency and monetary scores and the named RFM segment.",
    key=("customer_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        CUSTOMER_ID,
        AS_OF_DATE,
        Column(
            "days_since_last_order",
            T.LongType(),
            "Days since the last order; 0: the day before",
            minimum=0,
        ),
        Column("n_orders", T.LongType(), "Orders", minimum=1),
        Column("spend_amount", T.DoubleType(), "Amount bought"),
        Column(
            "recency_score", T.IntegerType(), "1 longest ago to 5 most recent", minimum=1, maximum=5
        ),
        Column(
            "frequency_score",
            T.IntegerType(),
            "1 few orders to 5 many; equal numbers have the middle of the scores that they span, "
            "so that one order has 2 where over 40 % of customers have one, 3 where over 80 % do",
            minimum=1,
            maximum=5,
        ),
        Column(
            "monetary_score",
            T.IntegerType(),
            "1 little spend to 5 much; equal amounts as in frequency_score",
            minimum=1,
            maximum=5,
        ),
        Column(
            "rfm_segment",
            T.StringType(),
            "The first of rfm.segments that fits the scores, n_orders and tenure_days",
        ),
        Column(
            "cut_points_as_of", T.DateType(), "Date whose cut points were used; null: fixed ones"
        ),
        *WRITTEN_BY,
    ),
)

RFM_CUT_POINTS = Table(
    name="scores.rfm_cut_points",
    comment="The cut points behind the RFM scores of each date, to be applied to later dates.",
    key=("as_of_date", "measure", "position"),
    partition_by=("as_of_date",),
    columns=(
        AS_OF_DATE,
        Column(
            "measure",
            T.StringType(),
            "days_since_last_order, n_orders or spend_amount",
            nullable=False,
        ),
        Column(
            "position",
            T.IntegerType(),
            "1 to 4: the cut between position and position + 1",
            nullable=False,
            minimum=1,
            maximum=4,
        ),
        Column("value", T.DoubleType(), "Values up to and including it lie below the cut"),
        Column("run_id", T.StringType(), "Run", provenance=True),
    ),
)
