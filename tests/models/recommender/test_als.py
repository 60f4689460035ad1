"""ALS: both engines minimise the same, and fits do not depend on how rows are spread."""

from __future__ import annotations

import random

import numpy as np
import pandas as pd
import pytest
from pyspark.ml.recommendation import ALS, ALSModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.errors import EnvironmentFault
from crm_spark.models.recommender import als_arrow, als_blocks
from crm_spark.models.recommender.als import ProductFactors, fit_product_factors
from crm_spark.models.recommender.als_kernel import Ratings
from crm_spark.models.recommender.catalogue import Catalogue, product_catalogue
from crm_spark.models.recommender.fold_in import FoldIn
from crm_spark.models.recommender.section import AlsParams, RecommendationsSection
from crm_spark.models.recommender.verdicts import engine_verdicts

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


def of_engine(engine: str, **of_als: object) -> RecommendationsSection:
    """Give the settings with another engine, and others of ALS."""
    als = PARAMS.als.model_copy(update={"engine": engine, **of_als})
    return PARAMS.model_copy(update={"als": als})


@pytest.fixture(scope="module")
def fitted(interactions: DataFrame, catalogue: Catalogue) -> ProductFactors:
    """Fit by the engine that is there."""
    return fit_product_factors(interactions, catalogue, PARAMS)


@pytest.fixture(scope="module")
def factors(fitted: ProductFactors) -> pd.DataFrame:
    """Give the factors of the products."""
    return fitted.frame


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


def as_ratings(histories: list[tuple[list[int], list[float]]]) -> Ratings:
    """Give histories as a compressed sparse matrix."""
    return Ratings(
        np.cumsum([0, *(len(products) for products, _ in histories)]),
        np.array([product for products, _ in histories for product in products], np.int32),
        np.array([weight for _, weights in histories for weight in weights], float),
    )


def folded_in(catalogue: Catalogue) -> dict[str, np.ndarray]:
    by_customer = histories(catalogue)
    fold_in = FoldIn(catalogue, alpha=3.0, regularization=0.07)
    found = fold_in.customer_factors(as_ratings(list(by_customer.values())))
    return dict(zip(by_customer, found, strict=True))


def test_the_engine_mllib_gives_the_factors_of_mllib(
    interactions: DataFrame, catalogue: Catalogue, mllib: ALSModel
) -> None:
    found = fit_product_factors(interactions, catalogue, of_engine("mllib"))
    assert (found.engine, found.reason) == ("mllib", "")
    products = sorted({row[1] for row in ROWS})
    expected = {products[row["id"]]: row["features"] for row in mllib.itemFactors.collect()}
    assert list(found.frame["product_id"]) == sorted(expected)
    for row in found.frame.itertuples(index=False):
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
        as_ratings([([], []), ([rare], [2.0])])
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


def loss(catalogue: Catalogue, factors: pd.DataFrame) -> float:
    """Give what ALS minimises (Hu, Koren and Volinsky 2008, equation 3), the customers folded in.

    Lambda counts a row's ratings, as MLlib has it.
    """
    known = catalogue.with_factors(factors)
    y, customers = known.factors.astype(float), folded_in(known)
    misses, n_customers = 0.0, np.zeros(known.size)
    for customer, (products, weights) in histories(catalogue).items():
        confidence, preference = np.ones(known.size), np.zeros(known.size)
        for place, weight in zip(products, weights, strict=True):
            if known.has_factors[place]:
                confidence[place] += 3.0 * np.log1p(weight)
                preference[place] = 1
        x = customers[customer]
        misses += confidence @ (preference - y @ x) ** 2 + 0.07 * preference.sum() * (x @ x)
        n_customers += preference
    return float(misses + 0.07 * n_customers @ (y**2).sum(axis=1))


def test_both_engines_come_to_the_same_loss(interactions: DataFrame, catalogue: Catalogue) -> None:
    # Each starts from factors of its own, and so ends in a minimum of its own.
    losses = [
        loss(
            catalogue,
            fit_product_factors(interactions, catalogue, of_engine(engine, iterations=20)).frame,
        )
        for engine in ("arrow", "mllib")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.015)
    nothing = pd.DataFrame({"product_id": sorted({row[1] for row in ROWS} - RARE)})
    nothing[[f"factor_{index}" for index in range(RANK)]] = 0.0
    assert losses[0] < 0.6 * loss(catalogue, nothing)


