"""How Delta tables are made: their properties, their names in a catalog, the version they have."""

from __future__ import annotations

from collections.abc import Mapping

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from crm_spark.errors import DataError
from crm_spark.lake.contract import Table
from crm_spark.lake.storage import StorageSection

VERSION_PROPERTY = "crm_spark.table_version"


def as_sql(path: str) -> str:
    """Write the table at a path as SQL names it."""
    escaped = path.replace("`", "``")
    return f"delta.`{escaped}`"


def build_table(
    spark: SparkSession,
    path: str,
    table: Table,
    storage: StorageSection,
    *,
    is_write: bool = False,
) -> None:
    """Make the table with its comments, types and properties, where there is none.

    `is_write`: the commit is to count as one that wrote: no row, instead of any that there were.
    """
    make = DeltaTable.createOrReplace if is_write else DeltaTable.createIfNotExists
    builder = make(spark).location(path).comment(table.comment)
    for key, value in _properties(table, storage).items():
        builder = builder.property(key, value)
    builder = builder.addColumns(table.schema)
    if table.partition_by:
        builder = builder.partitionedBy(*table.partition_by)
    builder.execute()


def _properties(table: Table, storage: StorageSection) -> dict[str, str]:
    properties = {
        VERSION_PROPERTY: str(table.version),
        **storage.retention_properties(),
        **_log_properties(table),
    }
    for name, condition in table.constraints.items():
        properties[f"delta.constraints.{name}"] = condition
    is_merged = table.event_time is not None or table.layer == "features"
    if is_merged and storage.deletion_vectors:
        # A day that touches few customers must not rewrite the files that they lie in.
        properties["delta.enableDeletionVectors"] = "true"
    return properties


def _log_properties(table: Table) -> dict[str, str]:
    """Give the Delta properties that say what the table's log keeps.

    Each of ops gets a few rows with every job: statistics of their files and a checkpoint after
    every tenth of them cost more than the rows.
    """
    if table.layer == "ops":
        return {"delta.dataSkippingNumIndexedCols": "0", "delta.checkpointInterval": "50"}
    return {"delta.dataSkippingStatsColumns": ",".join(table.statistics_columns)}


def register_table(spark: SparkSession, path: str, table: Table, catalog: str) -> None:
    """Make the table known by name in the schema <catalog>_<layer>; of scores a view, too."""
    schema, name = f"{catalog}_{table.layer}", table.name.split(".")[1]
    location = path.replace("'", "\\'")
    spark.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    spark.sql(f"CREATE TABLE IF NOT EXISTS {schema}.{name} USING DELTA LOCATION '{location}'")
    if table.layer == "scores":
        # For analysts: the rows of the newest date alone.
        spark.sql(
            f"CREATE OR REPLACE VIEW {schema}.{name}_latest AS SELECT * FROM {schema}.{name} "
            f"WHERE as_of_date = (SELECT max(as_of_date) FROM {schema}.{name})"
        )


def properties_of(spark: SparkSession, path: str) -> dict[str, str]:
    """Give the properties of the table at a path."""
    # detail() would tell as well, but counts all files first.
    properties = spark.sql(f"SHOW TBLPROPERTIES {as_sql(path)}").collect()
    return {row["key"]: row["value"] for row in properties}


def require_version(properties: Mapping[str, str], table: Table, *, root: str) -> None:
    """Raise DataError for a table that a crm_spark with another version of it made."""
    found = properties.get(VERSION_PROPERTY)
    if found != str(table.version):
        raise DataError(
            f"table {table.name} in {root} has version {found}, this crm_spark works with "
            f"{table.version}: run the migration {table.name}:{found}->{table.version}, or use "
            "another storage.root"
        )
