"""The score table of contract churn."""

from __future__ import annotations

from pyspark.sql import types as T

from crm_spark.lake.contract import Column, Table
from crm_spark.tables.columns import (
    AS_OF_DATE,
    CHURN_DECILE,
    CHURN_PROBABILITY,
    CUSTOMER_ID,
    IS_BACKFILLED,
    SCORED_BY,
    probability,
)

REASON = T.StructType(
    [
        T.StructField("attribute", T.StringType()),
        T.StructField("value", T.StringType()),
        T.StructField("effect", T.DoubleType()),
        T.StructField("text", T.StringType()),
    ]
)

CONTRACT_CHURN = Table(
    name="scores.contract_churn",
    comment="How likely each contract customer who is not known to have left is to leave.",
    key=("customer_id", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        CUSTOMER_ID,
        AS_OF_DATE,
        probability(CHURN_PROBABILITY, "Calibrated probability of being among those who leave"),
        CHURN_DECILE,
        Column(
            "reasons",
            T.ArrayType(REASON),
            "What raises the probability, strongest first: attributes with their value; effect: "
            "what the probability loses without what the attribute adds to the model's score "
            "(exact: TreeSHAP, terms of a regression). Of the tenths most at risk",
        ),
        IS_BACKFILLED,
        *SCORED_BY,
    ),
)
