"""What each feature adds to the score of a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.classifiers.chord import along_chord
from crm_spark.models.classifiers.classifier import Classifier, Formula
from crm_spark.models.logistic import sigmoid
from crm_spark.models.tree_shap import CoveredTree, TreeExplainer


@dataclass(frozen=True)
class Contributions:
    """What each feature adds to the raw score of a classifier, from `base` on.

    Trees by exact path-dependent TreeSHAP (Lundberg, Erion and Lee 2018), boosted ones on the
    logit, scaled by the chord of the sigmoid; a formula by its own; the mean of both by the mean of
    their contributions.
    """

    features: tuple[str, ...]
    fills: tuple[float, ...]
    inputs: tuple[str, ...]
    trees: tuple[CoveredTree, ...]
    formula: Formula | None
    is_boosted: bool = False

    @classmethod
    def of(cls, classifier: Classifier) -> Contributions:
        """Give those of a classifier. ValueError where it has a pipeline without its trees."""
        if classifier.pipeline is not None and not classifier.trees:
            raise ValueError("the trees of the pipeline were not loaded")
        return cls(
            classifier.features,
            tuple(one.fill for one in classifier.inputs),
            tuple(one.name for one in classifier.inputs),
            classifier.trees,
            classifier.formula,
            classifier.is_boosted,
        )

    @cached_property
    def _explainer(self) -> TreeExplainer:
        scale = 2.0 if self.is_boosted else 1 / len(self.trees)
        return TreeExplainer(self.trees, n_columns=len(self.inputs), scale=scale)

    @property
    def _base_of_trees(self) -> float:
        expected = self._explainer.expected
        return float(sigmoid(np.array(expected))) if self.is_boosted else expected

    def _of_trees(self, read: Floats) -> tuple[Floats, Floats]:
        added = self._explainer.contributions(read)
        if self.is_boosted:
            return along_chord(added, self._explainer.expected)
        return added, self._explainer.values(read)

    @property
    def base(self) -> float:
        """The raw score before anything is known of a customer."""
        parts = [self._base_of_trees] if self.trees else []
        parts += [self.formula.base] if self.formula else []
        return sum(parts) / len(parts)

    def of_rows(self, values: Floats) -> tuple[Floats, Floats]:
        """Give what each feature adds, [rows, features], and the raw scores; NaN: not known."""
        added = np.zeros_like(values)
        raw = np.zeros(len(values))
        n_parts = bool(self.trees) + (self.formula is not None)
        if self.trees:
            places = self._places(self.inputs)
            read = values[:, places]
            read = np.where(np.isnan(read), np.array(self.fills), read)
            of_trees, score = self._of_trees(read)
            added[:, places] += of_trees / n_parts
            raw += score / n_parts
        if self.formula is not None:
            places = self._places(self.formula.features)
            terms, score = self.formula.contributions(values[:, places])
            added[:, places] += terms / n_parts
            raw += score / n_parts
        return added, raw

    def _places(self, names: Sequence[str]) -> list[int]:
        place = {name: at for at, name in enumerate(self.features)}
        return [place[name] for name in names]
