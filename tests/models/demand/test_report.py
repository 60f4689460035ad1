"""What page and console say of demand, from facts made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from crm_spark.models.demand.facts import DemandFacts, Expected
from crm_spark.models.demand.report import show_demand
from crm_spark.models.records import MetricRow
from crm_spark.report.blocks import Picture, Text, TextTable
from crm_spark.report.section import ReportSection
from crm_spark.report.subject import Subject

STYLE = ReportSection(currency="$")
DAY, TEST = date(2024, 7, 1), date(2024, 6, 3)


def metric(model: str, name: str, value: float | None) -> MetricRow:
    return MetricRow(model, TEST, name, value, 12)


FACTS = DemandFacts(
    period_days=7,
    periods=(
        (DAY, Expected("total", 1100.0, 1000.0, 900.0, 1300.0, 50.0, 40.0, 60.0)),
        (DAY + timedelta(days=7), Expected("total", 1210.0, 1000.0, 950.0, 1450.0)),
    ),
    departments=(Expected("FRUIT", 1500.0, 1600.0, units=30.0, units_low=25.4, units_high=36.0),),
    products=(Expected("Apples (17)", 800.0, 0.0, units=12.0),),
    n_products=3,
    n_rests=1,
    metrics=(
        metric("seasonal_naive", "mase.total", 1.2),
        metric("seasonal_naive", "mase.department", 1.1),
        metric("recent_mean", "mase.total", 0.9),
        metric("recent_mean", "mase.department", 0.95),
        metric("recent_mean", "wape.department", 0.123),
        metric("recent_mean", "coverage_80_percent.department", 0.81),
    ),
)


def text_of(subject: Subject) -> str:
    (section,) = subject.sections
    return " ".join(block.text for block in section.blocks if isinstance(block, Text))


def tables_of(subject: Subject) -> list[TextTable]:
    (section,) = subject.sections
    return [block for block in section.blocks if isinstance(block, TextTable)]


def test_it_begins_with_what_will_be_sold_against_what_is_usual() -> None:
    subject = show_demand(FACTS, STYLE)
    assert "$2,310 will be sold in the next 2 weeks, 16% more than in as many" in text_of(subject)
    assert "The first week brings $900 to $1,300, in eight of ten such weeks" in text_of(subject)
    assert [tile.value for tile in subject.tiles] == ["$2,310"]


def test_departments_and_products_have_their_change_and_items_to_order() -> None:
    departments, products, _ = tables_of(show_demand(FACTS, STYLE))
    assert departments.rows == [["FRUIT", "$1,500", "-6%", "30", "25 to 36"]]
    assert products.rows == [["Apples (17)", "$800", "not sold of late", "12", ""]]


def test_every_candidate_stands_beside_the_rules_by_level() -> None:
    *_, quality = tables_of(show_demand(FACTS, STYLE))
    assert quality.columns == [
        "Model",
        "Error, total",
        "Error, department",
        "Share missed",
        "In the interval",
    ]
    assert [row[1:] for row in quality.rows] == [
        ["1.200", "1.100", "", ""],
        ["0.900", "0.950", "12%", "81%"],
    ]


def test_the_console_fits_its_lines_and_says_the_same() -> None:
    lines = show_demand(FACTS, STYLE).lines
    assert lines[0] == "Demand (scores.demand_forecast)"
    assert "$2,310 will be sold in the next 2 weeks" in lines[1]
    assert any(line.split() == ["recent_mean", "0.950", "12.3%", "81.0%"] for line in lines)
    assert max(map(len, lines)) <= 91


def test_one_period_without_items_or_intervals_has_no_picture_and_no_empty_columns() -> None:
    facts = replace(
        FACTS,
        period_days=1,
        periods=((DAY, Expected("total", 90.0, 90.0)),),
        departments=(Expected("FRUIT", 60.0, 60.0),),
        products=(),
        n_products=0,
        metrics=(),
    )
    subject = show_demand(facts, STYLE)
    assert text_of(subject) == (
        "$90 will be sold in the next day, as much as in as many of the last 28 days."
    )
    (departments,) = tables_of(subject)
    assert departments.columns == ["Department", "Expected sales", "Against usual"]
    assert not any(isinstance(block, Picture) for block in subject.sections[0].blocks)
