"""Churn candidates on made-up customers: a planted signal is found, and none where none is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from crm_spark.features.families import FEATURES
from crm_spark.models.binary_metrics import Floats, Metric, at_threshold
from crm_spark.models.calibration import PlattCalibration
from crm_spark.models.churn import train
from crm_spark.models.churn.candidates import FOREST, RULES, fit_rule, usable_features
from crm_spark.models.churn.definition import Churn
from crm_spark.models.churn.model import PROBABILITY, ChurnModel, add_reasons, load_model, score
from crm_spark.models.churn.section import ChurnSection, ForestParams
from crm_spark.models.churn.train import (
    Fitted,
    Importance,
    candidate_names,
    fit_candidate,
    permutation_importance,
    with_reasons,
)
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.results import Measured, Tested

TEST = date(2024, 6, 1)
CUTOFFS = Cutoffs(TEST, (date(2024, 5, 1), date(2024, 4, 3), date(2024, 3, 6)))
PARAMS = ChurnSection(
    forest=ForestParams(n_trees=20, max_depth=5, min_instances_per_node=10), importance_rows=400
)
N_CUSTOMERS = 500
NAMES = [feature.name for feature in FEATURES]
# These say nothing unless a test plants something; all other features are the same for everybody.
VARYING = (
    "days_since_last_order",
    "n_orders",
    "tenure_days",
    "spend_amount_28d",
    "n_items_84d",
    "median_gap_days",
    "longest_gap_days",
    "spend_per_order",
    "n_products",
    "discount_share",
    "friday_orders_share",
    "spend_trend_28d",
)
# One in ten customers has no gaps yet.
PLANTED, WITH_NULLS = "median_gap_days", ("median_gap_days", "longest_gap_days")
HIGH = 55
LEAKY = "spend_per_order"


def snapshots(n: int = N_CUSTOMERS) -> pd.DataFrame:
    """Draw the snapshots of all cut-offs, each feature from 0 to 84 and blind to the others."""
    random = np.random.default_rng(1)
    tables = []
    for day in CUTOFFS.all:
        table = pd.DataFrame({name: np.full(n, 7.0) for name in NAMES})
        for name in VARYING:
            table[name] = random.integers(0, 85, n).astype(float)
        for name in WITH_NULLS:
            table.loc[random.random(n) < 0.1, name] = np.nan
        table.insert(0, "customer_id", [f"c{number:04}" for number in range(n)])
        table.insert(1, "as_of_date", day)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def with_labels(table: pd.DataFrame, chance: Floats | float) -> pd.DataFrame:
    """Let each customer churn with the chance given."""
    drawn = np.random.default_rng(2).random(len(table)) < chance
    return table.assign(label=drawn.astype(float))


def to_spark(spark: SparkSession, table: pd.DataFrame) -> DataFrame:
    return spark.createDataFrame(pa.Table.from_pandas(table, preserve_index=False))


@contextmanager
def persisted(spark: SparkSession, table: pd.DataFrame) -> Iterator[DataFrame]:
    """Keep a frame that many models learn from."""
    frame = to_spark(spark, table).persist()
    yield frame
    frame.unpersist()


def on_test(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["as_of_date"] == TEST].reset_index(drop=True)


def probabilities(model: ChurnModel, frame: DataFrame) -> dict[str, float]:
    """Give the probability of each customer on the test cut-off."""
    rows = score(model, frame.where(F.col("as_of_date") == TEST), keep=["customer_id"]).collect()
    return {row["customer_id"]: row[PROBABILITY] for row in rows}


@dataclass(frozen=True)
class Decided:
    """Which candidate scores, which rule is the best, and the figures that decided."""

    champion: Fitted
    best_rule: Fitted
    why: str


def decide(candidates: Sequence[Fitted]) -> Decided:
    """Choose as a training of churn does."""
    tested = [
        Tested(
            fitted.name,
            fitted.name in RULES,
            fitted.model,
            tuple(Measured(metric.name, metric.value, 1) for metric in fitted.metrics),
        )
        for fitted in candidates
    ]
    choice = Churn().choose(PARAMS, tested)
    by_name = {fitted.name: fitted for fitted in candidates}
    return Decided(by_name[choice.champion], by_name[choice.registered[0]], choice.why)


def interval(fitted: Fitted, name: str) -> tuple[float, float]:
    found = next(metric for metric in fitted.metrics if metric.name == name)
    assert found.low is not None and found.high is not None
    return found.low, found.high


def value(fitted: Fitted, name: str) -> float:
    found = fitted.value(name)
    assert found is not None
    return found


# --- a planted signal ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planted_table() -> pd.DataFrame:
    """Give customers who mostly leave when one feature is high, which it is for one in three."""
    table = snapshots()
    return with_labels(table, np.where(table[PLANTED] > HIGH, 0.8, 0.1))


@pytest.fixture(scope="module")
def planted(spark: SparkSession, planted_table: pd.DataFrame) -> Iterator[DataFrame]:
    with persisted(spark, planted_table) as frame:
        yield frame


@pytest.fixture(scope="module")
def forest(planted: DataFrame) -> Fitted:
    return fit_candidate(FOREST, planted, CUTOFFS, PARAMS)


@pytest.fixture(scope="module")
def importances(forest: Fitted, planted: DataFrame) -> list[Importance]:
    return permutation_importance(forest.model, planted, CUTOFFS, PARAMS)


@pytest.fixture(scope="module")
def explained(forest: Fitted, importances: list[Importance], planted: DataFrame) -> ChurnModel:
    return with_reasons(forest.model, importances, planted, CUTOFFS)


@pytest.fixture(scope="module")
def reasoned(explained: ChurnModel, planted: DataFrame) -> list[Row]:
    """Give the test customers with all of their reasons and the planted feature's value."""
    test = planted.where(F.col("as_of_date") == TEST).withColumn("was", F.col(PLANTED))
    return add_reasons(explained, test, keep=["customer_id", "was"], n=10).collect()


