"""The text of a draft: YAML that reads back as what was meant, in lines of 100 columns."""

from __future__ import annotations

import pytest
import yaml

from crm_spark.ingest.drafting.entry import Entry
from crm_spark.ingest.drafting.page import (
    comment,
    entry_lines,
    flow,
    input_lines,
    pair,
    reading_lines,
    scalar,
)
from crm_spark.ingest.drafting.table import Reading

TEXTS = [
    "customer",
    "`Order #`",
    "to_timestamp(x, 'd/M/yyyy H:mm')",
    "a: b",
    "'quoted'",
    'say "it\'s"',
    "replace(x, '\\'', '')",
    "x, '\\u00a0'",
    "#1",
    "null",
    "1",
    "yes",
    "{a}",
    "*",
    "a\tb",
    "Über",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_reads_back_as_it_was(text: str) -> None:
    assert yaml.safe_load(f"a: {scalar(text)}") == {"a": text}
    assert yaml.safe_load("\n".join(pair("a", text, 4, "a note"))) == {"a": text}


def test_a_long_expression_is_folded_and_reads_back_as_it_was() -> None:
    text = " + ".join(
        f"coalesce(cast(replace(column_{n}, '  ', '') as double), 0)" for n in range(9)
    )
    lines = pair("amount", text, 6, "examples")
    assert lines[0] == "      # examples"
    assert max(map(len, lines)) <= 100
    assert yaml.safe_load("\n".join(lines)) == {"amount": text}


def test_blanks_at_a_break_are_kept() -> None:
    text = f"{'x' * 90}  'a  b' {'y' * 60}   z"
    assert yaml.safe_load("\n".join(pair("a", text, 6))) == {"a": text}


def test_a_note_that_does_not_fit_beside_stands_above() -> None:
    assert pair("a", "b", 0, "n" * 98) == ["# " + "n" * 98, "a: b"]
    assert pair("a", "b", 0, "n") == ["a: b   # n"]


def test_options_read_back_as_they_were() -> None:
    options: dict[str, str | bool] = {
        "header": True,
        "sep": "\t",
        "escape": '"',
        "quote": "'",
        "encoding": "windows-1252",
        "x": ";",
        "y": "\u0001",
    }
    assert yaml.safe_load(f"options: {flow(options)}") == {"options": options}


def test_a_source_and_an_input_say_the_same() -> None:
    reading = Reading(("d/a.csv", "d/b.csv"), format="csv", options={"sep": ";"}, skip_lines=2)
    right = {
        "path": ["d/a.csv", "d/b.csv"],
        "format": "csv",
        "options": {"sep": ";"},
        "skip_lines": 2,
    }
    assert yaml.safe_load("\n".join(reading_lines(reading, 0))) == right
    assert yaml.safe_load("\n".join(input_lines("a", reading, 0))) == {"a": right}
    long = Reading(("d/" + "a" * 100,), format="csv")
    assert yaml.safe_load("\n".join(input_lines("a", long, 0)))["a"]["path"] == long.paths[0]
    table = Reading(table="shop.orders")
    assert yaml.safe_load("\n".join(input_lines("a", table, 0))) == {"a": {"table": "shop.orders"}}


def test_questions_are_marked_and_wrapped() -> None:
    lines = comment("why " * 40, 4, is_question=True)
    assert lines[0].startswith("    # ? why")
    assert all(line.startswith("    #   why") for line in lines[1:])
    assert max(map(len, lines)) <= 100


def test_what_is_needed_and_missing_is_commented_out_with_the_reason() -> None:
    lines = entry_lines(Entry("amount", None, questions=("amount: which?",)), 6)
    assert lines[0] == "      # ? amount: which?"
    assert "It is needed: what was paid" in lines[1]
    assert lines[-1] == "      # amount: ..."
    assert yaml.safe_load("\n".join(lines)) is None
