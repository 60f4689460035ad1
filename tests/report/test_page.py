"""The report's page: sound HTML that needs no network, and words that say what the figures say."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import pytest
from report.inputs import (
    AS_OF,
    BASE,
    CUTOFF,
    OFFERS,
    RULE,
    Inputs,
    churn_metrics,
    example,
    first_to_call,
    importances,
    job_row,
    metric,
    page_of,
    poor,
    ranking_metrics,
    rich,
    segment,
    source,
    subjects_of,
    walked,
)
from report.reading import Node, contrast, mixed, read, variables

from crm_spark.features.families import FEATURES
from crm_spark.features.words import feature_in_words
from crm_spark.models.churn.quality_report import WORDS as CHURN_WORDS
from crm_spark.models.recommender.report import WORDS as OFFER_WORDS
from crm_spark.report import charts
from crm_spark.report.blocks import Cell, TextTable, render
from crm_spark.report.section import ReportSection
from crm_spark.report.words import in_words, money, number, share

LIGHT, DARK, PRINT = ":", "@media (prefers-color-scheme: dark) {", "@media print {"
SCHEMES = {"light": LIGHT, "dark": DARK, "print": PRINT}
SECTIONS = [
    "base",
    "rfm",
    "churn",
    "churn-quality",
    "segments",
    "recommendations",
    "data",
    "cost",
    "words",
]
NASTY = """<script src="//a.b">'</script>&amp;"""
TAME = "x" * len(NASTY)


def page(inputs: Inputs) -> str:
    return render(page_of(inputs))


def tree(inputs: Inputs) -> Node:
    return read(page(inputs))


@cache
def rich_page() -> str:
    return page(rich())


@cache
def poor_page() -> str:
    return page(poor())


def inputs_with_text(text: str) -> Inputs:
    """Give inputs with this text wherever one comes from outside."""
    inputs = rich(title=text, currency=text, time_zone=text, package_version=text)
    return replace(
        inputs,
        months=[{**row, "month": f"{row['month']}{text}"} for row in inputs.months],
        rfm_segments=[{**inputs.rfm_segments[0], "rfm_segment": text}],
        churn_first=[first_to_call(text, [(text, 0.5)])],
        churn_metrics=[*inputs.churn_metrics, *importances({text: 0.9})],
        champions={
            "crm_spark_churn": {"kind": text, "version": text, "why": text},
            "crm_spark_segments": {"kind": "kmeans", "version": "1", "why": text},
        },
        segments=[segment(1, text)],
        examples=[example(text, segment_name=text, bought=[(text, 7)], offered=[(text, text)])],
        sources=[{**source("x"), "name": text}],
        rejected=[{"table": text, "reason": text, "n": 1, "n_taken_back": 0, "newest": text}],
        runs=[job_row(text)],
    )


@cache
def nasty_page() -> str:
    return page(inputs_with_text(NASTY))


@pytest.fixture(params=["rich", "poor", "nasty"])
def any_page(request: pytest.FixtureRequest) -> str:
    return {"rich": rich_page, "poor": poor_page, "nasty": nasty_page}[request.param]()


def texts(node: Node, tag: str, **attributes: str) -> list[str]:
    return [found.text for found in node.all(tag, **attributes)]


def table(node: Node, caption: str) -> list[list[str]]:
    """Give the cells of the table whose caption starts so, without its head."""
    (found,) = [one for one in node.all("table") if one.one("caption").text.startswith(caption)]
    return [[cell.text for cell in row.children] for row in found.one("tbody").children]


def read_svg(svg: str) -> Node:
    return read(f"<!DOCTYPE html><html>{svg}</html>")


def anchors(node: Node) -> list[str]:
    return [found.attributes["id"] for found in node.all("section")]


# --- sound HTML


def test_the_tags_balance_and_stand_where_they_may(any_page: str) -> None:
    root = read(any_page)
    assert root.one("html").attributes["lang"] == "en"
    assert len(root.all("main")) == len(root.all("h1")) == len(root.all("title")) == 1
    assert {"charset": "utf-8"} in [node.attributes for node in root.all("meta")]


def test_no_id_is_given_twice(any_page: str) -> None:
    ids = [node.attributes["id"] for node in read(any_page).walk() if "id" in node.attributes]
    assert len(ids) == len(set(ids)) > 0
    assert all(re.fullmatch(r"[^\s\"'<>&]+", one) for one in ids)


def test_every_internal_link_leads_somewhere(any_page: str) -> None:
    nodes = list(read(any_page).walk())
    ids = {node.attributes["id"] for node in nodes if "id" in node.attributes}
    links = [
        node.attributes[name]
        for node in nodes
        for name in ("href", "xlink:href")
        if name in node.attributes
    ]
    links += [
        found
        for node in nodes
        for value in node.attributes.values()
        for found in re.findall(r"url\((.*?)\)", value)
    ]
    links += [
        f"#{one}"
        for node in nodes
        for name in ("aria-labelledby", "aria-describedby")
        for one in node.attributes.get(name, "").split()
    ]
    assert links
    assert [link for link in links if not link.startswith("#") or link[1:] not in ids] == []


def test_the_rich_page_has_links_of_each_kind() -> None:
    assert '<use href="#' in rich_page()
    assert 'clip-path="url(#' in rich_page()
    root = read(rich_page())
    assert [node.attributes["href"] for node in root.one("nav").all("a")] == [
        f"#{one}" for one in SECTIONS
    ]


def test_headings_go_down_one_level_at_a_time(any_page: str) -> None:
    tags = [node.tag for node in read(any_page).walk()]
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


# --- no network


def test_nothing_in_the_page_can_ask_another_host(any_page: str) -> None:
    text_attributes = {"alt", "aria-label", "data-label", "content"}
    for node in read(any_page).walk():
        assert node.tag not in {
            "script",
            "link",
            "iframe",
            "frame",
            "object",
            "embed",
            "img",
            "image",
            "base",
            "form",
            "audio",
            "video",
            "source",
            "track",
            "foreignobject",
            "input",
            "button",
        }
        for name, value in node.attributes.items():
            assert not name.startswith("on")
            assert name not in {"src", "srcset", "action", "poster", "background", "ping", "srcdoc"}
            assert name != "http-equiv"
            if name not in text_attributes and not name.startswith("xmlns"):
                assert "//" not in value, f"{node.tag} {name}={value}"
                assert not re.search(r"(?i)(https?|data|javascript|file):", value)
                assert not re.search(r"url\((?!#)", value)


def test_the_style_sheet_loads_nothing(any_page: str) -> None:
    (css,) = texts(read(any_page), "style")
    assert not re.search(r"(?i)@import|@font-face|url\(|//|https?:|image-set|expression", css)


# --- for everyone


def test_every_chart_says_in_words_what_it_shows(any_page: str) -> None:
    for svg in read(any_page).all("svg"):
        assert svg.attributes["role"] == "img"
        assert len(svg.attributes["aria-label"].strip()) > 20
        assert svg.parent is not None and svg.parent.tag == "figure"
        assert svg.parent.one("figcaption").text.strip()


