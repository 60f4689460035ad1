"""The mean of a forest and a logistic regression."""

from __future__ import annotations

from collections.abc import Sequence

from crm_spark.models.classifiers.classifier import Classifier
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.settings import AVERAGE, FOREST, LOGISTIC_REGRESSION


def mean_of(parts: Sequence[Classifier]) -> Classifier:
    """Give the classifier whose raw score is the mean of that of a pipeline and of a formula."""
    of_pipeline = next(part for part in parts if part.pipeline is not None)
    return Classifier(
        AVERAGE,
        inputs=of_pipeline.inputs,
        pipeline=of_pipeline.pipeline,
        settings={key: value for part in parts for key, value in part.settings.items()},
        formula=next(part.formula for part in parts if part.formula is not None),
    )


LEARNER = Learner(
    AVERAGE,
    "mean of forest and logistic regression",
    None,
    parts=(FOREST, LOGISTIC_REGRESSION),
)
