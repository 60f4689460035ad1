"""Every customer of a date with what is expected of them, and their tier."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.features.ranks import add_ranks
from crm_spark.models.purchases import Floats
from crm_spark.models.value.average import order_process
from crm_spark.models.value.histories import ACTUAL_AMOUNT, LOG_GAPS, recent_amount
from crm_spark.models.value.model import Customers, TestedOn, ValueModel

# Shares of customers, the best first, as the field cuts them.
TIERS = {
    "top_1_percent": 0.01,
    "top_5_percent": 0.05,
    "top_10_percent": 0.10,
    "top_25_percent": 0.25,
    "top_50_percent": 0.50,
}
REST = "rest"
# The churn model's scores: models do not know one another, but may read earlier ones' tables.
CHURN_SCORES, OFFERS = "scores.customer_churn", "scores.product_recommendations"
_OF_ALL = ("alive_probability", "amount_per_order_day")
_OF_HORIZON = (
    "expected_amount",
    "expected_order_days",
    "order_probability",
    "expected_amount_low",
    "expected_amount_high",
)


def score_customers(model: ValueModel, histories: DataFrame) -> DataFrame:
    """Give what is expected of each customer: the columns of scores.customer_value but its tier.

    Reads rows of value_histories() of one date. Runs in Arrow workers, since the sums over the
    number of orders take the incomplete beta function, which Spark has not; they are those that the
    candidates were tested by.
    """
    schema = ", ".join(f"{name} double" for name in _names(model))
    # What it was tested by is not needed there.
    found = histories.drop("as_of_date", LOG_GAPS).mapInArrow(
        _predictor(replace(model, tested=None)), f"customer_id string, {schema}"
    )
    first = model.horizons_days[0]
    return found.select(
        "customer_id",
        F.lit(first).alias("horizon_days"),
        *[F.col(_named(name, first)).alias(name) for name in _OF_HORIZON],
        *_OF_ALL,
        F.array(*map(_of_horizon, model.horizons_days)).alias("by_horizon"),
    )


def validation_rows(tested: TestedOn, rows: DataFrame, horizons_days: tuple[int, ...]) -> DataFrame:
    """Give of each customer what was expected on the cut-off of the test, and what came.

    Of the first horizon. Reads with_outcomes() of that cut-off. Gives the columns of
    scores.value_validation but for what the runner adds.
    """
    horizon_days = horizons_days[0]

    def predict(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            customers = Customers.of(batch.to_pandas(), horizons_days)
            amount = tested.predictor.predict(customers, horizon_days).amount
            yield pa.RecordBatch.from_arrays(
                [batch["customer_id"].cast(pa.string()), _as_column(amount, len(customers))],
                names=["customer_id", "expected_amount"],
            )

    expected = rows.drop("as_of_date", LOG_GAPS).mapInArrow(
        predict, "customer_id string, expected_amount double"
    )
    came = rows.select(
        "customer_id",
        F.greatest(F.col(recent_amount(horizon_days)), F.lit(0.0)).alias("carried_forward_amount"),
        F.col(ACTUAL_AMOUNT).alias("actual_amount"),
    )
    return expected.join(came, "customer_id").select(
        "customer_id",
        F.lit(tested.cutoff).alias("cutoff_date"),
        F.lit(horizon_days).alias("horizon_days"),
        "expected_amount",
        "carried_forward_amount",
        "actual_amount",
    )


def with_tiers(scored: DataFrame) -> DataFrame:
    """Add value_tier, by expected_amount; ties fall by customer_id."""
    order = [F.desc("expected_amount"), F.asc("customer_id")]
    ranked = add_ranks(scored, order=order, rank="_rank", n="_n")
    tier = F.lit(REST)
    for name, share in reversed(TIERS.items()):
        tier = F.when(F.col("_rank") <= F.ceil(F.col("_n") * share), F.lit(name)).otherwise(tier)
    return ranked.withColumn("value_tier", tier).drop("_rank", "_n")


def with_value_at_risk(scored: DataFrame, churn: DataFrame | None) -> DataFrame:
    """Add value_at_risk_amount: churn_probability of `churn`, a row a customer, times the amount.

    Null where churn has no score of the customer, as of one who has been silent for long.
    """
    if churn is None:
        return scored.withColumn("value_at_risk_amount", F.lit(None).cast("double"))
    leaves = churn.select("customer_id", "churn_probability")
    at_risk = F.col("churn_probability") * F.col("expected_amount")
    joined = scored.join(leaves, "customer_id", "left")
    return joined.withColumn("value_at_risk_amount", at_risk).drop("churn_probability")


def _of_horizon(days: int) -> Column:
    return F.struct(
        F.lit(days).alias("horizon_days"),
        *[F.col(_named(name, days)).alias(name) for name in _OF_HORIZON],
    )


def _named(name: str, days: int) -> str:
    return f"{name}_{days}d"


def _names(model: ValueModel) -> list[str]:
    return [*(_named(name, days) for days in model.horizons_days for name in _OF_HORIZON), *_OF_ALL]


def _predictor(
    model: ValueModel,
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def predict(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            customers = Customers.of(batch.to_pandas(), model.horizons_days)
            columns = [
                _as_column(values, len(customers)) for values in _predicted(model, customers)
            ]
            yield pa.RecordBatch.from_arrays(
                [batch["customer_id"].cast(pa.string()), *columns],
                names=["customer_id", *_names(model)],
            )

    return predict


def _predicted(model: ValueModel, customers: Customers) -> Iterator[Floats | None]:
    """Give the values of _names(), in their order."""
    for days in model.horizons_days:
        one = model.predict(customers, days)
        yield from (one.amount, one.order_days, one.order_probability)
        yield from _interval(model, customers, days, one.amount)
    process = order_process(model.predictor)
    if process is not None:
        yield process.alive_probability(customers)
        yield process.amount_per_order_day(customers)
    else:
        yield from (None, None)


def _interval(
    model: ValueModel, customers: Customers, horizon_days: int, amount: Floats
) -> tuple[Floats | None, Floats | None]:
    """Give the interval of amounts at their present value: groups are of amounts as they come."""
    if horizon_days not in model.groups:
        return None, None
    found = amount
    if model.discount_rate:
        found = model.undiscounted().predict(customers, horizon_days).amount
    ends = model.interval(found, horizon_days)
    if ends is None:
        return None, None
    present = np.divide(amount, found, out=np.ones(len(found)), where=found > 0)
    return ends[0] * present, ends[1] * present


def _as_column(values: Floats | None, n: int) -> pa.Array:
    if values is None:
        return pa.nulls(n, pa.float64())
    return pa.array(np.asarray(values, float), pa.float64())
