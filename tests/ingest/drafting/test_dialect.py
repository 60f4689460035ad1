"""The dialect of a text file: separator, quotes, title lines, header."""

from __future__ import annotations

import pytest

from crm_spark.ingest.drafting.dialect import parse, parse_rows

ROWS = "order,customer,total\n1,a,1.50\n2,b,2.50\n"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_that_of_most_fields(separator: str) -> None:
    found = parse(ROWS.replace(",", separator))
    assert found.dialect.separator == separator
    assert found.names == ("order", "customer", "total")
    assert found.rows == (("1", "a", "1.50"), ("2", "b", "2.50"))
    assert (found.dialect.skip_lines, found.dialect.has_header) == (0, True)


def test_of_two_separators_that_fit_the_one_of_more_fields_is_taken() -> None:
    found = parse("order|customer|shop;town\n1|a|x;y\n2|b|z;w\n")
    assert found.dialect.separator == "|"


def test_a_title_may_fill_some_fields() -> None:
    found = parse("Report;2019;;;;\n" + "a;b;c;d;e;f\n" + "1;2;3;4;5;6\n" * 2)
    assert (found.dialect.skip_lines, found.names[0]) == (1, "a")


def test_decimal_commas_are_no_separators() -> None:
    found = parse("order;total;name\n1;1,50;a, b\n2;2,50;c, d\n3;3,50;e, f\n")
    assert found.dialect.options == {"header": True, "sep": ";"}


def test_quotes_that_are_doubled_need_an_escape_and_line_breaks_many_lines() -> None:
    text = 'order,name,total\n1,"Mug 12"", blue",1\n2,"two\nlines",2\n'
    found = parse(text)
    assert found.dialect.options == {"header": True, "multiLine": True, "escape": '"'}
    assert found.rows == (("1", 'Mug 12", blue', "1"), ("2", "two\nlines", "2"))


def test_quotes_behind_a_backslash_are_as_spark_reads_them() -> None:
    found = parse('order,name,total\n1,"Mug 12\\", blue",1\n2,"b",2\n')
    assert found.dialect.options == {"header": True}
    assert found.rows[0] == ("1", 'Mug 12", blue', "1")


def test_an_empty_quoted_field_needs_no_escape() -> None:
    assert parse('order,name,total\n1,"",1\n2,"b",2\n').dialect.options == {"header": True}


@pytest.mark.parametrize(
    ("above", "n"),
    [
        ("Report of January\n", 1),
        ("Report of January\n\n", 2),
        ("Report;;\n;;\n", 2),
        ("A\nB\nC\n", 3),
    ],
)
def test_lines_above_the_header_are_counted(above: str, n: int) -> None:
    found = parse(above + ROWS.replace(",", ";"))
    assert found.dialect.skip_lines == n
    assert found.names == ("order", "customer", "total")
    assert len(found.rows) == 2


def test_the_line_by_which_excel_knows_the_separator_is_skipped() -> None:
    found = parse("sep=|\n" + ROWS.replace(",", "|"))
    assert (found.dialect.separator, found.dialect.skip_lines) == ("|", 1)
    assert found.names == ("order", "customer", "total")


def test_a_first_line_of_values_is_no_header() -> None:
    found = parse("1001,c1,2019-01-02,5.00\n1002,c2,2019-01-03,6.00\n")
    assert not found.dialect.has_header
    assert found.names == ("_c0", "_c1", "_c2", "_c3")
    assert len(found.rows) == 2


def test_a_file_of_words_alone_has_a_doubtful_header() -> None:
    assert parse("a,b\nc,d\ne,f\n").dialect.is_header_doubtful
    assert not parse(ROWS).dialect.is_header_doubtful


def test_an_index_without_a_name_is_called_as_spark_calls_it() -> None:
    assert parse(",order,total\n0,1,5\n1,2,6\n").names == ("_c0", "order", "total")


def test_columns_between_blanks_are_split_by_the_mapping() -> None:
    found = parse(" 00004 0001 19970101  2   29.33\r\n 00004 0001 19970118  2   29.73\r\n")
    assert found.dialect.is_blank_separated
    assert found.sql(2) == "split(trim(_c0), ' +')[2]"
    assert found.rows[1] == ("00004", "0001", "19970118", "2", "29.73")


def test_a_separator_at_the_end_of_lines_alone_makes_columns_go_by_place() -> None:
    found = parse("order,total\n1,5.00,\n2,6.00,\n")
    assert found.dialect.has_loose_ends
    assert (found.dialect.options, found.dialect.skip_lines) == ({"header": False}, 1)
    assert found.names[:2] == ("order", "total")
    assert [found.sql(place) for place in (0, 1)] == ["_c0", "_c1"]
    assert found.rows == (("1", "5.00", ""), ("2", "6.00", ""))


def test_between_tabs_a_quote_may_be_one_of_inches() -> None:
    text = 'order\tname\ttotal\n1\tMonitor 24"\t5\n2\t"Best" cable\t6\n3\t"7 inch\t7\n'
    found = parse(text)
    assert found.dialect.options == {"header": True, "sep": "\t", "quote": ""}
    assert [row[1] for row in found.rows] == ['Monitor 24"', '"Best" cable', '"7 inch']
    assert parse('order\tname\n1\t"a ""b"" c"\n2\t"d"\n').dialect.has_quotes


def test_lines_of_another_length_are_counted_and_left_out() -> None:
    found = parse("order,total,name\n1,5.00,a\n2,6.00,b,c\n3,7.00,d\n")
    assert (found.n_misfits, len(found.rows)) == (1, 2)


def test_of_a_file_that_goes_on_the_last_line_is_left_out() -> None:
    assert parse(ROWS + "3,c,3", is_cut=True).rows == parse(ROWS).rows


@pytest.mark.parametrize("text", ["order,customer\n", "order,customer"])
def test_a_header_alone_has_columns_and_no_rows(text: str) -> None:
    found = parse(text)
    assert (found.names, found.rows) == (("order", "customer"), ())


def test_rows_from_the_middle_begin_behind_the_first_line_break() -> None:
    dialect = parse(ROWS).dialect
    assert parse_rows(",cut\n7,g,1.00\n8,h,2.00\n9,i", dialect, 3) == [
        ("7", "g", "1.00"),
        ("8", "h", "2.00"),
    ]