def test_a_forest_ranks_almost_as_well_as_the_planted_signal_allows(
    forest: Fitted, planted_table: pd.DataFrame
) -> None:
    test = on_test(planted_table)
    best_possible = roc_auc_score(test["label"], test[PLANTED] > HIGH)
    assert best_possible - 0.05 < value(forest, "auc")
    assert forest.counts.rows == N_CUSTOMERS
    assert forest.counts.positives == test["label"].sum()


def test_the_planted_feature_is_by_far_the_most_important(
    forest: Fitted, importances: list[Importance]
) -> None:
    first, second = importances[:2]
    assert first.feature == PLANTED
    assert second.auc_loss < first.auc_loss / 5
    # Without the only signal the ranking is left to chance.
    assert first.auc_loss == pytest.approx(value(forest, "auc") - 0.5, abs=0.08)
    assert sorted(importance.feature for importance in importances) == sorted(VARYING)


def test_the_forest_becomes_the_champion_where_only_it_sees_the_signal(
    forest: Fitted, planted: DataFrame
) -> None:
    rules = [fit_candidate(name, planted, CUTOFFS, PARAMS) for name in RULES]
    decision = decide([*rules, forest])
    assert decision.champion is forest
    assert decision.best_rule in rules
    assert all(interval(rule, "auc")[0] < 0.5 < interval(rule, "auc")[1] for rule in rules)


def test_calibrated_probabilities_are_those_that_were_planted(
    forest: Fitted, planted: DataFrame, planted_table: pd.DataFrame
) -> None:
    found = on_test(planted_table)["customer_id"].map(probabilities(forest.model, planted))
    is_high = on_test(planted_table)[PLANTED] > HIGH
    assert found[is_high].mean() == pytest.approx(0.8, abs=0.1)
    assert found[~is_high].mean() == pytest.approx(0.1, abs=0.06)


