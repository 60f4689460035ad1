"""What a learner is: how it is fitted on labelled rows, and by which settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    but its calibration. `settings` are what is tracked of a version. A search tries the changes of
    `grid`; of equals the one of the lowest `complexity` is chosen.
    """

    name: str
    in_words: str
    fit: Fit | None
    settings: Callable[[LearnerSettings], Mapping[str, Any]] = lambda _: {}
    parts: tuple[str, ...] = ()
    is_rule: bool = False
    grid: tuple[Mapping[str, Any], ...] = ()
    complexity: Callable[[LearnerSettings], tuple[float, ...]] = lambda _: ()