def test_the_rich_page_has_each_chart_once() -> None:
    names = {
        node.attributes["id"].split("-figure_1")[0]
        for node in read(rich_page()).walk()
        if node.attributes.get("id", "").endswith("-figure_1")
    }
    assert names == {
        "months-spend",
        "months-customers",
        "churn-distribution",
        "gain",
        "reliability",
        "importance",
        "walk-forward",
        "segment-shares",
        "silhouette",
    }
    assert len(read(rich_page()).all("svg")) == len(names)


def test_every_table_has_a_caption_and_headings_with_a_scope(any_page: str) -> None:
    tables = read(any_page).all("table")
    assert tables
    for found in tables:
        assert found.children[0].tag == "caption"
        assert found.children[0].text.strip()
        headings = found.all("th")
        assert {node.attributes["scope"] for node in found.one("thead").all("th")} == {"col"}
        assert all(node.attributes["scope"] in {"col", "row"} for node in headings)
        n_columns = len(found.one("thead").all("th"))
        for row in found.one("tbody").all("tr"):
            assert [cell.tag for cell in row.children] == ["th"] + ["td"] * (n_columns - 1)
            assert row.children[0].attributes["scope"] == "row"


def test_what_can_be_scrolled_can_be_reached_by_keyboard_and_has_a_name(any_page: str) -> None:
    for node in read(any_page).all("div", class_="scroll"):
        assert node.attributes["tabindex"] == "0"
        assert node.attributes["aria-label"] == node.one("caption").text


def test_cells_of_a_wide_table_carry_the_name_of_their_column() -> None:
    wide = read(rich_page()).all("table", class_="wide")
    assert wide
    for found in wide:
        names = texts(found.one("thead"), "th")
        for row in found.one("tbody").all("tr"):
            assert [cell.attributes["data-label"] for cell in row.all("td")] == names[1:]


def test_a_table_is_wide_when_its_longest_cells_are() -> None:
    assert not TextTable("", ["a", "b"], [["x" * 30, "y" * 30]]).is_wide
    assert TextTable("", ["a", "b"], [["x" * 31, "y"], ["x", "y" * 30]]).is_wide
    assert TextTable("", ["a" * 61], []).is_wide


# --- colours


def test_no_stand_in_for_a_colour_is_left(any_page: str) -> None:
    assert "#0a0b0" not in any_page.lower()


def test_charts_take_every_colour_from_the_page(any_page: str) -> None:
    for svg in read(any_page).all("svg"):
        for node in svg.walk():
            colours = re.findall(
                r"(?:fill|stroke|color): ([^;]+)", node.attributes.get("style", "")
            )
            assert all(one == "none" or one.startswith("var(--") for one in colours)
            assert {"fill", "stroke", "color"}.isdisjoint(node.attributes)
            if node.tag == "text":
                assert "fill: var(--" in node.attributes["style"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_variable_in_use_is_defined(scheme: str) -> None:
    used = set(re.findall(r"var\(\s*--([\w-]+)", rich_page()))
    assert {"ink", "muted", "line", "series-1", "series-2", "series-3"} <= used
    assert used <= variables(rich_page(), SCHEMES[scheme]).keys()


def test_the_schemes_define_the_same_variables_and_differ() -> None:
    light, dark, paper = (variables(rich_page(), before) for before in SCHEMES.values())
    assert light.keys() == dark.keys() == paper.keys()
    assert all(light[name] != dark[name] for name in light)
    assert {f"series-{place}" for place in range(1, len(charts.SERIES) + 1)} <= light.keys()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("ground", ["paper", "surface"])
@pytest.mark.parametrize(
    ("name", "least"),
    [("ink", 4.5), ("muted", 4.5), *[(f"series-{place}", 3.0) for place in range(1, 5)]],
)
def test_text_and_lines_stand_out_from_the_ground(
    scheme: str, ground: str, name: str, least: float
) -> None:
    colours = variables(rich_page(), SCHEMES[scheme])
    assert contrast(colours[name], colours[ground]) >= least


@pytest.mark.parametrize("scheme", SCHEMES)
def test_links_and_verdicts_can_be_read(scheme: str) -> None:
    colours = variables(rich_page(), SCHEMES[scheme])
    assert contrast(colours["series-1"], colours["paper"]) >= 4.5
    assert contrast(colours["ink"], colours["mark"]) >= 4.5


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_strongest_shade_of_the_heat_map_leaves_its_text_readable(scheme: str) -> None:
    colours = variables(rich_page(), SCHEMES[scheme])
    shade = mixed(colours["series-1"], colours["paper"], Cell("", "", 1.0).percent)
    assert contrast(colours["ink"], shade) >= 4.5


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


# --- text from outside


def test_text_from_outside_stays_text_wherever_it_stands() -> None:
    root = read(nasty_page())
    assert root.one("h1").text == NASTY
    assert root.one("title").text.startswith(NASTY)
    assert NASTY in root.one("p", class_="subtitle").text
    assert NASTY in root.one("footer").text
    first = table(root, "Whom to call first")[0]
    assert first[0] == NASTY
    assert first[2] == f"{NASTY}500"
    assert NASTY in first[4]
    assert table(root, "Rows that could not be used")[0][:2] == [NASTY, NASTY]
    assert table(root, "The newest ingest")[0][0] == NASTY
    assert table(root, "The newest run")[0][0] == NASTY
    assert table(root, "Who is in each segment")[0][0] == f"1 {NASTY}"
    assert table(root, "Named segments")[0][0] == NASTY
    card = root.one("article")
    assert card.one("h3").text == f"Customer {NASTY}: {NASTY}"
    assert texts(card, "li") == [f"{NASTY} (7x)", f"{NASTY} ({NASTY})"]
    assert f"The {NASTY} scores (version {NASTY}): {NASTY}." in texts(
        root.section("churn-quality"), "p", class_="verdict"
    )


def test_text_from_outside_stays_text_inside_charts_and_their_words() -> None:
    root = read(nasty_page())
    assert any(text == f"1 {NASTY}" for text in texts(root.section("segments"), "text"))
    assert NASTY in texts(root.section("churn-quality"), "text")
    months = root.section("base").all("svg")[0]
    assert f"2017-01{NASTY}" in texts(months, "text")
    assert months.attributes["aria-label"].endswith(f"most in 2017-11{NASTY} with {NASTY}110,000")


def test_markup_from_outside_adds_no_element() -> None:
    def outside_charts(root: Node) -> list[str]:
        return [node.tag for node in root.walk() if all(one.tag != "svg" for one in node.above)]

    tame = tree(inputs_with_text(TAME))
    assert tame.one("h1").text == TAME
    assert outside_charts(read(nasty_page())) == outside_charts(tame)


# --- the same bytes


def test_the_same_inputs_give_the_same_bytes() -> None:
    assert page(rich()) == rich_page()


def test_another_process_with_another_hash_seed_gives_the_same_bytes() -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from report.inputs import page_of, rich\n"
        "from crm_spark.report.blocks import render\n"
        "sys.stdout.buffer.write(render(page_of(rich())).encode())\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        env={"PYTHONHASHSEED": "12345"},
    )
    assert found.returncode == 0, found.stderr.decode()
    assert found.stdout.decode() == rich_page()


