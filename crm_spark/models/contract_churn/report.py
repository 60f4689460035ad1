"""Contract churn on the page and on the console: who is likely to leave, and whether it holds."""

from __future__ import annotations

from collections.abc import Sequence

from crm_spark.models.classifiers.learners import LEARNERS
from crm_spark.models.classifiers.report import (
    FIGURES,
    candidates_on_console,
    glossary,
    reasons_in_words,
    verdict_on_champion,
)
from crm_spark.models.contract_churn.candidates import IN_WORDS, RULES
from crm_spark.models.contract_churn.facts import MODEL, ContractFacts, FirstToCall
from crm_spark.models.contract_churn.train import CROSS_VALIDATED
from crm_spark.models.grade import grade_of_champion
from crm_spark.report.blocks import Block, Section, Text, TextTable, Tile
from crm_spark.report.subject import Subject
from crm_spark.report.words import share, with_interval
from crm_spark.words import are, counted, verb

WORDS = {**{one.name: one.in_words for one in LEARNERS}, **IN_WORDS}

GLOSSARY = glossary("contract churn")

_N_ATTRIBUTES = 10


def show_contract_churn(facts: ContractFacts) -> Subject | None:
    """Lay out who is likely to leave, beside the rules; None where nothing is known."""
    sections = [*_scores_section(facts), *_quality_section(facts)]
    if not sections:
        return None
    return Subject(tuple(sections), _tiles(facts), (*_score_lines(facts), *_quality_lines(facts)))


def _tiles(facts: ContractFacts) -> tuple[Tile, ...]:
    if facts.scores is None:
        return ()
    note = f"of {counted(facts.scores.n, 'contract customer')}"
    return (Tile("Look like those who left", f"{facts.scores.expected:,.0f}", note),)


def _lead(facts: ContractFacts) -> str:
    assert facts.scores is not None
    scores = facts.scores
    n = round(scores.expected)
    return (
        f"of {counted(scores.n, 'contract customer')} not known to have left, {n:,} "
        f"{verb(n, 'looks', 'look')} like those who left"
    )


def _score_lines(facts: ContractFacts) -> tuple[str, ...]:
    if facts.scores is None:
        return ()
    scores = facts.scores
    return (
        "Contract churn (scores.contract_churn)",
        f"  {_lead(facts)}",
        f"  the tenth most at risk: {scores.top:.0%} on average   "
        f"(model {MODEL} version {scores.version})",
    )


def _quality_lines(facts: ContractFacts) -> tuple[str, ...]:
    """Show each candidate beside the rules, on customers that none of them learnt from."""
    models = _models(facts)
    if not models:
        return ()
    n = max(row.n for row in facts.metrics if row.metric == "auc")
    head = f"How good contract churn is: {counted(n, 'customer')} held out, whom no model had seen"
    return candidates_on_console([head], facts.metrics, models, facts.decision, _grade(facts))


def _models(facts: ContractFacts) -> list[str]:
    there = {row.model_name for row in facts.metrics}
    return [name for name in WORDS if name in there]


def _grade(facts: ContractFacts) -> str:
    if facts.decision is None:
        return ""
    kind = facts.decision.kind
    of_kind = {row.metric: row for row in facts.metrics if row.model_name == kind}
    return grade_of_champion(of_kind, is_rule=kind in RULES)


def _scores_section(facts: ContractFacts) -> list[Section]:
    if facts.scores is None:
        return []
    scores, lead = facts.scores, _lead(facts)
    blocks: list[Block] = [
        Text(
            f"{lead[:1].upper()}{lead[1:]}. The tenth most at risk "
            f"({counted(scores.n_top, 'customer')}) {are(scores.n_top)} so with a probability of "
            f"{share(scores.top)} on average. The table has no dates: the probability is of "
            "looking like those who left when it was loaded, not of leaving within so many days."
        ),
        _first_table(facts.first),
    ]
    return [Section("contract-churn", "Which contract customers are likely to leave", blocks)]


def _first_table(first: Sequence[FirstToCall]) -> TextTable:
    return TextTable(
        "Whom to call first",
        ["Customer", "Probability", "What raises it"],
        [[row.customer_id, share(row.churn_probability), _reasons(row)] for row in first],
        numbers=["Probability"],
    )


def _reasons(row: FirstToCall) -> str:
    return reasons_in_words(row.reasons, is_explained=row.is_explained)


def _quality_section(facts: ContractFacts) -> list[Section]:
    """Give each candidate beside the rules, and what attributes tell by themselves."""
    models = _models(facts)
    if not models:
        return []
    blocks: list[Block] = []
    if facts.decision:
        blocks.append(verdict_on_champion(facts.decision, WORDS, _grade(facts), facts.metrics))
    blocks.append(_quality_table(facts, models))
    if facts.attributes:
        rows = [[one.name, with_interval(one.figure)] for one in facts.attributes[:_N_ATTRIBUTES]]
        caption = "What attributes tell by themselves, on the customers learnt from"
        blocks.append(TextTable(caption, ["Attribute", "AUC"], rows, numbers=["AUC"]))
    return [Section("contract-churn-quality", "How far to trust contract churn", blocks)]


def _quality_table(facts: ContractFacts, models: Sequence[str]) -> TextTable:
    row_of = {(row.model_name, row.metric): row for row in facts.metrics}
    n = max(row.n for row in facts.metrics if row.metric == "auc")
    crossed = "AUC in cross-validation"
    return TextTable(
        f"On {counted(n, 'customer')} held out, whom no model had seen; in brackets the 95 % "
        "interval. The cross-validation, of the other customers, chose and calibrated",
        ["Model", *FIGURES.values(), crossed],
        [
            [
                WORDS[model],
                *(with_interval(row_of.get((model, name))) for name in FIGURES),
                with_interval(row_of.get((model, f"{CROSS_VALIDATED}auc"))),
            ]
            for model in models
        ],
        numbers=[*FIGURES.values(), crossed],
    )
