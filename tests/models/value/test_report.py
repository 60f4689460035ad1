"""What page and console say of value, from facts made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from crm_spark.models.candidate_report import why_in_words
from crm_spark.models.decisions import Decision
from crm_spark.models.records import MetricRow
from crm_spark.models.value.candidates import CANDIDATES
from crm_spark.models.value.facts import N_STEPS, AtRisk, Scored, Tier, ValueFacts, Worth
from crm_spark.models.value.report import WORDS, grade, show_value
from crm_spark.models.value.section import ScoreWeights
from crm_spark.report.blocks import Picture, Text, TextTable
from crm_spark.report.section import ReportSection
from crm_spark.report.subject import Subject

STYLE = ReportSection(currency="$")
TEST = date(2024, 5, 1)


def metric(model: str, name: str, value: float | None, *ends: float) -> MetricRow:
    return MetricRow(model, TEST, name, value, 900, *ends)


FACTS = ValueFacts(
    horizon_days=28,
    tiers=(
        Tier("top_1_percent", 9, 3000.0, 250.0),
        Tier("top_50_percent", 441, 6000.0, 5.0),
        Tier("rest", 450, 1000.0, 0.0),
    ),
    concentration=(4000.0, 2000.0, *([4000.0 / (N_STEPS - 2)] * (N_STEPS - 2))),
    first=(
        Worth("ann", 400.0, 120.0, 900.0, 3.25, 0.97),
        Worth("bob", 380.0, 0.0, 855.5, 1.0, 0.5),
    ),
    by_horizon=((28, 10_000.0), (84, 27_000.0)),
    metrics=(
        metric("own_rate", "mean_absolute_error", 20.5, 19.0, 22.0),
        metric("own_rate", "top_tenth_found", 0.5, 0.4, 0.6),
        metric("bg_nbd", "mean_absolute_error", 18.25, 17.0, 19.5),
        metric("bg_nbd", "top_tenth_found", 0.6, 0.5, 0.7),
        metric("bg_nbd", "total_ratio", 0.98, 0.9, 1.06),
    ),
)


DECISION = Decision(
    model_name="crm_spark_value",
    version="1",
    kind="bg_nbd",
    as_of=TEST,
    is_champion=True,
    why="it beats the rule",
    chose_itself=False,
    training_key="key",
    training_run_id="run",
    decided_at=datetime(2024, 6, 1, tzinfo=UTC),
    run_id="run",
)

AT_RISK = replace(
    FACTS,
    at_risk=1200.0,
    first_at_risk=(AtRisk("bob", 380.0, 95.0), AtRisk("ann", 400.0, 40.0)),
)


def texts(subject: Subject) -> list[str]:
    (section,) = subject.sections
    return [block.text for block in section.blocks if isinstance(block, Text)]


def tables(subject: Subject) -> list[TextTable]:
    (section,) = subject.sections
    return [block for block in section.blocks if isinstance(block, TextTable)]


def test_it_begins_with_what_is_expected_and_of_how_many_of_it() -> None:
    subject = show_value(FACTS, STYLE)
    assert texts(subject)[0] == (
        "900 customers are expected to spend $10,000 in the next 28 days, 60% of it the tenth of "
        "whom most is expected. Beyond what could be tested: $27,000 in 84 days."
    )
    assert subject.tiles[0].value == "$10,000"


def test_tiers_come_best_first_with_their_shares() -> None:
    tiers, first, quality = tables(show_value(FACTS, STYLE))
    assert [list(row) for row in tiers.rows] == [
        ["first 1 %", "9", "$3,000", "30%", "$250.00"],
        ["next 25 %", "441", "$6,000", "60%", "$5.00"],
        ["the other half", "450", "$1,000", "10%", "$0.00"],
    ]
    assert list(first.rows[0]) == ["ann", "$400", "$120 to $900", "3.25", "97%"]
    assert list(quality.rows[0])[1:3] == ["$20.50 (19.00 to 22.00)", "50% (40% to 60%)"]
    assert list(quality.rows[1])[3] == "98% (90% to 106%)"


def test_where_a_rule_scores_there_are_no_columns_of_orders() -> None:
    first = (Worth("ann", 400.0, None, None, None, None),)
    table = tables(show_value(replace(FACTS, first=first), STYLE))[1]
    assert list(table.columns) == ["Customer", "Expected spend", "80 % interval"]
    assert list(table.rows[0]) == ["ann", "$400", ""]


def test_where_nothing_is_expected_of_anybody_there_are_no_shares() -> None:
    nothing = replace(
        FACTS,
        tiers=(Tier("rest", 900, 0.0, 0.0),),
        concentration=(0.0,) * N_STEPS,
        by_horizon=((28, 0.0),),
        metrics=(),
    )
    subject = show_value(nothing, STYLE)
    (section,) = subject.sections
    assert not [block for block in section.blocks if isinstance(block, Picture)]
    assert texts(subject) == ["900 customers are expected to spend $0 in the next 28 days."]
    assert tables(subject)[0].rows[0][3] == ""


def test_one_customer_is_one_on_the_page() -> None:
    one = replace(FACTS, tiers=(Tier("top_1_percent", 1, 10.0, 10.0),), by_horizon=())
    assert texts(show_value(one, STYLE))[0].startswith("1 customer is expected to spend")


def test_the_console_shows_each_candidate_in_a_hundred_columns() -> None:
    lines = show_value(FACTS, STYLE).lines
    assert max(map(len, lines)) <= 100
    assert "  bg_nbd                             18.25         60.0%         98.0%" in lines
    assert lines[1] == "  900 customers are expected to spend $10,000 in the next 28 days"


def test_whose_leaving_would_cost_most_stands_first_with_the_sum_and_how_far_it_may_be_off() -> (
    None
):
    subject = show_value(replace(AT_RISK, decision=DECISION), STYLE)
    # The sum on the test was .9 to 1.06 times what came.
    said = next(text for text in texts(subject) if "at risk" in text)
    assert said.startswith("$1,200 of what is expected is at risk")
    assert said.endswith("$1,132 to $1,333.")
    (section,) = subject.sections
    table = next(
        block
        for block in section.blocks
        if isinstance(block, TextTable) and "At risk" in block.columns
    )
    assert table.rows == [["bob", "$380", "25%", "$95"], ["ann", "$400", "10%", "$40"]]
    assert any("$1,200 of it at risk" in line for line in subject.lines)


@pytest.mark.parametrize(
    ("found", "of_best_rule", "expected"),
    [
        (0.63, 0.6, "A"),
        (0.62, 0.6, "B"),
        (0.6, 0.6, "C"),
        (0.5, 0.6, "C"),
        (0.1, 0.0, "A"),
        (0.0, 0.0, "C"),
    ],
)
def test_an_a_takes_a_twentieth_more_of_the_best_tenth_than_any_rule(
    found: float, of_best_rule: float, expected: str
) -> None:
    assert grade(found, of_best_rule) == expected


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        # It finds .6 of the best tenth, the rule .5.
        ("bg_nbd", "Grade A: it finds 20% more of the best tenth than any rule."),
        ("own_rate", "Grade C: a rule scores."),
    ],
)
def test_the_verdict_ends_with_the_grade(kind: str, said: str) -> None:
    subject = show_value(replace(FACTS, decision=replace(DECISION, kind=kind)), STYLE)
    assert any(text.endswith(said) for text in texts(subject))


def test_without_scores_of_churn_nothing_is_said_of_a_risk() -> None:
    subject = show_value(FACTS, STYLE)
    assert not any("at risk" in text for text in (*texts(subject), *subject.lines))


def test_the_score_stands_with_its_weights_its_parts_and_what_each_alone_would_give() -> None:
    facts = replace(
        FACTS,
        weights=ScoreWeights(purchase=2, recommend=1, maintain=0.5),
        first_by_score=(
            Scored("ann", 5.26, {"purchase": 1.94, "recommend": 2.0, "maintain": 12.1}),
            Scored("bob", 4.0, {"purchase": 0.3, "recommend": 12.0, "maintain": 1.1}),
        ),
        same_top_tenth={"purchase": 0.35, "recommend": 0.44, "maintain": 0.47},
    )
    subject = show_value(facts, STYLE)
    (words,) = [text for text in texts(subject) if "value score" in text]
    assert "2 for expected spend, 1 for spend on what is offered, 0.5 for spend at risk" in words
    assert "35% by expected spend, 44% by spend on what is offered, 47% by spend at risk" in words
    (table,) = [one for one in tables(subject) if "value scores" in one.caption]
    assert table.rows == [
        ["ann", "5.3", "1.9", "2.0", "12.1"],
        ["bob", "4.0", "0.3", "12.0", "1.1"],
    ]


def test_a_part_that_nobody_has_has_no_column_and_one_part_alone_is_no_score() -> None:
    def shown(**parts: float | None) -> list[TextTable]:
        known = {"purchase": 1.0, "recommend": None, "maintain": None} | parts
        facts = replace(FACTS, first_by_score=(Scored("ann", 1.0, known),))
        return [one for one in tables(show_value(facts, STYLE)) if "value scores" in one.caption]

    (table,) = shown(maintain=3.0)
    assert table.columns == ["Customer", "Score", "Expected spend", "Spend at risk"]
    assert shown() == []


@pytest.mark.parametrize("kind", [one.name for one in CANDIDATES if not one.is_rule])
def test_why_a_kind_scores_reads_as_a_sentence(kind: str) -> None:
    why = f"the {kind} beats the best rule: {kind} root mean squared error 1.0000"
    said = why_in_words(replace(DECISION, kind=kind, why=why), WORDS)
    assert said.startswith(f"The {WORDS[kind]} beats the best rule: ")
    assert not said.startswith(("The the ", "The a ", "The an "))
