"""Implicit ALS by Spark MLlib: the engine `mllib`, which holds no factors in one process."""

from __future__ import annotations

import numpy as np
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.models.recommender.als_kernel import Floats
from crm_spark.models.recommender.section import AlsParams
from crm_spark.models.rows import fixed_rows


def fit_by_mllib(
    ratings: DataFrame,
    n_products: int,
    params: AlsParams,
    *,
    seed: int,
    rows_per_partition: int,
) -> Floats:
    """Give the factors of products, a row each in the order of their numbers, single precision.

    `ratings` (customer_id, product int, rating float) has one row for each customer and product.
    Ids of customers for MLlib are made in sorted order, and rows are spread by key, so that the
    same ratings give the same factors.
    """
    customers = ratings.select("customer_id").distinct().orderBy("customer_id").zipWithIndex("_id")
    numbered = ratings.join(customers, "customer_id").select(
        F.col("_id").cast("int").alias("customer"), "product", "rating"
    )
    rows = fixed_rows(
        numbered, key=("customer", "product"), rows_per_partition=rows_per_partition
    ).persist()
    try:
        blocks = max(2, -(-rows.count() // rows_per_partition))
        als = ALS(
            userCol="customer",
            itemCol="product",
            ratingCol="rating",
            implicitPrefs=True,
            rank=params.rank,
            alpha=params.alpha,
            regParam=params.regularization,
            maxIter=params.iterations,
            numUserBlocks=blocks,
            numItemBlocks=blocks,
            seed=seed,
        )
        fitted = als.fit(rows).itemFactors.toPandas()  # a row a product
    finally:
        rows.unpersist()
    factors = np.zeros((n_products, params.rank), np.float32)
    factors[fitted["id"].to_numpy()] = np.array(fitted["features"].tolist(), np.float32)
    return factors
