"""What a learner is: how it is fitted on labelled rows, and by which settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame

from crm_spark.features.families.family import Feature
from crm_spark.models.classifiers.classifier import Classifier
from crm_spark.models.classifiers.settings import LearnerSettings

Fit = Callable[[DataFrame, Sequence[Feature], LearnerSettings], Classifier]


@dataclass(frozen=True)
class Learner:
    """One way to say who does.

    `fit` gets rows with customer_id, as_of_date, label and the features, the features that may be
    used, and the settings. One without is the mean of other learners, its `parts`, and fits nothing
    but its calibration. `settings` are what is tracked of a version.
    """

    name: str
    fit: Fit | None
    settings: Callable[[LearnerSettings], Mapping[str, object]] = lambda _: {}
    parts: tuple[str, ...] = ()
    is_rule: bool = False
