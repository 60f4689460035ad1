"""The forms that formulas have, by the name in a spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crm_spark.models.classifiers.classifier import Formula
from crm_spark.models.classifiers.linear import Linear
from crm_spark.models.classifiers.perceptron import Perceptron
from crm_spark.models.classifiers.xgboost import BoostedTrees

FORMS: Mapping[str, Callable[[Mapping[str, Any]], Formula]] = {
    Linear.form: Linear.of,
    Perceptron.form: Perceptron.of,
    BoostedTrees.form: BoostedTrees.of,
}
