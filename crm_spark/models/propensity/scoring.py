"""Every customer of a date with the probability of buying each target, and the audiences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.lake.driver_rows import small_frame
from crm_spark.models.binary_metrics import DECIMALS
from crm_spark.models.propensity.customers import NEVER, Histories
from crm_spark.models.propensity.data import PropensityData
from crm_spark.models.propensity.model import PropensityModel
from crm_spark.models.propensity.purchases import EVENTS
from crm_spark.models.propensity.tables import REACHES, audience
from crm_spark.models.propensity.targets import DEPARTMENT, PRODUCT, Target, Targets
from crm_spark.models.rows import in_pieces, sizes_of_lists

# Customers are ranked by bins of a thousandth of a probability's logarithm: at most 14,000.
_BINS_PER_UNIT = 1000
# Which customers of the last bin belong to an audience is drawn by lot, in so many steps.
_LOTS = 2**20
# An Arrow worker looks at so many pairs at once: some 100 MB.
_PAIRS_AT_ONCE = 50_000
_SCHEMA = (
    "customer_id string, place int, purchase_probability double, n_days_bought int, "
    "days_since_bought int"
)


def score_customers(model: PropensityModel, data: PropensityData, day: date) -> DataFrame:
    """Give the probability of each pair of customer and target: `place` is that of the target.

    Adds to the columns of scores.customer_propensity of the same names `_bin`, by which audiences
    are made. Runs in Arrow workers: what they compute is what the candidates were tested by.
    """
    pairs = data.rows.select("customer_id", EVENTS).mapInArrow(_scorer(model, data, day), _SCHEMA)
    ranked = F.floor(F.log("purchase_probability") * _BINS_PER_UNIT).cast(T.IntegerType())
    return pairs.withColumn("_bin", ranked)


def with_reach(scored: DataFrame) -> DataFrame:
    """Add reach_percent: the smallest audience of the target that the customer is in.

    Reads score_customers(), which it reads twice. An audience is the most probable customers, as
    many as are expected to hold its share of the buyers; of those of the last bin lots are drawn by
    the customer's hash.
    """
    counted = (
        scored.groupBy("place", "_bin")
        .agg(_expected().alias("expected"))
        .orderBy("place", F.desc("_bin"))
        .toPandas()  # at most 14,000 bins a target
    )
    cuts = [
        (int(place), *_cuts(counted[counted["place"] == place]))
        for place in sorted(set(counted["place"]))
    ]
    names = [f"_{part}_{reach}" for reach in REACHES for part in ("last", "lots")]
    schema = ", ".join(["place int", *(f"{name} int" for name in names)])
    joined = scored.join(F.broadcast(small_frame(scored.sparkSession, schema, cuts)), "place")
    lot = F.pmod(F.xxhash64("customer_id", "place"), F.lit(_LOTS))
    found = F.lit(None).cast(T.IntegerType())
    for reach in reversed(REACHES):
        last, lots = F.col(f"_last_{reach}"), F.col(f"_lots_{reach}")
        is_inside = (F.col("_bin") > last) | ((F.col("_bin") == last) & (lot < lots))
        found = F.when(is_inside, F.lit(reach)).otherwise(found)
    return joined.withColumn("reach_percent", found).drop("_bin", *names)


def _cuts(bins: pd.DataFrame) -> list[int]:
    return [part for reach in REACHES for part in _cut(bins, reach)]


def _cut(bins: pd.DataFrame, reach: int) -> tuple[int, int]:
    """Give the last bin of an audience, the highest first, and how many lots of it belong to it."""
    expected = np.append(0, np.cumsum(bins["expected"].to_numpy()))
    wanted = reach * expected[-1] / 100
    last = int(np.searchsorted(expected, wanted))
    part = (wanted - expected[last - 1]) / (expected[last] - expected[last - 1])
    return int(bins["_bin"].to_numpy()[last - 1]), int(np.ceil(part * _LOTS))


def customer_rows(reached: DataFrame, model: PropensityModel, targets: Targets) -> DataFrame:
    """Give the rows of scores.customer_propensity of with_reach()."""
    rows = [(place, *_named(one)) for place, one in enumerate(targets)]
    schema = "place int, target_id string, level string, department string, product_id string"
    names = small_frame(reached.sparkSession, schema, rows)
    return (
        reached.join(F.broadcast(names), "place")
        .withColumn("horizon_days", F.lit(model.horizon_days))
        .drop("place")
    )


def audience_rows(
    reached: DataFrame, model: PropensityModel, targets: Targets
) -> list[dict[str, object]]:
    """Give a row of scores.propensity_audiences for each target: with_reach(), counted."""
    counted = (
        reached.groupBy("place", F.coalesce("reach_percent", F.lit(100)).alias("reach"))
        .agg(F.count(F.lit(1)).alias("n"), _expected().alias("expected"))
        .toPandas()  # four rows a target
    )
    rows = []
    for place, one in enumerate(targets):
        of = counted[counted["place"] == place]
        test = model.tested.get(one.target_id)
        row: dict[str, object] = dict(zip(_NAMED, _named(one), strict=True))
        row |= {
            "n_customers": int(of["n"].sum()),
            "expected_buyers": float(of["expected"].sum()) / 10**DECIMALS,
            "recent_buyers": one.n_buyers,
            "tested_average_precision": test.average_precision if test else None,
            "rule_average_precision": test.of_rule if test else None,
        }
        row |= {audience(reach): int(of[of["reach"] <= reach]["n"].sum()) for reach in REACHES}
        rows.append(row)
    return rows


_NAMED = ("target_id", "level", DEPARTMENT, "product_id")


def _expected() -> Column:
    """Give the sum of probabilities in their last decimal: exact in any order."""
    return F.sum(F.round(F.col("purchase_probability") * 10**DECIMALS).cast(T.LongType()))


def _named(one: Target) -> tuple[str, str, str | None, str | None]:
    """Give the columns that say what a target is."""
    return (
        one.target_id,
        one.level,
        one.name if one.level == DEPARTMENT else None,
        one.name if one.level == PRODUCT else None,
    )


def _scorer(
    model: PropensityModel, data: PropensityData, day: date
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    # Nothing of the session goes to the workers.
    moments, targets, n_customers = data.moments, data.targets, dict(data.n_customers)
    n_targets = len(targets[day])

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for piece in _pieces(batch, n_targets):
                yield score_piece(piece)

    def score_piece(batch: pa.RecordBatch) -> pa.RecordBatch:
        histories = Histories.of(batch, moments, targets, n_customers)
        customers = histories.before(day, horizon_days=model.horizon_days)
        of = customers.by_target
        silence = of.silence_days.ravel()
        ids = pa.array(np.repeat(customers.places, n_targets))
        columns = [
            batch["customer_id"].cast(pa.string()).take(ids),
            pa.array(np.tile(np.arange(n_targets), len(customers)), pa.int32()),
            pa.array(model.probability(customers).ravel(), pa.float64()),
            pa.array(of.n_days.ravel(), pa.float64()).cast(pa.int32()),
            pa.array(silence, pa.float64(), mask=silence == NEVER).cast(pa.int32()),
        ]
        return pa.RecordBatch.from_arrays(columns, names=_NAMES)

    return score


def _pieces(batch: pa.RecordBatch, n_targets: int) -> Iterator[pa.RecordBatch]:
    return in_pieces(batch, np.maximum(n_targets / _PAIRS_AT_ONCE, sizes_of_lists(batch, EVENTS)))


_NAMES = [part.split()[0] for part in _SCHEMA.split(", ")]
