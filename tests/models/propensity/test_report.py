"""What page and console say of propensity, from facts made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from crm_spark.models.decisions import Decision
from crm_spark.models.propensity.candidates import CANDIDATES
from crm_spark.models.propensity.facts import Audience, PropensityFacts
from crm_spark.models.propensity.report import N_SHOWN, WORDS, show_propensity
from crm_spark.models.propensity.targets import DEPARTMENT, PRODUCT
from crm_spark.models.records import MetricRow
from crm_spark.report.blocks import Text, TextTable
from crm_spark.report.subject import Subject

TEST = date(2024, 6, 3)


def metric(model: str, name: str, value: float | None) -> MetricRow:
    return MetricRow(model, TEST, name, value, 2_000)


def audience(
    level: str,
    name: str,
    sizes: tuple[int, int, int],
    *,
    expected: float = 1234.4,
    tested: tuple[float, float] | None = None,
) -> Audience:
    """Give an audience among 2,000 customers."""
    by_reach = dict(zip((50, 70, 90), sizes, strict=True))
    return Audience(level, name, 2_000, expected, 1100, by_reach, *(tested or (None, None)))


MEAT = audience(DEPARTMENT, "MEAT", (400, 1_000, 1_500), tested=(0.71234, 0.65))
FRUIT = audience(DEPARTMENT, "FRUIT", (100, 200, 300), expected=321.5, tested=(0.5, 0.25))
APPLES = audience(PRODUCT, "Apples (17)", (20, 60, 1_200), expected=80.0)

DECISION = Decision(
    model_name="crm_spark_propensity",
    version="1",
    kind="pooled_regression",
    as_of=date(2024, 7, 1),
    is_champion=True,
    why="the pooled_regression beats the best rule: pooled_regression average precision 0.5000; "
    "decayed_counts average precision 0.4000",
    chose_itself=False,
    training_key="key",
    training_run_id="run",
    decided_at=datetime(2024, 7, 1, tzinfo=UTC),
    run_id="run",
)

FACTS = PropensityFacts(
    audiences=(MEAT, FRUIT, APPLES),
    metrics=(
        metric("pooled_regression", "average_precision", 0.5),
        metric("pooled_regression", "average_precision.department", 0.61234),
        metric("pooled_regression", "average_precision.product", 0.3),
        metric("pooled_regression", "log_loss", 0.25),
        metric("pooled_regression", "buyers_off", 0.0723),
        metric("pooled_regression", "audience_70_percent.department", 0.4321),
        metric("pooled_regression", "reached_70_percent.department", 0.6849),
        metric("pooled_regression", "reached_70_percent.product", 0.5),
        metric("usual_share", "average_precision", 0.2),
        metric("usual_share", "average_precision.department", 0.25),
        metric("usual_share", "average_precision.product", None),
        metric("usual_share", "buyers_off", 0.032),
    ),
    decision=DECISION,
)


def texts(subject: Subject) -> list[Text]:
    (section,) = subject.sections
    return [block for block in section.blocks if isinstance(block, Text)]


def tables(subject: Subject) -> list[TextTable]:
    (section,) = subject.sections
    return [block for block in section.blocks if isinstance(block, TextTable)]


def test_it_begins_with_how_few_customers_hold_most_of_the_buyers() -> None:
    subject = show_propensity(FACTS, 28)
    # Of departments 1,000 and 200 of 2,000 customers: 50 and 10 %.
    departments, products, _ = texts(subject)[0].text.split(".")
    for part in (
        "30% of today's customers",
        "70% of those among them who will buy of a department",
        "next 28 days",
    ):
        assert part in departments
    assert departments.endswith(
        "the mean of 2 departments; fewest are needed for FRUIT: 200 customers"
    )
    assert "3% of today's customers" in products
    assert "70% of those among them who will buy a product in the next 28 days" in products
    assert products.endswith(
        "the mean of 1 product; fewest are needed for Apples (17): 60 customers"
    )
    (tile,) = subject.tiles
    assert (tile.label, tile.value) == ("To reach 70% of the buyers", "21%")
    assert tile.note == "of customers, mean of 2 departments and 1 product"


def test_departments_and_products_have_their_audiences_and_their_test() -> None:
    departments, products, _ = tables(show_propensity(FACTS, 28))
    titles = ["Buyers", "Last 28 days", "For 50%", "For 70%", "For 90%"]
    assert departments.columns == ["Department", *titles, "Avg precision", "Rule's"]
    assert departments.rows == [
        ["MEAT", "1,234", "1,100", "400", "1,000", "1,500", "0.712", "0.650"],
        ["FRUIT", "322", "1,100", "100", "200", "300", "0.500", "0.250"],
    ]
    assert departments.caption.startswith(
        "Buyers to expect, and how many of 2,000 customers to address for 50, 70 and 90% of them: "
        "2 departments; those of the last 28 days include newcomers"
    )
    # No product was tested: its columns are left out.
    assert products.columns == ["Product", *titles]
    assert products.rows == [["Apples (17)", "80", "1,100", "20", "60", "1,200"]]
    for table in (departments, products):
        assert table.numbers == table.columns[1:]


def test_a_target_that_was_not_tested_has_empty_cells_beside_those_that_were() -> None:
    new = audience(DEPARTMENT, "WINE", (1, 2, 3))
    (departments, *_) = tables(show_propensity(replace(FACTS, audiences=(MEAT, new)), 28))
    assert [row[-2:] for row in departments.rows] == [["0.712", "0.650"], ["", ""]]


@pytest.mark.parametrize(
    ("n", "words"),
    [
        (N_SHOWN, f"{N_SHOWN} products"),
        (N_SHOWN + 1, f"{N_SHOWN} of {N_SHOWN + 1} products"),
        (1, "1 product"),
    ],
)
def test_of_many_the_first_are_shown_and_it_is_said(n: int, words: str) -> None:
    many = tuple(audience(PRODUCT, f"P{place}", (1, 2, 3)) for place in range(n))
    (products, *_) = tables(show_propensity(replace(FACTS, audiences=many), 28))
    assert [row[0] for row in products.rows] == [f"P{place}" for place in range(min(n, N_SHOWN))]
    assert f"of them: {words};" in products.caption


def test_one_department_alone_says_nothing_of_products() -> None:
    subject = show_propensity(PropensityFacts((FRUIT,)), 28)
    (lead,) = texts(subject)
    assert lead.text.startswith("10% of today's customers")
    assert "the mean of 1 department; fewest are needed for FRUIT: 200 customers." in lead.text
    assert "product" not in lead.text
    (departments,) = tables(subject)
    assert [row[0] for row in departments.rows] == ["FRUIT"]
    assert subject.tiles[0].note == "of customers, mean of 1 department"
    assert not any("product" in line for line in subject.lines)


def test_products_alone_say_nothing_of_departments() -> None:
    subject = show_propensity(PropensityFacts((APPLES,)), 28)
    assert "department" not in texts(subject)[0].text
    assert [table.columns[0] for table in tables(subject)] == ["Product"]
    assert not any("department" in line for line in subject.lines)


def test_one_of_anything_is_written_so() -> None:
    one = replace(FRUIT, n_customers=1, sizes={50: 1, 70: 1, 90: 1}, recent_buyers=1)
    subject = show_propensity(PropensityFacts((one,)), 1)
    (lead,) = texts(subject)
    assert "in the next 1 day, " in lead.text
    assert lead.text.startswith("100% of today's customers")
    assert lead.text.endswith("the mean of 1 department; fewest are needed for FRUIT: 1 customer.")
    (table,) = tables(subject)
    assert "how many of 1 customer to address" in table.caption
    assert "Last 1 day" in table.columns


def test_every_candidate_stands_beside_the_rules_those_first() -> None:
    *_, quality = tables(show_propensity(FACTS, 28))
    assert quality.columns == [
        "Model",
        "Departments",
        "Products",
        "Buyers off",
        "Held 70%",
        "Reached",
    ]
    assert quality.rows == [
        ["rule: the usual share of customers", "0.250", "", "3%", "", ""],
        ["regression over all customers and targets", "0.612", "0.300", "7%", "43%", "68%"],
    ]
    assert quality.caption.startswith("28 days from 3 June 2024 on, which no model had seen: ")


def test_why_it_scores_is_said_in_words() -> None:
    verdict = texts(show_propensity(FACTS, 28))[1]
    assert verdict.is_verdict
    assert verdict.text == (
        "The regression over all customers and targets beats the best rule: regression over all "
        "customers and targets average precision 0.5000; rule: purchases, older ones counting less "
        "average precision 0.4000."
    )


def test_every_candidate_has_its_words() -> None:
    assert list(WORDS) == [one.name for one in CANDIDATES]


def test_figures_that_chose_too_are_told_so() -> None:
    subject = show_propensity(replace(FACTS, decision=replace(DECISION, chose_itself=True)), 28)
    *_, quality = tables(subject)
    assert "which chose the kind, too" in quality.caption
    assert any("which chose the kind, too" in line for line in subject.lines)


def test_without_any_figures_only_audiences_are_shown() -> None:
    subject = show_propensity(replace(FACTS, metrics=(), decision=None), 28)
    assert len(texts(subject)) == 1
    assert [table.columns[0] for table in tables(subject)] == ["Department", "Product"]
    assert len(subject.lines) == 3


def test_the_console_says_the_same() -> None:
    lines = show_propensity(FACTS, 28).lines
    assert lines[0] == "Propensity (scores.customer_propensity, scores.propensity_audiences)"
    for line, part, level in ((lines[1], "30%", "department"), (lines[2], "3%", "product")):
        assert line.startswith(f"  {part} of customers hold 70% ")
        assert f"buyers of a {level} in the next 28 days" in line
    rows = [line.split() for line in lines]
    assert ["usual_share", "0.200", "0.032"] in rows
    assert ["pooled_regression", "0.500", "0.250", "0.072"] in rows
    assert lines[-1] == (
        "  champion: pooled_regression (the pooled_regression beats the best rule)"
    )
    # Figures stand below their titles, though one is not known.
    titles = next(line for line in lines if "avg precision" in line)
    for name in ("usual_share", "pooled_regression"):
        (row,) = [line for line in lines if line.startswith(f"  {name} ")]
        assert len(row) == len(titles)


@pytest.mark.parametrize("chose_itself", [False, True])
def test_the_console_fits_its_lines_and_long_names_are_only_on_the_page(chose_itself: bool) -> None:
    name = "Apples of a very long name, from the far side of the mountains " * 3
    everybody = audience(DEPARTMENT, name, (2_000, 2_000, 2_000))
    doubtful = replace(
        DECISION,
        kind="decayed_counts",
        why="the pooled_regression does not surely beat the best rule: " + "figures " * 20,
        chose_itself=chose_itself,
    )
    facts = PropensityFacts(
        audiences=(everybody,) * 100 + (replace(everybody, level=PRODUCT),) * 100,
        metrics=tuple(
            metric(one, figure, 12.3456)
            for one in WORDS
            for figure in ("average_precision", "log_loss", "buyers_off")
        ),
        decision=doubtful,
    )
    subject = show_propensity(facts, 365)
    assert name.strip() in texts(subject)[0].text
    assert not any("Apples" in line for line in subject.lines)
    assert [line for line in subject.lines if len(line) > 100] == []