def test_the_settings_of_others_who_draw_stay_as_they_are() -> None:
    with mpl.rc_context({"font.size": 7.25, "text.color": "red"}):
        before = dict(mpl.rcParams)
        charts.bars("x", "alt", ["a"], [1.0], y_label="y")
        assert dict(mpl.rcParams) == before


# --- what is left out


def test_the_rich_page_has_every_section_in_order() -> None:
    assert anchors(read(rich_page())) == SECTIONS


def test_the_poor_page_has_only_what_needs_no_inputs() -> None:
    root = read(poor_page())
    assert anchors(root) == ["base", "data", "words"]
    assert root.all("svg") == []
    assert texts(root, "dt") == ["Customers", "Active", "Orders", "Bought"]


@pytest.mark.parametrize(
    ("missing", "section"),
    [
        ({"rfm_segments": (), "rfm_cells": ()}, "rfm"),
        ({"churn": None, "churn_first": ()}, "churn"),
        ({"churn_metrics": ()}, "churn-quality"),
        ({"segments": ()}, "segments"),
        ({"recommendations": None}, "recommendations"),
        ({"runs": ()}, "cost"),
    ],
)
def test_a_section_without_inputs_is_left_out_and_the_others_stay(
    missing: Mapping[str, Any], section: str
) -> None:
    root = tree(rich(**missing))
    kept = [one for one in SECTIONS if one != section]
    assert anchors(root) == kept
    assert [node.attributes["href"][1:] for node in root.one("nav").all("a")] == kept


@pytest.mark.parametrize(
    "missing",
    [
        {"rfm_cells": ()},
        {"churn_first": ()},
        {"walk_forward": ()},
        {"champions": {}},
        {"segment_metrics": ()},
        {"recommendation_metrics": ()},
        {"examples": ()},
        {"sources": ()},
        {"rejected": ()},
        {"months": ()},
    ],
    ids=lambda missing: next(iter(missing)),
)
def test_a_part_without_inputs_leaves_its_section_standing(missing: Mapping[str, Any]) -> None:
    assert anchors(tree(rich(**missing))) == SECTIONS


def test_what_is_missing_of_a_section_is_not_spoken_of() -> None:
    root = tree(rich(churn_first=(), champions={}, recommendation_metrics=(), examples=()))
    assert root.all("p", class_="verdict") == []
    assert root.all("article") == []
    assert "Whom to call first" not in root.text


def test_a_lost_file_stands_above_the_figures_and_leads_what_the_console_says() -> None:
    lost = {"job": "ingest_sources", "check": "rejected_file", "level": "error"}
    hidden = {"job": "ingest_sources", "check": "hidden_file", "level": "warning"}
    checks = [{**lost, "message": "the file b.csv <is> lost"}, {**hidden, "message": "c is hidden"}]
    inputs = rich(ingest_checks=checks)
    html = render(page_of(inputs))
    (alerts,) = read(html).all("div", class_="alerts")
    assert "the file b.csv <is> lost" in alerts.text
    assert "c is hidden" not in alerts.text
    assert html.index('class="alerts"') < html.index('class="tiles"')
    assert "c is hidden" in html
    lines = [line for subject in subjects_of(inputs) for line in subject.lines]
    assert "Attention: the file b.csv <is> lost" in lines
    assert tree(rich()).all("div", class_="alerts") == []


# --- the head and the base


def test_the_head_tells_the_base_in_figures() -> None:
    root = read(rich_page())
    tiles = {
        tile.one("dt").text: (
            tile.one("dd", class_="value").text,
            tile.one("dd", class_="note").text,
        )
        for tile in root.all("div", class_="tile")
    }
    assert tiles == {
        "Customers": ("2,463", "with an order before this day"),
        "Active": ("2,309", "ordered in the last 84 days"),
        "Orders": ("142,751", "58.0 a customer"),
        "Bought": ("CHF 4,174,319", "CHF 29.24 an order"),
        "Expected to leave": ("308", "of 2,309 active customers, in 28 days"),
        "Rows rejected": ("70", "of 20,000 read"),
    }
    assert root.one("title").text == (
        "Customers · As of 1 December 2017: what was known before this day (Europe/Zurich)"
    )
    assert root.one("footer").text == "Written by crm_spark 1.2.3 from the tables of the lake."


def test_the_base_is_described_in_a_sentence() -> None:
    assert texts(read(rich_page()).section("base"), "p")[0] == (
        "2,463 customers placed 142,751 orders from 1 January 2017 to 30 November 2017 and bought "
        "for CHF 4,174,319; CHF 1,234 came back."
    )


def test_without_returns_no_returned_amount_is_named() -> None:
    assert "came back" not in page(poor(base={**BASE, "returned": 0.0}))


def test_the_words_of_the_month_charts_name_the_best_month_and_both_ends() -> None:
    first, second = read(rich_page()).section("base").all("svg")
    assert first.attributes["aria-label"] == (
        "Amount bought a month, 2017-01 to 2017-11; most in 2017-11 with CHF 110,000"
    )
    assert second.attributes["aria-label"] == (
        "Customers with an order in each month, 2017-01 to 2017-11: from 1,001 to 1,011"
    )


def test_every_amount_has_the_currency() -> None:
    other = page(rich(currency="USD "))
    assert rich_page().replace("CHF ", "USD ") == other
    root = read(rich_page())
    amounts = {
        "churn": ["CHF 500", "CHF 200"],  # 0.4 of 500 is at risk
        "rfm": ["CHF 250", "CHF 36"],
        "segments": ["CHF 1,695", "CHF 29"],
        "recommendations": ["CHF 3,210"],
    }
    for section, expected in amounts.items():
        assert all(one in root.section(section).text for one in expected), section


def test_without_a_currency_amounts_stand_alone() -> None:
    assert "CHF" not in page(rich(currency=""))
    assert "bought for 4,174,319;" in page(rich(currency=""))


def test_the_rfm_grid_counts_customers_and_shades_by_their_number() -> None:
    grid = read(rich_page()).one("table", class_="heat")
    rows = grid.one("tbody").children
    assert [row.children[0].text for row in rows] == ["5 latest", "4", "3", "2", "1 longest ago"]
    assert texts(grid.one("thead"), "th")[1:] == ["1 least often", "2", "3", "4", "5 most often"]
    cells = rows[0].children[1:]
    # 10 x recency + frequency customers; 100 x frequency of the segments' 10,000 was bought.
    assert [cell.text for cell in cells] == ["0", "522.0%", "533.0%", "544.0%", "555.0%"]
    assert "--series-1) 55%" in cells[4].attributes["style"]
    assert "--series-1) 0%" in cells[0].attributes["style"]
    assert [row.children[1].text for row in rows[1:]] == ["411.0%", "311.0%", "211.0%", "111.0%"]


