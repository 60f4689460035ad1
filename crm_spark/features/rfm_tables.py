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
            "frequency_score", T.IntegerType(), "1 fewest orders to 5 most", minimum=1, maximum=5
        ),
        Column("monetary_score", T.IntegerType(), "1 least spend to 5 most", minimum=1, maximum=5),
        Column("rfm_segment", T.StringType(), "Named segment from the table in the configuration"),
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
