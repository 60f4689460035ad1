"""Exports as people have them: each folder of ../shared/cases has its right values, or is refused.

The right values are those of the cases' expected.md.
"""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F
from system.exports import CASES, Export, orders, values

from crm_spark.errors import ConfigError, DataError
from crm_spark.features.rfm_tables import CUSTOMER_RFM
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.jobs import build_features, score_rfm
from crm_spark.lake.delta import Lake
from crm_spark.runtime.run import RunSummary
from crm_spark.runtime.session import session_settings
from crm_spark.tables.checks import read_checks_of_run


@pytest.fixture(scope="module", autouse=True)
def _cases_are_there() -> None:
    assert CASES.is_dir(), f"{CASES} is missing"


# --- files that differ in their columns ----------------------------------------------------------

GROWING = orders(**{f"c{n}": (2, "30.00") for n in range(1, 6)}, c6=(1, "20.00"), c7=(1, "20.00"))


def test_a_column_more_in_a_later_file_does_no_harm_however_the_files_come(
    spark: SparkSession, tmp_path: Path
) -> None:
    # scripts/prove exports delivers the files of every case in all orders and groupings.
    export = Export.of(spark, "later_file_extra_column", tmp_path)
    for name in reversed(export.hold_back()):
        export.deliver(name, source="held")
        export.ingest()
    assert export.customers() == GROWING
    one_by_one = export.checksums()
    counts = export.ingest(rebuild=True)
    assert (counts.rows_written, counts.rows_rejected) == (12, 0)
    assert export.checksums() == one_by_one


def test_a_later_file_that_renames_a_mapped_column_is_rejected_and_named(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "later_file_renamed_column", tmp_path)
    before = export.ingest()
    export.deliver()
    export.check()
    counts = export.ingest()
    assert before.files_rejected == []
    assert (counts.files_rejected, counts.rows_rejected) == (["2019-02.csv"], 1)
    (reason,) = export.reasons()
    assert reason.startswith("it has no column qty, which columns.quantity reads, but quantity")
    (check,) = export.checks()
    assert (check.level, check.check) == ("error", "rejected_file")
    assert "2019-02.csv" in check.message
    assert "qty" in check.message
    # Whichever comes first, and when both come at once: the same lines.
    one_by_one = export.checksums()
    counts = export.ingest(rebuild=True)
    assert (counts.files_rejected, export.checksums()) == (["2019-02.csv"], one_by_one)


def test_an_id_is_the_same_whether_a_file_has_it_as_whole_number_or_as_floating_point(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "parquet_int_then_double_ids", tmp_path)
    right = {"17850": (2, 20), "12345678": (2, 40)}
    at_once = export.ingest()
    assert export.customers() == right
    assert (at_once.rows_rejected, export.reasons()) == (1, ["customer_id is missing (customer)"])
    sums = export.checksums()
    export.lake_name = "one_by_one"
    for name in reversed(export.hold_back()):
        export.deliver(name, source="held")
        export.ingest()
    assert export.checksums() == sums
    assert "changed_columns" in [check.check for check in export.checks()]


def test_names_of_folders_are_text_whatever_comes_later(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "hive_partition_zeros", tmp_path)
    export.ingest()
    assert sorted(values(export.rows("store_id"), "store_id")) == ["007", "012"]
    export.deliver()
    export.ingest()
    assert sorted(values(export.rows("store_id"), "store_id")) == ["007", "007", "012", "A5"]


def test_files_of_other_tables_are_refused_with_the_advice_to_join_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    error = Export.of(spark, "olist_three_files", tmp_path).refused(ConfigError)
    assert "not joined: join them first" in error
    assert "orders.csv: it has no column product_id" not in error  # it is optional
    assert "order_items.csv: it has no column customer_id, which columns.customer_id" in error