def test_the_rfm_segments_have_their_shares_and_plain_names() -> None:
    assert table(read(rich_page()), "Named segments") == [
        ["champions", "30", "30.0%", "75.0%", "CHF 250"],
        ["cannot lose them", "70", "70.0%", "25.0%", "CHF 36"],
    ]


# --- churn


def test_churn_is_reported_with_its_horizon_and_whom_to_call() -> None:
    section = read(rich_page()).section("churn")
    assert texts(section, "p")[0] == (
        "Of 2,309 active customers, 308 are expected to place no order in the 28 days from 1 "
        "December 2017. The tenth most at risk (231 customers) leaves with a probability of 50% "
        "on average."
    )
    assert (
        section.one("svg")
        .attributes["aria-label"]
        .endswith("1,379 below 10 %, 108 of 50 % or more")
    )
    assert table(section, "Whom to call first") == [
        [
            "C1701",
            "40%",
            "CHF 500",
            "CHF 200",
            "no orders in the last 28 days (+3 points); has returned 37% of it (+1 point)",
        ],
        ["C2042", "40%", "CHF 500", "CHF 200", "nothing by itself"],
    ]


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        ("forest", "The random forest scores (version 7): "),
        (RULE, "The rule: last order, number of orders, tenure scores (version 7): "),
        ("recency", "The rule: days since the last order scores (version 7): "),
        ("something_new", "The something_new scores (version 7): "),
    ],
)
def test_the_verdict_tells_the_kind_of_the_champion(kind: str, start: str) -> None:
    why = f"the forest does not beat the best rule: forest AUC 0.7; {RULE} AUC 0.8"
    champion = {"kind": kind, "version": "7", "why": why}
    root = tree(
        poor(churn_metrics=churn_metrics("forest", 0.7), champions={"crm_spark_churn": champion})
    )
    (verdict,) = texts(root, "p", class_="verdict")
    assert verdict.startswith(
        start + "the forest does not beat the best rule: forest AUC 0.7; rule: last order, number "
        "of orders, tenure AUC 0.8."
    )
    # The figures at hand are the forest's.
    assert ("Grade C: gain unknown" in verdict) is (kind == "forest")


def test_a_champion_of_another_model_gives_churn_no_verdict() -> None:
    champion = {"kind": "kmeans", "version": "7", "why": "so"}
    inputs = poor(
        churn_metrics=churn_metrics("forest", 0.7), champions={"crm_spark_segments": champion}
    )
    assert tree(inputs).all("p", class_="verdict") == []


def test_each_model_stands_beside_the_rules_with_its_intervals() -> None:
    rows = table(read(rich_page()), "On 2,293 customers as of 3 November 2017")
    assert [row[:2] for row in rows] == [
        ["random forest", "0.8522 (0.832 to 0.872)"],
        ["rule: days since the last order", "0.7701 (0.750 to 0.790)"],
        ["rule: last order, number of orders, tenure", "0.8256 (0.806 to 0.846)"],
    ]
    assert rows[0][4:] == ["0.0131", "3.5759"]


def test_the_gain_counts_leavers_of_the_riskiest_fifth() -> None:
    # Shares 0.5, 0.45, ..., 0.05 of 100 customers each left: 0.95 of 2.75 are in the first two.
    (svg,) = [
        one
        for one in read(rich_page()).all("svg")
        if one.attributes["aria-label"].startswith("Share of all leavers")
    ]
    assert svg.attributes["aria-label"].endswith(
        "random forest finds 35% of them among the first fifth"
    )
    assert {"at random", "random forest"} <= set(texts(svg, "text"))


def test_the_reliability_chart_names_the_riskiest_group() -> None:
    assert "the riskiest group of the random forest was given 51% and 50% of it left" in rich_page()


def test_the_most_telling_features_come_in_words_and_only_those_that_tell() -> None:
    (svg,) = [
        one
        for one in read(rich_page()).all("svg")
        if one.attributes["aria-label"].startswith("The most telling")
    ]
    assert svg.attributes["aria-label"] == (
        "The most telling features of the random forest: days since the last order, "
        "orders in 28 days"
    )
    assert "days since the first order" not in texts(svg, "text")


def test_at_most_twelve_features_are_drawn() -> None:
    names = {f"feature_{place}": place / 100 for place in range(1, 31)}
    root = tree(poor(churn_metrics=[*churn_metrics("forest", 0.8), *importances(names)]))
    drawn = [one for one in texts(root, "text") if one.startswith("feature ")]
    assert drawn == [f"feature {place}" for place in range(30, 18, -1)]


def test_without_a_feature_that_tells_there_is_no_picture_of_them() -> None:
    metrics = [*churn_metrics("forest", 0.8), *importances({"n_orders": 0.0})]
    assert "most telling" not in page(poor(churn_metrics=metrics))


def test_two_cut_offs_give_a_picture_of_walking_forward() -> None:
    walk_forward = walked(
        {date(2017, 10, 6): {"forest": 0.87, RULE: 0.8}, CUTOFF: {"forest": 0.8522}}
    )
    root = tree(poor(churn_metrics=churn_metrics("forest", 0.8522), walk_forward=walk_forward))
    (svg,) = [one for one in root.all("svg") if one.attributes["aria-label"].startswith("AUC on")]
    assert svg.attributes["aria-label"] == (
        "AUC on 2 cut-offs from 2017-10-06 to 2017-11-03, each model trained on what was known "
        "before it; random forest: 0.852 to 0.870"
    )
    assert {"06 Oct", "03 Nov"} <= set(texts(svg, "text"))
    assert "backtest_churn" not in root.text


@pytest.mark.parametrize("n_days", [0, 1])
def test_one_cut_off_gives_the_name_of_the_job_that_tests_more(n_days: int) -> None:
    days = {CUTOFF: {"forest": 0.8522, RULE: 0.8}} if n_days else {}
    root = tree(poor(churn_metrics=churn_metrics("forest", 0.8522), walk_forward=walked(days)))
    assert "backtest_churn" in root.section("churn-quality").text
    assert "Walking forward" not in root.text


def test_many_cut_offs_get_few_dates() -> None:
    days = {AS_OF - timedelta(days=28 * back): {"forest": 0.8} for back in range(1, 31)}
    root = tree(poor(churn_metrics=churn_metrics("forest", 0.8), walk_forward=walked(days)))
    (svg,) = [
        one for one in root.all("svg") if one.attributes["aria-label"].startswith("AUC on 30")
    ]
    # Of several years, and so with the year: 3 November comes in each.
    dates = [one for one in texts(svg, "text") if re.fullmatch(r"\d\d [A-Z][a-z]{2} \d\d", one)]
    assert 2 <= len(set(dates)) == len(dates) <= 6


# --- segments


