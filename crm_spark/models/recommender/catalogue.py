"""The products as of a date: how popular each is, whether it is on sale, what ALS knows of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.models.recommender.section import RecommendationsSection

PRODUCT_INDEX = "product_index"


@dataclass(frozen=True)
class Catalogue:
    """Products in the order of their ids; every array has one entry a product.

    `factors` are the product factors of ALS; a product without any has has_factors false.
    """

    product_ids: NDArray[np.object_]
    n_customers: NDArray[np.int64]
    n_recent_customers: NDArray[np.int64]
    is_available: NDArray[np.bool_]
    factors: NDArray[np.float32]
    has_factors: NDArray[np.bool_]

    @property
    def size(self) -> int:
        """Number of products."""
        return len(self.product_ids)

    def by_popularity(self) -> NDArray[np.int64]:
        """Give the available products, the most popular first; ties by id."""
        order = np.lexsort((np.arange(self.size), -self.n_customers, -self.n_recent_customers))
        return order[self.is_available[order]]

    def with_factors(self, factors: pd.DataFrame) -> Catalogue:
        """Give this catalogue with the factors of a fit, matched by product_id."""
        columns = [name for name in factors.columns if name != "product_id"]
        matched = factors.set_index("product_id").reindex(self.product_ids)[columns]
        values = matched.to_numpy(np.float32)
        has_factors = ~np.isnan(values).any(axis=1)
        return replace(self, factors=np.nan_to_num(values), has_factors=has_factors)

    def indexes(self, spark: SparkSession) -> DataFrame:
        """Give product_id and product_index, the product's place in the arrays."""
        frame = pd.DataFrame({"product_id": self.product_ids, PRODUCT_INDEX: range(self.size)})
        return spark.createDataFrame(frame, f"product_id string, {PRODUCT_INDEX} int")


def without_excluded(bought: DataFrame, params: RecommendationsSection) -> DataFrame:
    """Leave out the products that are never to be offered. Reads product_id."""
    return bought.where(~F.col("product_id").isin(list(params.exclude_products)))


def product_catalogue(interactions: DataFrame, params: RecommendationsSection) -> Catalogue:
    """Collect the catalogue of one date of features.product_interactions.

    It grows with the products, not with customers or transactions, and fits the driver. What is
    never to be offered has no place in it.
    """
    silence = F.col("days_since_last_order")
    frame = (
        without_excluded(interactions, params)
        .groupBy("product_id")
        .agg(
            F.count(F.lit(1)).alias("n_customers"),
            F.count_if(silence < params.popular_days).alias("n_recent_customers"),
            F.min(silence).alias("silence"),
        )
        .orderBy("product_id")
        .toPandas()  # a row a product
    )
    silences = frame["silence"].to_numpy(np.int64)
    newest = silences.min() if len(silences) else 0
    return Catalogue(
        product_ids=frame["product_id"].to_numpy(object),
        n_customers=frame["n_customers"].to_numpy(np.int64),
        n_recent_customers=frame["n_recent_customers"].to_numpy(np.int64),
        is_available=silences - newest < params.sold_within_days,
        factors=np.zeros((len(frame), 0), np.float32),
        has_factors=np.zeros(len(frame), bool),
    )
