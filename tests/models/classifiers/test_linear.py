"""A logistic regression on signed logs: one score in Spark and in arrays, and what adds to it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pytest
from models.churn.made_customers import persisted, snapshots, to_spark, with_labels
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.linear_model import LogisticRegression as SklearnRegression

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.classifiers import arrays
from crm_spark.models.classifiers.classifier import LABEL
from crm_spark.models.classifiers.linear import Linear, fit_linear
from crm_spark.models.logistic import LogisticRegression

# Without nulls, and with.
KNOWN = ("days_since_last_order", "n_orders", "tenure_days")
FEATURES = (*KNOWN, "spend_amount_28d", "median_gap_days", "n_departments")
PENALTY = 3.0
# l(2) = log 3 is a deviation of 1 of the first, l(-1) = -log 2 one of -2 of the second; the third
# is of no weight.
BY_HAND = Linear(
    ("n_orders", "spend_amount_28d", "n_products"),
    LogisticRegression(
        -0.5,
        (0.8, -0.3, 0.0),
        (0.0, math.log(2), 1.0),
        (math.log(3), math.log(2), 1.0),
    ),
)
LOGIT_BY_HAND = -0.5 + 0.8 * 1 - 0.3 * -2


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def bent(values: Floats) -> Floats:
    return np.where(values < 0, -1, 1) * np.log(1 + np.abs(values))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Give customers with gaps that are not known, returns above spend, and two who spend most."""
    made = snapshots(400)
    made["spend_amount_28d"] -= 20.0
    made.loc[[3, 700], "spend_amount_28d"] = [4e11, -5e9]
    logit = 0.9 * np.log1p(made["days_since_last_order"]) - 0.5 * np.log1p(made["n_orders"]) - 2
    logit += np.where(made["median_gap_days"] > 50, 1.0, 0.0)
    return with_labels(made, 1 / (1 + np.exp(-logit)))


@pytest.fixture(scope="module")
def frame(spark: SparkSession, table: pd.DataFrame) -> Iterator[DataFrame]:
    with persisted(spark, table) as made:
        yield made


@pytest.fixture(scope="module")
def fitted(frame: DataFrame) -> Linear:
    return fit_linear(frame, FEATURES, label=LABEL, penalty=PENALTY)


def values_of(table: pd.DataFrame, features: Sequence[str]) -> Floats:
    return table[list(features)].to_numpy(float)


# --- the score -----------------------------------------------------------------------------------


def test_a_score_by_hand() -> None:
    added, score = BY_HAND.contributions(np.array([[2.0, -1.0, 50.0]]))
    assert score[0] == pytest.approx(sigmoid(LOGIT_BY_HAND), abs=1e-15)
    # Terms of 0.8 and 0.6 share what the score is above that of a customer with all means.
    risen = sigmoid(LOGIT_BY_HAND) - sigmoid(-0.5)
    assert added[0] == pytest.approx([risen * 0.8 / 1.4, risen * 0.6 / 1.4, 0.0], abs=1e-15)
    assert BY_HAND.base == pytest.approx(sigmoid(-0.5), abs=1e-15)


def test_what_is_unknown_adds_nothing() -> None:
    nan = np.nan
    values = np.array([[nan, nan, nan], [2.0, nan, nan], [nan, -1.0, 1.0]])
    added, score = BY_HAND.contributions(values)
    assert score == pytest.approx([sigmoid(-0.5), sigmoid(0.3), sigmoid(0.1)], abs=1e-15)
    assert (added[np.isnan(values)] == 0).all()
    assert added[0].tolist() == [0, 0, 0]


def test_no_value_counts_for_more_than_five_deviations() -> None:
    # exp(5 log 3) - 1 = 242 orders are five deviations above the mean of the first.
    values = np.array([[242.0, 1.0, 0.0], [1e9, 1.0, 0.0], [1e300, 1.0, 0.0], [-1e300, 1.0, 0.0]])
    _, score = BY_HAND.contributions(values)
    assert score == pytest.approx([sigmoid(3.5)] * 3 + [sigmoid(-4.5)], abs=1e-12)


