"""A churn model: a classifier, and whom it scores for how long ahead."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.ml import PipelineModel

from crm_spark.models.classifiers.classifier import Classifier, load_classifier
from crm_spark.models.tree_shap import CoveredTree

# Raise it with every change that can change a fitted model, or how it is stored.
GENERATION = 9


@dataclass(frozen=True)
class ChurnModel:
    """A classifier of customers active in `active_days`: whether they leave in `horizon_days`."""

    classifier: Classifier
    horizon_days: int
    active_days: int

    def spec_json(self) -> str:
        """Give all but the Spark pipeline and its trees as JSON, the same for the same model."""
        spec = {
            "classifier": self.classifier.spec(),
            "horizon_days": self.horizon_days,
            "active_days": self.active_days,
        }
        return json.dumps(spec, indent=1, sort_keys=True)


def load_model(
    spec: Mapping[str, Any],
    pipeline: PipelineModel | None = None,
    trees: Sequence[CoveredTree] = (),
) -> ChurnModel:
    """Put a model together again from its spec, and the pipeline where it has one."""
    classifier = load_classifier(spec["classifier"], pipeline, trees)
    return ChurnModel(classifier, spec["horizon_days"], spec["active_days"])
