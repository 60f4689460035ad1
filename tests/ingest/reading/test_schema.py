"""Columns as DDL: what is written is read again, whatever the names."""

from __future__ import annotations

from pyspark.sql import SparkSession
from pyspark.sql import types as T

from crm_spark.ingest.reading.schema import SourceSchema, ddl_of, parsed


def test_columns_are_the_same_after_they_were_written_whatever_their_names(
    spark: SparkSession,
) -> None:
    inner = T.StructType(
        [T.StructField("first name", T.LongType()), T.StructField("a`b", T.DateType())]
    )
    schema = T.StructType(
        [
            T.StructField("customer.id", T.StringType()),
            T.StructField("who", inner),
            T.StructField("items", T.ArrayType(inner)),
            T.StructField("notes", T.MapType(T.StringType(), inner)),
            T.StructField("paid", T.DecimalType(12, 3)),
        ]
    )
    assert parsed(ddl_of(schema)) == schema
    assert parsed("") == T.StructType()


def test_together_columns_of_another_type_are_text(spark: SparkSession) -> None:
    both = SourceSchema.union(
        [SourceSchema("id bigint, at date"), SourceSchema("id double, no string")]
    )
    assert {field.name: field.dataType.simpleString() for field in both.fields} == {
        "id": "string",
        "at": "date",
        "no": "string",
    }
