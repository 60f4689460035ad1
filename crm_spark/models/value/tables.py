"""The score tables of value."""

from __future__ import annotations

from pyspark.sql import types as T

from crm_spark.lake.contract import Column, Table
from crm_spark.models.value.score import PARTS, part_score
from crm_spark.tables.columns import AS_OF_DATE, CUSTOMER_ID, IS_BACKFILLED, SCORED_BY, as_made

HORIZON = T.StructType(
    [
        T.StructField("horizon_days", T.IntegerType()),
        T.StructField("expected_amount", T.DoubleType()),
        T.StructField("expected_order_days", T.DoubleType()),
        T.StructField("order_probability", T.DoubleType()),
        T.StructField("expected_amount_low", T.DoubleType()),
        T.StructField("expected_amount_high", T.DoubleType()),
    ]
)

CUSTOMER_VALUE = Table(
    name="scores.customer_value",
    comment="What each customer is expected to spend, net of what is taken back, from the date on.",
    key=("customer_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        CUSTOMER_ID,
        AS_OF_DATE,
        Column("horizon_days", T.IntegerType(), "Days from the as-of date that it is for"),
        Column(
            "expected_amount",
            T.DoubleType(),
            "Net spend to expect in the horizon, discounted by value.discount_rate",
            minimum=0,
        ),
        Column(
            "expected_amount_low",
            T.DoubleType(),
            "The 80 % interval's lower end, as it held on the newest closed cut-off; 0 where more "
            "than a tenth of customers expected alike spent nothing; null: too little has closed",
            minimum=0,
        ),
        Column(
            "expected_amount_high",
            T.DoubleType(),
            "The 80 % interval's upper end; below expected_amount, which is a mean, where most "
            "spend nothing and few much",
            minimum=0,
        ),
        Column(
            "expected_order_days",
            T.DoubleType(),
            "Days with an order to expect in the horizon; null where what scores is of spend alone",
            minimum=0,
        ),
        Column(
            "order_probability",
            T.DoubleType(),
            "Probability of any order in the horizon; null where what scores is of spend alone",
            minimum=0,
            maximum=1,
        ),
        Column(
            "alive_probability",
            T.DoubleType(),
            "Probability that the customer is not lost for good; of buy-till-you-die models only",
            minimum=0,
            maximum=1,
        ),
        Column(
            "amount_per_order_day",
            T.DoubleType(),
            "Net spend to expect of a day with an order; of buy-till-you-die models only",
            minimum=0,
        ),
        Column(
            "value_tier",
            T.StringType(),
            "top_1_percent, top_5_percent, top_10_percent, top_25_percent, top_50_percent or rest, "
            "by expected_amount; ties by customer_id",
        ),
        Column(
            "value_at_risk_amount",
            T.DoubleType(),
            "expected_amount times churn_probability of scores.customer_churn, in whatever horizon "
            "churn has: where most may be saved, and not to be taken off, since expected_amount "
            "allows for no order; null where churn has no score of the customer",
            minimum=0,
        ),
        Column(
            "recommended_amount",
            T.DoubleType(),
            "Spend on the products offered to the customer, of recommendations.horizon_days: "
            "hit_probability of scores.product_recommendations times the mean amount of a line, "
            "summed, at most expected_amount; null: nothing offered that was measured",
            minimum=0,
        ),
        *(
            Column(
                part_score(part),
                T.DoubleType(),
                f"{amount} (null: 0) divided by its standard deviation; null: the same for all",
                minimum=0,
            )
            for part, amount in PARTS.items()
        ),
        Column(
            "value_score",
            T.DoubleType(),
            "Mean of these three by value.score_weights, but for parts that are the same for all",
            minimum=0,
        ),
        Column(
            "by_horizon",
            T.ArrayType(HORIZON),
            "Spend, order days, probability and the 80 % interval for each of value.horizons_days; "
            "only the first is tested, and a longer one has an interval where one has closed since "
            "a cut-off",
        ),
        IS_BACKFILLED,
        *SCORED_BY,
    ),
)

VALUE_VALIDATION = Table(
    name="scores.value_validation",
    comment=(
        "What the kind that scores expected of each customer on the cut-off of its test, which it "
        "had not seen, beside what came and the naive rule; none where that cut-off had not closed."
    ),
    key=("customer_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        CUSTOMER_ID,
        AS_OF_DATE,
        Column("cutoff_date", T.DateType(), "Cut-off of the test: what was known before this day"),
        Column("horizon_days", T.IntegerType(), "Days from the cut-off that the amounts are of"),
        Column("expected_amount", T.DoubleType(), "Net spend that was expected, not discounted"),
        Column(
            "carried_forward_amount",
            T.DoubleType(),
            "Net spend of as many days before the cut-off, 0 where it is less: the naive rule",
        ),
        Column("actual_amount", T.DoubleType(), "Net spend that came"),
        IS_BACKFILLED,
        *SCORED_BY,
    ),
)

VALIDATION = as_made(VALUE_VALIDATION)
