"""Churn candidates on made-up customers: a planted signal is found, and none where none is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from models.churn.made_customers import (
    CUTOFFS,
    HIGH,
    N_CUSTOMERS,
    NAMES,
    PARAMS,
    PLANTED,
    TEST,
    VARYING,
    on_test,
    persisted,
    snapshots,
    to_spark,
    with_labels,
)
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from crm_spark.errors import DataError
from crm_spark.features.families import FEATURES
from crm_spark.models.binary_metrics import Metric, at_threshold
from crm_spark.models.calibration import PlattCalibration, fit_platt
from crm_spark.models.calibration_gate import CALIBRATION_LIMIT
from crm_spark.models.choice import Choice
from crm_spark.models.churn.candidates import CANDIDATES, RULES, candidate_named, candidates_of
from crm_spark.models.churn.definition import Churn, Ready
from crm_spark.models.churn.model import ChurnModel, load_model
from crm_spark.models.churn.train import fit_candidate, learnt_dates, usable_features
from crm_spark.models.classifiers import step
from crm_spark.models.classifiers.classifier import (
    PROBABILITY,
    RAW_SCORE,
    Classifier,
    load_classifier,
    score,
)
from crm_spark.models.classifiers.figures import (
    AUC_GAIN,
    BRIER_GAIN,
    CALIBRATION_BY_CHANCE,
    ISOTONIC_KNOTS,
    best_rule,
    figures,
)
from crm_spark.models.classifiers.importance import Importance, permutation_importance
from crm_spark.models.classifiers.settings import (
    AVERAGE,
    FOREST,
    LOGISTIC_REGRESSION,
    XGBOOST,
    BoostedTreesParams,
    ForestParams,
)
from crm_spark.models.classifiers.step import Fitted, Outcomes
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.isotonic import IsotonicCalibration, fit_isotonic
from crm_spark.models.model_run import Prepared
from crm_spark.models.results import Measured, Tested

LEAKY = "spend_per_order"
QUICK = PARAMS.model_copy(update={"boosted_trees": BoostedTreesParams(n_trees=5)})


def probabilities(model: Classifier, frame: DataFrame) -> dict[str, float]:
    """Give the probability of each customer on the test cut-off."""
    rows = score(model, frame.where(F.col("as_of_date") == TEST), keep=["customer_id"]).collect()
    return {row["customer_id"]: row[PROBABILITY] for row in rows}


def raw_scores(model: Classifier, frame: DataFrame) -> dict[str, float]:
    """Give the raw score of each customer on the test cut-off."""
    rows = score(model, frame.where(F.col("as_of_date") == TEST), keep=["customer_id"]).collect()
    return {row["customer_id"]: row[RAW_SCORE] for row in rows}


def importance_of(model: Classifier, frame: DataFrame) -> list[Importance]:
    """Give what each input is worth on the test cut-off."""
    test = frame.where(F.col("as_of_date") == TEST)
    return permutation_importance(
        test=test, classifier=model, n_rows=PARAMS.importance_rows, seed=1
    )


@dataclass(frozen=True)
class Decided:
    """Which candidate scores, which rule is the best, and the figures that decided."""

    champion: Fitted
    best_rule: Fitted
    why: str


def as_tested(candidates: Sequence[Fitted]) -> list[Tested[ChurnModel]]:
    """Give the candidates with their figures, as a training of churn does."""
    rule = best_rule([fitted for fitted in candidates if fitted.name in RULES])
    return [
        Tested(
            fitted.name,
            fitted.name in RULES,
            ChurnModel(fitted.model, 28, 84),
            tuple(figures(fitted, None if fitted.name in RULES else rule, seed=PARAMS.seed)),
        )
        for fitted in candidates
    ]


def decide(candidates: Sequence[Fitted]) -> Decided:
    """Choose as a training of churn does."""
    choice = Churn().choose(PARAMS, as_tested(candidates))
    by_name = {fitted.name: fitted for fitted in candidates}
    return Decided(by_name[choice.champion], by_name[choice.registered[0]], choice.why)


def ends(tested: Tested[ChurnModel], name: str) -> tuple[float, float]:
    found = next(measured for measured in tested.metrics if measured.name == name)
    assert found.low is not None and found.high is not None
    return found.low, found.high


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
def forest(planted: DataFrame) -> Fitted:
    return fit_candidate(FOREST, planted, CUTOFFS, PARAMS)


@pytest.fixture(scope="module")
def importances(forest: Fitted, planted: DataFrame) -> list[Importance]:
    return importance_of(forest.model, planted)


@pytest.fixture(scope="module")
def tested(spark: SparkSession, planted: DataFrame) -> dict[str, Tested[ChurnModel]]:
    """Give all candidates as a training of churn fits and measures them."""
    run: Any = SimpleNamespace(spark=spark, section=PARAMS, features=FEATURES)
    kept: Any = SimpleNamespace(kept=VARYING)
    prepared = Prepared(Ready(kept))
    return {one.name: one for one in Churn().test(run, CUTOFFS, planted, prepared)}


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


def test_what_learns_becomes_the_champion_where_no_rule_sees_the_signal(
    tested: dict[str, Tested[ChurnModel]],
) -> None:
    choice = Churn().choose(PARAMS, list(tested.values()))
    assert choice.champion == choice.registered[1] and choice.champion not in RULES
    assert choice.registered[0] in RULES
    for name in RULES:
        low, high = ends(tested[name], "auc")
        assert low < 0.5 < high


def test_every_candidate_is_tested_after_what_it_is_made_of(
    tested: dict[str, Tested[ChurnModel]], forest: Fitted, planted: DataFrame
) -> None:
    assert tuple(tested) == (*RULES, FOREST, LOGISTIC_REGRESSION, AVERAGE)
    assert [name for name, one in tested.items() if one.is_rule] == list(RULES)
    assert {one.fitted.classifier.kind for one in tested.values()} == set(tested)
    parts = [tested[name].fitted.classifier for name in (FOREST, LOGISTIC_REGRESSION)]
    average = tested[AVERAGE].fitted.classifier
    assert (average.pipeline, average.formula) == (parts[0].pipeline, parts[1].formula)
    assert parts[0].spec() == forest.model.spec(), "alone or among others, it is the same"
    # Its calibration is its own, of the mean of what both say before theirs.
    raw = [raw_scores(model, planted) for model in (*parts, average)]
    assert raw[2] == pytest.approx({key: (raw[0][key] + raw[1][key]) / 2 for key in raw[2]})
    assert len({model.calibration for model in (*parts, average)}) == 3


def test_gains_are_over_the_best_rule_on_the_same_customers(
    tested: dict[str, Tested[ChurnModel]], planted: DataFrame, planted_table: pd.DataFrame
) -> None:
    test = on_test(planted_table)
    auc, brier = {}, {}
    for name, one in tested.items():
        found = test["customer_id"].map(probabilities(one.fitted.classifier, planted))
        auc[name] = roc_auc_score(test["label"], found)
        brier[name] = brier_score_loss(test["label"], found)
    rule = max(RULES, key=lambda name: auc[name])
    for name in (FOREST, LOGISTIC_REGRESSION, AVERAGE):
        gains = [tested[name].value(metric) for metric in (AUC_GAIN, BRIER_GAIN)]
        expected = [auc[name] - auc[rule], brier[rule] - brier[name]]
        assert gains == pytest.approx(expected, abs=1e-9)
        for metric, gain in zip((AUC_GAIN, BRIER_GAIN), expected, strict=True):
            low, high = ends(tested[name], metric)
            assert (low + high) / 2 == pytest.approx(gain, abs=1e-9)
            assert 0 < high - low < 0.3
    assert all(tested[name].value(AUC_GAIN) is None for name in RULES)
    n = {measured.n for one in tested.values() for measured in one.metrics}
    assert N_CUSTOMERS in n


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
    tested: dict[str, Tested[ChurnModel]], planted: DataFrame
) -> None:
    keep = ["customer_id", PLANTED]
    expected = sorted(planted.select(*keep).collect(), key=str)
    scored = score(tested[AVERAGE].fitted.classifier, planted, keep=keep)
    assert scored.columns == [*keep, RAW_SCORE, PROBABILITY]
    assert sorted(scored.select(*keep).collect(), key=str) == expected


@pytest.mark.parametrize("name", [one.name for one in candidates_of(PARAMS)])
def test_a_model_is_the_same_after_its_spec_went_through_json(
    tested: dict[str, Tested[ChurnModel]], name: str
) -> None:
    model = tested[name].fitted
    assert model.classifier.calibration != PlattCalibration()
    assert load_model(json.loads(model.spec_json()), model.classifier.pipeline) == model


# --- no signal -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chance_frame(spark: SparkSession) -> Iterator[DataFrame]:
    """Give customers of whom three in ten leave, for no reason that could be known."""
    with persisted(spark, with_labels(snapshots(), 0.3)) as frame:
        yield frame


@pytest.mark.parametrize(
    "name", [one.name for one in CANDIDATES if one.name != XGBOOST or find_spec("xgboost")]
)
def test_no_candidate_finds_a_signal_where_there_is_none(
    chance_frame: DataFrame, name: str
) -> None:
    fitted = fit_candidate(name, chance_frame, CUTOFFS, QUICK)
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
    losses = importance_of(fooled.model, rule_frame)
    leaky = next(importance.auc_loss for importance in losses if importance.feature == LEAKY)
    assert leaky < 0.05


def test_the_only_input_of_a_rule_carries_all_of_its_ranking(
    rule_frame: DataFrame, fitted_rules: list[Fitted]
) -> None:
    recency = fitted_rules[0]
    (only,) = importance_of(recency.model, rule_frame)
    assert only.feature == "days_since_last_order"
    assert only.auc_loss == pytest.approx(value(recency, "auc") - 0.5, abs=0.08)


def test_importance_does_not_depend_on_how_the_rows_are_spread(
    rule_frame: DataFrame, fitted_rules: list[Fitted]
) -> None:
    spread = rule_frame.repartition(5, "n_orders").sortWithinPartitions(F.desc("customer_id"))
    losses = [importance_of(fitted_rules[1].model, frame) for frame in (rule_frame, spread)]
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
    for name in model.features:
        places = random.permutation(len(drawn))
        copies[name] = drawn.assign(**{name: drawn[name].to_numpy()[places]})
    auc = {}
    for name, copy in copies.items():
        found = copy["customer_id"].map(
            probabilities(model, to_spark(rule_frame.sparkSession, copy))
        )
        auc[name] = roc_auc_score(copy["label"], found.round(6))
    losses = importance_of(model, rule_frame)
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
    importance_of(forest.model, planted)
    # The label, each input as it is and each input shuffled.
    assert sent == [PARAMS.importance_rows * (1 + 2 * len(forest.model.features))]


def test_of_many_customers_a_sample_by_hash_calibrates_and_tests(
    planted: DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = fit_candidate("recency", planted, CUTOFFS, PARAMS)
    monkeypatch.setattr(step, "TESTED_ROWS", N_CUSTOMERS // 3)
    spread = planted.repartition(5, "n_orders")
    sampled = fit_candidate("recency", spread, CUTOFFS, PARAMS)
    # One in four is the largest share of 500 that is no more than 166.
    is_drawn = F.pmod(F.xxhash64("customer_id"), F.lit(4)) == 0
    drawn = planted.where(is_drawn & (F.col("as_of_date") == TEST)).toPandas()
    drawn = drawn.sort_values("customer_id")
    assert N_CUSTOMERS / 5 < len(drawn) < N_CUSTOMERS / 3
    assert sampled.outcomes.is_positive.tolist() == (drawn["label"] == 1).tolist()
    assert sampled.counts.rows == len(drawn)
    found = drawn["customer_id"].map(probabilities(sampled.model, planted))
    assert sampled.outcomes.probability == pytest.approx(found.to_numpy(), abs=1e-12)
    # What it learns from is not drawn from, and what calibrates it is.
    assert sampled.model.formula == everybody.model.formula
    assert sampled.model.calibration != everybody.model.calibration


def test_what_is_measured_are_the_probabilities_that_spark_gives(
    forest: Fitted, planted: DataFrame, planted_table: pd.DataFrame
) -> None:
    test = on_test(planted_table).sort_values("customer_id")
    found = test["customer_id"].map(probabilities(forest.model, planted))
    assert forest.outcomes.probability == pytest.approx(found.to_numpy(), abs=1e-12)
    assert forest.outcomes.is_positive.tolist() == (test["label"] == 1).tolist()
    # Metrics count customers at probabilities of six decimals.
    auc = roc_auc_score(test["label"], found.round(6))
    assert value(forest, "auc") == pytest.approx(auc, abs=1e-9)


def test_a_test_cutoff_without_customers_is_refused(planted: DataFrame) -> None:
    nobody = planted.where(F.col("as_of_date") != TEST)
    with pytest.raises(DataError, match=f"no customer was active on {TEST}"):
        fit_candidate("recency", nobody, CUTOFFS, PARAMS)


# --- figures -------------------------------------------------------------------------------------


def test_figures_say_how_the_probabilities_came_true(forest: Fitted) -> None:
    found = {one.name: one for one in figures(forest, None, seed=1)}
    of_all = [one for name, one in found.items() if not name.startswith(("bin.", "group."))]
    assert {one.n for one in of_all} == {N_CUSTOMERS}
    order = np.argsort(-forest.outcomes.probability)
    probability, has_left = forest.outcomes.probability[order], forest.outcomes.is_positive[order]
    bins = [found[f"bin.{place:02d}.predicted"] for place in range(1, 11)]
    assert sum(one.n for one in bins) == N_CUSTOMERS
    first = found["bin.01.observed"]
    assert (first.n, first.value) == (50, pytest.approx(has_left[:50].mean(), abs=0.03))
    assert bins[0].value == pytest.approx(probability[:50].mean(), abs=0.005)
    assert first.low is not None and first.high is not None and first.value is not None
    assert first.low < first.value < first.high
    assert AUC_GAIN not in found and BRIER_GAIN not in found


def test_the_limit_of_the_calibration_error_is_what_chance_may_bring(forest: Fitted) -> None:
    found = {one.name: one.value for one in figures(forest, None, seed=1)}
    by_chance, limit = found[CALIBRATION_BY_CHANCE], found[CALIBRATION_LIMIT]
    assert by_chance is not None and limit is not None
    assert 0 < by_chance < limit
    # Of 50 customers at 1 in 3 or less the mean distance from it is below 0.8 * sqrt(.22 / 50).
    assert by_chance < 0.8 * np.sqrt(0.22 / 50) and limit < 2 * by_chance


def test_a_candidate_gains_nothing_over_itself(forest: Fitted) -> None:
    found = {one.name: one for one in figures(forest, forest, seed=1)}
    for name in (AUC_GAIN, BRIER_GAIN):
        assert (found[name].value, found[name].low, found[name].high) == (0, 0, 0)


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
    trees = []
    for fitted in (again, forest):
        assert fitted.model.pipeline is not None
        # Its first line has a name that is drawn.
        trees.append(fitted.model.pipeline.stages[1].toDebugString.split("\n", 1)[1])
    assert trees[0] == trees[1]
    # With all labels turned round, what was ranked right is ranked wrong.
    assert value(again, "auc") == pytest.approx(1 - value(forest, "auc"))


def test_an_isotonic_map_that_was_chosen_is_what_tests_scores_and_is_stored(
    planted: DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "fit_calibration", lambda one: fit_isotonic(one, fit_platt(one)))
    fitted = fit_candidate("recency", planted, CUTOFFS, PARAMS)
    calibration = fitted.model.calibration
    assert isinstance(calibration, IsotonicCalibration)
    assert len(calibration.knots) > 10
    found = probabilities(fitted.model, planted.where(F.col("as_of_date") == TEST))
    assert fitted.outcomes.probability == pytest.approx(
        np.array([found[name] for name in sorted(found)]), abs=1e-12
    )
    assert load_classifier(json.loads(fitted.model.spec_json())) == fitted.model
    knots = [one.value for one in figures(fitted, None, seed=1) if one.name == ISOTONIC_KNOTS]
    assert knots == [len(calibration.knots)]


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
    fit = candidate_named(name).fit
    assert fit is not None
    model = fit(rule_frame, (), PARAMS)
    inputs = np.log1p(rule_table[list(RULES[name])].to_numpy())
    # Next to no penalty: maximum likelihood.
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


def candidate(
    kind: str,
    auc: float | None,
    brier: float,
    *,
    gain: tuple[float | None, float | None, float | None] = (0.1, 0.05, 0.15),
    error: float | None = 0.01,
    limit: float | None = 0.02,
) -> Tested[ChurnModel]:
    """Give a candidate of which nothing but the figures that decide are known."""
    metrics = [
        Measured("auc", auc, 9),
        Measured("brier", brier, 9),
        Measured("calibration_error", error, 9),
        Measured(CALIBRATION_LIMIT, limit, 9),
    ]
    if kind not in RULES:
        metrics.append(Measured(AUC_GAIN, gain[0], 9, gain[1], gain[2]))
    return Tested(kind, kind in RULES, ChurnModel(Classifier(kind), 28, 84), tuple(metrics))


BEST = candidate("recency", 0.70, 0.20)
RULES_TESTED = [BEST, candidate("recency_frequency_tenure", 0.65, 0.10)]


def choose(*challengers: Tested[ChurnModel]) -> Choice:
    return Churn().choose(PARAMS, [*RULES_TESTED, *challengers])


@pytest.mark.parametrize(
    ("forest_metrics", "champion"),
    [
        ((0.80, 0.15), FOREST),
        ((0.80, 0.20), FOREST),  # probabilities no worse
        ((0.80, 0.21), "recency"),
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
    choice = choose(candidate(FOREST, *forest_metrics))
    assert (choice.champion, choice.registered) == (champion, ("recency", FOREST))


def test_the_best_of_what_learns_stands_against_the_rule() -> None:
    others = [candidate(FOREST, 0.80, 0.15), candidate(LOGISTIC_REGRESSION, 0.78, 0.10)]
    choice = choose(*others, candidate(AVERAGE, 0.81, 0.16))
    assert (choice.champion, choice.registered) == (AVERAGE, ("recency", AVERAGE))
    assert choose(*others).champion == FOREST


@pytest.mark.parametrize(
    ("gain", "champion"),
    [
        ((0.1, 0.001, 0.199), FOREST),
        ((0.1, 0.0, 0.2), "recency"),
        ((0.1, -0.0123, 0.2123), "recency"),
        ((0.1, None, None), "recency"),
        ((None, None, None), "recency"),
    ],
)
def test_a_gain_that_may_be_chance_leaves_the_rule(
    gain: tuple[float | None, float | None, float | None], champion: str
) -> None:
    choice = choose(candidate(FOREST, 0.80, 0.15, gain=gain))
    assert choice.champion == champion
    assert ("does not surely beat" in choice.why) is (champion != FOREST)


def test_the_words_of_a_gain_that_may_be_chance_have_its_interval() -> None:
    why = choose(candidate(FOREST, 0.80, 0.15, gain=(0.1, -0.0123, 0.2123))).why
    assert why.startswith("the forest does not surely beat the best rule: ")
    assert why.endswith("gain 0.1000, 95 % interval -0.0123 to 0.2123")
    unknown = choose(candidate(FOREST, 0.80, 0.15, gain=(None, None, None))).why
    assert unknown.endswith("gain unknown")


@pytest.mark.parametrize(
    ("error", "limit", "champion"),
    [
        (0.0199, 0.02, FOREST),
        (0.02, 0.02, FOREST),
        (0.0201, 0.02, "recency"),
        (0.0345, 0.0312, "recency"),
        (0.0345, 0.05, FOREST),  # of few customers chance allows more
    ],
)
def test_probabilities_that_are_off_leave_the_rule(
    error: float, limit: float, champion: str
) -> None:
    choice = choose(candidate(FOREST, 0.80, 0.15, error=error, limit=limit))
    assert (choice.champion, choice.registered) == (champion, ("recency", FOREST))
    says = f"its probabilities are off by {error:.4f}, more than the {limit:.4f} that may pass"
    assert choice.why.startswith(f"the forest is not calibrated: {says}") is (champion != FOREST)
    # What went before is still told.
    assert "the forest beats the best rule" in choice.why and "gain 0.1000" in choice.why


def test_a_model_does_not_stand_back_for_a_rule_that_is_off_by_more() -> None:
    rule = candidate("recency", 0.70, 0.20, error=0.06, limit=0.02)
    model = candidate(FOREST, 0.80, 0.15, error=0.021, limit=0.02)
    assert Churn().choose(PARAMS, [rule, model]).champion == FOREST


def test_what_nothing_could_calibrate_stands_back_for_a_rule_that_is_off_by_less() -> None:
    model = candidate(FOREST, 0.80, 0.15, error=0.09, limit=None)
    near, far = (candidate("recency", 0.70, 0.20, error=error, limit=None) for error in (0.07, 0.1))
    choice = Churn().choose(PARAMS, [near, model])
    assert choice.champion == "recency"
    assert "off by 0.0900, and there was no cut-off to calibrate them on; " in choice.why
    assert Churn().choose(PARAMS, [far, model]).champion == FOREST


@pytest.mark.parametrize(
    ("days_before", "closes_after", "learnt"),
    [
        ((28, 56, 84), 28, (84, 56)),
        ((28, 56, 84), 31, (84,)),  # three days of grace: the one before had not closed
        ((21, 35, 49), 21, (49,)),
        ((90, 97, 104), 90, (104, 97)),  # none had: all but the latest
        ((28,), 28, (28,)),
    ],
)
def test_no_outcome_of_what_is_learnt_from_lies_where_probabilities_are_calibrated(
    days_before: tuple[int, ...], closes_after: int, learnt: tuple[int, ...]
) -> None:
    test = date(2024, 6, 1)
    cutoffs = Cutoffs(test, tuple(test - timedelta(days=days) for days in days_before))
    found = learnt_dates(cutoffs, timedelta(days=closes_after))
    assert found == [test - timedelta(days=days) for days in learnt]


def test_a_calibrated_model_goes_before_a_better_one_that_is_not() -> None:
    rule = candidate("recency", 0.70, 0.20)
    average = candidate(AVERAGE, 0.82, 0.14, error=0.03, limit=0.02)
    model = candidate(FOREST, 0.80, 0.15, error=0.01, limit=0.02)
    assert Churn().choose(PARAMS, [rule, average, model]).champion == FOREST


def test_a_rule_scores_whatever_its_calibration() -> None:
    rule = candidate("recency", 0.70, 0.20, error=0.4)
    choice = Churn().choose(PARAMS, [rule, candidate(FOREST, 0.60, 0.30, error=0.3)])
    assert choice.champion == "recency"
    assert "off by" not in choice.why


def test_rules_alone_leave_the_best_of_them() -> None:
    choice = choose()
    assert (choice.champion, choice.registered) == ("recency", ("recency",))


@pytest.mark.parametrize(
    ("metrics", "best"),
    [
        ([(0.7, 0.2), (0.6, 0.1)], 0),
        ([(0.6, 0.1), (0.7, 0.2)], 1),
        ([(0.7, 0.2), (0.7, 0.1)], 1),
        ([(0.7, 0.1), (0.7, 0.2)], 0),
        ([(1.0, 0.1), (1.0, 0.0)], 1),
        ([(None, 0.1), (None, 0.2)], 0),
        ([(None, 0.1), (0.1, 0.2)], 1),
    ],
)
def test_the_best_rule_ranks_best_and_then_has_the_best_probabilities(
    metrics: Sequence[tuple[float | None, float]], best: int
) -> None:
    names = list(RULES)[: len(metrics)]
    nobody = Outcomes(np.zeros(0, bool), np.zeros(0), {})
    rules = [
        Fitted(Classifier(name), (Metric("auc", auc), Metric("brier", brier)), nobody)
        for name, (auc, brier) in zip(names, metrics, strict=True)
    ]
    assert best_rule(rules).name == names[best]
    # Gains are over the rule that the choice names.
    tested = [candidate(name, *one) for name, one in zip(names, metrics, strict=True)]
    choice = Churn().choose(PARAMS, [*tested, candidate(FOREST, 0.5, 0.5)])
    assert choice.registered[0] == names[best]


def test_the_decision_tells_the_figures_that_decided() -> None:
    rules = [candidate("recency", 0.7123, 0.2), candidate("recency_frequency_tenure", 0.6, 0.2)]
    why = Churn().choose(PARAMS, [*rules, candidate(FOREST, None, 0.3456)]).why
    assert "does not beat" in why
    assert all(text in why for text in ("forest", "recency", "0.7123", "0.3456", "unknown"))
    assert "recency_frequency_tenure" not in why


def test_a_candidate_is_named_after_its_kind(forest: Fitted) -> None:
    renamed = replace(forest, model=replace(forest.model, kind="other"))
    assert (forest.name, renamed.name) == (FOREST, "other")
