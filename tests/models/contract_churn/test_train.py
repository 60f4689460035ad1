"""Contract churn is trained: a planted reason is found, chance is no champion, parts stay apart."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from models.contract_churn.made_contracts import contract, contracts, made
from pydantic import ValidationError
from pyspark.sql import SparkSession

from crm_spark.models.classifiers.settings import ForestParams
from crm_spark.models.contract_churn.attributes import attributes_of, with_attributes
from crm_spark.models.contract_churn.candidates import RULES, STRONGEST_CATEGORY, STRONGEST_NUMBER
from crm_spark.models.contract_churn.data import ContractData, contract_data, labelled
from crm_spark.models.contract_churn.definition import ContractChurn
from crm_spark.models.contract_churn.model import ContractModel, score_contracts
from crm_spark.models.contract_churn.parts import HELD_OUT
from crm_spark.models.contract_churn.reasons import Explainer, with_reasons
from crm_spark.models.contract_churn.section import ContractChurnSection
from crm_spark.models.contract_churn.train import (
    CROSS_VALIDATED,
    cross_validated,
    measured_candidates,
    split_of,
)
from crm_spark.models.contract_churn.verdicts import Classes
from crm_spark.models.results import Tested

DAY = date(2024, 1, 1)
QUICK = ContractChurnSection(n_folds=2, candidates=("logistic_regression",))


def data_of(
    spark: SparkSession, rows: list[tuple[object, ...]], params: ContractChurnSection = QUICK
) -> ContractData:
    table = contracts(spark, rows)
    return contract_data(labelled(table, params, DAY).persist(), attributes_of(table))


def fitted(
    spark: SparkSession, *, n: int = 1500, effect: float = 2.0
) -> dict[str, Tested[ContractModel]]:
    data = data_of(spark, made(n, effect=effect))
    return {one.name: one for one in measured_candidates(data, data.attributes, QUICK)}


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[str, Tested[ContractModel]]:
    """Give the candidates where contract and spend tell who leaves."""
    return fitted(spark)


def test_who_is_not_known_to_have_left_or_stayed_is_not_learnt_from(spark: SparkSession) -> None:
    sample = data_of(spark, made(200)).sample
    assert len(sample.values) == len(sample.labels) == 180
    assert set(np.unique(sample.parts)) == {HELD_OUT, 0, 1}


def test_the_rules_are_the_attributes_that_tell_most(
    found: dict[str, Tested[ContractModel]],
) -> None:
    rules = {name: found[name].fitted.attributes for name in RULES}
    assert [one.name for one in rules[STRONGEST_CATEGORY]] == ["term"]
    assert [one.name for one in rules[STRONGEST_NUMBER]] == ["spend"]
    assert found[STRONGEST_CATEGORY].is_rule and not found["logistic_regression"].is_rule


def test_a_planted_reason_is_found_and_beats_the_rules_on_customers_held_out(
    found: dict[str, Tested[ContractModel]],
) -> None:
    choice = ContractChurn().choose(QUICK, list(found.values()))
    assert choice.champion == "logistic_regression" and choice.is_apart
    assert choice.why.endswith("by cross-validation")
    auc = {name: one.value("auc") or 0.0 for name, one in found.items()}
    assert auc["logistic_regression"] > 0.75
    assert auc["logistic_regression"] > max(auc[name] for name in RULES)
    held_out = {
        metric.n for one in found.values() for metric in one.metrics if metric.name == "auc"
    }
    assert held_out == {round(0.25 * 1350)}


def test_the_choice_goes_by_figures_out_of_fold_alone(
    found: dict[str, Tested[ContractModel]],
) -> None:
    one = found["logistic_regression"]
    crossed = cross_validated(one)
    assert crossed.value("auc") == one.value(f"{CROSS_VALIDATED}auc") != one.value("auc")
    assert {metric.name for metric in crossed.metrics} >= {"auc", "brier", "auc_gain"}
    assert {metric.n for metric in crossed.metrics if metric.name == "auc"} == {1350 - 338}


def test_where_nothing_tells_who_leaves_a_rule_scores(spark: SparkSession) -> None:
    candidates = list(fitted(spark, effect=0.0).values())
    assert ContractChurn().choose(QUICK, candidates).champion in RULES


def test_what_is_learnt_of_values_comes_of_the_other_folds_alone(spark: SparkSession) -> None:
    rows = made(300)
    data = data_of(spark, rows)
    before = [split_of(data, data.attributes, QUICK, fold).encoding for fold in (0, 1)]
    is_first = data.sample.parts == 0
    data.sample.values.loc[is_first, "spend"] = 1e6
    data.sample.labels[is_first] = 1.0
    after = [split_of(data, data.attributes, QUICK, fold).encoding for fold in (0, 1)]
    assert after[0] == before[0] and after[1] != before[1]


def test_a_model_that_was_stored_scores_the_same_and_a_reason_is_an_attribute(
    spark: SparkSession, found: dict[str, Tested[ContractModel]]
) -> None:
    model = found["logistic_regression"].fitted
    rows = with_attributes(contracts(spark, made(60, seed=5)), "customer_id")
    scores = {row[0]: row[1] for row in score_contracts(model, rows).collect()}
    assert len(scores) == 60 and all(0 < one < 1 for one in scores.values())
    reasons = {
        row["customer_id"]: row["reasons"]
        for row in with_reasons(model, rows, n=4, n_rows=60).collect()
    }
    shown = [reason for of_one in reasons.values() for reason in of_one]
    assert {reason["attribute"] for reason in shown} <= {"spend", "luck", "term", "colour"}
    assert "term is monthly" in {reason["text"] for reason in shown}
    for of_one in reasons.values():
        names = [reason["attribute"] for reason in of_one]
        assert len(names) == len(set(names))
        assert all(reason["effect"] > 0.005 for reason in of_one)
    riskiest = max(scores, key=lambda one: scores[one])
    assert reasons[riskiest], "who is most at risk has a reason"
    assert {row["customer_id"] for row in with_reasons(model, rows, n=0, n_rows=60).collect()} == (
        set(scores)
    )


def test_contributions_of_attributes_add_up_to_the_score(
    found: dict[str, Tested[ContractModel]],
) -> None:
    explainer = Explainer.of(found["logistic_regression"].fitted)
    n_inputs = len(explainer.contributions.features)
    values = np.random.default_rng(1).random((5, n_inputs))
    added, raw = explainer.contributions.of_rows(values)
    assert np.abs(added.sum(axis=1) + explainer.contributions.base - raw).max() < 1e-12
    assert sorted(set(explainer.of_input)) == list(range(len(explainer.attributes)))


def test_settings_know_their_range() -> None:
    assert set(ContractChurnSection().candidates) == {"average", "forest", "logistic_regression"}
    assert ContractChurnSection(forest=ForestParams(n_trees=3)).forest.n_trees == 3
    wrong: Any = {"n_folds": 1, "test_share": 0.9, "most_levels": 0, "search": 2}
    for key, value in wrong.items():
        with pytest.raises(ValidationError, match=key):
            ContractChurnSection(**{key: value})


def test_a_trusted_attribute_is_a_rule_and_one_that_is_constant_in_a_fold_breaks_nothing(
    spark: SparkSession,
) -> None:
    rows = [
        contract(
            name,
            has_left,
            # Two customers have another value: in some fold none of those learnt from has.
            {"odd": float(place in (1, 2))},
            {**dict(categories), "status": "closed" if has_left else "open"},
        )
        for place, (name, has_left, _, categories) in enumerate(made(400))
    ]
    data = data_of(spark, rows)
    # All attributes are used, as if status were trusted.
    found = {one.name: one for one in measured_candidates(data, data.attributes, QUICK)}
    assert [one.name for one in found[STRONGEST_CATEGORY].fitted.attributes] == ["status"]
    assert found[STRONGEST_CATEGORY].value("auc") == pytest.approx(1.0)
    assert found[STRONGEST_NUMBER].is_rule
    assert ContractChurn().choose(QUICK, list(found.values())).champion in RULES


def test_classes_are_those_of_the_table(spark: SparkSession) -> None:
    data = data_of(spark, made(200))
    classes = Classes.of(data.rows)
    labels, is_test = data.sample.labels, data.sample.parts == HELD_OUT
    assert (classes.n_left, classes.n_stayed) == (labels.sum(), (labels == 0).sum())
    assert classes.n_left_at_test == labels[is_test].sum() > 0
    assert classes.n_stayed_at_test == (labels[is_test] == 0).sum() > 0
