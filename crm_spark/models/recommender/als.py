"""Implicit ALS: product factors from all customers, by the engine that can be had.

Hu, Koren and Volinsky (2008). Only product factors are kept. A customer's factors follow from them
and from what the customer bought by the same least squares that ALS itself alternates (fold_in.py),
so they are computed when they are needed: from the newest purchases, for customers that no fit has
seen, and without anything about a person in the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.errors import EnvironmentFault
from crm_spark.models.recommender.als_arrow import (
    CannotRunError,
    fit_in_blocks,
)
from crm_spark.models.recommender.als_kernel import Floats, Ints
from crm_spark.models.recommender.als_mllib import fit_by_mllib
from crm_spark.models.recommender.catalogue import Catalogue
from crm_spark.models.recommender.section import RecommendationsSection
from crm_spark.runtime.progress import log


@dataclass(frozen=True)
class ProductFactors:
    """What a fit gives: the factors, the engine, and why it was not `arrow` where `auto` asked.

    `frame` has product_id and factor_0, factor_1, ... (single precision), a row a product.
    """

    frame: pd.DataFrame
    engine: Literal["arrow", "mllib"]
    reason: str = ""

    def engine_in_words(self) -> dict[str, str]:
        """Give the engine, and why it is not the one that was asked for, as params of a model."""
        reason = {"engine_reason": self.reason} if self.reason else {}
        return {"engine_used": self.engine, **reason}


def fit_product_factors(
    interactions: DataFrame, catalogue: Catalogue, params: RecommendationsSection
) -> ProductFactors:
    """Fit ALS on one date of features.product_interactions.

    Gives factors of the products with enough customers. The same purchases give the same factors,
    however their rows are spread. Raises EnvironmentFault where recommendations.als.engine is
    `arrow` and cannot be had.
    """
    known = np.flatnonzero(catalogue.n_customers >= params.als.min_customers)
    product_ids = catalogue.product_ids[known].tolist()
    ratings = _ratings(interactions, product_ids, params.weight)
    factors, engine, reason = _fit(ratings, catalogue.n_customers[known], product_ids, params)
    columns = {f"factor_{index}": factors[:, index] for index in range(factors.shape[1])}
    return ProductFactors(pd.DataFrame({"product_id": product_ids, **columns}), engine, reason)


def _fit(
    ratings: DataFrame, n_customers: Ints, product_ids: list[str], params: RecommendationsSection
) -> tuple[Floats, Literal["arrow", "mllib"], str]:
    reason = ""
    if params.als.engine != "mllib":
        try:
            hashed = ratings.select(
                F.xxhash64("customer_id").alias("customer"), "product", "rating"
            )
            factors = fit_in_blocks(hashed, n_customers, product_ids, params.als, seed=params.seed)
            return factors, "arrow", ""
        except CannotRunError as error:
            if params.als.engine == "arrow":
                raise EnvironmentFault(
                    f"recommendations.als.engine is arrow, but {error}: provide that, or set auto"
                ) from error
            reason = str(error)
            log.warning("ALS is fitted by MLlib, which takes longer: %s", reason)
    factors = fit_by_mllib(
        ratings,
        len(product_ids),
        params.als,
        seed=params.seed,
        rows_per_partition=params.rows_per_partition,
    )
    return factors, "mllib", reason


def _ratings(interactions: DataFrame, product_ids: list[str], weight: str) -> DataFrame:
    """Give customer_id, product (its place in `product_ids`) and rating, a purchase's strength.

    A weight of zero is no purchase, for MLlib too: preference 0 with a confidence of 1.
    """
    numbers = pd.DataFrame({"product_id": product_ids, "product": range(len(product_ids))})
    products = interactions.sparkSession.createDataFrame(numbers, "product_id string, product int")
    rating = F.log1p(F.col(weight)).cast("float").alias("rating")
    return (
        interactions.select("customer_id", "product_id", rating)
        .where(F.col("rating") > 0)
        .join(F.broadcast(products), "product_id")
        .select("customer_id", "product", "rating")
    )
