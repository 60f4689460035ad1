"""What a classifier's reasons are made of: groups of its features, and what each adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.calibration import Calibration

# What takes less than half a point off the probability is no reason.
LEAST_EFFECT = 0.005
# What a task explains: what it makes once, tables of the trees, then takes little of its time.
ROWS_OF_PIECE = 10_000
_ARROW = {T.StringType: pa.string(), T.DoubleType: pa.float64()}


def strongest_groups(
    added: Floats, raw: Floats, calibration: Calibration, *, group_of: Sequence[int], n: int
) -> list[list[tuple[int, float]]]:
    """Give up to `n` groups that raise the probability of each row, strongest first.

    `added` is what each feature adds to the raw score, [rows, features], `group_of` the group of
    each feature, a number from 0 on. With a group stands its effect: what the probability loses
    without what the group adds.
    """
    groups = np.array(group_of)
    by_group = np.stack(
        [added[:, groups == at].sum(axis=1) for at in range(max(group_of) + 1)], axis=1
    )
    without = calibration.probabilities(raw[:, None] - by_group)
    effect = calibration.probabilities(raw)[:, None] - without
    # By what is added: far from the base effects become the same, and the order is.
    strongest = np.argsort(-by_group, axis=1, kind="stable")[:, :n]
    return [
        [
            (int(at), float(effect[row, at]))
            for at in strongest[row]
            if effect[row, at] > LEAST_EFFECT
        ]
        for row in range(len(added))
    ]


def explained(
    rows: DataFrame,
    explain: Callable[[Floats, pa.RecordBatch], list[list[dict[str, Any]]]],
    names: Sequence[str],
    *,
    reason: T.StructType,
    n_rows: int,
) -> DataFrame:
    """Give customer_id and the reasons of about `n_rows` rows.

    `explain` gets the values of the columns `names`, [rows, names], and the batch that they are of,
    and gives the fields of each reason. It works in the executors' Python, on about a thousand rows
    a second and core.
    """
    reasons = pa.list_(pa.struct([(one.name, _ARROW[type(one.dataType)]) for one in reason.fields]))

    def of_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = [batch[name].to_numpy(zero_copy_only=False) for name in names]
            values = np.stack(columns, axis=1).astype(float)
            found = pa.array(explain(values, batch), reasons)
            yield pa.RecordBatch.from_arrays(
                [batch["customer_id"], found], ["customer_id", "reasons"]
            )

    if n_rows > ROWS_OF_PIECE:  # else a table's few files would decide how many cores work
        rows = rows.repartition(-(-n_rows // ROWS_OF_PIECE), "customer_id")
    schema = [rows.schema["customer_id"], T.StructField("reasons", T.ArrayType(reason))]
    return rows.mapInArrow(of_batches, T.StructType(schema))


def no_reasons(reason: T.StructType) -> Column:
    """Give the reasons of whom nobody explains."""
    return F.array().cast(T.ArrayType(reason))
