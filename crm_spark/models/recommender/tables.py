"""The score table of recommendations."""

from __future__ import annotations

from pyspark.sql import types as T

from crm_spark.lake.contract import Column, Table
from crm_spark.tables.columns import AS_OF_DATE, CUSTOMER_ID, IS_BACKFILLED, SCORED_BY

PRODUCT_RECOMMENDATIONS = Table(
    name="scores.product_recommendations",
    comment="The products to offer each customer, best first.",
    key=("customer_id", "as_of_date", "rank"),
    partition_by=("as_of_date",),
    columns=(
        CUSTOMER_ID,
        AS_OF_DATE,
        Column("rank", T.IntegerType(), "1: the first to offer", nullable=False, minimum=1),
        Column("product_id", T.StringType(), "Product", nullable=False),
        Column(
            "score",
            T.DoubleType(),
            "What the rung ranks by: als the predicted preference, buy_again the customer's own "
            "orders of it, popular its customers lately; comparable within one rung only",
        ),
        Column("source", T.StringType(), "Rung it came from: buy_again, als or popular"),
        Column(
            "hit_probability",
            T.DoubleType(),
            "Share of offers of the same rung and rank, to customers silent for about as long (of "
            "few: of the rung), whose product was bought in recommendations.horizon_days, on the "
            "cut-off of the test; null: not measured, as beyond rank 10, or a customer without a "
            "purchase",
            minimum=0,
            maximum=1,
        ),
        IS_BACKFILLED,
        *SCORED_BY,
    ),
)