def test_segments_are_shown_with_their_profile() -> None:
    section = read(rich_page()).section("segments")
    assert texts(section, "p")[0] == "4 segments, so told."
    rows = table(section, "Who is in each segment")
    assert rows[0] == [
        "1 many orders, long a customer",
        "601",
        "58.0",
        "12",
        "CHF 1,695",
        "CHF 29",
        "orders 12.50 (all: 58); discount share 0.12 (all: unknown); days since the first order "
        "120 (all: 280)",
    ]
    assert "7,777" not in rows[0][-1]  # no more than three
    assert section.all("svg")[0].attributes["aria-label"] == (
        "Share of customers and of all bought of 2 segments; segment 1 has 25% of the customers "
        "and 50% of what was bought"
    )


def test_the_silhouette_goes_up_by_number_not_by_letter() -> None:
    svg = read(rich_page()).section("segments").all("svg")[1]
    assert svg.attributes["aria-label"] == ("Silhouette for 4 to 10 segments, highest 0.341 at 4")


def test_segments_stand_beside_the_rule() -> None:
    assert (
        "silhouette 0.341 against -0.123, variance explained 42% against 11%. Measured on 2,293 "
        "customers, with centres found on others" in read(rich_page()).section("segments").text
    )


def test_the_silhouettes_say_of_whom_they_are() -> None:
    caption = "by their number: of the 2,293 customers that the number was chosen on."
    assert caption in read(rich_page()).section("segments").text


def test_a_fixed_number_of_segments_has_no_curve() -> None:
    metrics = [metric("kmeans", "silhouette.k4", 0.3)]
    root = tree(poor(segments=[segment(1, "a"), segment(2, "b")], segment_metrics=metrics))
    assert len(root.section("segments").all("svg")) == 1


# --- recommendations


def verdict_on(
    ndcg: Mapping[str, float], new_only: Mapping[str, float] | None = None, **chosen: Any
) -> str:
    """Give the verdict on the page, which is that of the console."""
    metrics = ranking_metrics(ndcg, new_only, **chosen)
    inputs = poor(recommendations=OFFERS, recommendation_metrics=metrics)
    (verdict,) = texts(tree(inputs).section("recommendations"), "p", class_="verdict")
    lines = [line for subject in subjects_of(inputs) if subject for line in subject.lines]
    assert max(map(len, lines)) <= 100
    assert verdict in " ".join(" ".join(lines).split())
    return verdict


def test_a_rule_that_recommends_is_said_to_be_one_with_the_best_that_als_comes_to() -> None:
    verdict = verdict_on(
        {"popular": 0.186, "buy_again": 0.409, "als": 0.207, "buy_again_als": 0.411}
    )
    assert verdict.startswith(
        "All products: a rule recommends, what the customer bought before, then popular products "
        "(0.409 nDCG at 10). With ALS nothing was better for sure where that was chosen; here the "
        "best with ALS, what the customer bought before, then what ALS predicts, comes to 0.411 "
        "(gain +0.0020, 95 % interval -0.0080 to +0.0120, which may be chance)."
    )


def test_a_rule_that_is_not_the_best_on_the_test_is_said_not_to_be() -> None:
    verdict = verdict_on({"popular": 0.2, "buy_again": 0.3}, ladder="popular")
    assert verdict.startswith(
        "All products: a rule recommends, the most popular products (0.200 nDCG at 10); here what "
        "the customer bought before, then popular products comes to 0.300. "
    )


@pytest.mark.parametrize(
    ("with_als", "around", "word", "gain"),
    [
        (0.45, 0.01, "beats", "gain +0.0410, 95 % interval +0.0310 to +0.0510)"),
        (
            0.41,
            0.01,
            "beats",
            "gain +0.0010, 95 % interval -0.0090 to +0.0110, which may be chance)",
        ),
        (0.41, None, "beats", "gain +0.0010, which may be chance)"),
        (0.3, 0.01, "does not beat", "gain -0.1090, 95 % interval -0.1190 to -0.0990)"),
    ],
)
def test_als_that_recommends_is_judged_by_its_gain_over_the_best_rule(
    with_als: float, around: float | None, word: str, gain: str
) -> None:
    verdict = verdict_on(
        {"popular": 0.186, "buy_again": 0.409, "buy_again_als": with_als, "als": 0.2},
        ladder="buy_again_als",
        around=around,
    )
    assert verdict.startswith(
        f"All products: what the customer bought before, then what ALS predicts, {word} the best "
        "rule, what the customer bought before, then popular products "
        f"({with_als:.3f} against 0.409 nDCG at 10; {gain}."
    )


def test_new_products_have_a_verdict_of_their_own() -> None:
    ndcg = {"popular": 0.2, "buy_again": 0.4}
    verdict = verdict_on(ndcg, {"popular": 0.039, "als": 0.2}, new_ladder="als")
    assert (
        "Only products that the customer had not bought before: what ALS predicts, then popular "
        "products, beats the best rule, the most popular products (0.200 against 0.039"
    ) in verdict
    verdict = verdict_on(ndcg, {"popular": 0.039, "als": 0.042})
    assert "a rule recommends, the most popular products (0.039 nDCG at 10)" in verdict


def test_offers_are_described_by_where_they_come_from() -> None:
    assert texts(read(rich_page()).section("recommendations"), "p")[0] == (
        "2,463 customers are offered 10 products each, 3,021 different in all: whatever the "
        "customer is most likely to buy, bought before or not. Of the offers 70% bought before, "
        "25% bought by customers like this one, 5% popular now."
    )


def offered(**changed: Any) -> list[str]:
    """Give what is said of offers before their quality, and the verdict."""
    offers = {**OFFERS, "sources": {"popular": 80}, **changed}
    metrics = ranking_metrics({"popular": 1.0, "buy_again": 1.0, "als": 1.0})
    inputs = poor(recommendations=offers, recommendation_metrics=metrics)
    return texts(tree(inputs).section("recommendations"), "p")


ONE = {"n_customers": 80, "fewest": 1, "most": 1, "n_products": 1}


def test_a_single_product_is_said_to_be_the_only_one() -> None:
    assert offered(**ONE) == [
        "80 customers are offered 1 product each, the only one on sale. Of the offers 100% popular "
        "now.",
        "With one product on sale there is nothing else to recommend: every way to recommend "
        "offers it.",
    ]
    assert offered(**{**ONE, "n_customers": 1})[0].startswith("1 customer is offered 1 product, ")


def test_one_offer_that_was_asked_for_is_not_taken_for_the_only_product() -> None:
    said = offered(**{**ONE, "n_asked": 1, "n_products": 7})
    assert said[0].startswith("80 customers are offered 1 product each, 7 different in all: ")
    assert said[1].startswith("All products: a rule recommends")


def test_fewer_products_than_were_asked_for_are_said_to_be_all() -> None:
    said = offered(n_customers=90, fewest=7, most=7, n_products=7)
    assert said[0].startswith(
        "90 customers are offered 7 products each, all that are on sale (10 were asked for): "
    )


