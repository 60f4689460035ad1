"""Snapshots of customers who are made up, some of whom leave for a reason that is planted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from crm_spark.features.families import FEATURES
from crm_spark.models.binary_metrics import Floats
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.classifiers.settings import ForestParams
from crm_spark.models.cutoffs import Cutoffs

TEST = date(2024, 6, 1)
CUTOFFS = Cutoffs(TEST, (date(2024, 5, 1), date(2024, 4, 3), date(2024, 3, 6)))
PARAMS = ChurnSection(
    forest=ForestParams(n_trees=20, max_depth=5, min_instances_per_node=10), importance_rows=400
)
N_CUSTOMERS = 500
NAMES = [feature.name for feature in FEATURES]
# These say nothing unless a test plants something; all other features are the same for everybody.
VARYING = (
    "days_since_last_order",
    "n_orders",
    "tenure_days",
    "n_order_days_84d",
    "n_orders_half_life_7d",
    "n_orders_half_life_21d",
    "n_orders_half_life_60d",
    "spend_amount_28d",
    "n_items_84d",
    "median_gap_days",
    "longest_gap_days",
    "spend_per_order",
    "n_products",
    "discount_share",
    "friday_orders_share",
    "spend_trend_28d",
)
# One in ten customers has no gaps yet.
PLANTED, WITH_NULLS = "median_gap_days", ("median_gap_days", "longest_gap_days")
HIGH = 55


def snapshots(n: int = N_CUSTOMERS) -> pd.DataFrame:
    """Draw the snapshots of all cut-offs, each feature from 0 to 84 and blind to the others."""
    random = np.random.default_rng(1)
    tables = []
    for day in CUTOFFS.all:
        table = pd.DataFrame({name: np.full(n, 7.0) for name in NAMES})
        for name in VARYING:
            table[name] = random.integers(0, 85, n).astype(float)
        for name in WITH_NULLS:
            table.loc[random.random(n) < 0.1, name] = np.nan
        table.insert(0, "customer_id", [f"c{number:04}" for number in range(n)])
        table.insert(1, "as_of_date", day)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def planted_snapshots() -> pd.DataFrame:
    """Give customers who mostly leave when one feature is high, which it is for one in three."""
    table = snapshots()
    return with_labels(table, np.where(table[PLANTED] > HIGH, 0.8, 0.1))


def with_labels(table: pd.DataFrame, chance: Floats | float) -> pd.DataFrame:
    """Let each customer churn with the chance given."""
    drawn = np.random.default_rng(2).random(len(table)) < chance
    return table.assign(label=drawn.astype(float))


def to_spark(spark: SparkSession, table: pd.DataFrame) -> DataFrame:
    """Give the table in Spark, what is not known as null."""
    return spark.createDataFrame(pa.Table.from_pandas(table, preserve_index=False))


@contextmanager
def persisted(spark: SparkSession, table: pd.DataFrame) -> Iterator[DataFrame]:
    """Keep a frame that many models learn from."""
    frame = to_spark(spark, table).persist()
    yield frame
    frame.unpersist()


def on_test(table: pd.DataFrame) -> pd.DataFrame:
    """Give the rows of the test cut-off."""
    return table[table["as_of_date"] == TEST].reset_index(drop=True)
