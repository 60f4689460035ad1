"""ALS: customer factors folded in are MLlib's own, and fits that do not depend on the rows."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.models.recommender.als import FoldIn, fit_product_factors
from crm_spark.models.recommender.catalogue import Catalogue, product_catalogue
from crm_spark.models.recommender.section import AlsParams, RecommendationsSection

N_CUSTOMERS, N_PRODUCTS, RANK = 60, 25, 4
PARAMS = RecommendationsSection(
    als=AlsParams(rank=RANK, alpha=3.0, regularization=0.07, iterations=6, min_customers=5),
    weight="n_orders_half_life_90d",
)
SCHEMA = "customer_id string, product_id string, n_orders_half_life_90d double, " + (
    "days_since_last_order bigint"
)
Row = tuple[str, str, float, int]


def drawn() -> list[Row]:
    """Draw customers of two tastes; two of the last three products have four customers."""
    rng = random.Random(7)
    rows: list[Row] = []
    for number in range(N_CUSTOMERS):
        taste = range(number % 2, N_PRODUCTS - 3, 2)
        for product in rng.sample(list(taste), rng.randint(1, 8)):
            rows.append((f"c{number:02}", f"p{product:02}", rng.uniform(0.01, 6), 3))
    for product in range(N_PRODUCTS - 3, N_PRODUCTS):
        rows += [(f"c{number:02}", f"p{product:02}", 1.0, 3) for number in range(4)]
    rows.append(("rare", f"p{N_PRODUCTS - 1:02}", 2.0, 3))
    return rows


# The customer `rare` is the fifth of the last product; the two before it have four.
ROWS = drawn()
RARE = {f"p{N_PRODUCTS - 3:02}", f"p{N_PRODUCTS - 2:02}"}


@pytest.fixture(scope="module")
def interactions(spark: SparkSession) -> DataFrame:
    """Give the drawn purchases as rows of features.product_interactions."""
    return spark.createDataFrame(ROWS, SCHEMA).coalesce(1).cache()


@pytest.fixture(scope="module")
def catalogue(interactions: DataFrame) -> Catalogue:
    """Give the catalogue of the drawn purchases, without factors."""
    return product_catalogue(interactions, PARAMS)


@pytest.fixture(scope="module")
def factors(interactions: DataFrame, catalogue: Catalogue) -> pd.DataFrame:
    """Give the factors of the products."""
    return fit_product_factors(interactions, catalogue, PARAMS)


@pytest.fixture(scope="module")
def mllib(spark: SparkSession) -> ALSModel:
    """Fit Spark's ALS on the same ratings under the same ids: places in sorted order."""
    known = [row for row in ROWS if row[1] not in RARE]
    customers = sorted({row[0] for row in ROWS})
    products = sorted({row[1] for row in ROWS})
    ratings = [
        (customers.index(customer), products.index(product), float(np.log1p(weight)))
        for customer, product, weight, _ in known
    ]
    frame = (
        spark.createDataFrame(ratings, "customer_index int, product_index int, rating float")
        .repartition(2, "customer_index", "product_index")
        .sortWithinPartitions("customer_index", "product_index")
    )
    als = ALS(
        userCol="customer_index",
        itemCol="product_index",
        ratingCol="rating",
        implicitPrefs=True,
        rank=RANK,
        alpha=3.0,
        regParam=0.07,
        maxIter=6,
        numUserBlocks=2,
        numItemBlocks=2,
        seed=PARAMS.seed,
    )
    return als.fit(frame)


def histories(catalogue: Catalogue) -> dict[str, tuple[list[int], list[float]]]:
    """Give the places and weights of each customer's products, rare ones too."""
    places = {product: place for place, product in enumerate(catalogue.product_ids)}
    by_customer: dict[str, tuple[list[int], list[float]]] = {}
    for customer, product, weight, _ in sorted(ROWS):
        products, weights = by_customer.setdefault(customer, ([], []))
        products.append(places[product])
        weights.append(weight)
    return by_customer


def folded_in(catalogue: Catalogue) -> dict[str, np.ndarray]:
    by_customer = histories(catalogue)
    fold_in = FoldIn(catalogue, alpha=3.0, regularization=0.07)
    found = fold_in.customer_factors(
        [np.array(products, np.int64) for products, _ in by_customer.values()],
        [np.array(weights) for _, weights in by_customer.values()],
    )
    return dict(zip(by_customer, found, strict=True))


