"""Nulls in CSV files: the text by which databases write them."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.reading.csv_options import option_of
from crm_spark.ingest.reading.place import PlaceSection
from crm_spark.ingest.reading.schema import quoted

# As MySQL, Postgres and Hive write null; Spark knows one text alone, by default the empty one.
NULL_OF_DATABASES = "\\N"


def with_nulls_of_databases(rows: DataFrame, section: PlaceSection, own: T.StructType) -> DataFrame:
    r"""Take a field of a CSV file that is \N for null, unless the user says what null is.

    `own` are the columns that stand in the file itself.
    """
    if section.format != "csv" or option_of(section.options, "nullvalue") is not None:
        return rows
    text = [field.name for field in own.fields if isinstance(field.dataType, T.StringType)]
    return rows.withColumns({name: _null_of_databases(name) for name in text}) if text else rows


def _null_of_databases(name: str) -> Column:
    column = F.col(quoted(name))
    return F.when(column != NULL_OF_DATABASES, column)
