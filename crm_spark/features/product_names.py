"""What products are called."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.lake.delta import Lake
from crm_spark.tables.core import PRODUCTS
from crm_spark.tables.history import current
from crm_spark.tables.mapped import Mapped


def with_product_names(lake: Lake, rows: DataFrame, mapped: Mapped) -> DataFrame:
    """Add `name`, what each product is called: its id where no name is known."""
    if not mapped.has("products", "product_name"):
        return rows.withColumn("name", F.col("product_id"))
    names = current(lake.read(PRODUCTS)).select("product_id", "product_name", "package_size")
    called = F.concat_ws(", ", F.initcap(F.lower("product_name")), F.lower("package_size"))
    return rows.join(names, "product_id", "left").withColumn(
        "name", F.when(F.col("product_name").isNotNull(), called).otherwise(F.col("product_id"))
    )


def name_with_id() -> Column:
    """Give what with_product_names() calls a product with its id: several have the same name."""
    has_name = F.col("name") != F.col("product_id")
    with_id = F.concat("name", F.lit(" ("), "product_id", F.lit(")"))
    return F.when(has_name, with_id).otherwise(F.col("product_id"))
