"""A churn model, forest or trivial rule: what it reads, how it scores, and why it says so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pyspark.ml import PipelineModel
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.models.calibration import PlattCalibration

RAW_SCORE = "raw_score"
PROBABILITY = "churn_probability"


@dataclass(frozen=True)
class Input:
    """One input of a model: a snapshot feature, what stands for its null, and its usual value."""

    name: str
    fill: float
    is_logged: bool = False
    median: float | None = None

    def value(self) -> Column:
        """Give the input as the model reads it."""
        filled = F.coalesce(F.col(self.name).cast(T.DoubleType()), F.lit(self.fill))
        return F.log1p(filled) if self.is_logged else filled

    def usual_value(self) -> Column:
        """Give what the model would read of the base's median customer."""
        usual = F.lit(self.fill if self.median is None else self.median)
        return F.log1p(usual) if self.is_logged else usual


@dataclass(frozen=True)
class ChurnModel:
    """A fitted model with all that scoring needs.

    `explained` names the inputs that reasons are looked for among: the most telling ones.
    """

    kind: str
    inputs: tuple[Input, ...]
    pipeline: PipelineModel
    horizon_days: int
    active_days: int
    calibration: PlattCalibration = field(default_factory=PlattCalibration)
    threshold: float = 0.5
    explained: tuple[str, ...] = ()

    def spec(self) -> dict[str, Any]:
        """Give all but the Spark pipeline, as plain values."""
        return {
            "kind": self.kind,
            "inputs": [asdict(feature) for feature in self.inputs],
            "horizon_days": self.horizon_days,
            "active_days": self.active_days,
            "calibration": asdict(self.calibration),
            "threshold": self.threshold,
            "explained": list(self.explained),
        }

    def spec_json(self) -> str:
        """Give the spec as JSON, the same text for the same model."""
        return json.dumps(self.spec(), indent=1, sort_keys=True)


def load_model(pipeline: PipelineModel, spec: dict[str, Any]) -> ChurnModel:
    """Put a model together again from its pipeline and its spec."""
    return ChurnModel(
        kind=spec["kind"],
        inputs=tuple(Input(**feature) for feature in spec["inputs"]),
        pipeline=pipeline,
        horizon_days=spec["horizon_days"],
        active_days=spec["active_days"],
        calibration=PlattCalibration(**spec["calibration"]),
        threshold=spec["threshold"],
        explained=tuple(spec["explained"]),
    )


def assembled(df: DataFrame, inputs: Sequence[Input], *, keep: Sequence[str | Column]) -> DataFrame:
    """Give `keep` and one column per input as the model reads it."""
    return df.select(*keep, *[feature.value().alias(feature.name) for feature in inputs])


def score(model: ChurnModel, df: DataFrame, *, keep: Sequence[str]) -> DataFrame:
    """Give `keep` and churn_probability: the same function in evaluation and in batch.

    Reads the model's inputs from rows of features.customer_snapshot.
    """
    # The model reads inputs under their own names, some as logarithms: what is kept goes beside.
    aside = [F.col(name).alias(f"_kept_{name}") for name in keep]
    scored = model.pipeline.transform(assembled(df, model.inputs, keep=aside))
    probability = model.calibration.probability(F.col(RAW_SCORE))
    return scored.select(
        *[F.col(f"_kept_{name}").alias(name) for name in keep], probability.alias(PROBABILITY)
    )


def add_reasons(model: ChurnModel, df: DataFrame, *, keep: Sequence[str], n: int) -> DataFrame:
    """Give `keep`, churn_probability and reasons.

    A feature's effect is the probability as it is, less the probability with this feature at the
    median of the base and all others unchanged (Breiman's "what if this were usual" on one
    feature). Reasons are the features with the largest positive effects, strongest first; effects
    of features that say the same share among them and do not add up.
    """
    inputs = {feature.name: feature for feature in model.inputs}
    explained = [inputs[name] for name in model.explained]
    base = df.select(
        *[F.col(name).alias(f"_kept_{name}") for name in keep],
        *[
            F.col(feature.name).cast(T.DoubleType()).alias(f"_was_{feature.name}")
            for feature in explained
        ],
        *[feature.value().alias(feature.name) for feature in model.inputs],
    )
    assembler: Any
    predictor: Any
    assembler, predictor = model.pipeline.stages
    scored = model.pipeline.transform(base).drop("features")
    effects = []
    for index, feature in enumerate(explained):
        usual, vector, raw = f"_usual_{index}", f"_vector_{index}", f"_raw_{index}"
        names = [usual if name == feature.name else name for name in assembler.getInputCols()]
        swapped = VectorAssembler(inputCols=names, outputCol=vector)
        scored = swapped.transform(scored.withColumn(usual, feature.usual_value()))
        variant = predictor.copy()
        variant.setFeaturesCol(vector)
        variant.setPredictionCol(raw)
        scored = variant.transform(scored).drop(vector)
        effect = model.calibration.probability(F.col(RAW_SCORE)) - model.calibration.probability(
            F.col(raw)
        )
        effects.append(
            F.struct(
                F.lit(feature.name).alias("feature"),
                F.col(f"_was_{feature.name}").alias("value"),
                effect.alias("effect"),
            )
        )
    reasons = _strongest(effects, n)
    probability = model.calibration.probability(F.col(RAW_SCORE))
    kept = [F.col(f"_kept_{name}").alias(name) for name in keep]
    return scored.select(*kept, probability.alias(PROBABILITY), reasons.alias("reasons"))


def _strongest(effects: list[Column], n: int) -> Column:
    empty = F.array().cast("array<struct<feature:string,value:double,effect:double>>")
    if not effects or n == 0:
        return empty
    telling = F.filter(F.array(*effects), lambda effect: effect["effect"] > 0.005)
    ordered = F.array_sort(
        telling,
        lambda left, right: (
            F.when(left["effect"] > right["effect"], -1)
            .when(left["effect"] < right["effect"], 1)
            .when(left["feature"] < right["feature"], -1)
            .otherwise(1)
        ),
    )
    return F.slice(ordered, 1, n)
