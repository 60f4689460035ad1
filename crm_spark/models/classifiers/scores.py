"""Scores of a classifier as they are written: the tenths of the customers, and their reasons."""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.ranks import add_groups
from crm_spark.models.classifiers.reasons import no_reasons
from crm_spark.tables.columns import CHURN_DECILE, CHURN_PROBABILITY

DECILES = 10


def with_deciles(scored: DataFrame) -> DataFrame:
    """Add churn_decile, 1 the most likely to leave; ties fall by customer_id."""
    order = [F.desc(CHURN_PROBABILITY), F.asc("customer_id")]
    grouped = add_groups(scored, order=order, n_groups=DECILES, name=CHURN_DECILE.name)
    return grouped.withColumn(CHURN_DECILE.name, F.col(CHURN_DECILE.name).cast(T.IntegerType()))


def with_reasons_of_riskiest(
    scored: DataFrame,
    rows: DataFrame,
    reasons_of: Callable[[DataFrame], DataFrame],
    *,
    explained_deciles: int,
    reason: T.StructType,
) -> DataFrame:
    """Add reasons: of the first tenths those that `reasons_of` gives for their `rows`, else none.

    Reads customer_id and churn_decile. `reasons_of` gives customer_id and reasons.
    """
    if explained_deciles < DECILES:
        riskiest = scored.where(F.col(CHURN_DECILE.name) <= explained_deciles)
        rows = rows.join(riskiest.select("customer_id"), "customer_id", "left_semi")
    joined = scored.join(reasons_of(rows), "customer_id", "left")
    return joined.withColumn("reasons", F.coalesce("reasons", no_reasons(reason)))
