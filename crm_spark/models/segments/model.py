"""A segments model: how it reads customers, where its centres lie, and what it calls them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from typing import Any

from pyspark.ml import PipelineModel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

CLUSTER = "_cluster"


def order_group(n_groups: int) -> Column:
    """Give the place of a customer's group by n_orders: 1, 2 to 3, 4 to 7, ..., the last open."""
    doublings = F.length(F.bin("n_orders")) - 1
    return F.least(doublings, F.lit(n_groups - 1))


@dataclass(frozen=True)
class SegmentInput:
    """One feature as the model reads it: filled, winsorised, as a logarithm, standardised.

    `fill`, `group_fills`, `low` and `high` are in the feature's own unit; `mean` and `std` after
    the logarithm. An unknown value becomes the one of `group_fills` for the customer's number of
    orders (1, 2 to 3, 4 to 7, ..., the last for all above), and `fill` where there are none.
    """

    name: str
    is_logged: bool
    fill: float
    low: float
    high: float
    mean: float = 0.0
    std: float = 1.0
    group_fills: tuple[float, ...] = ()

    def kept_in(self) -> Column:
        """Give the feature filled and pulled in to its cuts, as a logarithm where it is one."""
        fill = F.lit(self.fill)
        if self.group_fills:
            fills = F.array(*map(F.lit, self.group_fills))
            fill = F.get(fills, order_group(len(self.group_fills)))
        filled = F.coalesce(F.col(self.name).cast(T.DoubleType()), fill)
        value = F.greatest(F.least(filled, F.lit(self.high)), F.lit(self.low))
        # Sums of money can be negative: the logarithm goes both ways from zero.
        return F.signum(value) * F.log1p(F.abs(value)) if self.is_logged else value

    def value(self) -> Column:
        """Give the feature in standard deviations from the base's mean."""
        return (self.kept_in() - F.lit(self.mean)) / F.lit(self.std)

    def in_own_unit(self, standardised: float) -> float:
        """Turn a standardised value back into the feature's unit."""
        value = standardised * self.std + self.mean
        return math.copysign(math.expm1(abs(value)), value) if self.is_logged else value


@dataclass(frozen=True)
class NamedSegment:
    """One segment: its id (1 spends most), its name, and its centre in standard deviations."""

    segment_id: int
    name: str
    cluster: int
    center: tuple[float, ...]


@dataclass(frozen=True)
class SegmentModel:
    """A fitted model with all that scoring needs; the pipeline finds the nearest centre."""

    inputs: tuple[SegmentInput, ...]
    segments: tuple[NamedSegment, ...]
    pipeline: PipelineModel

    def spec_json(self) -> str:
        """Give all but the Spark pipeline as JSON, the same text for the same model."""
        spec = {
            "inputs": [asdict(feature) for feature in self.inputs],
            "segments": [asdict(segment) for segment in self.segments],
        }
        return json.dumps(spec, indent=1, sort_keys=True)


def load_segment_model(pipeline: PipelineModel, spec: dict[str, Any]) -> SegmentModel:
    """Put a model together again from its pipeline and its spec."""
    return SegmentModel(
        inputs=tuple(
            SegmentInput(**{**feature, "group_fills": tuple(feature.get("group_fills", ()))})
            for feature in spec["inputs"]
        ),
        segments=tuple(
            NamedSegment(**{**segment, "center": tuple(segment["center"])})
            for segment in spec["segments"]
        ),
        pipeline=pipeline,
    )


def standardised(
    df: DataFrame, inputs: Sequence[SegmentInput], *, keep: Sequence[str | Column]
) -> DataFrame:
    """Give `keep` and one column per input, in standard deviations."""
    return df.select(*keep, *[feature.value().alias(feature.name) for feature in inputs])


def assign_segments(model: SegmentModel, df: DataFrame, *, keep: Sequence[str]) -> DataFrame:
    """Give `keep`, segment_id, segment_name and distance_to_center.

    Reads the model's inputs and n_orders from rows of features.customer_snapshot; the distance is
    Euclidean, in standard deviations of the inputs.
    """
    aside = [F.col(name).alias(f"_kept_{name}") for name in keep]
    found = model.pipeline.transform(standardised(df, model.inputs, keep=aside))
    by_cluster = sorted(model.segments, key=lambda segment: segment.cluster)
    position = F.col(CLUSTER) + 1

    def of_cluster(values: Sequence[object]) -> Column:
        return F.element_at(F.array(*[F.lit(value) for value in values]), position)

    squares = [
        F.pow(F.col(feature.name) - of_cluster([one.center[index] for one in by_cluster]), 2.0)
        for index, feature in enumerate(model.inputs)
    ]
    return found.select(
        *[F.col(f"_kept_{name}").alias(name) for name in keep],
        of_cluster([segment.segment_id for segment in by_cluster]).alias("segment_id"),
        of_cluster([segment.name for segment in by_cluster]).alias("segment_name"),
        F.sqrt(reduce(add, squares)).alias("distance_to_center"),
    )
