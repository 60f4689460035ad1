"""Why a customer is likely to leave: exact contributions, one reason a theme, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.calibration import PlattCalibration
from crm_spark.models.churn.linear import Linear
from crm_spark.models.churn.model import ChurnModel
from crm_spark.models.churn.reason_words import sentence, theme_of
from crm_spark.models.churn.tables import REASON
from crm_spark.models.tree_shap import CoveredTree, TreeExplainer

# What takes less than half a point off the probability is no reason.
LEAST_EFFECT = 0.005
# What a task explains: what it makes once, tables of the trees, then takes little of its time.
ROWS_OF_PIECE = 10_000


@dataclass(frozen=True)
class Explainer:
    """What each feature adds to the raw score of a churn model, from `base` on.

    A forest by exact path-dependent TreeSHAP (Lundberg, Erion and Lee 2018), a logistic regression
    by its terms, the mean of both by the mean of their contributions.
    """

    features: tuple[str, ...]
    fills: tuple[float, ...]
    forest_inputs: tuple[str, ...]
    trees: tuple[CoveredTree, ...]
    linear: Linear | None
    calibration: PlattCalibration

    @classmethod
    def of(cls, model: ChurnModel) -> Explainer:
        """Give the explainer of a model. ValueError where it has a forest without its trees."""
        if model.forest is not None and not model.trees:
            raise ValueError("the trees of the forest were not loaded")
        return cls(
            model.features,
            tuple(one.fill for one in model.inputs),
            tuple(one.name for one in model.inputs),
            model.trees,
            model.linear,
            model.calibration,
        )

    @cached_property
    def _forest(self) -> TreeExplainer:
        return TreeExplainer(
            self.trees, n_columns=len(self.forest_inputs), scale=1 / len(self.trees)
        )

    @property
    def base(self) -> float:
        """The raw score before anything is known of a customer."""
        parts = [self._forest.expected] if self.trees else []
        parts += [self.linear.base] if self.linear else []
        return sum(parts) / len(parts)

    def contributions(self, values: Floats) -> tuple[Floats, Floats]:
        """Give what each feature adds, [rows, features], and the raw scores; NaN: not known."""
        added = np.zeros_like(values)
        raw = np.zeros(len(values))
        n_parts = bool(self.trees) + (self.linear is not None)
        if self.trees:
            places = self._places(self.forest_inputs)
            read = values[:, places]
            read = np.where(np.isnan(read), np.array(self.fills), read)
            added[:, places] += self._forest.contributions(read) / n_parts
            raw += self._forest.values(read) / n_parts
        if self.linear is not None:
            places = self._places(self.linear.features)
            terms, score = self.linear.contributions(values[:, places])
            added[:, places] += terms / n_parts
            raw += score / n_parts
        return added, raw

    def reasons(self, values: Floats, *, n: int) -> list[list[dict[str, Any]]]:
        """Give up to `n` reasons of each row: themes that raise its probability, strongest first.

        The effect is what the probability loses without what the theme adds to the raw score.
        """
        added, raw = self.contributions(values)
        themes = np.array([theme_of(name) for name in self.features])
        names = list(dict.fromkeys(themes.tolist()))
        by_theme = np.stack([added[:, themes == name].sum(axis=1) for name in names], axis=1)
        without = self.calibration.probabilities(raw[:, None] - by_theme)
        effect = self.calibration.probabilities(raw)[:, None] - without
        # By what is added: far from the base effects become the same, and the order is.
        strongest = np.argsort(-by_theme, axis=1, kind="stable")[:, :n]
        found = []
        for row in range(len(values)):
            told = [place for place in strongest[row] if effect[row, place] > LEAST_EFFECT]
            known = dict(zip(self.features, values[row].tolist(), strict=True)) if told else {}
            found.append(
                [
                    self._reason(names[place], themes, added[row], effect[row, place], known)
                    for place in told
                ]
            )
        return found

    def _reason(
        self,
        theme: str,
        themes: np.ndarray[Any, Any],
        added: Floats,
        effect: float,
        known: dict[str, float],
    ) -> dict[str, Any]:
        of_theme = np.flatnonzero(themes == theme)
        strongest = self.features[of_theme[np.argmax(added[of_theme])]]
        value = known[strongest]
        return {
            "feature": strongest,
            "value": None if np.isnan(value) else value,
            "effect": float(effect),
            "theme": theme,
            "text": sentence(theme, known, strongest=strongest, raises=True),
        }

    def _places(self, names: Sequence[str]) -> list[int]:
        place = {name: at for at, name in enumerate(self.features)}
        return [place[name] for name in names]


def with_reasons(model: ChurnModel, rows: DataFrame, *, n: int, n_rows: int) -> DataFrame:
    """Give customer_id and reasons of rows of features.customer_snapshot, about `n_rows`.

    They are worked out in the executors' Python, about a thousand rows a second and core.
    """
    if n == 0:
        none = F.array().cast(T.ArrayType(REASON))
        return rows.select("customer_id", none.alias("reasons"))
    explainer = Explainer.of(model)
    names = list(explainer.features)
    reason = pa.list_(pa.struct([(one.name, _ARROW[type(one.dataType)]) for one in REASON.fields]))

    def explain(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = [batch[name].to_numpy(zero_copy_only=False) for name in names]
            values = np.stack(columns, axis=1).astype(float)
            reasons = pa.array(explainer.reasons(values, n=n), reason)
            yield pa.RecordBatch.from_arrays(
                [batch["customer_id"], reasons], ["customer_id", "reasons"]
            )

    read = rows.select(
        "customer_id", *[F.col(name).cast(T.DoubleType()).alias(name) for name in names]
    )
    if n_rows > ROWS_OF_PIECE:  # else a snapshot's few files would decide how many cores work
        read = read.repartition(-(-n_rows // ROWS_OF_PIECE), "customer_id")
    schema = T.StructType(
        [read.schema["customer_id"], T.StructField("reasons", T.ArrayType(REASON))]
    )
    return read.mapInArrow(explain, schema)


_ARROW = {T.StringType: pa.string(), T.DoubleType: pa.float64()}
