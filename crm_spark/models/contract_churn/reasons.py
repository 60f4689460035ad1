"""Why a contract customer is likely to leave: exact contributions, one reason an attribute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.calibration import PlattCalibration
from crm_spark.models.classifiers.contributions import Contributions
from crm_spark.models.contract_churn.attributes import Attribute, shown_values
from crm_spark.models.contract_churn.model import ContractModel
from crm_spark.models.contract_churn.tables import REASON
from crm_spark.report.words import number

# What takes less than half a point off the probability is no reason.
LEAST_EFFECT = 0.005
# What a task explains: what it makes once, tables of the trees, then takes little of its time.
ROWS_OF_PIECE = 10_000
_SHOWN = "_shown"


@dataclass(frozen=True)
class Explainer:
    """The reasons that the contributions to a classifier's score are, by attribute.

    `of_input` has, for each feature of the contributions, the place of its attribute.
    """

    contributions: Contributions
    calibration: PlattCalibration
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
        places = np.array(self.of_input)
        by_attribute = np.stack(
            [added[:, places == at].sum(axis=1) for at in range(len(self.attributes))], axis=1
        )
        without = self.calibration.probabilities(raw[:, None] - by_attribute)
        effect = self.calibration.probabilities(raw)[:, None] - without
        # By what is added: far from the base effects become the same, and the order is.
        strongest = np.argsort(-by_attribute, axis=1, kind="stable")[:, :n]
        return [
            [
                self._reason(place, shown[row][place], effect[row, place])
                for place in strongest[row]
                if effect[row, place] > LEAST_EFFECT
            ]
            for row in range(len(values))
        ]

    def _reason(self, place: int, value: str | None, effect: float) -> dict[str, Any]:
        attribute = self.attributes[place]
        return {
            "attribute": attribute.name,
            "value": value,
            "effect": float(effect),
            "text": f"{attribute.name} is {_in_words(attribute, value)}",
        }


def _in_words(attribute: Attribute, value: str | None) -> str:
    if value is None:
        return "not known"
    return number(float(value)) if attribute.is_number else value


def with_reasons(model: ContractModel, rows: DataFrame, *, n: int, n_rows: int) -> DataFrame:
    """Give customer_id and reasons of rows that with_attributes() gives, about `n_rows`.

    They are worked out in the executors' Python, about a thousand rows a second and core.
    """
    if n == 0:
        none = F.array().cast(T.ArrayType(REASON))
        return rows.select("customer_id", none.alias("reasons"))
    explainer = Explainer.of(model)
    names = list(explainer.contributions.features)
    reason = pa.list_(pa.struct([(one.name, _ARROW[type(one.dataType)]) for one in REASON.fields]))

    def explain(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = [batch[name].to_numpy(zero_copy_only=False) for name in names]
            values = np.stack(columns, axis=1).astype(float)
            shown = batch[_SHOWN].to_pylist()
            reasons = pa.array(explainer.reasons(values, shown, n=n), reason)
            yield pa.RecordBatch.from_arrays(
                [batch["customer_id"], reasons], ["customer_id", "reasons"]
            )

    shown = shown_values(explainer.attributes).alias(_SHOWN)
    read = rows.select("customer_id", shown, *model.encoding.columns())
    if n_rows > ROWS_OF_PIECE:  # else a table's few files would decide how many cores work
        read = read.repartition(-(-n_rows // ROWS_OF_PIECE), "customer_id")
    schema = T.StructType(
        [read.schema["customer_id"], T.StructField("reasons", T.ArrayType(REASON))]
    )
    return read.mapInArrow(explain, schema)


_ARROW = {T.StringType: pa.string(), T.DoubleType: pa.float64()}