def test_who_has_bought_everything_is_not_offered_something_new() -> None:
    new = {"policy": "new_only", "fewest": 2, "n_products": 12, "n_customers": 79}
    said = offered(**new, n_without=1)
    assert said[0].startswith("79 customers are offered 2 to 10 products each, 12 different in all")
    assert said[1] == (
        "1 other customer has bought all that is on sale, and is offered nothing; with "
        "recommendations.policy: all it is offered again."
    )
    none = {"n_customers": 0, "fewest": 0, "most": 0, "n_products": 0, "sources": {}}
    assert offered(**none, policy="new_only", n_without=80)[0] == (
        "There is nothing new to offer: 80 customers have bought all that is on sale; with "
        "recommendations.policy: all it is offered again."
    )
    assert offered(**none)[0] == "There is nothing to offer: no product is on sale."


def test_where_nobody_bought_anything_new_nothing_is_said_of_how_good_new_offers_are() -> None:
    verdict = verdict_on({"popular": 0.2, "buy_again": 0.4, "als": 0.3})
    assert verdict.endswith("so that nothing is known of offering such.")
    assert "0.000" not in verdict


@pytest.mark.parametrize("segment_name", ["loyal", None])
def test_examples_are_typical_of_segments_only_where_there_are_segments(
    segment_name: str | None,
) -> None:
    examples = [example("C1", segment_name=segment_name, offered=[])]
    section = tree(poor(recommendations=OFFERS, examples=examples)).section("recommendations")
    assert ("each typical of a segment" in section.text) == (segment_name is not None)
    assert texts(section.one("article"), "li")[-1] == (
        "nothing: all that is on sale was bought before"
    )


def test_the_policy_of_new_products_only_is_described() -> None:
    inputs = poor(recommendations={**OFFERS, "policy": "new_only"})
    assert "only what the customer has never bought" in page(inputs)


def test_each_policy_has_its_table_with_the_models_that_it_has() -> None:
    section = read(rich_page()).section("recommendations")
    every = table(
        section,
        "All products: what 2,222 customers, of the 4,112 offered something, bought in the days "
        "from 3 November",
    )
    assert [row[0] for row in every] == [
        "rule: the most popular products",
        "rule: what the customer bought before, then popular products",
        "what ALS predicts, then popular products",
        "what the customer bought before, then what ALS predicts",
        "what is recommended",
    ]
    assert every[1][1:] == ["0.4090 (0.399 to 0.419)", "", "0.818", "0.409", "0.204", "4%"]
    assert every[3][2] == "0.0010 (-0.009 to 0.011)"
    new = table(section, "Only products that the customer had not bought before")
    assert len(new) == 3


def test_examples_list_what_was_bought_and_what_is_offered() -> None:
    first, second = read(rich_page()).all("article")
    assert first.one("h3").text == "Customer C1: many orders"
    assert second.one("h3").text == "Customer C2"
    assert first.one("p").text == "1,100 orders, CHF 3,210 bought, last 5 days ago"
    assert texts(first, "li") == [
        "White Bread, 20 oz (12x)",
        "Eggs (3x)",
        "White Bread, 20 oz (bought before)",
        "Salsa (bought by customers like this one)",
        "Milk (popular now)",
    ]


# --- data and cost


def test_the_counts_of_each_table_are_there() -> None:
    section = read(rich_page()).section("data")
    assert table(section, "The newest ingest") == [
        ["core.transactions", "10,000", "8,930", "70", "400", "600"],
        ["core.products", "10,000", "9,000", "0", "400", "600"],
    ]
    assert table(section, "Rows that could not be used") == [
        ["core.transactions", "amount is no number", "2024-05-01", "70", "3"]
    ]
    assert "No row was rejected." not in section.text
    assert table(section, "Products with most money at prices") == [
        ["Picnic Basket", "CHF 2.98", "CHF 11.90", "CHF 4.25", "CHF 649.50", "1", "CHF 38,970"]
    ]
    assert table(section, "What the data lack") == [
        [
            "train_churn",
            "warning",
            "with 80 customers the share that leaves is known to within 11 points",
        ]
    ]


def test_what_cleaning_changed_is_shown_and_nothing_where_it_changed_nothing() -> None:
    cleaned = [
        {"effect": "quantity filled in", "n_rows": 3_000},
        {"effect": "taken as returns", "n_rows": 12},
    ]
    lines = {**source("core.transactions"), "cleaned": cleaned}
    before = {**source("core.products"), "cleaned": None}  # of a run of an older version
    section = tree(poor(sources=[lines, before])).section("data")
    assert table(section, "Accepted rows that a cleaning rule changed") == [
        ["core.transactions", "quantity filled in", "3,000"],
        ["core.transactions", "taken as returns", "12"],
    ]
    without = tree(poor(sources=[{**lines, "cleaned": []}, before]))
    assert "cleaning rule" not in without.section("data").text


def test_that_no_row_was_rejected_is_said() -> None:
    root = tree(poor(sources=[source("core.transactions")]))
    assert "No row was rejected." in root.section("data").text
    assert "Rows that could not be used" not in root.text
    assert "Products with most money" not in root.text
    assert (
        dict(zip(texts(root, "dt"), texts(root, "dd", class_="value"), strict=True))[
            "Rows rejected"
        ]
        == "0"
    )


def test_a_source_without_rows_gives_no_figure_at_the_head() -> None:
    empty = {key: value if key == "name" else 0 for key, value in source("x").items()}
    root = tree(poor(sources=[empty]))
    assert "Rows rejected" not in texts(root, "dt")
    assert table(root, "The newest ingest") == [["x", "0", "0", "0", "0", "0"]]


def test_the_cost_of_each_job_is_there_and_blank_where_unknown() -> None:
    section = read(rich_page()).section("cost")
    assert texts(section, "p") == ["2 jobs, 25 seconds."]
    assert table(section, "The newest run") == [
        ["ingest_sources", "12.3", "20.0", "1.5 GB", "2.5 MB", "0 B"],
        ["score_rfm", "12.3", "", "", "999 B", "0 B"],
    ]


# --- words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("n_orders", "orders"),
        ("n_orders_28d", "orders in 28 days"),
        ("n_order_days_84d", "days with an order in 84 days"),
        ("spend_amount_365d", "amount bought in 365 days"),
        ("n_orders_half_life_60d", "orders, older ones counting less (60 days)"),
        ("spend_trend_84d", "trend of spend over 84 days"),
        ("n_orders_trend_28d", "trend of orders over 28 days"),
        ("days_since_last_order", "days since the last order"),
        ("tenure_days", "days since the first order"),
        ("silence_over_median_gap", "silence in usual gaps"),
        ("monday_orders_share", "monday orders share"),
        ("unknown_name", "unknown name"),
        ("", ""),
    ],
)
def test_a_feature_is_named_in_words(name: str, words: str) -> None:
    assert feature_in_words(name) == words


