"""A perceptron with one hidden layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pyspark.ml.classification import MultilayerPerceptronClassifier
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import Column, DataFrame

from crm_spark.features.families.family import Feature
from crm_spark.models.binary_metrics import Floats
from crm_spark.models.classifiers.arrays import column_of_arrays, learnt_arrays
from crm_spark.models.classifiers.chord import along_chord
from crm_spark.models.classifiers.classifier import LABEL, Classifier
from crm_spark.models.classifiers.deviations import Scale
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.pipelines import ASSEMBLED
from crm_spark.models.classifiers.settings import (
    PERCEPTRON,
    ROWS_PER_PARTITION,
    LearnerSettings,
)
from crm_spark.models.logistic import sigmoid
from crm_spark.models.rows import fixed_rows


@dataclass(frozen=True)
class Perceptron:
    """The sigmoid of a weighted sum of hidden units, each the sigmoid of one of deviations.

    `hidden` has the weights of each unit, `hidden_intercepts` their intercepts, `weights` and
    `intercept` what is made of the units.
    """

    features: tuple[str, ...]
    scale: Scale
    hidden: tuple[tuple[float, ...], ...]
    hidden_intercepts: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    form: ClassVar[str] = "perceptron"

    def raw_score(self) -> Column:
        """Give the score of rows with the features."""
        return column_of_arrays(self.features, lambda values: self.contributions(values)[1])

    @property
    def base(self) -> float:
        """The score of a customer with the mean of everything."""
        return float(sigmoid(np.array(self._base_logit)))

    @property
    def _base_logit(self) -> float:
        units = sigmoid(np.array(self.hidden_intercepts))
        return self.intercept + float(units @ np.array(self.weights))

    def contributions(self, values: Floats) -> tuple[Floats, Floats]:
        """Give what each feature adds to the score, [rows, features], and the scores.

        By the rescale rule (Shrikumar, Greenside and Kundaje 2017): what a feature adds to the sum
        of a unit, scaled by the chord of the unit's sigmoid, adds to the logit, and that by the
        chord of the score's. It adds up from `base` to the score; interactions within a unit go to
        its features in proportion to their terms, where Shapley values would take every order.
        """
        deviations = self.scale.deviations(values)
        terms = np.zeros_like(deviations)
        for unit, intercept, weight in zip(
            self.hidden, self.hidden_intercepts, self.weights, strict=True
        ):
            added, _ = along_chord(deviations * np.array(unit), intercept)
            terms += weight * added
        return along_chord(terms, self._base_logit)

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "features": list(self.features),
            "mean": list(self.scale.mean),
            "scale": list(self.scale.scale),
            "hidden": [list(unit) for unit in self.hidden],
            "hidden_intercepts": list(self.hidden_intercepts),
            "weights": list(self.weights),
            "intercept": self.intercept,
        }

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Perceptron:
        """Put it together again."""
        return cls(
            tuple(spec["features"]),
            Scale(tuple(spec["mean"]), tuple(spec["scale"])),
            tuple(tuple(unit) for unit in spec["hidden"]),
            tuple(spec["hidden_intercepts"]),
            tuple(spec["weights"]),
            spec["intercept"],
        )


def fit_perceptron(
    rows: DataFrame, features: Sequence[Feature], settings: LearnerSettings
) -> Classifier:
    """Fit MLlib's perceptron on the deviations of all features.

    Its weights are taken over as plain values: a score needs no pipeline then, and has its
    contributions.
    """
    params, names = settings.perceptron, tuple(feature.name for feature in features)
    values, _ = learnt_arrays(rows, names, label=LABEL)
    scale = Scale.of(values)
    deviations = [
        Scale.deviation(*one).alias(one[0])
        for one in zip(names, scale.mean, scale.scale, strict=True)
    ]
    read = fixed_rows(
        rows.select("customer_id", "as_of_date", LABEL, *deviations),
        key=("customer_id", "as_of_date"),
        rows_per_partition=ROWS_PER_PARTITION,
    )
    fitted = MultilayerPerceptronClassifier(
        featuresCol=ASSEMBLED,
        labelCol=LABEL,
        layers=[len(names), params.n_hidden, 2],
        maxIter=params.n_iterations,
        seed=settings.seed,
    ).fit(VectorAssembler(inputCols=list(names), outputCol=ASSEMBLED).transform(read))
    weights = fitted.weights.toArray()
    return Classifier(
        PERCEPTRON, formula=of_weights(names, scale, weights, n_hidden=params.n_hidden)
    )


def of_weights(
    names: tuple[str, ...], scale: Scale, weights: Floats, *, n_hidden: int
) -> Perceptron:
    """Give a perceptron by MLlib's weights, which has them in one row, layer by layer.

    Of each layer the matrix [outputs, inputs] by columns, and the intercepts. Of the two outputs,
    for no and for yes, the softmax is the sigmoid of their difference.
    """
    n_first = n_hidden * len(names)
    first, second = np.split(weights, [n_first + n_hidden])
    hidden = first[:n_first].reshape((n_hidden, len(names)), order="F")
    outputs = second[: 2 * n_hidden].reshape((2, n_hidden), order="F")
    intercepts = second[2 * n_hidden :]
    return Perceptron(
        names,
        scale,
        tuple(tuple(float(one) for one in unit) for unit in hidden),
        tuple(float(one) for one in first[n_first:]),
        tuple(float(one) for one in outputs[1] - outputs[0]),
        float(intercepts[1] - intercepts[0]),
    )


LEARNER = Learner(
    PERCEPTRON,
    "perceptron",
    fit_perceptron,
    lambda settings: settings.perceptron.model_dump(),
    grid=(
        {"perceptron": {"n_hidden": 2}},
        {"perceptron": {"n_hidden": 8}},
        {"perceptron": {"n_hidden": 4, "n_iterations": 30}},
        {"perceptron": {"n_hidden": 8, "n_iterations": 60}},
    ),
    complexity=lambda settings: (
        settings.perceptron.n_hidden,
        settings.perceptron.n_iterations,
    ),
)
