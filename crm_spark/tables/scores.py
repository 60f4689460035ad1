"""Scores: what the models and rules say of each customer, as of a date."""

from __future__ import annotations

from pyspark.sql import types as T

from crm_spark.lake.contract import Column, Table

_CUSTOMER_ID = Column("customer_id", T.StringType(), "Customer", nullable=False)
_AS_OF_DATE = Column(
    "as_of_date", T.DateType(), "Scored with what was known before this day", nullable=False
)
_MODEL_PROVENANCE = (
    Column("model_name", T.StringType(), "Registered model that scored", provenance=True),
    Column("model_version", T.StringType(), "Its version", provenance=True),
    Column("run_id", T.StringType(), "Run that scored", provenance=True),
    Column("scored_at", T.TimestampType(), "When (UTC)", provenance=True),
)

CUSTOMER_RFM = Table(
    name="scores.customer_rfm",
    comment="Recency, frequency and monetary scores and the named RFM segment.",
    key=("customer_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        _CUSTOMER_ID,
        _AS_OF_DATE,
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
        *_MODEL_PROVENANCE[2:],
    ),
)

RFM_CUT_POINTS = Table(
    name="scores.rfm_cut_points",
    comment="The cut points behind the RFM scores of each date, to be applied to later dates.",
    key=("as_of_date", "measure", "position"),
    partition_by=("as_of_date",),
    columns=(
        _AS_OF_DATE,
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

REASON = T.StructType(
    [
        T.StructField("feature", T.StringType()),
        T.StructField("value", T.DoubleType()),
        T.StructField("effect", T.DoubleType()),
    ]
)

CUSTOMER_CHURN = Table(
    name="scores.customer_churn",
    comment="How likely each active customer is to place no order in the horizon.",
    key=("customer_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        _CUSTOMER_ID,
        _AS_OF_DATE,
        Column(
            "churn_probability",
            T.DoubleType(),
            "Calibrated probability of no order in the horizon",
            minimum=0,
            maximum=1,
        ),
        Column(
            "churn_decile",
            T.IntegerType(),
            "1: the tenth most likely to leave; ties by customer_id",
            minimum=1,
            maximum=10,
        ),
        Column(
            "horizon_days", T.IntegerType(), "Days from the as-of date that the probability is for"
        ),
        Column(
            "reasons",
            T.ArrayType(REASON),
            "Features that raise the probability most against the base's median customer, with "
            "their values and effects in points of probability, strongest first",
        ),
        Column(
            "is_backfilled", T.BooleanType(), "Scored by a model that was no champion on that date"
        ),
        *_MODEL_PROVENANCE,
    ),
)

CUSTOMER_SEGMENTS = Table(
    name="scores.customer_segments",
    comment="The segment of alike customers that each customer belongs to.",
    key=("customer_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        _CUSTOMER_ID,
        _AS_OF_DATE,
        Column("segment_id", T.IntegerType(), "1: the segment with the highest mean spend"),
        Column("segment_name", T.StringType(), "What sets the segment apart, in words"),
        Column(
            "distance_to_center",
            T.DoubleType(),
            "Distance to the segment's centre, in standard deviations of the model's inputs",
        ),
        Column(
            "is_backfilled", T.BooleanType(), "Scored by a model that was no champion on that date"
        ),
        *_MODEL_PROVENANCE,
    ),
)

APART = T.StructType(
    [
        T.StructField("feature", T.StringType()),
        T.StructField("mean", T.DoubleType()),
        T.StructField("base_mean", T.DoubleType()),
        T.StructField("deviation", T.DoubleType()),
    ]
)

SEGMENT_PROFILES = Table(
    name="scores.segment_profiles",
    comment="Who the customers of each segment are, beside the whole base.",
    key=("segment_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        Column("segment_id", T.IntegerType(), "Segment", nullable=False),
        _AS_OF_DATE,
        Column("segment_name", T.StringType(), "What sets the segment apart, in words"),
        Column("n_customers", T.LongType(), "Customers in it"),
        Column(
            "customer_share", T.DoubleType(), "Its share of all customers", minimum=0, maximum=1
        ),
        Column("spend_share", T.DoubleType(), "Its share of all that was ever bought"),
        Column("mean_days_since_last_order", T.DoubleType(), "Mean days since the last order"),
        Column("mean_n_orders", T.DoubleType(), "Mean number of orders"),
        Column("mean_spend_amount", T.DoubleType(), "Mean amount bought"),
        Column("mean_spend_per_order", T.DoubleType(), "Mean amount of an order"),
        Column(
            "apart",
            T.ArrayType(APART),
            "The features that differ most from the base: mean in the segment, mean of the base, "
            "and their difference in standard deviations of the base; the largest first",
        ),
        *_MODEL_PROVENANCE,
    ),
)

PRODUCT_RECOMMENDATIONS = Table(
    name="scores.product_recommendations",
    comment="The products to offer each customer, best first.",
    key=("customer_id", "as_of_date", "rank"),
    partition_by=("as_of_date",),
    columns=(
        _CUSTOMER_ID,
        _AS_OF_DATE,
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
            "is_backfilled", T.BooleanType(), "Scored by a model that was no champion on that date"
        ),
        *_MODEL_PROVENANCE,
    ),
)