def test_the_threshold_learnt_before_is_close_to_the_best_on_the_test(forest: Fitted) -> None:
    scores = [at_threshold(forest.counts, p)["f1"] or 0.0 for p in forest.counts.probability]
    assert value(forest, "f1") > max(scores) - 0.05
    assert value(forest, "threshold") == forest.model.threshold


def test_the_threshold_is_low_where_few_leave(spark: SparkSession) -> None:
    table = snapshots(2_000)
    chance = np.where(table["days_since_last_order"] > 42, 0.25, 0.01)
    frame = to_spark(spark, with_labels(table, chance))
    fitted = fit_candidate("recency", frame, CUTOFFS, PARAMS)
    scores = [at_threshold(fitted.counts, p)["f1"] or 0.0 for p in fitted.counts.probability]
    assert value(fitted, "f1") > max(scores) - 0.05
    # One in two is the wrong threshold: next to nobody reaches it.
    assert (at_threshold(fitted.counts, 0.5)["f1"] or 0.0) < max(scores) - 0.2


# --- reasons -------------------------------------------------------------------------------------


def test_who_is_likely_to_leave_is_told_the_planted_reason_first(reasoned: list[Row]) -> None:
    high = [row for row in reasoned if row["was"] is not None and row["was"] > HIGH + 3]
    assert len(high) > 100
    assert {row["reasons"][0]["feature"] for row in high} == {PLANTED}
    assert all(row["reasons"][0]["value"] == row["was"] for row in high)
    assert min(row["reasons"][0]["effect"] for row in high) > 0.2


def test_the_planted_reason_is_not_given_to_who_does_not_have_it(reasoned: list[Row]) -> None:
    low = [row for row in reasoned if row["was"] is not None and row["was"] < HIGH - 20]
    assert len(low) > 100
    # A forest is not quite flat where nothing was planted.
    effects = [one["effect"] for row in low for one in row["reasons"] if one["feature"] == PLANTED]
    assert max(effects, default=0) < 0.1
    assert all(reason["effect"] > 0 for row in reasoned for reason in row["reasons"])


def test_reasons_come_strongest_first(reasoned: list[Row]) -> None:
    for row in reasoned:
        effects = [reason["effect"] for reason in row["reasons"]]
        assert effects == sorted(effects, reverse=True)


def test_the_probability_beside_the_reasons_is_the_score(
    explained: ChurnModel, planted: DataFrame, reasoned: list[Row]
) -> None:
    assert {row["customer_id"]: row[PROBABILITY] for row in reasoned} == probabilities(
        explained, planted
    )


def test_an_effect_is_what_the_probability_loses_with_the_usual_value(
    explained: ChurnModel, planted: DataFrame, planted_table: pd.DataFrame, reasoned: list[Row]
) -> None:
    newest = planted_table[planted_table["as_of_date"] == CUTOFFS.calibration]
    usual = float(np.nanmedian(newest[PLANTED]))
    before = probabilities(explained, planted)
    after = probabilities(explained, planted.withColumn(PLANTED, F.lit(usual)))
    found = {
        row["customer_id"]: reason["effect"]
        for row in reasoned
        for reason in row["reasons"]
        if reason["feature"] == PLANTED
    }
    expected = {key: before[key] - after[key] for key in before if before[key] - after[key] > 0.005}
    assert found == pytest.approx(expected)


def test_usual_is_the_median_of_the_latest_training_cutoff(
    explained: ChurnModel, planted_table: pd.DataFrame
) -> None:
    newest = planted_table[planted_table["as_of_date"] == CUTOFFS.calibration]
    medians = {feature.name: feature.median for feature in explained.inputs}
    named = list(explained.explained)
    expected = {name: np.nanmedian(newest[name]) for name in named}
    assert {name: medians[name] for name in named} == pytest.approx(expected)
    # Those of the test cut-off are others.
    assert expected != {name: np.nanmedian(on_test(planted_table)[name]) for name in named}
    assert all(feature.median is None for feature in explained.inputs if feature.name not in named)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_reasons_are_the_first_of_them(
    explained: ChurnModel, planted: DataFrame, reasoned: list[Row], n: int
) -> None:
    test = planted.where(F.col("as_of_date") == TEST)
    fewer = add_reasons(explained, test, keep=["customer_id"], n=n).collect()
    all_of_them = {row["customer_id"]: row["reasons"] for row in reasoned}
    assert len(fewer) == N_CUSTOMERS
    assert all(row["reasons"] == all_of_them[row["customer_id"]][:n] for row in fewer)