def test_product_factors_are_those_of_mllib(factors: pd.DataFrame, mllib: ALSModel) -> None:
    products = sorted({row[1] for row in ROWS})
    expected = {products[row["id"]]: row["features"] for row in mllib.itemFactors.collect()}
    assert list(factors["product_id"]) == sorted(expected)
    for row in factors.itertuples(index=False):
        assert list(row[1:]) == pytest.approx(list(expected[row[0]]), abs=1e-4)


def test_customer_factors_folded_in_are_those_of_mllib(
    catalogue: Catalogue, mllib: ALSModel
) -> None:
    # Each iteration of MLlib ends with the customers, solved from the products' final factors.
    products = sorted({row[1] for row in ROWS})
    customers = sorted({row[0] for row in ROWS})
    items = {products[row["id"]]: list(row["features"]) for row in mllib.itemFactors.collect()}
    frame = pd.DataFrame(
        [(product, *values) for product, values in items.items()],
        columns=["product_id", *[f"factor_{index}" for index in range(RANK)]],
    )
    found = folded_in(catalogue.with_factors(frame))
    expected = {customers[row["id"]]: row["features"] for row in mllib.userFactors.collect()}
    assert set(expected) == set(found)
    for customer, vector in expected.items():
        assert list(found[customer]) == pytest.approx(list(vector), abs=1e-4)


def test_folding_in_solves_the_equation_of_the_docstring(
    catalogue: Catalogue, factors: pd.DataFrame
) -> None:
    known = catalogue.with_factors(factors)
    matrix = known.factors.astype(float)
    for customer, (products, weights) in histories(catalogue).items():
        confidence, preference = np.zeros(known.size), np.zeros(known.size)
        for place, weight in zip(products, weights, strict=True):
            if known.has_factors[place]:
                confidence[place], preference[place] = 3.0 * np.log1p(weight), 1.0
        left = matrix.T @ np.diag(1 + confidence) @ matrix
        left += 0.07 * preference.sum() * np.eye(RANK)
        right = matrix.T @ ((1 + confidence) * preference)
        expected = np.linalg.solve(left, right)
        assert folded_in(known)[customer] == pytest.approx(expected, abs=1e-9)


def test_a_customer_without_a_known_product_has_factors_of_zero(
    catalogue: Catalogue, factors: pd.DataFrame
) -> None:
    known = catalogue.with_factors(factors)
    rare = int(np.flatnonzero(~known.has_factors)[0])
    found = FoldIn(known, alpha=1.0, regularization=0.1).customer_factors(
        [np.array([], np.int64), np.array([rare])], [np.array([]), np.array([2.0])]
    )
    assert found.tolist() == [[0.0] * RANK] * 2


def test_products_of_few_customers_have_no_factors(
    catalogue: Catalogue, factors: pd.DataFrame
) -> None:
    n_customers = {
        product: len({row[0] for row in ROWS if row[1] == product})
        for product in catalogue.product_ids
    }
    expected = {product for product, n in n_customers.items() if n >= 5}
    assert set(factors["product_id"]) == expected
    assert set(n_customers) - expected == RARE
    known = catalogue.with_factors(factors)
    assert set(catalogue.product_ids[~known.has_factors]) == RARE


def test_shuffled_and_repartitioned_rows_give_the_same_factors(
    interactions: DataFrame, catalogue: Catalogue, factors: pd.DataFrame
) -> None:
    apart = interactions.repartition(5, "product_id").sortWithinPartitions(F.desc("customer_id"))
    found = fit_product_factors(apart, catalogue, PARAMS)
    pd.testing.assert_frame_equal(found, factors, check_exact=False, rtol=0, atol=1e-6)


def test_another_seed_gives_other_factors(
    interactions: DataFrame, catalogue: Catalogue, factors: pd.DataFrame
) -> None:
    found = fit_product_factors(interactions, catalogue, PARAMS.model_copy(update={"seed": 2}))
    assert not np.allclose(found.iloc[:, 1:], factors.iloc[:, 1:], atol=1e-3)
