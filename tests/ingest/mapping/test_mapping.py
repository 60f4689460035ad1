"""From a user's columns to ours: what is read, and what is rejected and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from crm_spark.ingest.mapping.columns import (
    AMOUNT_TEXT,
    SOURCE_ROW,
    is_filled,
    map_source,
)
from crm_spark.ingest.mapping.complete import complete_versions
from crm_spark.ingest.mapping.expressions import mapping_faults
from crm_spark.ingest.mapping.reasons import REASONS
from crm_spark.ingest.mapping.where import IS_WANTED, UNDECIDED_BY
from crm_spark.ingest.reading.csv_options import CORRUPT_RECORD
from crm_spark.tables.core import FEEDBACK, SOURCE_FILE, TRANSACTIONS

INVOICES = "Case string, CustomerID string, InvoiceNo string, InvoiceDate string, " + (
    "Quantity string, Price string"
)
MAPPING = {
    "customer_id": "CustomerID",
    "order_id": "InvoiceNo",
    "ordered_at": "to_timestamp(InvoiceDate)",
    "quantity": "Quantity",
    "amount": "Price",
    "store_id": "Case",
}
NOON = "2017-06-01 12:00"


def mapped(df: DataFrame, mapping: dict[str, str] | None = None, **others: Any) -> DataFrame:
    """Map `df` as a file in UTC, unless told otherwise."""
    arguments: dict[str, Any] = {
        "table": TRANSACTIONS,
        "time_zone": "UTC",
        "source_file": F.lit("a.csv"),
        **others,
    }
    return map_source(df, mapping=MAPPING if mapping is None else mapping, **arguments)


def one(spark: SparkSession, schema: str, row: tuple[Any, ...], mapping: dict[str, str]) -> Row:
    """Map a source of one row."""
    return mapped(spark.createDataFrame([row], schema), mapping).collect()[0]


def required(**others: str) -> dict[str, str]:
    """Give a mapping that is whole by constants, but for `others`."""
    constants = {
        "customer_id": "'c'",
        "order_id": "'o'",
        "ordered_at": f"timestamp '{NOON}'",
        "amount": "1",
    }
    return {**constants, **others}


@contextmanager
def settings_kept(spark: SparkSession) -> Iterator[None]:
    """Fail if what happens inside leaves another ANSI setting or time zone behind."""
    keys = ("spark.sql.ansi.enabled", "spark.sql.session.timeZone")
    before = [spark.conf.get(key) for key in keys]
    yield
    assert [spark.conf.get(key) for key in keys] == before
    assert before == ["true", "America/New_York"]


# --- reasons -------------------------------------------------------------------------------------

NO_CUSTOMER = "customer_id is missing (CustomerID)"
NO_ORDER = "order_id is missing (InvoiceNo)"
NO_DATE = "ordered_at is missing (InvoiceDate)"
NO_AMOUNT = "amount is missing (Price)"
BAD_DATE = "ordered_at cannot be read as timestamp from InvoiceDate"
BAD_QUANTITY = "quantity cannot be read as decimal(18,3) from Quantity"
BAD_AMOUNT = "amount cannot be read as decimal(18,2) from Price"
COMMA = f"{BAD_AMOUNT}: a comma parts the decimals: write translate(Price, ',', '.')"

INVOICE_ROWS: list[tuple[tuple[str | None, ...], list[str]]] = [
    (("good", "17", "A1", NOON, "2", "9.99"), []),
    (("negative", "17", "A1", NOON, "-2", "-9.99"), []),
    (("no customer", None, "A1", NOON, "2", "9.99"), [NO_CUSTOMER]),
    (("empty customer", "", "A1", NOON, "2", "9.99"), [NO_CUSTOMER]),
    (("blank customer", "   ", "A1", NOON, "2", "9.99"), [NO_CUSTOMER]),
    (("no order", "17", None, NOON, "2", "9.99"), [NO_ORDER]),
    (("no date", "17", "A1", None, "2", "9.99"), [NO_DATE]),
    (("blank date", "17", "A1", " ", "2", "9.99"), [NO_DATE]),
    (("word for a date", "17", "A1", "yesterday", "2", "9.99"), [BAD_DATE]),
    (("day that never was", "17", "A1", "2017-02-30 12:00", "2", "9.99"), [BAD_DATE]),
    (("no amount", "17", "A1", NOON, "2", None), [NO_AMOUNT]),
    (("empty amount", "17", "A1", NOON, "2", ""), [NO_AMOUNT]),
    (("word for an amount", "17", "A1", NOON, "2", "free"), [BAD_AMOUNT]),
    (("comma for a point", "17", "A1", NOON, "2", "9,99"), [COMMA]),
    (("amount too large", "17", "A1", NOON, "2", "1e30"), [BAD_AMOUNT]),
    (("no quantity", "17", "A1", NOON, None, "9.99"), []),
    (("empty quantity", "17", "A1", NOON, "", "9.99"), []),
    (("word for a quantity", "17", "A1", NOON, "two", "9.99"), [BAD_QUANTITY]),
    (
        ("all wrong", "", None, "soon", "two", "free"),
        [NO_CUSTOMER, NO_ORDER, BAD_DATE, BAD_QUANTITY, BAD_AMOUNT],
    ),
]


@pytest.fixture(scope="module")
def invoices(spark: SparkSession) -> dict[str, Row]:
    """Give INVOICE_ROWS, mapped, by their first cell."""
    df = spark.createDataFrame([row for row, _ in INVOICE_ROWS], INVOICES)
    return {row["store_id"]: row for row in mapped(df).collect()}


@pytest.mark.parametrize(
    ("case", "reasons"), [(row[0], reasons) for row, reasons in INVOICE_ROWS], ids=str
)
def test_a_row_has_exactly_the_reasons_that_it_cannot_be_used_for(
    invoices: dict[str, Row], case: str, reasons: list[str]
) -> None:
    assert sorted(invoices[case][REASONS]) == sorted(reasons)


def test_a_good_row_has_its_values_in_the_types_of_the_table(invoices: dict[str, Row]) -> None:
    good = invoices["good"]
    assert (good["customer_id"], good["order_id"]) == ("17", "A1")
    assert (good["quantity"], good["amount"]) == (Decimal("2.000"), Decimal("9.99"))
    assert good["ordered_at"].astimezone(UTC) == datetime(2017, 6, 1, 12, tzinfo=UTC)


def test_what_is_not_mapped_is_null_and_no_reason(invoices: dict[str, Row]) -> None:
    good = invoices["good"]
    names = ("line_id", "product_id", "arrived_at", "discount_amount", "is_return")
    assert [good[name] for name in names] == [None] * 5
    assert good[REASONS] == []


def test_the_columns_are_those_that_can_be_mapped_then_file_and_reasons(
    spark: SparkSession,
) -> None:
    df = spark.createDataFrame([], INVOICES)
    mappable = [column for column in TRANSACTIONS.columns if column.mapping is not None]
    found = mapped(df)
    others = ("_is_zero_", AMOUNT_TEXT)
    known = found.select([name for name in found.columns if not name.startswith(others)])
    assert known.columns == [
        *[column.name for column in mappable],
        SOURCE_FILE,
        IS_WANTED,
        UNDECIDED_BY,
        REASONS,
    ]
    assert [field.dataType for field in known.schema][:-4] == [column.type for column in mappable]
    assert found.collect() == []


def test_ids_lose_the_blanks_around_them(spark: SparkSession) -> None:
    assert one(spark, "id string", (" 17 ",), required(customer_id="id"))["customer_id"] == "17"


@pytest.mark.parametrize("expression", ["id", "cast(cast(id as double) as bigint)"])
def test_an_id_that_has_lost_digits_says_so(expression: str, spark: SparkSession) -> None:
    row = one(spark, "id string", ("8.96529E+19",), required(order_id=expression))
    assert row["order_id"] is None
    assert row[REASONS] == [
        "order_id has lost digits (a rounded number, as 1.2E+17 is): export the column as text"
    ]
    # Not even where the mapping takes care of nulls.
    optional = required(product_id="coalesce(id, id)")
    (reason,) = one(spark, "id string", ("1,12346E+17",), optional)[REASONS]
    assert reason.startswith("product_id has lost digits")


def test_a_floating_number_beyond_what_it_can_hold_has_lost_digits(spark: SparkSession) -> None:
    (reason,) = one(spark, "id double", (1e17,), required(customer_id="id"))[REASONS]
    assert reason.startswith("customer_id has lost digits")


NOTHING = ["\0", "\u00a0", " \u200b\t", "", None]


def test_blanks_of_any_kind_are_nothing_written_in_any_column(spark: SparkSession) -> None:
    df = spark.createDataFrame([(text,) for text in NOTHING], "x string")
    optional = ("product_id", "currency", "channel", "quantity", "is_return")
    for row in mapped(df, required(**dict.fromkeys(optional, "x"))).collect():
        assert {name: row[name] for name in optional} == dict.fromkeys(optional)
        assert row[REASONS] == []
    for row in mapped(df, required(order_id="x", amount="x", ordered_at="x")).collect():
        assert sorted(row[REASONS]) == [
            f"{name} is missing (x)" for name in ("amount", "order_id", "ordered_at")
        ]


def test_blanks_around_a_value_do_no_harm(spark: SparkSession) -> None:
    row = one(spark, "x string", ("\u00a09.99\u00a0",), required(amount="x", channel="x"))
    assert (row["amount"], row["channel"], row[REASONS]) == (Decimal("9.99"), "9.99", [])


def test_ids_that_are_numbers_become_text(spark: SparkSession) -> None:
    row = one(spark, "id double", (17850.0,), required(customer_id="cast(id as bigint)"))
    assert row["customer_id"] == "17850"


def test_a_constant_that_is_null_is_missing(spark: SparkSession) -> None:
    row = one(spark, "id int", (1,), required(customer_id="null"))
    assert len(row[REASONS]) == 1
    assert row[REASONS][0].startswith("customer_id is missing")


def test_a_constant_stands_for_what_is_missing_and_not_for_what_cannot_be_read(
    spark: SparkSession,
) -> None:
    df = spark.createDataFrame([("3",), ("  ",), (None,), ("many",)], "pieces string")
    rows = mapped(df, required(quantity="pieces"), missing={"quantity": "1"}).collect()
    assert [(row["quantity"], row[is_filled("quantity")]) for row in rows] == [
        (3, False),
        (1, True),
        (1, True),
        (None, False),
    ]
    assert [row[REASONS] for row in rows] == [
        [],
        [],
        [],
        ["quantity cannot be read as decimal(18,3) from pieces"],
    ]


def test_a_division_by_zero_is_a_reason_and_no_crash(spark: SparkSession) -> None:
    row = one(spark, "paid int, times int", (5, 0), required(amount="paid / times"))
    assert row[REASONS] == ["amount cannot be read as decimal(18,2) from paid, times"]


def test_a_number_beyond_its_type_is_a_reason_and_no_crash(spark: SparkSession) -> None:
    row = one(spark, "paid bigint", (10**17,), required(amount="paid"))
    assert row[REASONS] == ["amount cannot be read as decimal(18,2) from paid"]


def test_whole_numbers_beyond_their_type_are_right_or_a_reason_but_never_another_number(
    spark: SparkSession,
) -> None:
    row = one(spark, "n int", (100_000,), required(amount="n * n"))
    assert row["amount"] == Decimal(10**10) or (row["amount"] is None and row[REASONS])


def test_a_product_of_a_missing_and_a_present_value_is_missing(spark: SparkSession) -> None:
    row = one(spark, "n int, price double", (None, 2.5), required(amount="n * price"))
    assert row[REASONS] == ["amount is missing (n, price)"]


@pytest.mark.parametrize(
    "expression",
    ["nullif(n, '0')", "case when n != '0' then n end", "if(n = '0', null, n)", "try_divide(n, n)"],
)
def test_an_optional_expression_that_gives_null_on_purpose_is_no_reason(
    spark: SparkSession, expression: str
) -> None:
    row = one(spark, "n string", ("0",), required(quantity=expression))
    assert (row["quantity"], row[REASONS]) == (None, [])


def test_a_required_expression_that_gives_null_on_purpose_is_a_reason(spark: SparkSession) -> None:
    row = one(spark, "id string", ("0",), required(customer_id="nullif(id, '0')"))
    assert len(row[REASONS]) == 1
    assert row[REASONS][0].startswith("customer_id ")


def test_columns_with_blanks_and_dots_in_their_names_can_be_mapped(spark: SparkSession) -> None:
    schema = "`Customer ID` string, `unit.price` string"
    mapping = required(customer_id="`Customer ID`", amount="`unit.price`")
    rows = mapped(spark.createDataFrame([("17", "2.5"), (" ", "x")], schema), mapping).collect()
    assert (rows[0]["customer_id"], rows[0]["amount"]) == ("17", Decimal("2.50"))
    assert [sorted(row[REASONS]) for row in rows] == [
        [],
        [
            "amount cannot be read as decimal(18,2) from unit.price",
            "customer_id is missing (Customer ID)",
        ],
    ]


def test_a_column_written_in_other_letter_case_has_the_same_reasons(spark: SparkSession) -> None:
    mapping = required(quantity="QUANTITY", amount="PRICE")
    row = one(spark, "Quantity string, Price string", ("two", "free"), mapping)
    assert len(row[REASONS]) == 2
    assert all("cannot be read" in reason for reason in row[REASONS])


def test_a_field_inside_a_column_can_be_mapped_and_has_reasons(spark: SparkSession) -> None:
    df = spark.createDataFrame([(("2.5",),), (("x",),)], "item struct<price: string>")
    rows = mapped(df, required(amount="item.price")).collect()
    assert [row["amount"] for row in rows] == [Decimal("2.50"), None]
    assert [len(row[REASONS]) for row in rows] == [0, 1]


# --- the row as it came --------------------------------------------------------------------------


def test_the_row_as_it_came_keeps_every_cell_nulls_too(spark: SparkSession) -> None:
    df = spark.createDataFrame([("17", None, "x")], "`a.b` string, c string, `d e` string")
    row = mapped(df, required(customer_id="`a.b`"), row_columns=df.columns).collect()[0]
    assert json.loads(row[SOURCE_ROW]) == {"a.b": "17", "c": None, "d e": "x"}


def test_a_row_that_does_not_fit_the_file_has_that_one_reason_and_its_text(
    spark: SparkSession,
) -> None:
    df = spark.createDataFrame(
        [("17", "9.99", None), (None, "oops", "17;oops;1;2")],
        f"id string, price string, {CORRUPT_RECORD} string",
    )
    mapping = required(customer_id="id", amount="price")
    good, broken = mapped(df, mapping, row_columns=df.columns).collect()
    assert good[REASONS] == []
    assert json.loads(good[SOURCE_ROW]) == {"id": "17", "price": "9.99"}
    assert broken[REASONS] == ["the row does not fit the file's format"]
    assert broken[SOURCE_ROW] == "17;oops;1;2"


# --- settings and time zones ---------------------------------------------------------------------


def test_ansi_and_time_zone_are_as_before_after_mapping(spark: SparkSession) -> None:
    with settings_kept(spark):
        one(spark, "price string", ("x",), required(amount="price"))


def test_ansi_and_time_zone_are_as_before_after_an_expression_that_does_not_fit(
    spark: SparkSession,
) -> None:
    df = spark.createDataFrame([(1,)], "id int")
    with settings_kept(spark), pytest.raises(AnalysisException):
        mapped(df, required(amount="no_such_column"), time_zone="Asia/Tokyo")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2017-06-01 00:30:00", datetime(2017, 5, 31, 23, 30, tzinfo=UTC)),  # summer time
        ("2017-01-01 00:30:00", datetime(2017, 1, 1, 0, 30, tzinfo=UTC)),
        ("2017-06-01T00:30:00+09:00", datetime(2017, 5, 31, 15, 30, tzinfo=UTC)),  # says its own
    ],
)
def test_stamps_as_text_are_read_in_the_time_zone_of_the_source(
    spark: SparkSession, text: str, instant: datetime
) -> None:
    df = spark.createDataFrame([(text, text)], "plain string, called string")
    mapping = required(ordered_at="plain", arrived_at="to_timestamp(called)")
    row = mapped(df, mapping, time_zone="Europe/London").collect()[0]
    assert row["ordered_at"].astimezone(UTC) == instant
    assert row["arrived_at"].astimezone(UTC) == instant


def test_stamps_without_zone_and_dates_are_read_in_the_time_zone_of_the_source(
    spark: SparkSession,
) -> None:
    df = spark.sql("select timestamp_ntz'2017-06-01 12:00' as stamp, date'2017-06-01' as day")
    mapping = required(ordered_at="stamp", arrived_at="day")
    row = mapped(df, mapping, time_zone="Asia/Tokyo").collect()[0]
    assert row["ordered_at"].astimezone(UTC) == datetime(2017, 6, 1, 3, tzinfo=UTC)
    assert row["arrived_at"].astimezone(UTC) == datetime(2017, 5, 31, 15, tzinfo=UTC)


def test_stamps_that_are_instants_stay_where_they_are(spark: SparkSession) -> None:
    instant = datetime(2017, 6, 1, 12, tzinfo=UTC)
    df = spark.createDataFrame([(instant,)], "stamp timestamp")
    row = mapped(df, required(ordered_at="stamp"), time_zone="Asia/Tokyo").collect()[0]
    assert row["ordered_at"].astimezone(UTC) == instant


def test_a_condition_on_text_that_is_no_number_leaves_the_row_out(spark: SparkSession) -> None:
    df = spark.createDataFrame([("2",), ("-1",), ("many",), (None,)], "n string")
    with settings_kept(spark):
        rows = mapped(df, required(customer_id="n"), where="n > 0").collect()
    assert [row["customer_id"] for row in rows if row[IS_WANTED]] == ["2"]


# --- faults of the mapping -----------------------------------------------------------------------


def faults_of(spark: SparkSession, mapping: dict[str, str], where: str | None = None) -> list[str]:
    df = spark.createDataFrame([], INVOICES)
    return mapping_faults(df, mapping, where=where, time_zone="Europe/London")


def test_a_mapping_that_fits_has_no_faults(spark: SparkSession) -> None:
    assert faults_of(spark, MAPPING, where="Quantity > 0") == []


def test_all_faults_of_a_mapping_are_named_at_once_with_their_keys(spark: SparkSession) -> None:
    mapping = {
        "customer_id": "CustomerNo",
        "order_id": "InvoiceNo",
        "amount": "Price * (Quantity",
        "quantity": "no_such_function(Quantity)",
    }
    faults = faults_of(spark, mapping, where="Cancelled = 0")
    assert [fault.split(":")[0] for fault in faults] == [
        "columns.customer_id",
        "columns.amount",
        "columns.quantity",
        "where",
    ]
    assert "CustomerNo" in faults[0]
    assert all("\n" not in fault for fault in faults)


def test_a_condition_that_is_neither_true_nor_false_is_a_fault(spark: SparkSession) -> None:
    assert [fault.split(":")[0] for fault in faults_of(spark, MAPPING, "array(1)")] == ["where"]


@pytest.mark.parametrize("expression", ["sum(Price)", "explode(split(Price, ','))"])
def test_an_expression_that_does_not_give_one_value_a_row_is_a_fault(
    spark: SparkSession, expression: str
) -> None:
    faults = faults_of(spark, {**MAPPING, "amount": expression})
    assert [fault.split(":")[0] for fault in faults] == ["columns.amount"]


@pytest.mark.parametrize(
    ("key", "expression", "said"),
    [
        ("customer_id", '"CustomerID"', "in quotes it is a text: write CustomerID"),
        ("customer_id", '"customerid"', "in quotes it is a text: write CustomerID"),
        ("order_id", "'Invoice No'", "goes in backticks"),
        ("ordered_at", "timestamp '2017-06-01'", "reads no column"),
        ("product_id", '"Case"', "write Case"),
        ("where", "\"Case\" = 'paid'", "write Case"),
        ("where", "'Case' = 'paid'", "write Case"),
        ("where", "1 = 1", "reads no column"),
    ],
)
def test_what_is_the_same_for_all_rows_is_no_key_and_no_condition(
    key: str, expression: str, said: str, spark: SparkSession
) -> None:
    if key == "where":
        (fault,) = faults_of(spark, MAPPING, expression)
    else:
        (fault,) = faults_of(spark, {**MAPPING, key: expression})
    assert fault.startswith(f"where: {expression!r}: " if key == "where" else f"columns.{key}: ")
    assert said in fault


def test_constants_and_what_spark_knows_of_a_file_may_be_mapped(spark: SparkSession) -> None:
    others = {"amount": "0", "channel": '"web"', "currency": "'EUR'", "is_return": "false"}
    of_file = {"order_id": "input_file_name()", "customer_id": "concat('c', CustomerID)"}
    assert faults_of(spark, {**MAPPING, **others, **of_file}) == []


def test_binary_columns_are_ids_and_text_and_else_a_fault_with_the_way_out(
    spark: SparkSession,
) -> None:
    schema = "who binary, no binary, at binary, paid binary"
    df = spark.createDataFrame([], schema)
    mapping = {"customer_id": "who", "order_id": "no", "ordered_at": "at", "amount": "paid"}
    faults = mapping_faults(df, mapping, where=None, time_zone="UTC", table=TRANSACTIONS)
    assert faults == [
        "columns.ordered_at: 'at': is binary: write cast(at as string)",
        "columns.amount: 'paid': is binary: write cast(paid as string)",
    ]
    cast = {**mapping, "ordered_at": "cast(at as string)", "amount": "cast(paid as string)"}
    assert mapping_faults(df, cast, where=None, time_zone="UTC", table=TRANSACTIONS) == []
    row = (
        bytearray(b"c1 "),
        bytearray(b"\xc2\xa0o1"),
        bytearray(b"2017-06-01"),
        bytearray(b"9.99"),
    )
    found = one(spark, schema, row, cast)
    assert (found["customer_id"], found["order_id"]) == ("c1", "o1")
    assert (found["amount"], found[REASONS]) == (Decimal("9.99"), [])
    (fault,) = mapping_faults(
        df, {"amount": "paid * 2"}, where=None, time_zone="UTC", table=TRANSACTIONS
    )
    assert fault.endswith("; paid is binary: write cast(paid as string)")


def test_a_pattern_that_reads_something_else_is_a_fault_before_anything_runs(
    spark: SparkSession,
) -> None:
    (fault,) = faults_of(spark, {**MAPPING, "ordered_at": "to_date(InvoiceDate, 'dd.mm.yyyy')"})
    assert fault.startswith("columns.ordered_at: ")
    assert fault.endswith(
        "the pattern 'dd.mm.yyyy': mm is the minute: write MM for the month, and HH before mm for "
        "the hour"
    )


def test_ansi_and_time_zone_are_as_before_after_looking_for_faults(spark: SparkSession) -> None:
    with settings_kept(spark):
        assert len(faults_of(spark, {"amount": "no_such_column"})) == 1


# --- transactions made whole ---------------------------------------------------------------------

ORDERED = datetime(2017, 6, 1, 12, tzinfo=UTC)
ARRIVED = datetime(2017, 6, 3, 12, tzinfo=UTC)
WHOLE_ROWS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    # arrived_at, quantity, amount, is_return -> what is filled in
    ((None, "1", "5", None), {"arrived_at": ORDERED, "is_return": False}),
    ((ARRIVED, "1", "5", None), {"arrived_at": ARRIVED, "is_return": False}),
    ((None, "-1", "5", None), {"is_return": True, "is_zero_amount": False}),
    ((None, "1", "-5", None), {"is_return": True, "is_zero_quantity": False}),
    ((None, None, "-5", None), {"is_return": True, "is_zero_quantity": False}),
    ((None, None, "5", None), {"is_return": False, "is_zero_quantity": False}),
    ((None, "-1", "-5", False), {"is_return": False}),
    ((None, "1", "5", True), {"is_return": True}),
    ((None, "1", "0", None), {"is_return": False, "is_zero_amount": True}),
    ((None, "0", "5", None), {"is_return": False, "is_zero_quantity": True}),
    ((None, "0.001", "0.01", None), {"is_zero_amount": False, "is_zero_quantity": False}),
]


@pytest.fixture(scope="module")
def whole_rows(spark: SparkSession) -> list[Row]:
    """Give WHOLE_ROWS with what they leave open filled in."""
    rows = [
        (number, ORDERED, arrived_at, quantity, amount, is_return)
        for number, ((arrived_at, quantity, amount, is_return), _) in enumerate(WHOLE_ROWS)
    ]
    schema = "n int, ordered_at timestamp, arrived_at timestamp, quantity string, amount string, "
    df = spark.createDataFrame(rows, schema + "is_return boolean").withColumns(
        {
            "is_deleted": F.lit(None).cast("boolean"),
            "replaces_order": F.lit(None).cast("boolean"),
            "quantity": F.col("quantity").cast("decimal(18,3)"),
            "amount": F.col("amount").cast("decimal(18,2)"),
            "discount_amount": F.lit(None).cast("decimal(18,2)"),
            "refund_of_order_id": F.lit(None).cast("string"),
        }
    )
    return sorted(complete_versions(df, TRANSACTIONS).collect(), key=lambda row: row["n"])


@pytest.mark.parametrize("number", range(len(WHOLE_ROWS)), ids=lambda n: str(WHOLE_ROWS[n][0]))
def test_what_users_leave_open_is_filled_in_and_what_they_say_is_kept(
    whole_rows: list[Row], number: int
) -> None:
    found = {
        name: value.astimezone(UTC) if isinstance(value, datetime) else value
        for name, value in whole_rows[number].asDict().items()
    }
    expected = WHOLE_ROWS[number][1]
    assert {name: found[name] for name in expected} == expected


def test_a_discount_is_the_same_whichever_sign_it_is_written_with(spark: SparkSession) -> None:
    rows = spark.createDataFrame([("-1.50",), ("1.50",), (None,)], "off string")
    found = complete_versions(mapped(rows, required(discount_amount="off")), TRANSACTIONS)
    assert [row["discount_amount"] for row in found.collect()] == [Decimal("1.50")] * 2 + [None]


def test_no_line_is_superseded_when_it_comes_in(whole_rows: list[Row]) -> None:
    assert {row["superseded_at"] for row in whole_rows} == {None}


def test_a_deletion_needs_no_more_than_what_it_deletes_and_when(spark: SparkSession) -> None:
    schema = "line string, known string, op string, amount string, at string"
    rows = [("1", NOON, "d", None, None), ("2", NOON, "u", None, None), ("3", None, "d", "x", None)]
    mapping = required(
        line_id="line",
        arrived_at="to_timestamp(known)",
        amount="amount",
        ordered_at="to_timestamp(at)",
        is_deleted="op = 'd'",
    )
    found = mapped(spark.createDataFrame(rows, schema), mapping)
    reasons = {row["line_id"]: row[REASONS] for row in found.collect()}
    assert reasons["1"] == []
    assert sorted(reasons["2"]) == ["amount is missing (amount)", "ordered_at is missing (at)"]
    assert reasons["3"] == ["arrived_at is missing (known)"]
    filled = complete_versions(found, TRANSACTIONS).where("line_id = '1'").collect()[0]
    assert filled["ordered_at"] == filled["arrived_at"]
    assert (filled["amount"], filled["is_deleted"]) == (0, True)


def test_a_value_outside_its_range_is_a_reason_that_names_it(spark: SparkSession) -> None:
    mapping = {
        "customer_id": "'c'",
        "given_at": f"timestamp '{NOON}'",
        "nps_score": "n",
        "csat_score": "c",
    }
    rows = [("0", "1"), ("10", "5"), ("11", "5"), ("-1", "6"), (None, None), ("9,5", "5")]
    df = spark.createDataFrame(rows, "n string, c string")
    reasons = [row[REASONS] for row in mapped(df, mapping, table=FEEDBACK).collect()]
    assert reasons == [
        [],
        [],
        ["nps_score is 11, expected from 0 to 10"],
        ["nps_score is -1, expected from 0 to 10", "csat_score is 6, expected from 1 to 5"],
        [],
        ["nps_score cannot be read as int from n"],
    ]


def test_the_empty_columns_for_which_where_is_neither_true_nor_false_are_named(
    spark: SparkSession,
) -> None:
    rows = [("1", "a", None), ("2", None, "x"), ("3", None, None), ("4", "b", None)]
    df = spark.createDataFrame(rows, f"nr string, sku string, {CORRUPT_RECORD} string")
    found = mapped(df, required(order_id="nr"), where="sku <> 'a'").collect()
    assert {row["order_id"]: (row[IS_WANTED], row[UNDECIDED_BY]) for row in found} == {
        "1": (False, None),
        "2": (True, None),  # a broken row has nothing to judge by, and is rejected
        "3": (False, ["sku"]),
        "4": (True, None),
    }


@pytest.mark.parametrize(
    ("expression", "text"), [("amount", "1.355"), ("cast(amount as double)", None), ("1.355", None)]
)
def test_an_amount_is_kept_as_it_is_written_where_it_is_text(
    expression: str, text: str | None, spark: SparkSession
) -> None:
    row = one(spark, "amount string", (" 1.355",), required(amount=expression))
    assert (row["amount"], row[AMOUNT_TEXT]) == (Decimal("1.36"), text)