def test_a_model_that_nothing_explains_gives_no_reasons_of_the_same_type(
    forest: Fitted, explained: ChurnModel, planted: DataFrame
) -> None:
    without = add_reasons(forest.model, planted.limit(3), keep=["customer_id"], n=3)
    with_some = add_reasons(explained, planted, keep=["customer_id"], n=3)
    types = [df.schema["reasons"].dataType.simpleString() for df in (without, with_some)]
    assert types[0] == types[1]
    assert [row["reasons"] for row in without.collect()] == [[], [], []]


def test_reasons_of_a_rule_are_on_the_scale_of_its_feature(spark: SparkSession) -> None:
    table = snapshots()
    chance = np.where(table["days_since_last_order"] > 42, 0.9, 0.1)
    frame = to_spark(spark, with_labels(table, chance)).persist()
    fitted = fit_candidate("recency", frame, CUTOFFS, PARAMS)
    only = [Importance("days_since_last_order", 0.3)]
    model = with_reasons(fitted.model, only, frame, CUTOFFS)
    test = frame.where(F.col("as_of_date") == TEST).withColumn(
        "was", F.col("days_since_last_order")
    )
    rows = add_reasons(model, test, keep=["customer_id", "was"], n=3).collect()
    usual = np.median(table[table["as_of_date"] == CUTOFFS.calibration]["days_since_last_order"])
    rows_with_reasons = [row for row in rows if row["reasons"]]
    # The longer the silence, the likelier to leave: what is longer than usual is a reason.
    assert {row["customer_id"] for row in rows if row["was"] > usual + 3} <= {
        row["customer_id"] for row in rows_with_reasons
    }
    assert all(row["was"] > usual for row in rows_with_reasons)
    assert all(row["reasons"][0]["value"] == row["was"] for row in rows_with_reasons)
    frame.unpersist()


# --- scoring -------------------------------------------------------------------------------------


def test_a_customer_scores_the_same_alone_as_among_others(
    forest: Fitted, planted: DataFrame
) -> None:
    alone = probabilities(forest.model, planted.where("customer_id = 'c0042'"))
    assert alone == {"c0042": probabilities(forest.model, planted)["c0042"]}


def test_nobody_to_score_gives_no_scores(forest: Fitted, planted: DataFrame) -> None:
    assert probabilities(forest.model, planted.limit(0)) == {}


def test_an_unknown_value_scores_as_what_stands_for_it(forest: Fitted, planted: DataFrame) -> None:
    fill = next(feature.fill for feature in FEATURES if feature.name == PLANTED)
    filled = planted.fillna(fill, subset=[PLANTED])
    assert planted.where(F.col(PLANTED).isNull()).count() > 0
    assert probabilities(forest.model, filled) == probabilities(forest.model, planted)


def test_kept_columns_come_back_even_where_the_model_reads_them(
    explained: ChurnModel, planted: DataFrame
) -> None:
    keep = ["customer_id", PLANTED]
    expected = sorted(planted.select(*keep).collect(), key=str)
    scored = score(explained, planted, keep=keep)
    assert scored.columns == [*keep, PROBABILITY]
    assert sorted(scored.select(*keep).collect(), key=str) == expected
    reasoned = add_reasons(explained, planted, keep=keep, n=1)
    assert sorted(reasoned.select(*keep).collect(), key=str) == expected