def test_every_feature_has_words_of_its_own_without_underscores() -> None:
    words = [feature_in_words(feature.name) for feature in FEATURES]
    assert len(set(words)) == len(words) > 50
    assert not any("_" in one or one != one.strip() or not one for one in words)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unknown"),
        (0.0, "0"),
        (3.0, "3"),
        (-2.0, "-2"),
        (2.5, "2.50"),
        (123.456, "123"),
        (-123.456, "-123"),
        (1e6, "1,000,000"),
        (99.999, "100.00"),
    ],
)
def test_a_value_is_written_as_short_as_it_can_be_read(value: float | None, text: str) -> None:
    assert number(value) == text


def test_names_of_models_become_words_and_everyday_words_stay() -> None:
    words = {**CHURN_WORDS, **OFFER_WORDS}
    assert in_words(f"{RULE}, buy_again, popular, forest", words) == (
        "rule: last order, number of orders, tenure, rule: what the customer bought before, then "
        "popular products, popular, forest"
    )


# --- the ends of what may come


def test_a_single_month_gives_no_picture_of_months() -> None:
    inputs = poor(months=[{"month": "2017-11", "n_customers": 3, "spend": 5.0}])
    assert tree(inputs).section("base").all("svg") == []


def test_two_months_give_pictures_with_both() -> None:
    months = [{"month": f"2017-{month}", "n_customers": 3, "spend": 5.0} for month in (10, 11)]
    first, second = tree(poor(months=months)).section("base").all("svg")
    for svg in (first, second):
        assert {"2017-10", "2017-11"} <= set(texts(svg, "text"))


def test_many_months_get_few_labels() -> None:
    months = [
        {"month": f"{2015 + place // 12}-{place % 12 + 1:02d}", "n_customers": 3, "spend": 5.0}
        for place in range(36)
    ]
    svg = tree(poor(months=months)).section("base").all("svg")[0]
    labels = [one for one in texts(svg, "text") if re.fullmatch(r"20\d\d-\d\d", one)]
    assert labels[0] == "2015-01"
    assert 4 <= len(labels) <= 6


def test_zero_spend_everywhere_divides_nothing_by_it() -> None:
    inputs = rich(
        base={**BASE, "spend": 0.0, "returned": 0.0},
        months=[{"month": f"2017-{month}", "n_customers": 1, "spend": 0.0} for month in (10, 11)],
        rfm_segments=[{"rfm_segment": "lost", "n": 5, "spend": 0.0}],
        rfm_cells=[{"recency_score": 1, "frequency_score": 1, "n": 5, "spend": 0.0}],
        churn_first=[{**first_to_call("C1", []), "spend": 0.0}],
        segments=[
            {
                **segment(1, "a"),
                "spend_share": None,
                "mean_spend_amount": 0.0,
                "mean_spend_per_order": None,
            }
        ],
        examples=[example("C1", spend_amount=0.0, bought=[], offered=[])],
    )
    root = tree(inputs)
    assert anchors(root) == SECTIONS
    assert table(root, "Named segments") == [["lost", "5", "100.0%", "CHF 0", "CHF 0"]]
    assert table(root, "Who is in each segment")[0][4:6] == ["CHF 0", "unknown"]
    svg = root.section("segments").all("svg")[0]
    assert svg.attributes["aria-label"] == (
        "Share of customers of 1 segment; segment 1 has 25% of the customers"
    )
    assert root.text.count("are shown: all amounts add up to zero.") == 2  # RFM and segments
    assert "nan" not in re.findall(r"\w+", root.text.lower())


def below_zero() -> Inputs:
    """Give a shop in which one group took off more than it bought."""
    return rich(
        rfm_segments=[
            {"rfm_segment": "champions", "n": 2, "spend": 900.0},
            {"rfm_segment": "lost", "n": 1, "spend": -300.4},
        ],
        rfm_cells=[
            {"recency_score": 5, "frequency_score": 5, "n": 2, "spend": 900.0},
            {"recency_score": 1, "frequency_score": 1, "n": 1, "spend": -300.4},
        ],
        segments=[
            {**segment(1, "much"), "spend_share": None, "mean_spend_amount": 450.0},
            {
                **segment(2, "less than nothing", of_customers=0.75),
                "spend_share": None,
                "mean_spend_amount": -300.4,
            },
        ],
    )


def test_where_a_group_bought_for_less_than_zero_there_are_amounts_and_no_shares() -> None:
    root = tree(below_zero())
    assert table(root, "Named segments") == [
        ["champions", "2", "66.7%", "CHF 900", "CHF 450"],
        ["lost", "1", "33.3%", "CHF -300", "CHF -300"],
    ]
    cells = [row.children[1:] for row in root.one("table", class_="heat").one("tbody").children]
    assert (cells[0][4].text, cells[4][0].text) == ("2CHF 450", "1CHF -300")
    svg = root.section("segments").all("svg")[0]
    assert svg.attributes["aria-label"] == (
        "Share of customers of 2 segments; segment 2 has 75% of the customers"
    )
    assert "of all bought" not in texts(svg, "text")
    for section in ("rfm", "segments"):
        node = root.section(section)
        assert "adds up to less than zero" in node.text
        shares = [one for tag in ("td", "text") for one in texts(node, tag) if one.endswith("%")]
        assert shares
        assert [one for one in shares if not 0 <= float(one.rstrip("%")) <= 100] == []


def test_the_console_gives_amounts_where_there_are_no_shares() -> None:
    lines = [line for subject in subjects_of(below_zero()) if subject for line in subject.lines]
    rfm = lines.index("RFM segments (scores.customer_rfm)")
    assert lines[rfm + 1].split()[-2:] == ["900.00", "bought"]
    assert lines[rfm + 2].split()[1:3] == ["1", "customer"]
    assert lines[rfm + 2].split()[-2:] == ["-300.40", "bought"]
    assert "adds up to less than zero" in lines[rfm + 3]
    segments = lines.index("Segments of alike customers (scores.customer_segments)")
    assert lines[segments + 2].split()[-4:] == ["-300.40", "bought", "by", "each"]
    assert "adds up to less than zero" in lines[segments + 3]


@pytest.mark.parametrize("n", [1, 80])
def test_scores_that_tell_nobody_apart_say_so(n: int) -> None:
    inputs = poor(
        rfm_segments=[{"rfm_segment": "need_attention", "n": n, "spend": 10.0}],
        rfm_cells=[{"recency_score": 3, "frequency_score": 3, "n": n, "spend": 10.0}],
    )
    text = tree(inputs).section("rfm").text
    assert ("There is one customer" in text) == (n == 1)
    assert ("All 80 customers have the same scores" in text) == (n == 80)
    assert "tell them apart" not in read(rich_page()).section("rfm").text


def test_an_amount_that_rounds_to_zero_has_no_sign() -> None:
    style = ReportSection(currency="CHF ")
    assert money(style, -0.3) == "CHF 0"
    assert money(style, -0.004, cents=True) == "CHF 0.00"
    assert money(style, -1_251.0) == "CHF -1,251"
    assert share(-0.0004) == "0%"


