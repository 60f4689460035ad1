"""A churn model: what it reads, and how it scores."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pyspark.ml import PipelineModel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.models.calibration import PlattCalibration
from crm_spark.models.churn.linear import Linear
from crm_spark.models.tree_shap import CoveredTree

RAW_SCORE = "raw_score"
PROBABILITY = "churn_probability"
_LINEAR_SCORE = "_linear_score"


@dataclass(frozen=True)
class Input:
    """One input of a forest: a snapshot feature, and what stands for its null."""

    name: str
    fill: float

    def value(self) -> Column:
        """Give the input as the forest reads it."""
        return F.coalesce(F.col(self.name).cast(T.DoubleType()), F.lit(self.fill))


@dataclass(frozen=True)
class ChurnModel:
    """A fitted model with all that scoring needs: a forest, a logistic regression, or both.

    The raw score is the mean of theirs. `inputs` are the forest's, `trees` its trees, which are
    there where the model was loaded to give reasons.
    """

    kind: str
    horizon_days: int
    active_days: int
    inputs: tuple[Input, ...] = ()
    forest: PipelineModel | None = None
    linear: Linear | None = None
    calibration: PlattCalibration = field(default_factory=PlattCalibration)
    threshold: float = 0.5
    trees: tuple[CoveredTree, ...] = field(default=(), compare=False)

    @property
    def features(self) -> tuple[str, ...]:
        """The features of the snapshot that it reads."""
        names = [one.name for one in self.inputs] + list(
            self.linear.features if self.linear else ()
        )
        return tuple(dict.fromkeys(names))

    def spec(self) -> dict[str, Any]:
        """Give all but the Spark pipeline and its trees, as plain values."""
        return {
            "kind": self.kind,
            "inputs": [asdict(feature) for feature in self.inputs],
            "linear": self.linear.spec() if self.linear else None,
            "horizon_days": self.horizon_days,
            "active_days": self.active_days,
            "calibration": asdict(self.calibration),
            "threshold": self.threshold,
        }

    def spec_json(self) -> str:
        """Give the spec as JSON, the same text for the same model."""
        return json.dumps(self.spec(), indent=1, sort_keys=True)


def load_model(
    spec: dict[str, Any],
    forest: PipelineModel | None = None,
    trees: Sequence[CoveredTree] = (),
) -> ChurnModel:
    """Put a model together again from its spec, and the forest where it has one."""
    return ChurnModel(
        kind=spec["kind"],
        horizon_days=spec["horizon_days"],
        active_days=spec["active_days"],
        inputs=tuple(Input(**feature) for feature in spec["inputs"]),
        forest=forest,
        linear=Linear.of(spec["linear"]) if spec["linear"] else None,
        calibration=PlattCalibration(**spec["calibration"]),
        threshold=spec["threshold"],
        trees=tuple(trees),
    )


def assembled(df: DataFrame, inputs: Sequence[Input], *, keep: Sequence[str | Column]) -> DataFrame:
    """Give `keep` and one column per input as the forest reads it."""
    return df.select(*keep, *[feature.value().alias(feature.name) for feature in inputs])


def score(model: ChurnModel, df: DataFrame, *, keep: Sequence[str]) -> DataFrame:
    """Give `keep`, raw_score and churn_probability: the same in evaluation and in batch.

    Reads the model's features from rows of features.customer_snapshot.
    """
    # The forest reads inputs under their own names: what is kept goes beside.
    aside = [F.col(name).alias(f"_kept_{name}") for name in keep]
    parts = []
    if model.linear is not None:
        aside.append(model.linear.raw_score().alias(_LINEAR_SCORE))
        parts.append(F.col(_LINEAR_SCORE))
    scored = assembled(df, model.inputs, keep=aside)
    if model.forest is not None:
        scored = model.forest.transform(scored)
        parts.append(F.col(RAW_SCORE))
    raw = sum(parts[1:], parts[0]) / len(parts)
    kept = [F.col(f"_kept_{name}").alias(name) for name in keep]
    return scored.select(*kept, raw.alias(RAW_SCORE)).withColumn(
        PROBABILITY, model.calibration.probability(F.col(RAW_SCORE))
    )
