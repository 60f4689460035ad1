"""Patterns of dates that read something else than they look, and what is said of them."""

from __future__ import annotations

import pytest

from crm_spark.ingest.mapping.patterns import letters_that_only_write, pattern_faults

MINUTE, MONTH, HOUR = "write MM for the month", "write mm for the minute", "write HH for the hour"
HALF_DAY, DAY, YEAR = "with a for AM and PM write hh", "write dd", "write yyyy"


@pytest.mark.parametrize(
    ("pattern", "remedy"),
    [
        ("yyyy/mm/dd", MINUTE),
        ("dd.mm.yy", MINUTE),
        ("yyyy-mm", MINUTE),
        ("yyyy-mm-dd HH:mm:ss", MINUTE),
        ("yyyy-MM-dd mm:ss", MINUTE),
        ("yyyy-MM-dd hh:mm:ss", HOUR),
        ("yyyy-MM-dd KK:mm", HOUR),
        ("yyyy-MM-dd HH:mm a", HALF_DAY),
        ("yyyy-MM-dd kk:mm a", HALF_DAY),
        ("yyyy-MM-dd HH:MM:ss", MONTH),
        ("MM/DD/yyyy", DAY),
        ("MM/DD/YYYY", YEAR),
        ("dd.MM.YYYY", YEAR),
    ],
)
def test_a_pattern_that_reads_something_else_is_a_fault_that_says_what_to_write(
    pattern: str, remedy: str
) -> None:
    (fault,) = pattern_faults(f"to_timestamp(day, '{pattern}')")
    assert repr(pattern) in fault
    assert remedy in fault
    assert pattern_faults(f"try_to_timestamp(concat(a, ',', b), '{pattern}')") == [fault]
    assert pattern_faults(f'coalesce(TO_DATE ( `a, (b` , "{pattern}" ), x)') == [fault]
    assert pattern_faults(f"cast(unix_timestamp(day, '{pattern}') as timestamp)") == [fault]


@pytest.mark.parametrize(
    "pattern",
    [
        *("yyyy-MM-dd", "d.M.yy", "dd/MM/yyyy HH:mm:ss", "yyyy-MM-dd hh:mm a", "MM/yyyy", "MMM dd"),
        *("yyyyDDD", "yyyy-MM-dd''T''HH:mm:ss[.SSS][XXX]", "yyyyMMddHHmm", "yyyyDDDHHmm"),
        *("dd LLLL yyyy", "MMM dd HH:mm:ss z yyyy", "HH:mm", "mm:ss", "h ''noon'' a", ""),
        "yyyy-MM-dd ''at half past'' HH:mm",
    ],
)
def test_a_pattern_that_reads_what_it_looks_like_is_none(pattern: str) -> None:
    assert pattern_faults(f"to_timestamp(day, '{pattern}')") == []


def test_a_z_in_quotes_is_a_fault_where_times_are_taken_in_another_zone() -> None:
    text = "to_timestamp(day, \"yyyy-MM-dd'T'HH:mm:ss'Z'\")"
    (fault,) = pattern_faults(text, "America/New_York")
    assert "taken in America/New_York" in fault
    assert "write X in its place" in fault
    assert pattern_faults(text, "UTC") == []
    moved = f"to_utc_timestamp({text}, 'America/New_York')"
    assert pattern_faults(moved, "America/New_York") == []
    for right in ("yyyy-MM-dd'T'HH:mm:ssX", "yyyy-MM-dd'Z'", "'Zone' HH:mm"):
        assert pattern_faults(f'to_timestamp(day, "{right}")', "America/New_York") == []


@pytest.mark.parametrize(
    "expression",
    [
        "to_timestamp(day)",
        "to_timestamp('yyyy/mm/dd')",
        "date_format(day, 'yyyy-mm')",
        "if(kind = 'mm/dd', to_date(day, 'MM/dd/yyyy'), null)",
        "to_timestamp(day, if(n = 1, 'MM/dd/yyyy', 'dd/MM/yyyy'))",
        "to_timestamp(day, concat('yyyy', '-MM'))",
        "to_timestamp(`to_date(a, 'yyyy mm'`, 'yyyy')",
        "'to_date(day, ''yyyy mm'')'",
        "to_date(",
        "')",
    ],
)
def test_only_texts_that_are_patterns_are_looked_at(expression: str) -> None:
    assert pattern_faults(expression) == []


def test_every_pattern_of_an_expression_is_looked_at_once() -> None:
    text = "coalesce(to_date(d, 'yyyy mm'), to_date(e, 'yyyy mm'), to_date(d, 'YYYY'), to_date(d))"
    assert len(pattern_faults(text)) == 2


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("EEE MMM dd yyyy", "no date is read by E"),
        ("e dd.MM.yyyy", "no date is read by e"),
        ("u dd.MM.yyyy", "no date is read by u"),
        ("w yyyy", "no date is read by w"),
        ("MM/dd/YYYY", "write yyyy"),
        ("DD yyyy", "write dd"),
        ("dd.MM.yyyy", None),
    ],
)
def test_the_letter_at_fault_is_named(pattern: str, said: str | None) -> None:
    found = letters_that_only_write(f"to_timestamp(day, '{pattern}')")
    assert found is None if said is None else said in str(found)


def test_patterns_that_take_day_and_month_for_one_another_cannot_stand_in_for_each_other() -> None:
    first, second = "to_timestamp(day, 'dd/MM/yyyy')", "to_timestamp(day, 'M/d/yyyy')"
    (fault,) = pattern_faults(f"coalesce({first}, {second})")
    assert "'dd/MM/yyyy' and 'M/d/yyyy'" in fault
    assert pattern_faults(f"if(country = 'US', {second}, {first})") == []
    assert pattern_faults(f"CASE WHEN country = 'US' THEN {second} ELSE {first} END") == []
    assert pattern_faults(f"coalesce({first}, to_timestamp(day, 'yyyy-MM-dd'))") == []
    assert pattern_faults(f"coalesce({first}, to_timestamp(day, 'd/M/yyyy HH:mm'))") == []
