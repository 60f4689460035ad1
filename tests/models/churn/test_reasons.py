"""Reasons: contributions add up to the score, and a planted cause is the reason told first."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from models.churn.made_customers import (
    CUTOFFS,
    HIGH,
    N_CUSTOMERS,
    PARAMS,
    PLANTED,
    TEST,
    VARYING,
    on_test,
)
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families import FEATURES
from crm_spark.models.binary_metrics import Floats
from crm_spark.models.calibration import PlattCalibration
from crm_spark.models.churn.candidates import CANDIDATES
from crm_spark.models.churn.reasons import Explainer, with_reasons
from crm_spark.models.churn.tables import REASON
from crm_spark.models.churn.train import step_of
from crm_spark.models.classifiers.classifier import PROBABILITY, RAW_SCORE, Classifier, Input, score
from crm_spark.models.classifiers.linear import Linear
from crm_spark.models.classifiers.reasons import ROWS_OF_PIECE
from crm_spark.models.classifiers.settings import AVERAGE, FOREST, LOGISTIC_REGRESSION
from crm_spark.models.isotonic import IsotonicCalibration
from crm_spark.models.logistic import LogisticRegression
from crm_spark.models.mllib_trees import read_trees
from crm_spark.models.tree_shap import CoveredTree

RULE = "recency_frequency_tenure"
KINDS = (FOREST, LOGISTIC_REGRESSION, AVERAGE, RULE)
N_REASONS = 3
nan = math.nan

# --- by hand -------------------------------------------------------------------------------------

# A deviation is log(1 + x) / log 2: of 1 it is 1, of 3 it is 2, of 7 it is 3.
LOG2 = math.log(2)
HAND_FEATURES = ("days_since_last_order", PLANTED, "longest_gap_days", "n_products")
HAND_WEIGHTS = (0.4, 0.3, 0.2, -0.5)
CALIBRATION = PlattCalibration(1.5, -0.25)
OF_WEIGHTS = Classifier(
    RULE,
    formula=Linear(HAND_FEATURES, LogisticRegression(-1.0, HAND_WEIGHTS, (0.0,) * 4, (LOG2,) * 4)),
    calibration=CALIBRATION,
)


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def calibrated(raw: float, calibration: PlattCalibration = CALIBRATION) -> float:
    kept = min(max(raw, 1e-4), 1 - 1e-4)
    return sigmoid(calibration.slope * math.log(kept / (1 - kept)) + calibration.intercept)


def tree(threshold: float, if_low: float, if_high: float) -> CoveredTree:
    """Give a tree of one split, on its first column, with three rows in four below it."""
    ints = np.int32
    return CoveredTree(
        column=np.array([0, -1, -1], ints),
        threshold=np.array([threshold, 0.0, 0.0]),
        left=np.array([1, -1, -1], ints),
        right=np.array([2, -1, -1], ints),
        value=np.array([0.0, if_low, if_high]),
        cover=np.array([40.0, 30.0, 10.0]),
    )


def of_trees(*trees: CoveredTree, fill: float = -1.0) -> Classifier:
    some_pipeline: Any = object()
    return Classifier(FOREST, inputs=(Input(PLANTED, fill),), pipeline=some_pipeline, trees=trees)


def test_reasons_by_hand() -> None:
    # Terms of 0.4 * 3, 0.3 * 2, 0.2 * 1 and -0.5 * 1.
    ((first, second),) = Explainer.of(OF_WEIGHTS).reasons(np.array([[7.0, 3.0, 1.0, 1.0]]), n=5)
    raw, base = sigmoid(-1 + 1.5), sigmoid(-1)
    silence, rhythm = (term * (raw - base) / 1.5 for term in (1.2, 0.8))
    assert first["effect"] == pytest.approx(calibrated(raw) - calibrated(raw - silence))
    assert second["effect"] == pytest.approx(calibrated(raw) - calibrated(raw - rhythm))
    # Both gaps are one reason; of them the usual one adds more. Many products are none.
    told = [(one["theme"], one["feature"], one["value"]) for one in (first, second)]
    assert told == [("silence", "days_since_last_order", 7.0), ("rhythm", PLANTED, 3.0)]
    assert first["text"] == "has not ordered for 7 days, usually orders every 3"
    assert second["text"] == "usually orders every 3 days"


def test_effects_are_those_of_an_isotonic_map_where_that_calibrates() -> None:
    isotonic = IsotonicCalibration((-2.0, 0.0, 1.0), (-3.0, -2.0, 2.0), 0.5)
    model = replace(OF_WEIGHTS, calibration=isotonic)
    # What explains is sent to the executors.
    explainer = pickle.loads(pickle.dumps(Explainer.of(model)))
    ((first, second),) = explainer.reasons(np.array([[7.0, 3.0, 1.0, 1.0]]), n=5)
    raw, base = sigmoid(-1 + 1.5), sigmoid(-1)
    for one, term in ((first, 1.2), (second, 0.8)):
        without = raw - term * (raw - base) / 1.5
        logit = math.log(without / (1 - without))
        line = -2 + logit / 2 if logit < 0 else -2 + 4 * logit
        # With all, the logit is 0.5.
        assert one["effect"] == pytest.approx(sigmoid(0) - sigmoid(line))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_reasons_are_the_first_of_them(n: int) -> None:
    explainer, values = Explainer.of(OF_WEIGHTS), np.array([[7.0, 3.0, 1.0, 1.0], [0.0] * 4])
    assert [one[:n] for one in explainer.reasons(values, n=5)] == explainer.reasons(values, n=n)


def test_nothing_that_raises_the_risk_by_half_a_point_is_no_reason() -> None:
    explainer = Explainer.of(OF_WEIGHTS)
    # All means, all unknown; many products alone; and two days of silence in a thousand.
    values = np.array([[0.0] * 4, [nan] * 4, [0.0, 0.0, 0.0, 500.0], [0.002, 0.0, 0.0, 0.0]])
    assert explainer.reasons(values, n=5) == [[], [], [], []]
    assert explainer.reasons(np.zeros((0, 4)), n=5) == []


def test_the_strongest_feature_of_a_theme_is_the_one_that_adds_most() -> None:
    explainer = Explainer.of(OF_WEIGHTS)
    ((one,),) = explainer.reasons(np.array([[0.0, 1.0, 127.0, 0.0]]), n=5)
    assert (one["theme"], one["feature"], one["value"]) == ("rhythm", "longest_gap_days", 127.0)
    # One feature of the theme lowers the risk: it takes from what the other adds.
    fewer = replace(
        OF_WEIGHTS,
        formula=Linear(
            HAND_FEATURES,
            LogisticRegression(-1.0, (0.4, 0.3, -0.2, -0.5), (0.0,) * 4, (LOG2,) * 4),
        ),
    )
    ((one,),) = Explainer.of(fewer).reasons(np.array([[0.0, 7.0, 1.0, 0.0]]), n=5)
    raw = sigmoid(-1 + 0.9 - 0.2)
    assert one["feature"] == PLANTED
    assert one["effect"] == pytest.approx(calibrated(raw) - calibrated(sigmoid(-1)))


def test_a_null_is_a_reason_with_a_null_value_and_a_sentence() -> None:
    # What is unknown stands at -1, and goes where leaving is likely.
    model = of_trees(tree(-0.5, 0.9, 0.1))
    first, second = Explainer.of(model).reasons(np.array([[nan], [3.0]]), n=5)
    # 0.75 * 0.9 + 0.25 * 0.1 = 0.7 is expected of anybody; no calibration.
    assert second == []
    assert first == [
        {
            "feature": PLANTED,
            "value": None,
            "effect": pytest.approx(0.9 - 0.7),
            "theme": "rhythm",
            "text": "has ordered on one day only",
        }
    ]


def test_contributions_of_trees_and_weights_are_halved_in_their_mean() -> None:
    trees = of_trees(tree(2.0, 0.1, 0.5), tree(4.0, 0.2, 0.8))
    both = replace(OF_WEIGHTS, inputs=trees.inputs, pipeline=trees.pipeline, trees=trees.trees)
    # The forest's only input comes first, then what the regression reads besides.
    assert both.features == (PLANTED, "days_since_last_order", "longest_gap_days", "n_products")
    explainer = Explainer.of(both)
    added, raw = explainer.contributions.of_rows(np.array([[3.0, 7.0, nan, 1.0]]))
    # The trees: 0.5 and 0.2 of 3 days, where (0.2 + 0.35) / 2 is expected; terms of 1.2, 0.6, -0.5.
    of_weights, base = sigmoid(-1 + 1.3), sigmoid(-1)
    chord = (of_weights - base) / 1.3
    assert raw[0] == pytest.approx((0.35 + of_weights) / 2)
    assert explainer.contributions.base == pytest.approx((0.275 + base) / 2)
    expected = [(0.35 - 0.275 + 0.6 * chord) / 2, 1.2 * chord / 2, 0.0, -0.5 * chord / 2]
    assert added[0] == pytest.approx(expected)


def test_a_feature_of_ones_own_is_a_reason_by_its_name() -> None:
    own = Classifier(
        "own", formula=Linear(("luck",), LogisticRegression(0.0, (1.0,), (0.0,), (LOG2,)))
    )
    ((one,),) = Explainer.of(own).reasons(np.array([[7.0]]), n=1)
    assert (one["theme"], one["feature"], one["text"]) == ("luck", "luck", "luck: 7")


def test_a_forest_without_its_trees_is_refused() -> None:
    with pytest.raises(ValueError, match="trees of the pipeline were not loaded"):
        Explainer.of(of_trees())


# --- in Spark ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(
    planted: DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Classifier]:
    """Give fitted models as they are loaded to score: with the trees of a forest that was saved."""
    used = [feature for feature in FEATURES if feature.name in VARYING]
    step = step_of(planted, CUTOFFS, PARAMS, used)
    found = {one.name: step.fitted(one).model for one in CANDIDATES if one.name in KINDS}
    folder = tmp_path_factory.mktemp("saved") / "forest"
    forest = found[FOREST].pipeline
    assert forest is not None
    forest.write().save(str(folder))
    trees = read_trees(folder)
    assert len(trees) == PARAMS.forest.n_trees
    return {
        name: replace(model, trees=trees if model.pipeline else ()) for name, model in found.items()
    }


def values_of(table: pd.DataFrame, model: Classifier) -> Floats:
    return table[list(model.features)].to_numpy(float)


@pytest.mark.parametrize("kind", KINDS)
def test_contributions_add_up_to_the_score_that_spark_gives(
    models: Mapping[str, Classifier], planted: DataFrame, kind: str
) -> None:
    model = models[kind]
    # All cut-offs, and some to whom nothing is known.
    unknown = [F.lit(None).cast(T.DoubleType()).alias(name) for name in model.features]
    rows = planted.select("customer_id", *model.features).unionByName(
        planted.limit(3).select("customer_id", *unknown)
    )
    found = score(model, rows, keep=["customer_id", *model.features]).toPandas()
    explainer = Explainer.of(model)
    added, raw = explainer.contributions.of_rows(values_of(found, model))
    spark_score = found[RAW_SCORE].to_numpy()
    assert len(found) == 3 + N_CUSTOMERS * len(CUTOFFS.all)
    assert len(np.unique(spark_score.round(6))) > 100
    assert np.abs(raw - spark_score).max() < 1e-6
    assert np.abs(explainer.contributions.base + added.sum(axis=1) - spark_score).max() < 1e-6
    probability = model.calibration.probabilities(raw)
    assert np.abs(probability - found[PROBABILITY].to_numpy()).max() < 1e-6


@pytest.mark.parametrize(
    ("kind", "least_told", "least_effect"),
    [(FOREST, 0.9, 0.2), (AVERAGE, 0.9, 0.1), (LOGISTIC_REGRESSION, 0.9, 0.02)],
)
def test_the_planted_cause_is_the_first_reason_of_whom_it_drives(
    models: Mapping[str, Classifier],
    planted_table: pd.DataFrame,
    kind: str,
    least_told: float,
    least_effect: float,
) -> None:
    test = on_test(planted_table)
    driven = test[test[PLANTED] > HIGH]
    assert len(driven) > 100
    reasons = Explainer.of(models[kind]).reasons(values_of(driven, models[kind]), n=N_REASONS)
    is_told = [bool(one) and one[0]["theme"] == "rhythm" for one in reasons]
    assert np.mean(is_told) >= least_told
    first = [
        (one[0], value)
        for one, value, told in zip(reasons, driven[PLANTED], is_told, strict=True)
        if told
    ]
    assert np.mean([one["feature"] == PLANTED for one, _ in first]) > 0.9
    assert np.median([one["effect"] for one, _ in first]) > least_effect
    assert all(
        one["value"] == value and f"every {value:.0f} days" in one["text"]
        for one, value in first
        if one["feature"] == PLANTED
    )


def test_the_planted_cause_is_not_told_to_whom_it_does_not_drive(
    models: Mapping[str, Classifier], planted_table: pd.DataFrame
) -> None:
    test = on_test(planted_table)
    others = test[test[PLANTED] < HIGH - 20]
    assert len(others) > 100
    reasons = Explainer.of(models[FOREST]).reasons(values_of(others, models[FOREST]), n=10)
    effects = [one["effect"] for all_of in reasons for one in all_of if one["feature"] == PLANTED]
    assert max(effects, default=0) < 0.02


@pytest.mark.parametrize("kind", [FOREST, AVERAGE])
def test_one_reason_a_theme_strongest_first_and_each_what_the_probability_loses(
    models: Mapping[str, Classifier], planted_table: pd.DataFrame, kind: str
) -> None:
    model = models[kind]
    explainer, values = Explainer.of(model), values_of(on_test(planted_table), model)
    added, raw = explainer.contributions.of_rows(values)
    # The themes of what varies, as the words of reasons have them.
    themes = {
        "silence": ["days_since_last_order"],
        "orders": [name for name in VARYING if name.startswith("n_order")],
        "tenure": ["tenure_days"],
        "spend": ["spend_amount_28d", "n_items_84d", "spend_trend_28d"],
        "rhythm": [PLANTED, "longest_gap_days"],
        "basket": ["spend_per_order"],
        "variety": ["n_products"],
        "discounts": ["discount_share"],
        "weekday_and_hour": ["friday_orders_share"],
    }
    assert sorted(name for of in themes.values() for name in of) == sorted(VARYING)
    place = {name: at for at, name in enumerate(model.features)}
    n_told = 0
    for row, reasons in enumerate(explainer.reasons(values, n=10)):
        effects = {
            theme: calibrated(raw[row], model.calibration)
            - calibrated(raw[row] - sum(added[row, place[name]] for name in of), model.calibration)
            for theme, of in themes.items()
        }
        expected = sorted(
            (theme for theme, effect in effects.items() if effect > 0.005),
            key=lambda theme: -effects[theme],
        )
        assert [one["theme"] for one in reasons] == expected
        for one in reasons:
            assert one["effect"] == pytest.approx(effects[one["theme"]], abs=1e-12)
            assert one["feature"] == max(
                themes[one["theme"]], key=lambda name: added[row, place[name]]
            )
        n_told += len(reasons)
    assert n_told > N_CUSTOMERS


@pytest.mark.parametrize("kind", [AVERAGE, RULE])
def test_spark_gives_the_reasons_of_the_explainer(
    models: Mapping[str, Classifier], planted: DataFrame, planted_table: pd.DataFrame, kind: str
) -> None:
    model, test = models[kind], on_test(planted_table)
    rows = planted.where(F.col("as_of_date") == TEST).repartition(3, "n_orders")
    assert rows.rdd.getNumPartitions() == 3
    # Of so many rows pieces are made, each explained by itself.
    spread = with_reasons(model, rows, n=N_REASONS, n_rows=3 * ROWS_OF_PIECE)
    assert spread.columns == ["customer_id", "reasons"]
    found = {row["customer_id"]: row["reasons"] for row in spread.collect()}
    reasons = Explainer.of(model).reasons(values_of(test, model), n=N_REASONS)
    expected = dict(zip(test["customer_id"], reasons, strict=True))
    assert found.keys() == expected.keys()
    for customer, told in found.items():
        for one, other in zip(told, expected[customer], strict=True):
            assert one.asDict() == {**other, "effect": pytest.approx(other["effect"], abs=1e-9)}
    texts = [one["text"] for told in found.values() for one in told]
    assert texts and not any(word in text for text in texts for word in ("nan", "None", "unknown"))


def test_what_is_not_known_is_a_null_in_spark(
    models: Mapping[str, Classifier], planted: DataFrame
) -> None:
    test = planted.where(F.col("as_of_date") == TEST).limit(5)
    # A tree of which the unknown is the reason, among the others.
    model = replace(models[FOREST], trees=(tree(-0.5, 0.9, 0.1),), inputs=(Input(PLANTED, -1.0),))
    blind = test.withColumn(PLANTED, F.lit(None).cast("double"))
    rows = with_reasons(model, blind, n=N_REASONS, n_rows=3).collect()
    assert len(rows) == 5
    for row in rows:
        (one,) = row["reasons"]
        assert (one["feature"], one["value"]) == (PLANTED, None)
        assert one["text"] == "has ordered on one day only"


def test_no_reasons_asked_for_are_empty_arrays_of_the_same_type(
    models: Mapping[str, Classifier], planted: DataFrame
) -> None:
    model = models[FOREST]
    none, some = (with_reasons(model, planted.limit(4), n=n, n_rows=4) for n in (0, N_REASONS))
    for reasons in (none, some):
        assert reasons.schema["reasons"].dataType == T.ArrayType(REASON)
        assert reasons.schema["customer_id"].dataType == T.StringType()
    assert [row["reasons"] for row in none.collect()] == [[]] * 4
    # It does without the trees, which were then not loaded.
    assert with_reasons(replace(model, trees=()), planted, n=0, n_rows=4).columns == none.columns
    assert with_reasons(model, planted.limit(0), n=N_REASONS, n_rows=0).collect() == []


def test_an_explainer_gives_the_same_after_it_was_sent(
    models: Mapping[str, Classifier], planted_table: pd.DataFrame
) -> None:
    explainer, values = (
        Explainer.of(models[AVERAGE]),
        values_of(on_test(planted_table), models[AVERAGE]),
    )
    before = explainer.reasons(values, n=2)
    assert pickle.loads(pickle.dumps(explainer)).reasons(values, n=2) == before
