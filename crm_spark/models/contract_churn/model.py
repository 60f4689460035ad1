"""A model of contract churn: how attributes become inputs, and the classifier that reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.models.classifiers.classifier import Classifier, load_classifier, score
from crm_spark.models.contract_churn.attributes import Attribute
from crm_spark.models.contract_churn.encoding import Encoding
from crm_spark.models.tree_shap import CoveredTree
from crm_spark.tables.columns import CHURN_PROBABILITY


@dataclass(frozen=True)
class ContractModel:
    """A fitted model with all that scoring needs."""

    encoding: Encoding
    classifier: Classifier

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The attributes that it looks at, not only knows how to read."""
        inputs = self.encoding.inputs
        return tuple(dict.fromkeys(inputs[name][0] for name in self.classifier.features))

    def spec_json(self) -> str:
        """Give all but the pipeline as JSON, the same text for the same model."""
        spec = {"encoding": self.encoding.spec(), "classifier": self.classifier.spec()}
        return json.dumps(spec, indent=1, sort_keys=True)


def load_model(
    spec: Mapping[str, Any],
    pipeline: PipelineModel | None = None,
    trees: Sequence[CoveredTree] = (),
) -> ContractModel:
    """Put a model together again from its spec, and the pipeline where it has one."""
    classifier = load_classifier(spec["classifier"], pipeline, trees)
    return ContractModel(Encoding.of(spec["encoding"]), classifier)


def encoded(rows: DataFrame, encoding: Encoding, *keep: str) -> DataFrame:
    """Give `keep` and the inputs of rows that with_attributes() gives."""
    return rows.select(*keep, *encoding.columns())


def score_contracts(model: ContractModel, rows: DataFrame) -> DataFrame:
    """Give customer_id and churn_probability of rows that with_attributes() gives.

    What was evaluated is what scores.
    """
    read = encoded(rows, model.encoding, "customer_id")
    scored = score(model.classifier, read, keep=["customer_id"], probability=CHURN_PROBABILITY)
    return scored.select("customer_id", F.col(CHURN_PROBABILITY))