# --- headers, names and containers ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "right"),
    [
        ("pandas_index_column", orders(c1=(2, "30.50"), c2=(1, "10.00"))),
        ("column_names", orders(c1=(2, "30.00"))),
        ("crlf_multiline", orders(c1=(2, "15.00"), c2=(1, "20.00"))),
        (
            "bom_and_empty_files",
            orders(c1=(1, "10.00"), c2=(1, "20.00"), **{f"c{n}": (1, "1.00") for n in range(3, 9)}),
        ),
    ],
)
def test_headers_of_any_kind_are_read_whole(
    case: str,
    right: dict[str, tuple[int, int]],
    spark: SparkSession,
    tmp_path: Path,
) -> None:
    export = Export.of(spark, case, tmp_path)
    export.check()
    counts = export.ingest()
    assert export.customers() == right
    assert (counts.rows_rejected, counts.files_rejected) == (0, [])


def test_a_file_left_out_for_its_name_is_named(spark: SparkSession, tmp_path: Path) -> None:
    export = Export.of(spark, "underscore_file", tmp_path)
    counts = export.ingest()
    assert counts.files_skipped == ["_orders_2.csv"]
    (check,) = export.checks()
    assert (check.level, check.subject) == ("warning", "transactions: _orders_2.csv")


def test_a_file_with_a_colon_in_its_name_is_rejected_and_the_others_load(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "file_name_colon", tmp_path)
    counts = export.ingest()
    assert counts.files_rejected == ["orders 2019-02-01T10:11:12.csv"]
    assert counts.rows_written == 2
    assert export.reasons() == ["a colon cannot stand in a file's name here: rename the file"]


def test_a_document_of_json_is_refused_with_the_option_that_reads_it(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "json_pretty_array", tmp_path)
    assert "options: {multiLine: true}" in export.refused(DataError)
    path = export.folder / export.config_name
    path.write_text(
        path.read_text().replace("format: json\n", "format: json\n    options: {multiLine: true}\n")
    )
    export.ingest()
    assert sorted(values(export.rows("amount"), "amount")) == [10, 12.5]


def test_json_documents_that_follow_each_other_are_refused_with_what_to_do(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "json_pretty_array", tmp_path)
    (file,) = (export.folder / "input").iterdir()
    documents = json.loads(file.read_text())
    assert len(documents) > 1
    file.write_text("".join(map(json.dumps, documents)))
    assert "one a line (jq -c . FILE)" in export.refused(DataError)
    config = export.folder / export.config_name
    options = "format: json\n    options: {multiLine: true}\n"
    config.write_text(config.read_text().replace("format: json\n", options))
    file.write_text("\n".join(json.dumps(one, indent=1) for one in documents))
    assert "leave multiLine out" in export.refused(DataError)
    file.write_text(json.dumps(documents[0], indent=1))
    assert export.ingest().rows_written == 1


def test_folders_within_the_folder_are_named_with_the_option_that_reads_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "underscore_file", tmp_path)
    config = export.folder / export.config_name
    config.write_text(config.read_text().replace("path: input/*.csv", "path: input"))
    within = export.folder / "input" / "of 2018"
    within.mkdir()
    (export.folder / "input" / "_orders_2.csv").rename(within / "orders_2.csv")
    assert export.check().files_skipped == ["of 2018/"]
    one = export.ingest().rows_written
    (check,) = export.checks()
    assert (check.level, check.subject) == ("warning", "transactions: of 2018/")
    assert "options: {recursiveFileLookup: true}" in check.message
    config.write_text(
        config.read_text().replace("{header: true", "{header: true, recursiveFileLookup: true")
    )
    both = export.ingest(rebuild=True)
    assert (both.files_skipped, both.rows_written > one) == ([], True)