def test_a_model_is_the_same_after_its_spec_went_through_json(explained: ChurnModel) -> None:
    assert explained.explained and explained.calibration != PlattCalibration()
    assert load_model(explained.pipeline, json.loads(explained.spec_json())) == explained


# --- no signal -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chance_frame(spark: SparkSession) -> Iterator[DataFrame]:
    """Give customers of whom three in ten leave, for no reason that could be known."""
    with persisted(spark, with_labels(snapshots(), 0.3)) as frame:
        yield frame


@pytest.mark.parametrize("name", candidate_names())
def test_no_candidate_finds_a_signal_where_there_is_none(
    chance_frame: DataFrame, name: str
) -> None:
    fitted = fit_candidate(name, chance_frame, CUTOFFS, PARAMS)
    low, high = interval(fitted, "auc")
    assert low < 0.5 < high
    # And none pretends to: probabilities are hardly worse than saying the true rate of everybody.
    share = value(fitted, "positive_share")
    assert value(fitted, "brier") < (share * 0.7**2 + (1 - share) * 0.3**2) + 0.01
    # Twice 500 customers decide on the difference: its standard error is 0.03.
    assert value(fitted, "mean_probability") == pytest.approx(share, abs=0.09)


# --- a signal that the rule knows, and one that does not last ------------------------------------


@pytest.fixture(scope="module")
def rule_table() -> pd.DataFrame:
    """Give customers who leave as the recency rule has it, and one feature that knows the future.

    On the training cut-offs LEAKY is the label itself, on the test cut-off it is chance.
    """
    table = snapshots()
    silence = np.log1p(table["days_since_last_order"].to_numpy())
    table = with_labels(table, 1 / (1 + np.exp(-(1.5 * silence - 5))))
    is_test = table["as_of_date"] == TEST
    drawn = np.random.default_rng(5).integers(0, 2, len(table))
    return table.assign(**{LEAKY: np.where(is_test, drawn, table["label"])})


@pytest.fixture(scope="module")
def rule_frame(spark: SparkSession, rule_table: pd.DataFrame) -> Iterator[DataFrame]:
    with persisted(spark, rule_table) as frame:
        yield frame


@pytest.fixture(scope="module")
def fitted_rules(rule_frame: DataFrame) -> list[Fitted]:
    return [fit_candidate(name, rule_frame, CUTOFFS, PARAMS) for name in RULES]


def test_the_rule_stays_where_it_says_all_that_can_be_known(
    rule_frame: DataFrame, fitted_rules: list[Fitted]
) -> None:
    blind = rule_frame.withColumn(LEAKY, F.lit(0.0))
    forest = fit_candidate(FOREST, blind, CUTOFFS, PARAMS)
    decision = decide([*fitted_rules, forest])
    assert decision.champion is decision.best_rule
    assert decision.best_rule in fitted_rules
    assert value(forest, "auc") > 0.6


def test_the_rule_finds_the_chances_that_it_describes(
    rule_frame: DataFrame, rule_table: pd.DataFrame, fitted_rules: list[Fitted]
) -> None:
    test = on_test(rule_table)
    true = 1 / (1 + np.exp(-(1.5 * np.log1p(test["days_since_last_order"]) - 5)))
    found = test["customer_id"].map(probabilities(fitted_rules[0].model, rule_frame))
    assert np.abs(found - true).mean() < 0.05


def test_a_feature_that_knew_the_labels_in_training_only_is_not_rewarded_on_the_test(
    rule_frame: DataFrame, fitted_rules: list[Fitted]
) -> None:
    fooled = fit_candidate(FOREST, rule_frame, CUTOFFS, PARAMS)
    assert value(fooled, "auc") < value(fitted_rules[0], "auc")
    assert decide([*fitted_rules, fooled]).champion.name != FOREST
    losses = permutation_importance(fooled.model, rule_frame, CUTOFFS, PARAMS)
    leaky = next(importance.auc_loss for importance in losses if importance.feature == LEAKY)
    assert leaky < 0.05


