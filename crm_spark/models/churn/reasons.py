"""Why a customer is likely to leave: exact contributions, one reason a theme, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.calibration import Calibration
from crm_spark.models.churn.reason_words import sentence, theme_of
from crm_spark.models.churn.tables import REASON
from crm_spark.models.classifiers.classifier import Classifier
from crm_spark.models.classifiers.contributions import Contributions
from crm_spark.models.classifiers.reasons import explained, no_reasons, strongest_groups


@dataclass(frozen=True)
class Explainer:
    """The reasons that the contributions to a classifier's score are."""

    contributions: Contributions
    calibration: Calibration

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
        strongest = strongest_groups(
            added,
            raw,
            self.calibration,
            group_of=[names.index(theme) for theme in themes.tolist()],
            n=n,
        )
        found = []
        for row, of_row in enumerate(strongest):
            known = dict(zip(self.features, values[row].tolist(), strict=True)) if of_row else {}
            found.append(
                [
                    self._reason(names[place], themes, added[row], effect, known)
                    for place, effect in of_row
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
            "effect": effect,
            "theme": theme,
            "text": sentence(theme, known, strongest=strongest, raises=True),
        }


def with_reasons(classifier: Classifier, rows: DataFrame, *, n: int, n_rows: int) -> DataFrame:
    """Give customer_id and reasons of rows of features.customer_snapshot, about `n_rows`."""
    if n == 0:
        return rows.select("customer_id", no_reasons(REASON).alias("reasons"))
    explainer = Explainer.of(classifier)
    names = list(explainer.features)
    read = rows.select(
        "customer_id", *[F.col(name).cast(T.DoubleType()).alias(name) for name in names]
    )
    return explained(
        read,
        lambda values, _: explainer.reasons(values, n=n),
        names,
        reason=REASON,
        n_rows=n_rows,
    )
