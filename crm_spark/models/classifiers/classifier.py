"""A fitted classifier: what it reads, how it scores, and how it is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol

from pyspark.ml import PipelineModel
from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.calibration import Calibration, PlattCalibration
from crm_spark.models.calibration_choice import calibration_spec, load_calibration
from crm_spark.models.tree_shap import CoveredTree

# Of the rows that learners get: 1 or 0.
LABEL = "label"
RAW_SCORE = "raw_score"
PROBABILITY = "probability"
_SCORE_OF_FORMULA = "_score_of_formula"


@dataclass(frozen=True)
class Input:
    """One input of a pipeline: a feature, and what stands for its null."""

    name: str
    fill: float

    def value(self) -> Column:
        """Give the input as the pipeline reads it."""
        return F.coalesce(F.col(self.name).cast(T.DoubleType()), F.lit(self.fill))


class Formula(Protocol):
    """What gives a score between 0 and 1 without a pipeline, as a column and by arrays.

    `form` names the class in a spec.
    """

    form: ClassVar[str]

    @property
    def features(self) -> tuple[str, ...]:
        """The features that it reads."""

    @property
    def base(self) -> float:
        """The score before anything is known of a customer."""

    def raw_score(self) -> Column:
        """Give the score of rows with the features."""

    def contributions(self, values: Floats) -> tuple[Floats, Floats]:
        """Give what each feature adds to the score, [rows, features], and the scores."""

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""


@dataclass(frozen=True)
class Classifier:
    """A fitted classifier with all that scoring needs: an MLlib pipeline, a formula, or both.

    The raw score is the mean of theirs. `inputs` are the pipeline's, `trees` its trees, which are
    there where it was loaded to give reasons: the score is their mean, or, where `is_boosted`, they
    add up to half its logit. `settings` are those that it was fitted by.
    """

    kind: str
    inputs: tuple[Input, ...] = ()
    pipeline: PipelineModel | None = None
    formula: Formula | None = None
    calibration: Calibration = field(default_factory=PlattCalibration)
    threshold: float = 0.5
    is_boosted: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    trees: tuple[CoveredTree, ...] = field(default=(), compare=False)

    @property
    def features(self) -> tuple[str, ...]:
        """The features that it reads."""
        names = [one.name for one in self.inputs]
        names += self.formula.features if self.formula else ()
        return tuple(dict.fromkeys(names))

    def spec(self) -> dict[str, Any]:
        """Give all but the pipeline and its trees, as plain values."""
        return {
            "kind": self.kind,
            "inputs": [asdict(feature) for feature in self.inputs],
            "formula": {"form": self.formula.form, **self.formula.spec()} if self.formula else None,
            "calibration": calibration_spec(self.calibration),
            "threshold": self.threshold,
            "is_boosted": self.is_boosted,
            "settings": dict(self.settings),
        }

    def spec_json(self) -> str:
        """Give the spec as JSON, the same text for the same classifier."""
        return json.dumps(self.spec(), indent=1, sort_keys=True)


def load_classifier(
    spec: Mapping[str, Any],
    pipeline: PipelineModel | None = None,
    trees: Sequence[CoveredTree] = (),
) -> Classifier:
    """Put a classifier together again from its spec, and the pipeline where it has one."""
    return Classifier(
        kind=spec["kind"],
        inputs=tuple(Input(**feature) for feature in spec["inputs"]),
        pipeline=pipeline,
        formula=_formula(spec["formula"]) if spec["formula"] else None,
        calibration=load_calibration(spec["calibration"]),
        threshold=spec["threshold"],
        is_boosted=spec["is_boosted"],
        settings=spec["settings"],
        trees=tuple(trees),
    )


def has_pipeline(spec: Mapping[str, Any]) -> bool:
    """Whether the classifier of a spec was stored with a pipeline."""
    return bool(spec["inputs"])


def _formula(spec: Mapping[str, Any]) -> Formula:
    from crm_spark.models.classifiers.forms import FORMS  # which import this file

    return FORMS[spec["form"]](spec)


def assembled(df: DataFrame, inputs: Sequence[Input], *, keep: Sequence[str | Column]) -> DataFrame:
    """Give `keep` and one column per input as the pipeline reads it."""
    return df.select(*keep, *[feature.value().alias(feature.name) for feature in inputs])


def score(
    classifier: Classifier, df: DataFrame, *, keep: Sequence[str], probability: str = PROBABILITY
) -> DataFrame:
    """Give `keep`, raw_score and `probability`: the same in evaluation and in batch.

    Reads the classifier's features; a null stands for what is not known.
    """
    # The pipeline reads inputs under their own names: what is kept goes beside.
    aside = [F.col(name).alias(f"_kept_{name}") for name in keep]
    parts = []
    if classifier.formula is not None:
        aside.append(classifier.formula.raw_score().alias(_SCORE_OF_FORMULA))
        parts.append(F.col(_SCORE_OF_FORMULA))
    scored = assembled(df, classifier.inputs, keep=aside)
    if classifier.pipeline is not None:
        scored = classifier.pipeline.transform(scored)
        parts.append(_of_yes(scored))
    raw = sum(parts[1:], parts[0]) / len(parts)
    kept = [F.col(f"_kept_{name}").alias(name) for name in keep]
    return scored.select(*kept, raw.alias(RAW_SCORE)).withColumn(
        probability, classifier.calibration.probability(F.col(RAW_SCORE))
    )


def _of_yes(scored: DataFrame) -> Column:
    """Give a pipeline's raw score: MLlib's classifiers give a vector of those of no and of yes."""
    if isinstance(scored.schema[RAW_SCORE].dataType, T.DoubleType):
        return F.col(RAW_SCORE)
    return vector_to_array(F.col(RAW_SCORE))[1]