def test_numbers_of_lines_that_begin_again_in_each_order_are_told(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "underscore_file", tmp_path)
    folder = export.folder / "input"
    (folder / "_orders_2.csv").unlink()
    rows = [f"c{i},i{i},2019-03-{i + 1:02d} 10:00:00,a,1,10,{n}" for i in range(9) for n in (1, 2)]
    text = "\n".join(["customer,invoice,day,item,qty,total,pos", *rows])
    (folder / "orders_1.csv").write_text(text)
    config = export.folder / export.config_name
    mapped = config.read_text()
    for line_id, told in (("pos", 1), ("concat_ws('-', invoice, pos)", 0)):
        added = f"      line_id: {line_id}\n      quantity: qty\n"
        config.write_text(mapped.replace("      quantity: qty\n", added))
        export.ingest(rebuild=True)
        checks = [one for one in export.checks() if one.check == "line_ids"]
        assert [one.level for one in checks] == ["error"] * told
        if told:
            assert "about 2 ids of lines in 18 lines of orders" in checks[0].message
            assert "map line_id: concat_ws('-', invoice, pos)" in checks[0].message
        else:
            assert len(export.customers()) == 9


def test_one_file_unlike_the_others_is_told_how_it_could_be_read(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "underscore_file", tmp_path)
    folder = export.folder / "input"
    (folder / "_orders_2.csv").unlink()
    text = (folder / "orders_1.csv").read_text()
    (folder / "orders_2.csv").write_text(text.replace(",", ";"))
    (folder / "orders_3.csv").write_text(f"Orders of May\n\n{text}")
    (folder / "orders_4.csv").write_bytes(gzip.compress(text.encode()))
    (folder / "orders_5.csv").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(500))
    (folder / "orders_6.csv").write_text('[{"customer": "c1", "invoice": "i1"}]')
    counts = export.ingest()
    assert counts.rows_written > 0
    said = {row.subject.rpartition("_")[2]: row.message for row in export.checks()}
    assert "it has none of the mapped columns: columns are parted by" in said["2.csv"]
    assert "give options: {sep: ';'} to a source of its own" in said["2.csv"]
    assert "give skip_lines: 2 to a source of its own" in said["3.csv"]
    assert "packed by gzip and no CSV: end its name in .gz" in said["4.csv"]
    assert "an old workbook of Excel and no CSV: export it as CSV" in said["5.csv"]
    assert "JSON and no CSV: give format: json" in said["6.csv"]


def test_windows_encodings_are_read(spark: SparkSession, tmp_path: Path) -> None:
    export = Export.of(spark, "superstore_cp1252", tmp_path)
    export.ingest()
    assert export.customers() == {"CG-12520": (1, 1966.5), "DV-13045": (2, 0)}
    found = export.rows("order_id", "product_id", "ordered_at", "amount", "is_return")
    assert [(row["order_id"], row["ordered_at"].date().isoformat()) for row in found] == [
        ("CA-1", "2016-11-08"),
        ("CA-1", "2016-11-08"),
        ("CA-2", "2016-06-12"),
        ("CA-3", "2016-06-13"),
    ]
    assert "FUR-Š-2" in values(found, "product_id")
    with pytest.raises(
        DataError, match=r"3 rows: amount cannot be read.*a comma parts the decimals"
    ):
        export.with_config("config_latin1.yml").ingest()


def test_a_line_with_a_field_too_many_says_how_many_it_has(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "trailing_comma", tmp_path)
    with pytest.raises(DataError, match="6 columns, but 7 fields"):
        export.ingest()


def test_quotes_and_line_breaks_that_the_options_do_not_fit_name_the_option(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "shopify_orders", tmp_path)
    export.ingest()
    assert export.customers() == {"ann@example.com": (1, 25.5), "bob@example.com": (2, 31)}
    without_escape = export.with_config("config_multiline_only.yml")
    counts = without_escape.ingest()
    assert any("options: {escape: '\"'}" in reason for reason in without_escape.reasons())
    assert counts.rows_read == counts.rows_written + counts.rows_rejected
    without_both = export.with_config("config_readme_only.yml")
    without_both.ingest()
    assert any("options: {multiLine: true}" in reason for reason in without_both.reasons())


