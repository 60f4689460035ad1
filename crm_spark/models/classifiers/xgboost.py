"""Gradient-boosted trees of XGBoost, an extra: crm_spark[xgboost]."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame

from crm_spark.features.families.family import Feature
from crm_spark.models.binary_metrics import Floats
from crm_spark.models.classifiers.arrays import column_of_arrays, learnt_arrays
from crm_spark.models.classifiers.chord import along_chord
from crm_spark.models.classifiers.classifier import LABEL, Classifier, Input, assembled
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.settings import XGBOOST, LearnerSettings
from crm_spark.models.logistic import sigmoid
from crm_spark.models.tree_shap import CoveredTree, TreeExplainer

_TYPES: Mapping[str, Any] = {
    "column": np.int32,
    "threshold": np.float64,
    "left": np.int32,
    "right": np.int32,
    "value": np.float64,
    "cover": np.float64,
}


@dataclass(frozen=True)
class BoostedTrees:
    """The sigmoid of the sum of trees, as plain arrays: scores need no XGBoost.

    `fills` stand for what is not known; values are read as floats of 32 bits, as XGBoost does.
    """

    features: tuple[str, ...]
    fills: tuple[float, ...]
    base_logit: float
    trees: tuple[CoveredTree, ...] = field(compare=False)
    form: ClassVar[str] = "boosted_trees"

    @cached_property
    def _explainer(self) -> TreeExplainer:
        return TreeExplainer(self.trees, n_columns=len(self.features), base=self.base_logit)

    def raw_score(self) -> Column:
        """Give the score of rows with the features."""
        return column_of_arrays(self.features, self._scores)

    def _scores(self, values: Floats) -> Floats:
        return sigmoid(self._explainer.values(self._read(values)))

    @property
    def base(self) -> float:
        """The score of the logit expected before anything is known."""
        return float(sigmoid(np.array(self._explainer.expected)))

    def contributions(self, values: Floats) -> tuple[Floats, Floats]:
        """Give what each feature adds to the score, [rows, features], and the scores.

        TreeSHAP of the logit (Lundberg, Erion and Lee 2018), which XGBoost calls pred_contribs,
        scaled by the chord of the sigmoid.
        """
        added = self._explainer.contributions(self._read(values))
        return along_chord(added, self._explainer.expected)

    def _read(self, values: Floats) -> Floats:
        return _filled(values, self.fills).astype(np.float64)

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "features": list(self.features),
            "fills": list(self.fills),
            "base_logit": self.base_logit,
            "trees": [
                {name: getattr(tree, name).tolist() for name in _TYPES} for tree in self.trees
            ],
        }

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> BoostedTrees:
        """Put it together again."""
        trees = tuple(
            CoveredTree(**{name: np.array(tree[name], of) for name, of in _TYPES.items()})
            for tree in spec["trees"]
        )
        return cls(tuple(spec["features"]), tuple(spec["fills"]), spec["base_logit"], trees)


def fit_xgboost(
    rows: DataFrame, features: Sequence[Feature], settings: LearnerSettings
) -> Classifier:
    """Boost trees with XGBoost on labelled rows, by the logistic loss. Chen and Guestrin (2016).

    On the driver, in one order of the rows, or with `n_workers` by xgboost.spark in so many tasks
    at once, on all rows. Nulls are filled as for the forest. No rows or features are drawn, so that
    nothing depends on a generator of random numbers.
    """
    inputs = tuple(Input(feature.name, float(feature.fill)) for feature in features)
    fit = _fit_on_spark if settings.xgboost.n_workers else _fit_on_driver
    base_logit, trees = trees_of(fit(rows, inputs, settings))
    names, fills = (tuple(getattr(one, of) for one in inputs) for of in ("name", "fill"))
    return Classifier(XGBOOST, formula=BoostedTrees(names, fills, base_logit, trees))


def _fit_on_driver(
    rows: DataFrame, inputs: Sequence[Input], settings: LearnerSettings
) -> dict[str, Any]:
    import xgboost

    params = settings.xgboost
    values, hits = learnt_arrays(rows, [one.name for one in inputs], label=LABEL)
    filled = _filled(values, [one.fill for one in inputs])
    booster = xgboost.train(
        {
            "objective": "binary:logistic",
            "tree_method": "hist",
            "max_depth": params.max_depth,
            "eta": params.learning_rate,
            "min_child_weight": params.min_child_weight,
            "seed": settings.seed,
        },
        xgboost.DMatrix(filled, label=hits),
        num_boost_round=params.n_trees,
    )
    return _saved(booster)


def _fit_on_spark(
    rows: DataFrame, inputs: Sequence[Input], settings: LearnerSettings
) -> dict[str, Any]:
    from xgboost.spark import SparkXGBClassifier

    params, key = settings.xgboost, ("customer_id", "as_of_date")
    learner = SparkXGBClassifier(
        features_col=[one.name for one in inputs],
        label_col=LABEL,
        num_workers=params.n_workers,
        device="cpu",
        tree_method="hist",
        n_estimators=params.n_trees,
        max_depth=params.max_depth,
        learning_rate=params.learning_rate,
        min_child_weight=params.min_child_weight,
        random_state=settings.seed,
    )
    read = assembled(rows, inputs, keep=[*key, LABEL])
    # As many partitions as there are tasks, or xgboost.spark spreads the rows itself.
    spread = read.repartition(params.n_workers, *key).sortWithinPartitions(*key)
    return _saved(learner.fit(spread).get_booster())


def _filled(values: Floats, fills: Sequence[float]) -> NDArray[np.float32]:
    """Give values as XGBoost reads them: those not known filled, none beyond floats of 32 bits."""
    most = np.finfo(np.float32).max
    filled = np.where(np.isnan(values), np.array(fills), values)
    return np.clip(filled, -most, most).astype(np.float32)


def _saved(booster: Any) -> dict[str, Any]:
    model: dict[str, Any] = json.loads(bytes(booster.save_raw("json")))
    return model


def trees_of(model: Mapping[str, Any]) -> tuple[float, tuple[CoveredTree, ...]]:
    """Give the logit to begin with and the trees of a booster of XGBoost saved as JSON.

    Its rows go left below a threshold, ours up to one: of floats of 32 bits that is the next lower.
    """
    learner = model["learner"]
    base = float(learner["learner_model_param"]["base_score"].strip("[]"))
    trees = []
    for tree in learner["gradient_booster"]["model"]["trees"]:
        left = np.array(tree["left_children"], np.int32)
        condition = np.array(tree["split_conditions"], np.float32)
        below = np.nextafter(condition, np.float32(-np.inf))
        trees.append(
            CoveredTree(
                column=np.array(tree["split_indices"], np.int32),
                threshold=below.astype(np.float64),
                left=left,
                right=np.array(tree["right_children"], np.int32),
                # A leaf's condition is its value.
                value=np.where(left < 0, condition, 0).astype(np.float64),
                cover=np.array(tree["sum_hessian"], np.float64),
            )
        )
    base = min(max(base, 1e-6), 1 - 1e-6)  # of rows that are all alike
    return float(np.log(base / (1 - base))), tuple(trees)


LEARNER = Learner(
    XGBOOST,
    "XGBoost",
    fit_xgboost,
    lambda settings: settings.xgboost.model_dump(),
    grid=(
        {"xgboost": {"max_depth": 2, "n_trees": 200}},
        {"xgboost": {"max_depth": 3, "n_trees": 200}},
        {"xgboost": {"max_depth": 4, "n_trees": 100}},
        {"xgboost": {"max_depth": 4, "n_trees": 200, "min_child_weight": 50.0}},
    ),
    complexity=lambda settings: (settings.xgboost.max_depth, settings.xgboost.n_trees),
)
