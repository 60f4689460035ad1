"""The score tables of propensity."""

from __future__ import annotations

from pyspark.sql import types as T

from crm_spark.lake.contract import Column, Table
from crm_spark.tables.columns import AS_OF_DATE, IS_BACKFILLED, SCORED_BY, as_made

# Shares of the buyers that audiences are made to reach, in per cent.
REACHES = (50, 70, 90)


def audience(reach: int) -> str:
    """Give the column of the number of customers that hold so many per cent of the buyers."""
    return f"audience_{reach}_percent"


_TARGET = (
    Column("level", T.StringType(), "department or product", nullable=False),
    Column("department", T.StringType(), "Department; null: the target is a product"),
    Column("product_id", T.StringType(), "Product; null: the target is a department"),
)
_TARGET_ID = Column("target_id", T.StringType(), "What may be bought: level and id", nullable=False)

CUSTOMER_PROPENSITY = Table(
    name="scores.customer_propensity",
    comment="How probably each customer buys of each department, and product, in the horizon.",
    key=("customer_id", "target_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        Column("customer_id", T.StringType(), "Customer", nullable=False),
        _TARGET_ID,
        AS_OF_DATE,
        *_TARGET,
        Column("horizon_days", T.IntegerType(), "Days from the date on", nullable=False),
        Column(
            "purchase_probability",
            T.DoubleType(),
            "Probability of buying it in the horizon",
            nullable=False,
            minimum=0,
        ),
        Column(
            "n_days_bought",
            T.IntegerType(),
            "Days on which it was bought before, returns not taken off",
            nullable=False,
        ),
        Column(
            "days_since_bought", T.IntegerType(), "Days since the last of them; null: never bought"
        ),
        Column(
            "reach_percent",
            T.IntegerType(),
            f"{', '.join(map(str, REACHES))}: the smallest audience that has the customer, by the "
            "per cent of the buyers that it is expected to hold; null: in none",
        ),
        IS_BACKFILLED,
        *SCORED_BY,
    ),
)

PROPENSITY_AUDIENCES = Table(
    name="scores.propensity_audiences",
    comment="How many customers to address for how many of the buyers of each target.",
    key=("target_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        _TARGET_ID,
        AS_OF_DATE,
        *_TARGET,
        Column("n_customers", T.LongType(), "Customers of the date", nullable=False),
        Column("expected_buyers", T.DoubleType(), "Sum of their probabilities", nullable=False),
        Column(
            "recent_buyers",
            T.LongType(),
            "Who bought it in as many days before the date, newcomers included",
        ),
        *(
            Column(
                audience(reach),
                T.LongType(),
                f"Customers, the most probable first, expected to hold {reach} % of the buyers",
            )
            for reach in REACHES
        ),
        Column(
            "tested_average_precision",
            T.DoubleType(),
            "Average precision of the model on the cut-off of its test; null: not a target then, "
            "or fewer than ten of the customers tested bought it",
        ),
        Column(
            "rule_average_precision",
            T.DoubleType(),
            "The same of the rule that the model was compared with when the kind was chosen",
        ),
        IS_BACKFILLED,
        *SCORED_BY,
    ),
)

AUDIENCES = as_made(PROPENSITY_AUDIENCES)