def test_the_only_input_of_a_rule_carries_all_of_its_ranking(
    rule_frame: DataFrame, fitted_rules: list[Fitted]
) -> None:
    recency = fitted_rules[0]
    (only,) = permutation_importance(recency.model, rule_frame, CUTOFFS, PARAMS)
    assert only.feature == "days_since_last_order"
    assert only.auc_loss == pytest.approx(value(recency, "auc") - 0.5, abs=0.08)


def test_importance_does_not_depend_on_how_the_rows_are_spread(
    rule_frame: DataFrame, fitted_rules: list[Fitted]
) -> None:
    spread = rule_frame.repartition(5, "n_orders").sortWithinPartitions(F.desc("customer_id"))
    losses = [
        permutation_importance(fitted_rules[1].model, frame, CUTOFFS, PARAMS)
        for frame in (rule_frame, spread)
    ]
    assert losses[0] == losses[1]


def test_importance_is_what_is_lost_when_the_values_of_one_input_change_places(
    rule_frame: DataFrame, fitted_rules: list[Fitted]
) -> None:
    model = fitted_rules[1].model
    order = F.xxhash64("customer_id", F.lit(PARAMS.seed))
    test = rule_frame.where(F.col("as_of_date") == TEST).orderBy(order)
    drawn = test.limit(PARAMS.importance_rows).toPandas()
    random = np.random.default_rng(PARAMS.seed)
    copies = {"": drawn}
    for feature in model.inputs:
        places = random.permutation(len(drawn))
        values = drawn[feature.name].to_numpy()[places]
        copies[feature.name] = drawn.assign(**{feature.name: values})
    auc = {}
    for name, copy in copies.items():
        found = copy["customer_id"].map(
            probabilities(model, to_spark(rule_frame.sparkSession, copy))
        )
        auc[name] = roc_auc_score(copy["label"], found.round(6))
    losses = permutation_importance(model, rule_frame, CUTOFFS, PARAMS)
    expected = {name: auc[""] - auc[name] for name in auc if name}
    assert {loss.feature: loss.auc_loss for loss in losses} == pytest.approx(expected, abs=1e-9)


