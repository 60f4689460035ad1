"""Implicit ALS: product factors from all customers, customer factors from a customer's own history.

Hu, Koren and Volinsky (2008). Only product factors are kept. A customer's factors follow from them
and from what the customer bought by the same least squares that ALS itself ends with, so they are
computed when they are needed: from the newest purchases, for customers that no fit has seen, and
without anything about a person in the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.models.recommender.catalogue import PRODUCT_INDEX, Catalogue
from crm_spark.models.recommender.section import RecommendationsSection
from crm_spark.models.rows import fixed_rows

Floats = NDArray[np.floating[Any]]


def strength(weight: Floats) -> Floats:
    """Turn a purchase count into ALS's rating: its logarithm, so that habits do not drown all."""
    return np.log1p(weight)


def fit_product_factors(
    interactions: DataFrame, catalogue: Catalogue, params: RecommendationsSection
) -> pd.DataFrame:
    """Fit ALS on one date of features.product_interactions.

    Gives product_id and factor_0, factor_1, ... of the products with enough customers. Ids for
    MLlib are made in sorted order, and rows are spread by key, so that the same purchases give the
    same factors.
    """
    spark = interactions.sparkSession
    known = catalogue.n_customers >= params.als.min_customers
    products = pd.DataFrame(
        {"product_id": catalogue.product_ids[known], PRODUCT_INDEX: np.flatnonzero(known)}
    )
    indexes = spark.createDataFrame(products, f"product_id string, {PRODUCT_INDEX} int")
    bought = interactions.select(
        "customer_id", "product_id", F.log1p(F.col(params.weight)).alias("rating")
    )
    customers = bought.select("customer_id").distinct().orderBy("customer_id").zipWithIndex("_id")
    ratings = (
        bought.join(F.broadcast(indexes), "product_id")
        .join(customers, "customer_id")
        .select(
            F.col("_id").cast("int").alias("customer_index"),
            PRODUCT_INDEX,
            F.col("rating").cast("float"),
        )
    )
    rows = fixed_rows(
        ratings,
        key=("customer_index", PRODUCT_INDEX),
        rows_per_partition=params.rows_per_partition,
    ).persist()
    blocks = max(2, -(-rows.count() // params.rows_per_partition))
    als = ALS(
        userCol="customer_index",
        itemCol=PRODUCT_INDEX,
        ratingCol="rating",
        implicitPrefs=True,
        rank=params.als.rank,
        alpha=params.als.alpha,
        regParam=params.als.regularization,
        maxIter=params.als.iterations,
        numUserBlocks=blocks,
        numItemBlocks=blocks,
        seed=params.seed,
    )
    try:
        model = als.fit(rows)
        item_factors = model.itemFactors.toPandas()  # a row a product
    finally:
        rows.unpersist()
    item_factors = item_factors.sort_values("id")
    factors = np.array(item_factors["features"].tolist(), np.float32)
    columns = {f"factor_{index}": factors[:, index] for index in range(factors.shape[1])}
    return pd.DataFrame(
        {"product_id": catalogue.product_ids[item_factors["id"].to_numpy()], **columns}
    )


class FoldIn:
    """Customer factors from product factors and a customer's history."""

    def __init__(self, catalogue: Catalogue, *, alpha: float, regularization: float) -> None:
        self._factors = catalogue.factors
        self._has_factors = catalogue.has_factors
        self._alpha = alpha
        self._regularization = regularization
        wide = catalogue.factors[catalogue.has_factors].astype(np.float64)
        self._gram = wide.T @ wide

    def customer_factors(
        self, products: Sequence[NDArray[np.int64]], weights: Sequence[Floats]
    ) -> Floats:
        """Give one row of factors a customer; zeros for one without a known product.

        Solves (Y'Y + sum c y y' + lambda n I) x = sum (1 + c) y over the n products y of the
        history with c = alpha * strength: equation 4 of Hu, Koren and Volinsky, with MLlib's
        scaling of lambda by n.
        """
        rank = self._gram.shape[0]
        left = np.empty((len(products), rank, rank))
        right = np.zeros((len(products), rank))
        for row, (bought, weight) in enumerate(zip(products, weights, strict=True)):
            # MLlib, too, takes a weight of zero for no purchase at all.
            known = self._has_factors[bought] & (weight > 0)
            factors = self._factors[bought[known]].astype(np.float64)
            confidence = self._alpha * strength(weight[known])
            ridge = self._regularization * max(len(factors), 1) * np.eye(rank)
            left[row] = self._gram + (factors.T * confidence) @ factors + ridge
            right[row] = (1 + confidence) @ factors
        solved: Floats = np.linalg.solve(left, right[:, :, None])[:, :, 0]
        return solved
