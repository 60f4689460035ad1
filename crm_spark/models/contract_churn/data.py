"""What contract churn learns from: customers of whom it is known whether they have left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.classifiers.classifier import LABEL
from crm_spark.models.contract_churn.attributes import Attribute, with_attributes
from crm_spark.models.contract_churn.parts import HELD_OUT, PART, with_parts
from crm_spark.models.contract_churn.section import ContractChurnSection
from crm_spark.models.rows import sampled_customers

# Encodings are learnt from a sample by hash where there are more customers: medians and levels do
# not gain by more, and it fits the driver.
SAMPLED_ROWS = 200_000


@dataclass(frozen=True)
class Sample:
    """Customers on the driver, by their id: a column an attribute, who left, and their part."""

    values: pd.DataFrame
    labels: Floats
    parts: NDArray[np.int64]

    def of(self, is_taken: NDArray[np.bool_]) -> Sample:
        """Give some of the customers."""
        return Sample(self.values[is_taken], self.labels[is_taken], self.parts[is_taken])

    def learnt(self, without: int | None = None) -> Sample:
        """Give the customers to learn from, without those of one fold."""
        return self.of((self.parts != HELD_OUT) & (self.parts != without))


@dataclass(frozen=True)
class ContractData:
    """Labelled customers: rows with customer_id, as_of_date, label, part and their attributes."""

    rows: DataFrame
    attributes: tuple[Attribute, ...]
    sample: Sample


def labelled(contracts: DataFrame, params: ContractChurnSection, day: date) -> DataFrame:
    """Give the customers of whom it is known whether they have left, with label and part."""
    known = contracts.where("has_left IS NOT NULL").withColumns(
        {LABEL: F.col("has_left").cast("double"), "as_of_date": F.lit(day)}
    )
    parted = with_parts(
        known,
        label=LABEL,
        test_share=params.test_share,
        n_folds=params.n_folds,
        seed=params.seed,
    )
    return with_attributes(parted, "customer_id", "as_of_date", LABEL, PART)


def contract_data(rows: DataFrame, attributes: Sequence[Attribute]) -> ContractData:
    """Put labelled rows, which are kept, together with a sample of them on the driver."""
    drawn = sampled_customers(rows, n_rows=rows.count(), most=SAMPLED_ROWS)
    values = [one.value.alias(f"value_{place}") for place, one in enumerate(attributes)]
    found = drawn.select("customer_id", LABEL, PART, *values).toPandas()
    found = found.sort_values("customer_id", ignore_index=True)
    columns = {
        one.name: found[f"value_{place}"].astype(float if one.is_number else object)
        for place, one in enumerate(attributes)
    }
    sample = Sample(
        pd.DataFrame(columns, index=found.index),
        found[LABEL].to_numpy(float),
        found[PART].to_numpy(np.int64),
    )
    return ContractData(rows, tuple(attributes), sample)
