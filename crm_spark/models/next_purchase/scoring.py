"""Every customer of a date with the chances of an order, and its day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.next_purchase.customers import Histories
from crm_spark.models.next_purchase.model import NextPurchaseModel
from crm_spark.models.next_purchase.order_days import EVENTS
from crm_spark.models.rows import in_pieces, sizes_of_lists

_SCHEMA = (
    "customer_id string, n_order_days int, days_since_order int, mean_gap_days double, "
    "low_day int, median_day int, high_day int, chances array<double>"
)
_NAMES = [part.split()[0] for part in _SCHEMA.split(", ")]


def score_customers(model: NextPurchaseModel, rows: DataFrame, day: date) -> DataFrame:
    """Give the rows of scores.customer_next_purchase of order_days() of the date alone.

    Runs in Arrow workers: what they compute is what the candidates were tested by.
    """
    scored = rows.mapInArrow(_scorer(model, day), _SCHEMA)
    horizons = [
        F.struct(
            F.lit(horizon).alias("horizon_days"),
            F.get("chances", F.lit(place)).alias("order_probability"),
        )
        for place, horizon in enumerate(model.horizons_days)
    ]
    return scored.select(
        "customer_id",
        F.lit(model.horizons_days[0]).alias("horizon_days"),
        F.get("chances", F.lit(0)).alias("order_probability"),
        F.array(*horizons).alias("by_horizon"),
        _date(day, "median_day").alias("expected_date"),
        _date(day, "low_day").alias("expected_date_low"),
        _date(day, "high_day").alias("expected_date_high"),
        "n_order_days",
        "days_since_order",
        "mean_gap_days",
    )


def _date(day: date, name: str) -> Column:
    """Give the date of a day counted from 1, which is the date itself."""
    return F.date_add(F.lit(day), F.col(name) - 1)


def _scorer(
    model: NextPurchaseModel, day: date
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for piece in in_pieces(batch, sizes_of_lists(batch, EVENTS)):
                yield score_piece(piece)

    def score_piece(batch: pa.RecordBatch) -> pa.RecordBatch:
        customers = Histories.of(batch, [day]).before(day)
        chances = model.chances(customers)
        days = model.days(chances)
        of_horizons = [model.of_horizon(chances, one) for one in model.horizons_days]
        columns = [
            batch["customer_id"].cast(pa.string()).take(pa.array(customers.places)),
            _whole(customers.n_days),
            _whole(customers.silence_days),
            pa.array(customers.mean_gap, mask=customers.n_days < 2),
            *map(_whole, (days.low, days.median, days.high)),
            _lists(of_horizons, len(customers)),
        ]
        return pa.RecordBatch.from_arrays(columns, names=_NAMES)

    return score


def _whole(values: Floats) -> pa.Array:
    """Give whole numbers; null where a value is infinite."""
    is_later = np.isinf(values)
    return pa.array(np.where(is_later, 0, values).astype(np.int32), mask=is_later)


def _lists(columns: Sequence[Floats | None], n: int) -> pa.Array:
    """Give a list a row; null where a column is not known."""
    unknown = np.full(n, np.nan)
    values = np.stack([unknown if one is None else one for one in columns], axis=1).ravel()
    offsets = pa.array(np.arange(n + 1) * len(columns), pa.int32())
    return pa.ListArray.from_arrays(offsets, pa.array(values, mask=np.isnan(values)))
