"""How dates and times are written: told from the values, days apart from months."""

from __future__ import annotations

import pytest

from crm_spark.ingest.drafting.clock import is_time_alone, time_pattern
from crm_spark.ingest.drafting.epochs import epoch_unit, is_excel_day
from crm_spark.ingest.drafting.stamps import stamp_form

PATTERNS = [
    (["2019-03-01 10:00:00", "2019-3-1"], ()),
    (["2019-03-01T10:00:00Z"], ()),
    (["2019-01-02 10:11:12 -0500"], ()),
    (["2019/03/01"], ("yyyy/M/d",)),
    (["2019-03-01T10:00Z", "2019-03-01T10:00+02:00"], ("yyyy-M-d'T'H:mmXXX",)),
    (["2019-03-01 10:00:00 CEST"], ("yyyy-M-d H:mm:ss z",)),
    (["01/02/2019", "13/02/2019"], ("d/M/yyyy",)),
    (["01/02/2019", "02/13/2019"], ("M/d/yyyy",)),
    (["12/1/2010 8:26", "12/13/2010 9:41"], ("M/d/yyyy H:mm",)),
    (["12/1/2010 8:26 PM", "12/13/2010 9:41 AM"], ("M/d/yyyy h:mm a",)),
    (["02.01.2019", "03.01.2019"], ("d.M.yyyy",)),
    (["2.1.19 9:05:07", "3.1.19 10:05:07"], ("d.M.yy H:mm:ss",)),
    (["13-01-2019"], ("d-M-yyyy",)),
    (["02-Jan-2019", "14-FEB-2019"], ("d-MMM-yyyy",)),
    (["2 January 2019", "14 February 2019"], ("d MMMM yyyy",)),
    (["Jan 2, 2019", "Feb 14, 2019"], ("MMM d, yyyy",)),
    (["Jan-02-19"], ("MMM-d-yy",)),
    (["20190102", "20190213"], ("yyyyMMdd",)),
    (["20190102101112"], ("yyyyMMddHHmmss",)),
]


@pytest.mark.parametrize(("values", "patterns"), PATTERNS)
def test_a_form_has_the_pattern_of_its_values(values: list[str], patterns: tuple[str, ...]) -> None:
    form = stamp_form(values)
    assert form is not None
    assert (form.share, form.patterns, form.is_doubtful) == (1, patterns, False)


@pytest.mark.parametrize(
    "values",
    [["a"], ["10:11:12"], ["13/13/2019"], ["32.01.2019"], ["20191301"], ["43525"], ["2019"], ["1"]],
)
def test_what_is_no_date_has_no_form(values: list[str]) -> None:
    assert stamp_form(values) is None


@pytest.mark.parametrize(("is_day_first", "pattern"), [(None, "M/d/yyyy"), (True, "d/M/yyyy")])
def test_where_no_number_is_beyond_12_it_is_doubtful(
    is_day_first: bool | None, pattern: str
) -> None:
    form = stamp_form(["01/02/2019", "11/08/2016"], is_day_first=is_day_first)
    assert form is not None
    assert (form.patterns, form.is_doubtful) == ((pattern,), True)


def test_where_both_are_beyond_12_both_are_read_and_it_is_asked() -> None:
    form = stamp_form(["13/02/2019", "14/02/2019", "02/13/2019", "02/14/2019"])
    assert form is not None
    assert set(form.patterns) == {"d/M/yyyy", "M/d/yyyy"}
    assert form.is_doubtful
    assert form.as_sql("x").startswith("coalesce(to_timestamp(x, ")


def test_two_ways_of_writing_are_both_read() -> None:
    form = stamp_form(["2019-01-02", "2019-01-03", "13.02.2019", "14.02.2019"])
    assert form is not None
    sql = "coalesce(to_timestamp(x, 'd.M.yyyy'), to_timestamp(x))"
    assert form.as_sql("x") == sql


def test_a_time_that_is_left_out_at_times_is_an_optional_end() -> None:
    form = stamp_form(["13.02.2019", "14.02.2019", "13.02.2019 9:05", "14.02.2019 10:05"])
    assert form is not None
    assert form.patterns == ("d.M.yyyy[ H:mm]",)


def test_one_odd_value_is_not_read() -> None:
    form = stamp_form([*["2019-01-02"] * 5, "13.02.2019", "1551434400"])
    assert form is not None
    assert form.patterns == ()
    assert form.share == pytest.approx(5 / 7)


def test_a_weekday_is_cut_off_since_spark_reads_none() -> None:
    form = stamp_form(["Sat Feb 02 12:50:00 IST 2019", "Wed Dec 26 09:06:00 IST 2018"])
    assert form is not None
    assert form.as_sql("day") == "to_timestamp(substr(day, 5), 'MMM d H:mm:ss z yyyy')"
    assert (form.zone_names, form.has_zone) == (("IST",), True)
    mail = stamp_form(["Sat, 02 Feb 2019 12:50:00 GMT"])
    assert mail is not None
    assert mail.as_sql("day") == "to_timestamp(substr(day, 6), 'd MMM yyyy H:mm:ss z')"


@pytest.mark.parametrize(
    ("value", "has_zone", "has_time"),
    [
        ("2019-03-01 10:00:00", False, True),
        ("2019-03-01", False, False),
        ("2019-03-01T10:00:00+01:00", True, True),
        ("3/14/2019 10:00 AM", False, True),
    ],
)
def test_zones_and_times_are_noticed(value: str, has_zone: bool, has_time: bool) -> None:
    form = stamp_form([value])
    assert form is not None
    assert (form.has_zone, form.has_time) == (has_zone, has_time)


def test_quotes_in_a_pattern_are_escaped_in_sql() -> None:
    form = stamp_form(["2019/03/01T10:00"])
    assert form is not None
    assert form.as_sql("x") == "to_timestamp(x, 'yyyy/M/d\\'T\\'H:mm')"


@pytest.mark.parametrize(
    ("value", "pattern"),
    [("10:11:12", "H:mm:ss"), ("9:05", "H:mm"), ("9:05 PM", "h:mm a"), ("9:05:07.5", "H:mm:ss.S")],
)
def test_times_of_day_have_patterns(value: str, pattern: str) -> None:
    assert time_pattern(value) == pattern
    assert is_time_alone([value])


def test_a_date_is_no_time_alone_and_nothing_is_none() -> None:
    assert not is_time_alone(["2019-03-01 10:11:12"])
    assert not is_time_alone([])


@pytest.mark.parametrize(
    ("values", "unit"),
    [
        (["1546423872", "946684800"], "seconds"),
        (["1430618791328"], "millis"),
        (["1430618791328000"], "micros"),
        (["12345"], None),
        (["1546423872", "x"], None),
        ([], None),
    ],
)
def test_counts_from_1970_are_told_by_their_length(values: list[str], unit: str | None) -> None:
    assert epoch_unit(values) == unit


def test_days_of_spreadsheets_lie_in_our_time() -> None:
    assert is_excel_day([43525, 43526.5])
    assert not is_excel_day([43525, 5])
    assert not is_excel_day([])
