"""How numbers are written: told from the values, and read by the expression that is drafted."""

from __future__ import annotations

import pytest

from crm_spark.ingest.drafting.column import as_float
from crm_spark.ingest.drafting.numbers import number_form

READ = [
    (["10", "2"], [10, 2], "x"),
    (["10.50", "-2", ".5"], [10.5, -2, 0.5], "x"),
    (["1.5E1", "2"], [15, 2], "x"),
    (["1,234.50", "2.00"], [1234.5, 2], "cast(replace(x, ',', '') as double)"),
    (["1.234,50", "2,00"], [1234.5, 2], "cast(replace(replace(x, '.', ''), ',', '.') as double)"),
    (["1 234,50", "2,00"], [1234.5, 2], "cast(replace(replace(x, ' ', ''), ',', '.') as double)"),
    (["1'234.50", "2.00"], [1234.5, 2], "cast(replace(x, '\\'', '') as double)"),
    (["1\u00a0234,5", "2,0"], [1234.5, 2], None),
    (["$1,004.50", "-$0.50"], [1004.5, -0.5], "cast(translate(x, '$,', '') as double)"),
    (["14,62 €", "-14,62 €"], [14.62, -14.62], None),
    (["EUR 5.00", "EUR 6.25"], [5, 6.25], None),
    (["12,50-", "3,00"], [-12.5, 3], None),
    (["12.50-", "3.00"], [-12.5, 3], "cast(regexp_replace(x, '^ *(.*)-$', '-$1') as double)"),
    (["(12.50)", "3.00"], [-12.5, 3], None),
    (["($1,012.50)", "$3.00"], [-1012.5, 3], None),
]


@pytest.mark.parametrize(("values", "right", "sql"), READ)
def test_a_form_reads_its_numbers(values: list[str], right: list[float], sql: str | None) -> None:
    form = number_form(values)
    assert form is not None
    assert form.share == 1
    assert [as_float(value, form) for value in values] == right
    assert sql is None or form.as_sql("x") == sql


@pytest.mark.parametrize("values", [["a", "b"], ["12/1/2010"], ["1_000"], ["0x10"], ["", "-"]])
def test_what_is_no_number_has_no_form(values: list[str]) -> None:
    assert number_form(values) is None


def test_a_mark_that_may_be_either_is_doubtful() -> None:
    form = number_form(["1,234", "2,500"])
    assert form is not None
    assert form.is_doubtful
    assert form.decimal == "."


def test_what_the_file_shows_elsewhere_ends_the_doubt() -> None:
    form = number_form(["1,234", "2,500"], decimal=",")
    assert form is not None
    assert (form.decimal, form.is_doubtful) == (",", False)
    whole = number_form(["1", "2"], decimal=",")
    assert whole is not None
    assert whole.is_plain


def test_one_value_that_tells_the_mark_tells_it_of_all() -> None:
    form = number_form(["1,234", "2,50"])
    assert form is not None
    assert (form.decimal, form.is_doubtful) == (",", False)


def test_an_odd_value_among_other_things_is_no_way_of_writing() -> None:
    form = number_form(["NaN", "0x10", "(12.50)", "12.50-", "7.00", "1.00", "x"])
    assert form is not None
    assert form.is_plain
    assert 0.5 < form.share < 0.8


@pytest.mark.parametrize("value", ["--1", "(1", "1)", "-1-", "(-1)", ".", ",", "1,2,3"])
def test_signs_and_marks_that_contradict_are_no_number(value: str) -> None:
    assert number_form([value]) is None