def test_terms_that_cancel_add_the_slope_at_the_base() -> None:
    both = Linear(("a", "b"), LogisticRegression(0.4, (0.5, -0.5), (0.0, 0.0), (1.0, 1.0)))
    added, score = both.contributions(np.array([[math.e - 1, math.e - 1]]))
    slope = sigmoid(0.4) * (1 - sigmoid(0.4))
    assert added[0] == pytest.approx([0.5 * slope, -0.5 * slope], abs=1e-12)
    assert score[0] == pytest.approx(both.base, abs=1e-12)


def test_nobody_has_no_scores() -> None:
    added, score = BY_HAND.contributions(np.zeros((0, 3)))
    assert (added.shape, score.shape) == ((0, 3), (0,))


def test_contributions_add_up_from_the_base_to_the_score(
    fitted: Linear, table: pd.DataFrame
) -> None:
    added, score = fitted.contributions(values_of(table, FEATURES))
    assert np.abs(fitted.base + added.sum(axis=1) - score).max() < 1e-12
    # Each in the direction of its own term, in one proportion a customer.
    regression = fitted.regression
    deviation = (bent(values_of(table, FEATURES)) - regression.mean) / regression.scale
    terms = np.nan_to_num(np.clip(deviation, -5, 5)) * regression.weights
    assert (np.sign(added) == np.sign(terms)).all()
    share = np.abs(terms) / np.abs(terms).sum(axis=1, keepdims=True)
    assert np.abs(added) == pytest.approx(share * np.abs(added).sum(axis=1, keepdims=True))


def test_spark_gives_the_score_of_the_arrays(
    spark: SparkSession, fitted: Linear, frame: DataFrame, table: pd.DataFrame
) -> None:
    extreme = [np.nan, 0.0, -0.0, -7.0, 1e-300, 1e-9, 7.0, 1e18, -1e18, 1.7e308, -1.7e308]
    random = np.random.default_rng(6)
    odd = pd.DataFrame(random.choice(extreme, (300, len(FEATURES))), columns=list(FEATURES))
    for value in extreme:
        odd.loc[len(odd)] = value
    for rows, model in (
        (to_spark(spark, odd), fitted),
        (frame, fitted),
        (to_spark(spark, odd.set_axis([*BY_HAND.features, "x", "y", "z"], axis=1)), BY_HAND),
    ):
        found = rows.select(*model.features, model.raw_score().alias("score")).toPandas()
        _, expected = model.contributions(values_of(found, model.features))
        assert found["score"].notna().all()
        assert np.abs(found["score"].to_numpy() - expected).max() < 1e-12
        assert len(set(expected)) > 30


def test_whole_numbers_score_as_doubles_do(spark: SparkSession) -> None:
    rows = spark.createDataFrame(
        [(2, -1, None)], "n_orders bigint, spend_amount_28d int, n_products int"
    )
    (found,) = rows.select(BY_HAND.raw_score().alias("score")).collect()
    assert found["score"] == pytest.approx(sigmoid(LOGIT_BY_HAND), abs=1e-12)


# --- the fit -------------------------------------------------------------------------------------


def by_scikit_learn(columns: Floats, label: Floats, penalty: float) -> SklearnRegression:
    regression = SklearnRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-12)
    return regression.fit(columns, label)


@pytest.mark.parametrize("penalty", [1e-3, 100.0])
def test_weights_are_those_of_scikit_learn(
    frame: DataFrame, table: pd.DataFrame, penalty: float
) -> None:
    model = fit_linear(frame, KNOWN, label=LABEL, penalty=penalty)
    columns = bent(values_of(table, KNOWN))
    standard = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    assert np.abs(standard).max() < 5
    expected = by_scikit_learn(standard, table[LABEL].to_numpy(), penalty)
    assert model.regression.weights == pytest.approx(expected.coef_[0], abs=1e-6)
    assert model.regression.intercept == pytest.approx(expected.intercept_[0], abs=1e-6)
    assert model.regression.mean == pytest.approx(columns.mean(axis=0), abs=1e-12)
    assert model.regression.scale == pytest.approx(columns.std(axis=0), abs=1e-12)