def test_the_same_purchases_give_the_same_bits_however_they_are_spread(
    interactions: DataFrame,
    catalogue: Catalogue,
    fitted: ProductFactors,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert (fitted.engine, fitted.reason) == ("arrow", "")
    for n in (1, 2, 7):
        apart = interactions.repartition(n, "product_id").sortWithinPartitions(
            F.desc("customer_id")
        )
        # As many blocks, too, each a task of Spark; the others were solved in the driver.
        monkeypatch.setattr(als_arrow, "RATINGS_HERE", 0)
        monkeypatch.setattr(als_blocks, "LARGEST_BLOCK", -(-len(ROWS) // n))
        assert als_blocks.n_blocks(len(ROWS), 1) == n
        found = fit_product_factors(apart, catalogue, PARAMS)
        pd.testing.assert_frame_equal(found.frame, fitted.frame, check_exact=True)


def test_shuffled_and_repartitioned_rows_give_mllib_the_same_factors(
    interactions: DataFrame, catalogue: Catalogue
) -> None:
    apart = interactions.repartition(5, "product_id").sortWithinPartitions(F.desc("customer_id"))
    found, expected = (
        fit_product_factors(rows, catalogue, of_engine("mllib")).frame
        for rows in (apart, interactions)
    )
    pd.testing.assert_frame_equal(found, expected, check_exact=False, rtol=0, atol=1e-6)


def test_another_seed_gives_other_factors(
    interactions: DataFrame, catalogue: Catalogue, factors: pd.DataFrame
) -> None:
    other = PARAMS.model_copy(update={"seed": 2})
    found = fit_product_factors(interactions, catalogue, other).frame
    assert not np.allclose(found.iloc[:, 1:], factors.iloc[:, 1:], atol=1e-3)


def test_a_weight_of_zero_is_no_purchase(
    spark: SparkSession, interactions: DataFrame, catalogue: Catalogue, fitted: ProductFactors
) -> None:
    zeros = spark.createDataFrame(
        [(f"c{number:02}", "p00", 0.0, 3) for number in range(1, N_CUSTOMERS, 2)]
        + [("nobody", "p00", 0.0, 3)],
        SCHEMA,
    )
    found = fit_product_factors(interactions.union(zeros), catalogue, PARAMS)
    pd.testing.assert_frame_equal(found.frame, fitted.frame, check_exact=True)


@pytest.mark.parametrize("ratings_here", [0, 10**6])
def test_purchases_that_weigh_nothing_give_factors_of_zero(
    spark: SparkSession, ratings_here: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(als_arrow, "RATINGS_HERE", ratings_here)
    rows = spark.createDataFrame([(f"c{number}", "p", 0.0, 3) for number in range(9)], SCHEMA)
    found = fit_product_factors(rows, product_catalogue(rows, PARAMS), of_engine("arrow"))
    assert found.frame.to_numpy().tolist() == [["p", *[0.0] * RANK]]


# 61 customers and 23 products with 4 numbers of 4 bytes each.
NEEDED = (N_CUSTOMERS + 1 + N_PRODUCTS - len(RARE)) * RANK * 4


@pytest.mark.parametrize("ratings_here", [0, 10**6])
def test_factors_that_do_not_fit_leave_the_fit_to_mllib_and_it_is_told(
    interactions: DataFrame,
    catalogue: Catalogue,
    ratings_here: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(als_arrow, "RATINGS_HERE", ratings_here)
    enough, too_little = (
        fit_product_factors(
            interactions, catalogue, of_engine("auto", factors_gb=n_bytes / 2**30, iterations=1)
        )
        for n_bytes in (NEEDED, NEEDED - 1)
    )
    assert (enough.engine, enough.reason, engine_verdicts(enough)) == ("arrow", "", ())
    assert too_little.engine == "mllib"
    assert too_little.reason.startswith("the factors of 61 customers and 23 products take ")
    assert "recommendations.als.factors_gb" in too_little.reason
    assert too_little.engine_in_words() == {
        "engine_used": "mllib",
        "engine_reason": too_little.reason,
    }
    (verdict,) = engine_verdicts(too_little)
    assert verdict.level == "advice"
    assert verdict.message.endswith(too_little.reason)
    with pytest.raises(EnvironmentFault, match=r"engine is arrow, but the factors of 61 .* auto"):
        fit_product_factors(interactions, catalogue, of_engine("arrow", factors_gb=1e-9))


def failing_kernel(batches: object) -> object:
    raise ModuleNotFoundError("No module named 'numpy'")


def test_executors_without_the_kernel_leave_the_fit_to_mllib_and_it_is_told(
    interactions: DataFrame, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(als_arrow, "RATINGS_HERE", 0)
    monkeypatch.setattr(als_arrow, "_try_kernel", failing_kernel)
    found = fit_product_factors(interactions, catalogue, of_engine("auto", iterations=1))
    assert found.engine == "mllib"
    assert found.reason == (
        "the executors' Python cannot run the kernel (ModuleNotFoundError: No module named 'numpy')"
    )
    with pytest.raises(EnvironmentFault, match="No module named 'numpy'"):
        fit_product_factors(interactions, catalogue, of_engine("arrow"))


def test_without_a_setting_factors_may_take_what_the_driver_can_spare(spark: SparkSession) -> None:
    # The tests' driver has 2 GB, and Spark's default lets it collect 1 GB.
    limit = als_arrow.largest_factors(spark, PARAMS.als)
    assert 0.4 * 2**30 < limit <= 0.5 * 2**30


def test_blocks_are_one_a_core_unless_too_small_or_too_large() -> None:
    assert [als_blocks.n_blocks(n, 8) for n in (0, 1, 50_000, 50_001, 10**6, 10**8)] == [
        *(1, 1, 1, 2, 8, 50)
    ]


def test_products_are_cut_by_their_ratings() -> None:
    assert als_blocks.product_starts(np.array([1, 1, 8, 1, 1]), 3).tolist() == [0, 3, 3, 5]
    assert als_blocks.product_starts(np.array([5, 5, 5, 5]), 2).tolist() == [0, 2, 4]
    assert als_blocks.product_starts(np.array([7]), 3).tolist() == [0, 1, 1, 1]