def test_twenty_segments_are_all_drawn_and_listed() -> None:
    segments = [segment(place, f"name {place}", of_customers=0.05) for place in range(1, 21)]
    section = tree(poor(segments=segments)).section("segments")
    labels = [one for one in texts(section.one("svg"), "text") if "name" in one]
    assert labels == [f"{place} name {place}" for place in range(1, 21)]
    assert len(table(section, "Who is in each segment")) == 20


def test_very_long_names_are_kept_whole() -> None:
    long = ", ".join(["quite a long piece of a name"] * 6)
    word = "x" * 300
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a chart that has no room left
        root = tree(
            poor(
                title=word,
                segments=[segment(1, long), segment(2, "few orders")],
                recommendations=OFFERS,
                churn={
                    "n": 1,
                    "expected": 0.4,
                    "horizon_days": 28,
                    "top": 0.4,
                    "n_top": 1,
                    "histogram": [0] * 4 + [1] + [0] * 5,
                },
                churn_first=[first_to_call(word, [(word, 0.1)])],
                examples=[example(word, bought=[(word, 1)], offered=[(word, "als")])],
                rejected=[
                    {
                        "table": "core.transactions",
                        "reason": word,
                        "n": 1,
                        "n_taken_back": 0,
                        "newest": word,
                    }
                ],
            )
        )
    assert root.one("h1").text == word
    assert table(root, "Who is in each segment")[0][0] == f"1 {long}"
    drawn = [one for one in texts(root.section("segments"), "text") if "piece" in one]
    assert ", ".join(one.strip(" ,1") for one in drawn) == long
    assert all(len(one) < 40 for one in drawn)
    assert table(root, "Whom to call first")[0][0] == word
    assert table(root, "Rows that could not be used")[0][1] == word


def test_metrics_that_are_not_known_stay_blank() -> None:
    metrics = [
        {**row, "value": None, "low": None, "high": None}
        for row in churn_metrics("forest", 0.8)
        if "bin" not in row["metric"]
    ]
    rows = table(tree(poor(churn_metrics=[*metrics, metric("recency", "auc", 0.7)])), "On 2,293")
    assert rows == [
        ["random forest", "", "", "", "", ""],
        ["rule: days since the last order", "0.7000", "", "", "", ""],
    ]


def test_a_metric_without_an_interval_stands_alone() -> None:
    rows = table(tree(poor(churn_metrics=[metric("forest", "auc", 0.7)])), "On 2,293")
    assert rows[0][1] == "0.7000"


def test_where_nobody_left_no_share_of_leavers_is_drawn() -> None:
    metrics = [
        {**row, "value": 0.0} if "bin" in row["metric"] else row
        for row in churn_metrics("forest", None)
    ]
    root = tree(poor(churn_metrics=metrics))
    section = root.section("churn-quality")
    assert "None of these customers left" in section.text
    (svg,) = section.all("svg")
    assert svg.attributes["aria-label"].startswith("Predicted probability")


def test_fewer_than_ten_bins_are_drawn() -> None:
    every = churn_metrics("forest", 0.8)
    metrics = [row for row in every if not re.match(r"bin\.0[2-9]", row["metric"])]
    # Of 100 customers each, 50 and 5 left.
    assert "finds 91% of them among the first fifth" in page(poor(churn_metrics=metrics))


def test_a_cut_off_without_an_auc_does_not_stop_the_report() -> None:
    # roc_auc gives None where the customers of a cut-off are of one class.
    days = {
        date(2017, 9, 8): {"forest": None},
        date(2017, 10, 6): {"forest": 0.87},
        CUTOFF: {"forest": 0.85},
    }
    inputs = poor(churn_metrics=churn_metrics("forest", 0.85), walk_forward=walked(days))
    assert "0.850 to 0.870" in page(inputs)


def test_walks_of_models_without_metrics_of_the_date_do_not_stop_the_report() -> None:
    days = {date(2017, 10, 6): {"recency": 0.87}, CUTOFF: {"recency": 0.85}}
    inputs = poor(churn_metrics=churn_metrics("forest", 0.85), walk_forward=walked(days))
    assert "churn-quality" in anchors(tree(inputs))


def test_a_backslash_in_the_currency_does_not_stop_the_report() -> None:
    months = [{"month": f"2017-{month}", "n_customers": 3, "spend": 5.0} for month in (10, 11)]
    assert (
        tree(poor(currency="\\d", months=months))
        .all("svg")[0]
        .attributes["aria-label"]
        .endswith("with \\d5")
    )


def test_a_dollar_sign_in_a_label_is_a_dollar_sign() -> None:
    chart = charts.lying_bars("x", "alt", ["$5 to $10", "$\\frac$"], [1.0, 2.0], x_label="x")
    assert {"$5 to $10", "$\\frac$"} <= set(texts(read_svg(chart.svg), "text"))


def test_words_of_a_label_that_look_like_svg_stay_as_they_are() -> None:
    label = 'id="a" url(#b) href="#c" #0a0b01 font-family: x'
    chart = charts.lying_bars("x", "alt", [label], [1.0], x_label="x")
    assert label in texts(read_svg(chart.svg), "text")


def test_where_no_ingest_is_known_nothing_is_said_of_its_rows() -> None:
    root = read(poor_page())
    assert "No row was rejected." not in root.text
    assert all(found.one("tbody").all("tr") for found in root.all("table"))


# --- figures that chose themselves


def decided(**changed: Any) -> dict[str, Any]:
    """Give a decision on a kind."""
    return {"kind": "forest", "version": "2", "why": "the forest beats the best rule", **changed}


@pytest.mark.parametrize("chose_itself", [False, True])
def test_figures_of_churn_that_chose_the_kind_say_so_on_page_and_console(
    chose_itself: bool,
) -> None:
    inputs = rich(champions={"crm_spark_churn": decided(chose_itself=chose_itself)})
    caption = "which no model had seen, but which chose the kind, too, for want of earlier ones"
    quality = tree(inputs).section("churn-quality")
    assert any(caption in found.text for found in quality.all("caption")) == chose_itself
    lines = [line for subject in subjects_of(inputs) if subject for line in subject.lines]
    assert max(map(len, lines)) <= 100
    said = " ".join(" ".join(lines).split())
    assert (caption in said) == chose_itself
    assert "which no model had seen" in said


@pytest.mark.parametrize("chose_itself", [False, True])
def test_purchases_that_chose_the_ladder_say_so_on_page_and_console(chose_itself: bool) -> None:
    ladder = decided(kind="ladder", chose_itself=chose_itself)
    inputs = rich(champions={"crm_spark_recommender": ladder})
    sentence = "These purchases chose the ladders, too, for want of enough earlier ones."
    (verdict,) = texts(tree(inputs).section("recommendations"), "p", class_="verdict")
    assert verdict.endswith(sentence) == chose_itself
    lines = [line for subject in subjects_of(inputs) if subject for line in subject.lines]
    assert any(sentence in line for line in lines) == chose_itself