AT = "unix_micros(ordered_at) at"


@pytest.mark.parametrize("name", ["config.yml", "config_mapped.yml"])
def test_what_pandas_writes_by_default_is_read(
    name: str, spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "parquet_pandas_defaults", tmp_path).with_config(name)
    export.check()
    export.ingest()
    assert [
        (row["customer_id"], row["at"], str(row["amount"]))
        for row in export.rows("customer_id", AT, "amount")
    ] == [
        ("17850", 1_546_682_400_123_456, "10.13"),
        ("18446744073709551615", 1_546_772_400_000_000, "20.01"),
    ]


def test_stamps_of_hive_are_instants(spark: SparkSession, tmp_path: Path) -> None:
    export = Export.of(spark, "parquet_int96", tmp_path)
    export.ingest()
    micros = {row["customer_id"]: row["at"] for row in export.rows("customer_id", AT)}
    assert micros == {"c1": 1_546_731_000_000_000, "c2": 1_546_734_600_000_000}


# --- values --------------------------------------------------------------------------------------


def test_no_number_is_no_customer(spark: SparkSession, tmp_path: Path) -> None:
    export = Export.of(spark, "nan_customer_id", tmp_path)
    export.ingest()
    assert export.customers() == {"17850": (2, 20), "13047": (1, 5)}
    assert export.reasons() == ["customer_id is missing (customer)"] * 3


def test_what_stands_for_no_customer_is_none(spark: SparkSession, tmp_path: Path) -> None:
    export = Export.of(spark, "placeholder_ids", tmp_path)
    counts = export.ingest()
    # Some number their customers from 0 on: that one is kept, and told.
    assert export.customers() == orders(c1=(1, "10.00"), c2=(1, "12.00"), **{"0": (1, "100.00")})
    assert counts.rows_rejected == 8
    assert "customer 0" in export.checks_by_name()["doubtful_customer"][1]
    # One is the null of databases, which is null as the file is read.
    by_text = [reason for reason in export.reasons() if "stands for none" in reason]
    assert len(by_text) == 7
    assert [reason for reason in export.reasons() if reason not in by_text] == [
        "customer_id is missing (customer)"
    ]


def test_dates_that_are_none_are_rejected_and_a_time_alone_is_not_today(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "odd_dates", tmp_path)
    export.ingest()
    days = {row["at"] // 86_400_000_000 for row in export.rows(AT)}
    assert days <= {(date(2019, month, 1) - date(1970, 1, 1)).days for month in (1, 3)}
    text = (export.folder / "input/orders.csv").read_text()
    kept = {row["customer_id"] for row in export.rows("customer_id")}
    given = {line.split(",")[2]: line.split(",")[0] for line in text.splitlines()[1:]}
    assert {given["10:11:12"], given["T10:11"]} & kept == set()
    assert {given["2019-03-01T10:00:00Z"], given["2019-03-01 10:00"], given["2019-3-1"]} <= kept


def test_amounts_that_are_none_are_rejected_and_none_becomes_another(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "odd_numbers", tmp_path)
    export.ingest()
    assert sorted(values(export.rows("amount"), "amount")) == [7, 15]
    assert len(export.reasons()) == 13
    assert {reason.split(" as ")[0] for reason in export.reasons()} == {"amount cannot be read"}


def test_amounts_of_several_currencies_are_an_error(spark: SparkSession, tmp_path: Path) -> None:
    export = Export.of(spark, "mixed_currencies", tmp_path)
    export.ingest()
    level, message = export.checks_by_name()["mixed_currencies"]
    assert level == "error"
    assert "EUR and JPY" in message
    assert "currencies:" in message


def test_files_that_overlap_are_told_with_the_share_and_the_setting(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "overlapping_exports", tmp_path)
    export.ingest()
    level, message = export.checks_by_name()["overlapping_files"]
    assert level == "warning"
    assert "10 of the 40 rows" in message
    assert "duplicates: exact_line" in message
    path = export.folder / export.config_name
    path.write_text(path.read_text() + "    cleaning: {duplicates: exact_line}\n")
    counts = export.ingest()
    assert export.customers() == orders(
        c1=(8, "80.00"), c2=(8, "80.00"), c3=(7, "70.00"), c4=(7, "70.00")
    )
    assert (counts.rows_written, counts.rows_duplicate) == (30, 10)


# As for more than few rows.
COMPILED = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}


