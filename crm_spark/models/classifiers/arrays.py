"""Rows as arrays: those that a fit on the driver learns from, and scores of arrays as a column."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.rows import sampled_customers

# Of more rows those of a sample of customers, by hash, are learnt from: a few dozen weights do not
# gain by more, and they fit the driver.
LEARNT_ROWS = 200_000


def learnt_arrays(
    frame: DataFrame, features: Sequence[str], *, label: str
) -> tuple[Floats, Floats]:
    """Give the values [rows, features] of labelled rows, NaN where not known, and the labels."""
    rows = sampled_customers(frame, n_rows=frame.count(), most=LEARNT_ROWS)
    columns = [F.col(name).cast(T.DoubleType()).alias(name) for name in features]
    table = rows.select("customer_id", "as_of_date", label, *columns).toPandas()
    # In one order, whatever the partitioning: sums of floats depend on it.
    table = table.sort_values(["as_of_date", "customer_id"])
    return table[list(features)].to_numpy(float), table[label].to_numpy(float)


def column_of_arrays(features: Sequence[str], scores: Callable[[Floats], Floats]) -> Column:
    """Give as a column what `scores` makes of values [rows, features], NaN where not known.

    It is worked out in the executors' Python, as reasons are.
    """

    def score(*columns: pd.Series) -> pd.Series:
        return pd.Series(scores(np.stack([one.to_numpy(float) for one in columns], axis=1)))

    as_column = F.pandas_udf(score, T.DoubleType())  # type: ignore[call-overload]
    return as_column(*[F.col(name).cast(T.DoubleType()) for name in features])