def test_unknown_values_stand_at_the_mean_and_extreme_ones_at_five_deviations(
    fitted: Linear, table: pd.DataFrame
) -> None:
    columns = bent(values_of(table, FEATURES))
    mean, deviation = np.nanmean(columns, axis=0), np.nanstd(columns, axis=0)
    kept = np.clip(columns, mean - 5 * deviation, mean + 5 * deviation)
    assert (kept != columns)[~np.isnan(columns)].sum() == 2
    filled = np.where(np.isnan(columns), mean, kept)
    spread = filled.std(axis=0)
    standard = (filled - filled.mean(axis=0)) / np.where(spread > 1e-9, spread, 1)
    expected = by_scikit_learn(standard, table[LABEL].to_numpy(), PENALTY)
    _, score = fitted.contributions(values_of(table, FEATURES))
    assert score == pytest.approx(expected.predict_proba(standard)[:, 1], abs=1e-6)


def test_a_feature_that_is_the_same_for_all_or_known_of_nobody_adds_nothing(
    frame: DataFrame, table: pd.DataFrame
) -> None:
    blind = frame.withColumn("n_products", F.lit(None).cast("double"))
    with_both = fit_linear(
        blind, (*KNOWN, "n_departments", "n_products"), label=LABEL, penalty=PENALTY
    )
    without = fit_linear(frame, KNOWN, label=LABEL, penalty=PENALTY)
    assert with_both.regression.weights[3:] == (0.0, 0.0)
    assert with_both.regression.weights[:3] == pytest.approx(without.regression.weights, abs=1e-9)
    values = values_of(table.assign(n_departments=99.0, n_products=5.0), with_both.features)
    assert with_both.contributions(values)[1] == pytest.approx(
        without.contributions(values[:, :3])[1], abs=1e-9
    )


def test_a_model_is_the_same_after_its_spec_went_through_json(
    fitted: Linear, table: pd.DataFrame
) -> None:
    again = Linear.of(json.loads(json.dumps(fitted.spec())))
    assert again == fitted
    values = values_of(table, FEATURES)
    assert again.contributions(values)[1].tolist() == fitted.contributions(values)[1].tolist()


def test_the_same_rows_spread_otherwise_make_exactly_the_same_model(
    fitted: Linear, frame: DataFrame
) -> None:
    for spread in (
        frame.repartition(7, "n_orders").sortWithinPartitions(F.desc("tenure_days")),
        frame.orderBy("spend_amount_28d", F.desc("customer_id")).coalesce(1),
    ):
        assert fit_linear(spread, FEATURES, label=LABEL, penalty=PENALTY) == fitted


def test_of_many_rows_those_of_a_sample_of_customers_are_learnt_from(
    fitted: Linear, frame: DataFrame, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 1,600 rows of 400 customers: of one customer in five come 320, of one in four were 400.
    drawn = frame.where(F.pmod(F.xxhash64("customer_id"), F.lit(5)) == 0)
    expected = fit_linear(drawn, FEATURES, label=LABEL, penalty=PENALTY)
    monkeypatch.setattr(arrays, "LEARNT_ROWS", 399)
    sampled = fit_linear(frame.repartition(3, "n_orders"), FEATURES, label=LABEL, penalty=PENALTY)
    assert len(table) == 1600
    assert sampled == expected
    assert sampled != fitted


def test_no_rows_are_refused(frame: DataFrame) -> None:
    with pytest.raises(ValueError, match="no rows to learn from"):
        fit_linear(frame.limit(0), KNOWN, label=LABEL, penalty=PENALTY)