def test_a_customer_with_nearly_all_lines_is_told(spark: SparkSession, tmp_path: Path) -> None:
    export = Export.of(spark, "big_test_customer", tmp_path)
    with session_settings(spark, COMPILED):  # it has 100,000 lines
        counts = export.ingest()
    assert counts.rows_rejected == 0
    level, message = export.checks_by_name()["biggest_customer"]
    assert level == "warning"
    assert "one customer has 99 %" in message
    assert "TEST" not in message  # no customer id stands in ops.checks
    lines = (
        export.lines.where("customer_id = 'TEST'")
        .groupBy("is_return")
        .agg(F.count("*").alias("n"), F.sum("amount").alias("amount"))
    )
    found = {row["is_return"]: (row["n"], abs(row["amount"])) for row in lines.collect()}
    assert found == {False: (90_000, 450_000), True: (10_000, 50_000)}


def built(export: Export, day: date) -> RunSummary:
    """Build the features of a day alone, without the earlier ones that models are trained on."""
    export.overrides = ("models=[segments]",)
    return build_features.run(export.spark, export.config, day)


def scored(export: Export, day: date) -> dict[str, Row]:
    """Build the features of a date and score RFM, and give the rows by customer."""
    built(export, day)
    score_rfm.run(export.spark, export.config, day)
    rows = Lake(export.spark, export.config.storage, "test").read_date(CUSTOMER_RFM, day)
    return {row["customer_id"]: row for row in rows.collect()}


def test_who_has_most_orders_is_neither_new_nor_lost_however_many_share_the_number(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "subscription_ties", tmp_path)
    export.ingest()
    n_orders = {name: n for name, (n, _) in export.customers().items()}
    rows = scored(export, date(2018, 12, 21))
    most = [rows[name] for name, n in n_orders.items() if n == 12]
    fewer = [rows[name] for name, n in n_orders.items() if n < 12]
    assert (len(most), len(fewer)) == (85, 15)
    for score in ("frequency_score", "monetary_score"):
        assert min(values(most, score)) > max(values(fewer, score))
    assert {"new_customers", "lost"} & set(values(most, "rfm_segment")) == set()


@pytest.mark.parametrize("case", ["dst_midnight_gap", "dst_midnight_overlap"])
def test_a_midnight_that_is_not_there_or_comes_twice_parts_the_days(
    case: str, spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, case, tmp_path)
    with session_settings(spark, {"spark.sql.session.timeZone": export.config.time_zone}):
        export.ingest()
        rows = scored(export, date(2018, 11, 4))
    assert set(rows) == {"before", "long_ago"}


def test_lines_without_an_amount_and_stamps_as_numbers_are_read(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "retail_rocket_no_amount", tmp_path)
    counts = export.ingest()
    rows = export.rows(AT, "amount")
    first, last = (
        datetime(2015, month, day, tzinfo=UTC).timestamp() for month, day in ((5, 3), (9, 19))
    )
    assert counts.rows_rejected == 0
    assert counts.rows_filtered > 0
    assert all(first <= row["at"] / 1e6 < last and row["amount"] == 0 for row in rows)


# --- expressions ---------------------------------------------------------------------------------


