"""A churn model: a classifier, and whom it scores for how long ahead."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from pyspark.ml import PipelineModel

from crm_spark.models.churn.season import Season
from crm_spark.models.classifiers.classifier import Classifier, load_classifier
from crm_spark.models.tree_shap import CoveredTree

# Raise it with every change that can change a fitted model, or how it is stored.
GENERATION = 10


@dataclass(frozen=True)
class ChurnModel:
    """A classifier of customers active in `active_days`: whether they leave in `horizon_days`.

    The classifier's level is that of the cut-off that calibrated it; a `season` moves it.
    """

    classifier: Classifier
    horizon_days: int
    active_days: int
    season: Season | None = None

    def classifier_on(self, day: date) -> Classifier:
        """Give the classifier with the level of a date."""
        if self.season is None:
            return self.classifier
        calibration = self.classifier.calibration.shifted(self.season.shift(day))
        return replace(self.classifier, calibration=calibration)

    def spec_json(self) -> str:
        """Give all but the Spark pipeline and its trees as JSON, the same for the same model."""
        spec: dict[str, Any] = {
            "classifier": self.classifier.spec(),
            "horizon_days": self.horizon_days,
            "active_days": self.active_days,
        }
        if self.season is not None:
            spec["season"] = self.season.spec()
        return json.dumps(spec, indent=1, sort_keys=True)


def load_model(
    spec: Mapping[str, Any],
    pipeline: PipelineModel | None = None,
    trees: Sequence[CoveredTree] = (),
) -> ChurnModel:
    """Put a model together again from its spec, and the pipeline where it has one."""
    classifier = load_classifier(spec["classifier"], pipeline, trees)
    season = Season.of(spec["season"]) if "season" in spec else None
    return ChurnModel(classifier, spec["horizon_days"], spec["active_days"], season)