def test_the_driver_does_not_hold_the_rows_once_for_each_input(
    forest: Fitted, planted: DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []
    create = SparkSession.createDataFrame

    def watched(spark: SparkSession, rows: pa.Table) -> DataFrame:
        sent.append(rows.num_rows * rows.num_columns)
        return create(spark, rows)

    monkeypatch.setattr(SparkSession, "createDataFrame", watched)
    permutation_importance(forest.model, planted, CUTOFFS, PARAMS)
    # The label, each input as it is and each input shuffled.
    assert sent == [PARAMS.importance_rows * (1 + 2 * len(forest.model.inputs))]


def test_usual_values_of_many_customers_are_those_of_a_sample_by_hash(
    forest: Fitted, planted: DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "MEDIAN_ROWS", N_CUSTOMERS // 3)
    only = [Importance(PLANTED, 0.3)]
    spread = planted.repartition(5, "n_orders")
    explained = [
        with_reasons(forest.model, only, frame, CUTOFFS).spec() for frame in (planted, spread)
    ]
    newest = planted.where(F.col("as_of_date") == CUTOFFS.calibration)
    drawn = newest.where(F.pmod(F.xxhash64("customer_id"), F.lit(4)) == 0).toPandas()
    assert N_CUSTOMERS / 5 < len(drawn) < N_CUSTOMERS / 3
    medians = {feature["name"]: feature["median"] for feature in explained[0]["inputs"]}
    assert medians[PLANTED] == np.nanmedian(drawn[PLANTED])
    assert explained[0] == explained[1]


# --- what a model may and may not depend on ------------------------------------------------------


def test_a_forest_is_bit_for_bit_the_same_however_the_rows_are_spread(
    forest: Fitted, planted: DataFrame
) -> None:
    spread = planted.repartition(7, "n_orders").sortWithinPartitions(F.desc("tenure_days"))
    again = fit_candidate(FOREST, spread, CUTOFFS, PARAMS)
    assert probabilities(again.model, spread) == probabilities(forest.model, planted)
    assert again.model.spec() == forest.model.spec()
    assert again.metrics == forest.metrics


def test_nothing_on_the_test_cutoff_changes_the_model(
    spark: SparkSession, forest: Fitted, planted_table: pd.DataFrame
) -> None:
    is_test = planted_table["as_of_date"] == TEST
    other = planted_table.assign(
        label=planted_table["label"].where(~is_test, 1 - planted_table["label"]),
        n_departments=planted_table["n_departments"].where(~is_test, planted_table["n_orders"]),
    )
    again = fit_candidate(FOREST, to_spark(spark, other), CUTOFFS, PARAMS)
    assert again.model.spec() == forest.model.spec()
    trees, expected = (fitted.model.pipeline.stages[1].toDebugString for fitted in (again, forest))
    assert trees.split("\n", 1)[1] == expected.split("\n", 1)[1]
    # With all labels turned round, what was ranked right is ranked wrong.
    assert value(again, "auc") == pytest.approx(1 - value(forest, "auc"))


def test_with_one_training_cutoff_nothing_is_calibrated(planted: DataFrame) -> None:
    single = Cutoffs(TEST, CUTOFFS.training[:1])
    model = fit_candidate("recency", planted, single, PARAMS).model
    assert model.calibration == PlattCalibration()
    assert model.threshold == 0.5


def test_a_configured_threshold_is_kept(planted: DataFrame) -> None:
    chosen = PARAMS.model_copy(update={"threshold": 0.35})
    fitted = fit_candidate("recency", planted, CUTOFFS, chosen)
    assert fitted.model.threshold == 0.35
    assert value(fitted, "recall") == at_threshold(fitted.counts, 0.35)["recall"]


def test_a_share_of_leavers_that_rose_once_is_not_made_up_for_twice(spark: SparkSession) -> None:
    # The odds of leaving grew to four times before the latest training cut-off and stayed there.
    table = snapshots(3_000)
    has_risen = (table["as_of_date"] >= CUTOFFS.calibration).to_numpy()
    logit = 1.5 * np.log1p(table["days_since_last_order"].to_numpy()) - 7 + np.log(4) * has_risen
    frame = to_spark(spark, with_labels(table, 1 / (1 + np.exp(-logit))))
    fitted = fit_candidate("recency", frame, CUTOFFS, PARAMS)
    # The difference of two shares of 3,000 has a standard error of 0.013.
    assert value(fitted, "mean_probability") == pytest.approx(
        value(fitted, "positive_share"), abs=0.04
    )


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_a_logistic_regression_on_the_logarithms_of_its_features(
    rule_frame: DataFrame, rule_table: pd.DataFrame, name: str
) -> None:
    model = fit_rule(name, rule_frame, PARAMS)
    inputs = np.log1p(rule_table[list(RULES[name])].to_numpy())
    regression = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    regression.fit(inputs, rule_table["label"])
    test = on_test(rule_table)
    expected = dict(
        zip(
            test["customer_id"],
            regression.predict_proba(np.log1p(test[list(RULES[name])].to_numpy()))[:, 1],
            strict=True,
        )
    )
    assert probabilities(model, rule_frame) == pytest.approx(expected, abs=1e-4)


# --- which features are used ---------------------------------------------------------------------


def test_features_that_cannot_tell_customers_apart_are_left_out(spark: SparkSession) -> None:
    same = dict.fromkeys(NAMES, 7.0)
    rows = [
        {**same, "n_orders": 1.0, "n_products": None, "spend_per_order": None, "tenure_days": None},
        {**same, "n_orders": 2.0, "n_products": None, "spend_per_order": 5.0, "tenure_days": None},
        {**same, "n_orders": 2.0, "n_products": None, "spend_per_order": 5.0, "tenure_days": 0.0},
    ]
    schema = ", ".join(f"{name} double" for name in NAMES)
    frame = spark.createDataFrame([tuple(row[name] for name in NAMES) for row in rows], schema)
    # n_products is never known; whether spend_per_order is known tells customers apart.
    usable = {feature.name for feature in usable_features(frame)}
    assert usable == {"n_orders", "spend_per_order", "tenure_days"}
    assert usable_features(frame.limit(0)) == ()
    assert usable_features(frame.where("tenure_days IS NOT NULL")) == ()


def test_a_forest_does_without_features_that_were_never_known(spark: SparkSession) -> None:
    table = snapshots()
    table = with_labels(table, np.where(table["n_orders"] > 42, 0.8, 0.1))
    frame = to_spark(spark, table).withColumn("n_products", F.lit(None).cast("double"))
    small = PARAMS.model_copy(update={"forest": ForestParams(n_trees=3, max_depth=2)})
    fitted = fit_candidate(FOREST, frame, Cutoffs(TEST, CUTOFFS.training[:1]), small)
    assert sorted(feature.name for feature in fitted.model.inputs) == sorted(
        set(VARYING) - {"n_products"}
    )


# --- the decision --------------------------------------------------------------------------------


def measured(kind: str, auc: float | None, brier: float) -> Fitted:
    """Give a candidate of which nothing but two metrics are known."""
    model = ChurnModel(kind, (), None, 28, 84)  # type: ignore[arg-type]
    return Fitted(model, (Metric("auc", auc), Metric("brier", brier)), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("forest_metrics", "champion"),
    [
        ((0.80, 0.15), FOREST),
        ((0.80, 0.20), "recency"),  # no better probabilities
        ((0.80, 0.25), "recency"),
        ((0.70, 0.15), "recency"),  # no better ranking
        ((0.60, 0.15), "recency"),
        ((None, 0.15), "recency"),
        ((1.00, 0.00), FOREST),
    ],
)
def test_the_forest_has_to_beat_the_rule_in_ranking_and_in_probability(
    forest_metrics: tuple[float | None, float], champion: str
) -> None:
    rules = [measured("recency", 0.70, 0.20), measured("recency_frequency_tenure", 0.65, 0.10)]
    decision = decide([*rules, measured(FOREST, *forest_metrics)])
    assert (decision.champion.name, decision.best_rule.name) == (champion, "recency")


@pytest.mark.parametrize(
    ("metrics", "best"),
    [
        ([(0.7, 0.2), (0.6, 0.1)], 0),
        ([(0.6, 0.1), (0.7, 0.2)], 1),
        ([(0.7, 0.2), (0.7, 0.1)], 1),
        ([(0.7, 0.1), (0.7, 0.2)], 0),
        ([(1.0, 0.1), (1.0, 0.0)], 1),
        ([(None, 0.1), (None, 0.2)], 0),
    ],
)
def test_the_best_rule_ranks_best_and_then_has_the_best_probabilities(
    metrics: Sequence[tuple[float | None, float]], best: int
) -> None:
    rules = [measured(name, auc, brier) for name, (auc, brier) in zip(RULES, metrics, strict=True)]
    assert decide([*rules, measured(FOREST, 0.5, 0.5)]).best_rule is rules[best]


def test_the_decision_tells_the_figures_that_decided() -> None:
    candidates = [measured("recency", 0.7123, 0.2), measured("recency_frequency_tenure", 0.6, 0.2)]
    why = decide([*candidates, measured(FOREST, None, 0.3456)]).why
    assert "does not beat" in why
    assert all(text in why for text in ("forest", "recency", "0.7123", "0.3456", "unknown"))
    assert "recency_frequency_tenure" not in why


def test_a_candidate_is_named_after_its_kind(forest: Fitted) -> None:
    renamed = replace(forest, model=replace(forest.model, kind="other"))
    assert (forest.name, renamed.name) == (FOREST, "other")
    assert candidate_names()[-1] == FOREST and set(RULES) < set(candidate_names())
