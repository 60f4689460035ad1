"""Why a contract customer is likely to leave: exact contributions, one reason an attribute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.calibration import Calibration
from crm_spark.models.classifiers.contributions import Contributions
from crm_spark.models.classifiers.reasons import explained, no_reasons, strongest_groups
from crm_spark.models.contract_churn.attributes import Attribute, shown_values
from crm_spark.models.contract_churn.model import ContractModel
from crm_spark.models.contract_churn.tables import REASON
from crm_spark.report.words import number

_SHOWN = "_shown"


@dataclass(frozen=True)
class Explainer:
    """The reasons that the contributions to a classifier's score are, by attribute.

    `of_input` has, for each feature of the contributions, the place of its attribute.
    """

    contributions: Contributions
    calibration: Calibration
    attributes: tuple[Attribute, ...]
    of_input: tuple[int, ...]

    @classmethod
    def of(cls, model: ContractModel) -> Explainer:
        """Give the explainer of a model. ValueError where its trees were not loaded."""
        contributions, attributes = Contributions.of(model.classifier), model.attributes
        inputs = model.encoding.inputs
        of_input = tuple(attributes.index(inputs[name][0]) for name in contributions.features)
        return cls(contributions, model.classifier.calibration, attributes, of_input)

    def reasons(
        self, values: Floats, shown: Sequence[Sequence[str | None]], *, n: int
    ) -> list[list[dict[str, Any]]]:
        """Give up to `n` reasons of each row: attributes that raise its probability, by strength.

        The effect is what the probability loses without what the attribute adds to the raw score;
        `shown` are the attributes' values.
        """
        added, raw = self.contributions.of_rows(values)
        strongest = strongest_groups(added, raw, self.calibration, group_of=self.of_input, n=n)
        return [
            [self._reason(place, shown[row][place], effect) for place, effect in of_row]
            for row, of_row in enumerate(strongest)
        ]

    def _reason(self, place: int, value: str | None, effect: float) -> dict[str, Any]:
        attribute = self.attributes[place]
        return {
            "attribute": attribute.name,
            "value": value,
            "effect": effect,
            "text": f"{attribute.name} is {_in_words(attribute, value)}",
        }


def _in_words(attribute: Attribute, value: str | None) -> str:
    if value is None:
        return "not known"
    return number(float(value)) if attribute.is_number else value


def with_reasons(model: ContractModel, rows: DataFrame, *, n: int, n_rows: int) -> DataFrame:
    """Give customer_id and reasons of rows that with_attributes() gives, about `n_rows`."""
    if n == 0:
        return rows.select("customer_id", no_reasons(REASON).alias("reasons"))
    explainer = Explainer.of(model)
    shown = shown_values(explainer.attributes).alias(_SHOWN)
    return explained(
        rows.select("customer_id", shown, *model.encoding.columns()),
        lambda values, batch: explainer.reasons(values, batch[_SHOWN].to_pylist(), n=n),
        explainer.contributions.features,
        reason=REASON,
        n_rows=n_rows,
    )