def test_a_pattern_of_dates_that_none_can_have_is_a_fault_of_the_mapping(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "weekday_stamp", tmp_path)
    for act in (export.check, export.ingest):
        with pytest.raises(ConfigError) as told:
            act()
        assert "columns.ordered_at" in str(told.value)
        assert "EEE MMM dd HH:mm:ss z yyyy" in str(told.value)
        assert "Sat Feb 02 12:50:00 IST 2019" in str(told.value)
        assert "substr(day, 5)" in str(told.value)


@pytest.mark.parametrize(
    ("case", "advice"),
    [
        ("instacart_no_dates", "let a table or query make the column first"),
        ("json_items_array", "make a table of a row for each item first"),
    ],
)
def test_an_expression_over_more_than_one_row_is_refused_with_what_to_do(
    case: str, advice: str, spark: SparkSession, tmp_path: Path
) -> None:
    assert advice in Export.of(spark, case, tmp_path).refused(ConfigError)


def test_names_that_are_no_sql_are_refused_with_how_to_write_them(
    spark: SparkSession, tmp_path: Path
) -> None:
    error = (
        Export.of(spark, "column_names", tmp_path)
        .with_config("config_bare.yml")
        .refused(ConfigError)
    )
    assert "`Order #`" in error


def test_types_that_spark_guesses_of_ids_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    export = Export.of(spark, "nan_customer_id", tmp_path)
    path = export.folder / export.config_name
    text = path.read_text().replace("{header: true}", "{header: true, inferSchema: true}")
    path.write_text(text.replace("cast(cast(customer as double) as bigint)", "customer"))
    lines = (export.folder / "input/orders.csv").read_text().splitlines(keepends=True)
    numbered = [line for line in lines if line.startswith(("customer", "1"))]
    (export.folder / "input/orders.csv").write_text("".join(numbered))
    assert "makes customer a number" in export.refused(ConfigError)


# --- orders and refunds --------------------------------------------------------------------------


def snapshot_of(export: Export, day: date) -> dict[str, Row]:
    """Build the features of a date, and give the snapshot of each customer."""
    built(export, day)
    lake = Lake(export.spark, export.config.storage, "test")
    rows = lake.read_date(CUSTOMER_SNAPSHOT, day).collect()
    return {row["customer_id"]: row for row in rows}


def test_numbers_that_begin_again_every_year_are_orders_of_their_own_and_told(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "order_numbers_restart", tmp_path)
    export.ingest()
    summary = built(export, date(2018, 6, 2))
    lake = Lake(spark, export.config.storage, "test")
    rows = lake.read_date(CUSTOMER_SNAPSHOT, date(2018, 6, 2)).collect()
    found = {row["customer_id"]: (row["n_orders"], row["spend_amount"]) for row in rows}
    assert found == {"c1": (4, 100.0), "c2": (1, 5.0)}
    (silence,) = [row["days_since_last_order"] for row in rows if row["customer_id"] == "c1"]
    assert silence == 0
    (check,) = read_checks_of_run(lake, summary.run_id)
    assert (check.check, check.level) == ("reused_order_numbers", "warning")
    assert "order_span_days" in check.message


def test_a_refund_that_names_its_order_takes_its_money_back(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = Export.of(spark, "woo_refund_order", tmp_path)
    export.ingest()
    summary = built(export, date(2019, 4, 1))
    lake = Lake(spark, export.config.storage, "test")
    (check,) = read_checks_of_run(lake, summary.run_id)
    assert (check.check, check.level) == ("orphaned_returns", "warning")
    assert "refund_of_order_id" in check.message
    config = export.folder / export.config_name
    text = config.read_text(encoding="utf-8")
    config.write_text(
        text.replace("amount:", "refund_of_order_id: parent_id\n      amount:"), encoding="utf-8"
    )
    export.ingest()
    found = snapshot_of(export, date(2019, 4, 1))
    net = {name: row["net_spend_amount"] for name, row in found.items()}
    assert net == {"c2": 30.0, "c3": 15.0}  # c1 has kept nothing, and no order is left
