"""Why most rows of a delivery are rejected, and a value of one of them."""

from __future__ import annotations

import json

import pytest
from pyspark.sql import DataFrame, SparkSession

from crm_spark.ingest.loading.commonest import CommonReason, commonest_reasons, shown_sources
from crm_spark.ingest.loading.counts import RowCounts
from crm_spark.ingest.loading.lost import rejected_verdict, undecided_verdict
from crm_spark.ingest.settings import Source
from crm_spark.ingest.sources import SourceSection

UNREAD = "ordered_at cannot be read as timestamp from day"
AMOUNT = "amount cannot be read as decimal(18,2) from price"
NOBODY = "customer_id is missing (who)"


def source(**columns: str) -> Source:
    """Give transactions mapped in these columns, of others in the usual way."""
    mapping = {
        "customer_id": "who",
        "order_id": "nr",
        "ordered_at": "to_timestamp(day, 'dd/MM/yyyy')",
        "amount": "price",
        **columns,
    }
    section = SourceSection(path="input", format="csv", columns=mapping, where="nr <> '1'")
    return Source("transactions", section, "UTC")


def rows(spark: SparkSession, *given: tuple[dict[str, str | None] | str, list[str]]) -> DataFrame:
    """Give rejected rows, each with its reasons."""
    written = [
        (row if isinstance(row, str) else json.dumps(row), reasons) for row, reasons in given
    ]
    return spark.createDataFrame(written, "row string, reasons array<string>")


SHOWN = {"ordered_at": ["day"], "amount": ["price"]}


def test_the_commonest_reasons_come_first_each_with_what_it_objects_to(
    spark: SparkSession,
) -> None:
    rejected = rows(
        spark,
        ({"who": "ann@x.org", "day": "12/31/2024", "price": "$1"}, [UNREAD, AMOUNT]),
        ({"who": "ann@x.org", "day": "12/30/2024", "price": "1"}, [UNREAD]),
        ({"who": None, "day": "01/01/2024", "price": "1"}, [NOBODY]),
        ("a line that fits no file", ["the row does not fit the file's header"]),
    )
    assert commonest_reasons(rejected, SHOWN, n=2) == [
        CommonReason(UNREAD, 2, "'12/30/2024'"),
        CommonReason(AMOUNT, 1, "'$1'"),
    ]
    others = commonest_reasons(rejected, SHOWN, n=10)[2:]
    assert [one.example for one in others] == [None, None]


def test_reasons_that_differ_in_figures_are_told_as_one(spark: SparkSession) -> None:
    late = [f"ordered_at is +50973-01-2{n}, in the future of 2026-11-28" for n in (2, 1)]
    rejected = rows(spark, *[({"day": f"154638720000{n}"}, [late[n]]) for n in (0, 1)])
    (found,) = commonest_reasons(rejected, SHOWN, n=3)
    assert (found.n_rows, found.text) == (
        2,
        f"{late[1]} (and the like), such as '1546387200000'",
    )


@pytest.mark.parametrize("value", ["Ann Smith", "ann1@x.org", "4 " + "x" * 40, None])
def test_what_may_be_no_time_and_no_number_is_never_shown(
    value: str | None, spark: SparkSession
) -> None:
    (found,) = commonest_reasons(rows(spark, ({"price": value}, [AMOUNT])), SHOWN, n=3)
    assert found.example is None


def test_a_mark_for_none_is_shown(spark: SparkSession) -> None:
    (found,) = commonest_reasons(rows(spark, ({"price": "\\N"}, [AMOUNT])), SHOWN, n=3)
    assert found.example == "'\\N'"


def test_no_column_that_an_id_or_a_text_is_read_from_is_shown(spark: SparkSession) -> None:
    frame = spark.createDataFrame([], "who string, nr string, day string, price string")
    assert shown_sources(source(), [frame]) == SHOWN
    by_number = source(ordered_at="to_timestamp(substr(nr, 1, 8), 'yyyyMMdd')")
    assert shown_sources(by_number, [frame]) == {"amount": ["price"]}


REASONS = [CommonReason(UNREAD, 4, "'12/31/2024'"), CommonReason(AMOUNT, 1, None)]


@pytest.mark.parametrize(
    ("n_rejected", "n", "level"),
    [
        (0, 0, None),
        (49, 1000, None),
        (50, 1000, "warning"),
        (1, 19, "warning"),
        (499, 1000, "warning"),
        (500, 1000, "error"),
        (1, 1, "error"),
    ],
)
def test_from_5_percent_on_rejected_rows_are_a_warning_and_from_half_an_error(
    n_rejected: int, n: int, level: str | None
) -> None:
    counts = RowCounts(n_read=n + 7, n_mapped=n, n_unusable=n_rejected)
    verdicts = rejected_verdict(source(), counts, REASONS, [])
    assert [verdict.level for verdict in verdicts] == ([level] if level else [])


def test_the_message_tells_share_reasons_examples_and_hints() -> None:
    counts = RowCounts(n_mapped=10_000, n_unusable=3_999, n_by_status={"conflict": 1})
    (verdict,) = rejected_verdict(source(), counts, REASONS, ["a hint"])
    assert verdict.message == (
        f"transactions: 40 % of 10,000 rows are rejected: 4 {UNREAD}, such as '12/31/2024'; "
        f"1 {AMOUNT}; a hint. They are kept in core.transactions_rejected: mend the mapping, the "
        "options or the files, and ingest again"
    )


def test_rows_that_where_cannot_judge_are_told_with_the_empty_columns() -> None:
    counts = RowCounts(n_read=5, n_mapped=3, n_undecided=2, undecided_by=frozenset({"nr"}))
    (verdict,) = undecided_verdict(source(), counts)
    assert verdict.message == (
        "transactions: where is neither true nor false for 2 of 5 rows, since nr is empty there: "
        "they are left out. Write coalesce(nr <> '1', true) to keep them, or "
        "coalesce(nr <> '1', false) if they are not wanted"
    )
    assert undecided_verdict(source(), RowCounts(n_read=5, n_mapped=5)) == []
