"""What the page and the console say of contract churn."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from crm_spark.models.contract_churn.facts import (
    AttributeAuc,
    ContractFacts,
    ContractScores,
    FirstToCall,
)
from crm_spark.models.contract_churn.report import show_contract_churn
from crm_spark.models.decisions import Decision
from crm_spark.models.records import MetricRow
from crm_spark.report.blocks import Text, TextTable

DAY = date(2024, 1, 1)
RULE, MODEL = "strongest_category", "forest"


def metric(name: str, metric_name: str, value: float, low: float | None = None) -> MetricRow:
    return MetricRow(name, DAY, metric_name, value, 500, low, None if low is None else value + 0.02)


DECISION = Decision(
    model_name="crm_spark_contract_churn",
    version="2",
    kind=MODEL,
    as_of=DAY,
    is_champion=True,
    why="the forest beats the best rule: forest AUC 0.85; by cross-validation",
    chose_itself=False,
    training_key="k",
    training_run_id="r",
    decided_at=datetime(2024, 1, 1, tzinfo=UTC),
    run_id="r",
)
FACTS = ContractFacts(
    scores=ContractScores(n=1, expected=0.6, top=0.6, n_top=1, version="2"),
    first=(
        FirstToCall("c1", 0.6, (("term is monthly", 0.21), ("spend is 3", 0.01))),
        FirstToCall("c2", 0.1, ()),
        FirstToCall("c3", 0.1, (), is_explained=False),
    ),
    metrics=(
        metric(RULE, "auc", 0.74),
        metric(MODEL, "auc", 0.85),
        metric(MODEL, "calibration_error", 0.01),
        metric(MODEL, "calibration_limit", 0.02),
        metric(MODEL, "auc_gain", 0.1, 0.08),
        metric(MODEL, "cross_validated.auc", 0.86),
    ),
    attributes=(AttributeAuc("term", metric("attributes", "categories.term", 0.74, 0.72)),),
    decision=DECISION,
)


def test_nothing_is_shown_where_nothing_is_known() -> None:
    assert show_contract_churn(ContractFacts()) is None


def test_one_customer_is_one_and_reasons_are_sentences_with_points() -> None:
    subject = show_contract_churn(FACTS)
    assert subject is not None
    scores, _ = subject.sections
    lead, table = scores.blocks
    assert isinstance(lead, Text) and isinstance(table, TextTable)
    assert lead.text.startswith("Of 1 contract customer not known to have left, 1 looks like")
    assert "The table has no dates" in lead.text
    assert [row[2] for row in table.rows] == [
        "term is monthly (+21 points); spend is 3 (+1 point)",
        "nothing by itself",
        "not looked at",
    ]
    assert subject.tiles[0].value == "1"


def test_each_candidate_stands_beside_the_rules_with_both_kinds_of_figures() -> None:
    subject = show_contract_churn(FACTS)
    assert subject is not None
    verdict, table, attributes = subject.sections[1].blocks
    assert isinstance(verdict, Text) and isinstance(table, TextTable)
    assert verdict.text.startswith("The random forest scores (version 2): the forest beats")
    assert "Grade A: clearly better than the best rule" in verdict.text
    names = [row[0] for row in table.rows]
    assert names == ["random forest", "rule: the category that tells most by itself"]
    assert (table.rows[0][1], table.rows[0][-1]) == ("0.8500", "0.8600")
    assert table.rows[1][-1] == ""
    assert isinstance(attributes, TextTable) and attributes.rows[0][0] == "term"
    assert all(len(line) <= 100 for line in subject.lines)


def test_the_verdict_says_where_an_isotonic_map_calibrates_the_champion() -> None:
    for model, is_said in ((MODEL, True), (RULE, False)):
        knots = metric(model, "isotonic_knots", 50)
        subject = show_contract_churn(replace(FACTS, metrics=(*FACTS.metrics, knots)))
        assert subject is not None
        verdict = subject.sections[1].blocks[0]
        assert isinstance(verdict, Text)
        assert ("An isotonic map of 50 knots calibrates it" in verdict.text) == is_said


def test_a_rule_that_scores_has_a_c() -> None:
    rule = replace(DECISION, kind=RULE)
    figures = tuple(replace(row, model_name=RULE) for row in FACTS.metrics)
    subject = show_contract_churn(replace(FACTS, decision=rule, metrics=figures))
    assert subject is not None
    (graded,) = [line for line in subject.lines if "Grade" in line]
    assert graded.strip() == "Grade C: a rule scores; its probabilities can be used"
