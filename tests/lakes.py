"""What two lakes have to agree on, whatever happened to the runs that made them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import mlflow
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config
from crm_spark.features.rfm_tables import CUSTOMER_RFM
from crm_spark.features.tables import (
    CUSTOMER_ORDERS,
    CUSTOMER_SNAPSHOT,
    PRODUCT_INTERACTIONS,
    PRODUCT_PRICES,
)
from crm_spark.lake.contract import Table, checksum_aggregates, content_checksum, format_checksum
from crm_spark.lake.delta import Lake
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.models.recommender.tables import PRODUCT_RECOMMENDATIONS
from crm_spark.models.segments.tables import CUSTOMER_SEGMENTS, SEGMENT_PROFILES
from crm_spark.tables.core import TRANSACTIONS, rejected

WHOLE = (TRANSACTIONS, rejected(TRANSACTIONS), CUSTOMER_ORDERS)
# What loading and build_features write.
BUILT = (*WHOLE, CUSTOMER_SNAPSHOT, PRODUCT_INTERACTIONS)
DATED = (
    CUSTOMER_SNAPSHOT,
    PRODUCT_INTERACTIONS,
    PRODUCT_PRICES,
    CUSTOMER_CHURN,
    CUSTOMER_RFM,
    CUSTOMER_SEGMENTS,
    SEGMENT_PROFILES,
    PRODUCT_RECOMMENDATIONS,
)


def written(spark: SparkSession, config: Config) -> tuple[Table, ...]:
    """Give the tables that a lake has, of those that have to agree."""
    lake = Lake(spark, config.storage, "test")
    return tuple(table for table in (*WHOLE, *DATED) if lake.exists(table))


def checksums(
    spark: SparkSession, config: Config, tables: Sequence[Table] = (*WHOLE, *DATED)
) -> dict[str, str]:
    """Give the checksum of each table's whole content."""
    lake = Lake(spark, config.storage, "test")
    return {table.name: content_checksum(lake.read(table), table) for table in tables}


def models(config: Config) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Give each model's versions and aliases."""
    client = mlflow.MlflowClient(config.tracking.uri, config.tracking.uri)
    return {
        model.name: (
            sorted(
                version.version for version in client.search_model_versions(f"name='{model.name}'")
            ),
            dict(client.get_registered_model(model.name).aliases),
        )
        for model in client.search_registered_models()
    }


def dates_of_all_versions(spark: SparkSession, config: Config, table: Table) -> dict[Any, set[str]]:
    """Give each date's checksums in all versions that a table ever had."""
    path = Lake(spark, config.storage, "test").path(table)
    newest = DeltaTable.forPath(spark, path).history(1).collect()[0]["version"]
    of_version = [
        spark.read.format("delta")
        .option("versionAsOf", version)
        .load(path)
        .withColumn("_version", F.lit(version))
        for version in range(newest + 1)
    ]
    sums = checksum_aggregates(table.content_columns)
    rows = reduce(DataFrame.unionByName, of_version).groupBy("_version", "as_of_date").agg(*sums)
    found: dict[Any, set[str]] = {}
    for row in rows.collect():
        found.setdefault(row["as_of_date"], set()).add(format_checksum(row.asDict()))
    return found
