"""Why a customer is likely to leave: exact contributions, one reason a theme, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.calibration import PlattCalibration
from crm_spark.models.churn.reason_words import sentence, theme_of
from crm_spark.models.churn.tables import REASON
from crm_spark.models.classifiers.classifier import Classifier
from crm_spark.models.classifiers.contributions import Contributions

# What takes less than half a point off the probability is no reason.
LEAST_EFFECT = 0.005
# What a task explains: what it makes once, tables of the trees, then takes little of its time.
ROWS_OF_PIECE = 10_000


@dataclass(frozen=True)
class Explainer:
    """The reasons that the contributions to a classifier's score are."""

    contributions: Contributions
    calibration: PlattCalibration

    @classmethod
    def of(cls, classifier: Classifier) -> Explainer:
        """Give the explainer of a classifier. ValueError where its trees were not loaded."""
        return cls(Contributions.of(classifier), classifier.calibration)

    @property
    def features(self) -> tuple[str, ...]:
        """What contributes."""
        return self.contributions.features

    def reasons(self, values: Floats, *, n: int) -> list[list[dict[str, Any]]]:
        """Give up to `n` reasons of each row: themes that raise its probability, strongest first.

        The effect is what the probability loses without what the theme adds to the raw score.
        """
        added, raw = self.contributions.of_rows(values)
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


def with_reasons(classifier: Classifier, rows: DataFrame, *, n: int, n_rows: int) -> DataFrame:
    """Give customer_id and reasons of rows of features.customer_snapshot, about `n_rows`.

    They are worked out in the executors' Python, about a thousand rows a second and core.
    """
    if n == 0:
        none = F.array().cast(T.ArrayType(REASON))
        return rows.select("customer_id", none.alias("reasons"))
    explainer = Explainer.of(classifier)
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
