"""ingest_sources: the same content whatever the format, and every row accounted for."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config, load_config
from crm_spark.errors import BusyError, ConfigError, CrmSparkError, DataError
from crm_spark.jobs import ingest_sources
from crm_spark.lake.lock import lake_lock
from crm_spark.runtime.run import RunSummary, TableCounts
from crm_spark.tables.core import TRANSACTIONS

HEADER = ("CustomerID", "InvoiceNo", "StockCode", "InvoiceDate", "Quantity", "Amount")
MAPPING = {
    "customer_id": "cast(cast(CustomerID as double) as bigint)",
    "order_id": "InvoiceNo",
    "product_id": "StockCode",
    "ordered_at": "to_timestamp(InvoiceDate)",
    "quantity": "Quantity",
    "amount": "Amount",
}
ZONE = ZoneInfo("Europe/London")

Line = tuple[str, ...]

# The second and third line are alike; then come a return, nothing paid, no items, and a gift
# without a product. Stamps are of winter and of summer, when London is an hour ahead of UTC.
LINES: list[Line] = [
    ("17850.0", "536365", "85123A", "2010-12-01 08:26:00", "6", "15.30"),
    ("17850.0", "536365", "71053", "2010-12-01 08:26:00", "6", "20.34"),
    ("17850.0", "536365", "71053", "2010-12-01 08:26:00", "6", "20.34"),
    ("13047.0", "C536367", "84879", "2011-07-01 00:30:00", "-2", "-3.38"),
    ("13047.0", "536368", "22960", "2011-07-01 23:45:00", "6", "0.00"),
    ("12583.0", "536370", "22728", "2011-03-27 12:00:00", "0", "1.25"),
    ("12583.0", "536370", "", "2011-10-30 12:00:00", "1", "3.75"),
]
OTHER: Line = ("99.0", "700000", "A", "2011-05-05 05:05:05", "1", "9.99")


def instant(stamp: str, zone: str = "Europe/London") -> int:
    """Give the microseconds since 1970 of a stamp on the clocks of `zone`."""
    local = datetime.fromisoformat(stamp).replace(tzinfo=ZoneInfo(zone))
    return int(local.timestamp()) * 1_000_000


def as_csv(lines: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *lines])
    return text.getvalue()


def csv_source(path: Path | str | list[str], **keys: Any) -> dict[str, Any]:
    places = path if isinstance(path, list) else str(path)
    source = {"path": places, "format": "csv", "options": {"header": True}, "columns": MAPPING}
    return {**source, **keys}


def build_config(root: Path, transactions: dict[str, Any], **sources: Any) -> Config:
    values = {
        "storage": {"root": str(root)},
        "time_zone": "Asia/Tokyo",
        "sources": {"transactions": {"time_zone": "Europe/London", **transactions}, **sources},
    }
    return load_config(yaml.safe_dump(values), name="test")


@dataclass(frozen=True)
class Ingested:
    """One run that succeeded, and what it left in the lake."""

    spark: SparkSession
    root: Path
    summary: RunSummary

    @property
    def counts(self) -> TableCounts:
        return self.summary.tables["core.transactions"]

    def read(self, name: str) -> list[Row]:
        df = self.spark.read.format("delta").load(f"{self.root}/{name.replace('.', '/')}")
        micros = {"ordered_at": F.unix_micros("ordered_at")} if "ordered_at" in df.columns else {}
        return df.withColumns(micros).collect()

    @cached_property
    def rows(self) -> list[Row]:
        return self.read("core.transactions")

    @cached_property
    def rejected(self) -> list[Row]:
        return self.read("core.transactions_rejected")

    def rejected_from(self, file: str) -> list[Row]:
        return [row for row in self.rejected if row["source_file"].endswith(f"/{file}")]

    def assert_accounted(self, *, read: int, table: str = "core.transactions") -> None:
        """Assert that each of `read` rows is in one of four places, and that the tables agree."""
        counts = self.summary.tables[table]
        rejected = self.summary.tables[f"{table}_rejected"]
        assert counts.rows_read == read
        assert counts.rows_read == (
            counts.rows_written
            + counts.rows_rejected
            + counts.rows_filtered
            + counts.rows_duplicate
        )
        assert counts.rows_written == len(self.read(table))
        kept = self.read(f"{table}_rejected")
        assert counts.rows_rejected == rejected.rows_written == len(kept)
        assert all(row["reasons"] for row in kept)
        assert all(row["run_id"] == self.summary.run_id for row in kept)


def ingest(
    spark: SparkSession,
    root: Path,
    transactions: dict[str, Any],
    *,
    rebuild: bool = False,
    **others: Any,
) -> Ingested:
    """Run the job; sources of other tables may be given by name."""
    config = build_config(root, transactions, **others)
    return Ingested(spark, root, ingest_sources.run(spark, config, None, rebuild=rebuild))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ingest")


# --- the same content from everywhere ------------------------------------------------------------

Formats = dict[str, Ingested]


def typed(line: Line) -> tuple[Any, ...]:
    customer, order, product, stamp, quantity, amount = line
    return (
        float(customer),
        order,
        product or None,
        stamp,
        instant(stamp),
        int(quantity),
        Decimal(amount),
    )


def write_everywhere(spark: SparkSession, folder: Path) -> dict[str, dict[str, Any]]:
    """Write LINES in every format, stamps as text, as clock time and as instants."""
    schema = (
        "CustomerID double, InvoiceNo string, StockCode string, InvoiceDate string, "
        "micros long, Quantity int, Amount decimal(18,2)"
    )
    lines = [typed(line) for line in LINES]
    text = spark.createDataFrame(lines, schema).coalesce(2)
    clock = text.withColumn("InvoiceDate", F.to_timestamp_ntz("InvoiceDate")).drop("micros")
    instants = text.withColumn("InvoiceDate", F.timestamp_micros("micros")).drop("micros")
    text = text.drop("micros")
    (folder / "lines.csv").write_text(as_csv(LINES))
    (folder / "zipped.csv.gz").write_bytes(gzip.compress(as_csv(LINES).encode()))
    objects = [dict(zip(HEADER, line, strict=True)) for line in LINES]
    numbers = [
        {
            **{key: held for key, held in one.items() if held},
            "CustomerID": float(one["CustomerID"]),
            "Quantity": int(one["Quantity"]),
            "Amount": float(one["Amount"]),
        }
        for one in objects
    ]
    (folder / "lines.json").write_text("\n".join(json.dumps(one) for one in numbers))
    clock.write.parquet(str(folder / "parquet"))
    text.write.orc(str(folder / "orc"))
    instants.write.format("delta").save(str(folder / "delta"))
    spark.sql("CREATE SCHEMA IF NOT EXISTS shop")
    instants.write.mode("overwrite").saveAsTable("shop.invoices")
    jdbc = {"url": "jdbc:derby:memory:shop;create=true", "dbtable": "invoices"}
    text.write.format("jdbc").options(**jdbc).mode("overwrite").save()
    return {
        "csv": csv_source(folder / "lines.csv"),
        "csv_gz": csv_source(folder / "zipped.csv.gz"),
        "json": {"path": str(folder / "lines.json"), "format": "json"},
        "parquet": {"path": str(folder / "parquet"), "format": "parquet"},
        "orc": {"path": str(folder / "orc"), "format": "orc"},
        "delta": {"path": str(folder / "delta"), "format": "delta"},
        "jdbc": {"jdbc": jdbc},
        "table": {"table": "shop.invoices"},
    }


FORMATS = ("csv", "csv_gz", "json", "parquet", "orc", "delta", "jdbc", "table")


@pytest.fixture(scope="module")
def formats(spark: SparkSession, folder: Path) -> Iterator[Formats]:
    """Ingest the same lines from every format, each into a lake of its own."""
    sources = write_everywhere(spark, folder)
    assert tuple(sources) == FORMATS
    yield {
        name: ingest(spark, folder / f"lake_{name}", {"columns": MAPPING, **source})
        for name, source in sources.items()
    }
    spark.sql("DROP SCHEMA shop CASCADE")


def line_key(row: Row) -> tuple[object, ...]:
    """Give what tells a line from all others."""
    return tuple(row[name] for name in TRANSACTIONS.key)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_table(name: str, formats: Formats) -> None:
    found, expected = formats[name], formats["csv"]
    assert found.counts.content_checksum == expected.counts.content_checksum
    lines = {line_key(row) for row in found.rows}
    assert lines == {line_key(row) for row in expected.rows}
    assert len(lines) == len(LINES)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_values_that_were_written(name: str, formats: Formats) -> None:
    names = ("customer_id", "order_id", "product_id", "ordered_at", "quantity", "amount")
    expected = Counter(
        (
            customer.removesuffix(".0"),
            order,
            product or None,
            instant(stamp),
            Decimal(quantity),
            Decimal(amount),
        )
        for customer, order, product, stamp, quantity, amount in LINES
    )
    rows = formats[name].rows
    assert Counter(tuple(row[column] for column in names) for row in rows) == expected
    formats[name].assert_accounted(read=len(LINES))


def test_stamps_without_a_zone_are_read_on_the_clocks_of_their_source(formats: Formats) -> None:
    # Neither the session's zone (New York) nor the configuration's (Tokyo).
    by_order = {row["order_id"]: row["ordered_at"] for row in formats["csv"].rows}
    winter = datetime.fromisoformat("2010-12-01T08:26:00+00:00").timestamp() * 1e6
    summer = datetime.fromisoformat("2011-07-01T00:30:00+01:00").timestamp() * 1e6
    assert (by_order["536365"], by_order["C536367"]) == (winter, summer)


def test_zeros_are_kept_and_flagged(formats: Formats) -> None:
    rows = formats["csv"].rows
    assert [row["order_id"] for row in rows if row["is_zero_amount"]] == ["536368"]
    assert [row["order_id"] for row in rows if row["is_zero_quantity"]] == ["536370"]


def test_a_line_is_a_return_by_its_negative_sign(formats: Formats) -> None:
    assert [row["order_id"] for row in formats["csv"].rows if row["is_return"]] == ["C536367"]


def test_identical_lines_of_a_file_are_all_kept(formats: Formats) -> None:
    alike = [row for row in formats["csv"].rows if row["product_id"] == "71053"]
    assert len(alike) == len({row["line_id"] for row in alike}) == 2


def test_a_row_names_its_source_and_its_run(formats: Formats) -> None:
    sources = {"csv": "/lines.csv", "csv_gz": "/zipped.csv.gz", "json": "/lines.json"}
    for name, end in sources.items():
        assert all(row["source_file"].endswith(end) for row in formats[name].rows)
    assert {row["source_file"] for row in formats["table"].rows} == {"table shop.invoices"}
    assert {row["source_file"] for row in formats["jdbc"].rows} == {"jdbc invoices"}
    assert {row["run_id"] for row in formats["csv"].rows} == {formats["csv"].summary.run_id}


def test_stamps_of_a_database_are_read_on_the_clocks_of_their_source(
    spark: SparkSession, folder: Path
) -> None:
    jdbc = {"url": "jdbc:derby:memory:clocks;create=true", "dbtable": "invoices"}
    schema = "c string, o string, t string, a string"
    rows = spark.createDataFrame([("1", "10", "2020-01-01 10:00:00", "2.50")], schema)
    rows.withColumn("t", F.to_timestamp_ntz("t")).write.format("jdbc").options(**jdbc).save()
    columns = {"customer_id": "c", "order_id": "o", "ordered_at": "t", "amount": "a"}
    source = {"jdbc": jdbc, "columns": columns, "time_zone": "Asia/Tokyo"}
    found = ingest(spark, folder / "lake_clocks", source)
    assert [row["ordered_at"] for row in found.rows] == [
        instant("2020-01-01 10:00:00", "Asia/Tokyo")
    ]


# --- rerun ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rerun(spark: SparkSession, folder: Path) -> tuple[Ingested, Ingested]:
    """Ingest the same file twice into one lake, the first time among others."""
    (folder / "first.csv").write_text(as_csv([*LINES, OTHER]))
    (folder / "again.csv").write_text(as_csv(LINES[::-1]))
    root = folder / "lake_rerun"
    first = ingest(spark, root, csv_source(folder / "first.csv", where="InvoiceNo <> '700000'"))
    return first, ingest(spark, root, csv_source(folder / "again.csv"), rebuild=True)


def test_the_same_lines_in_another_order_and_file_give_the_same_table(
    rerun: tuple[Ingested, Ingested],
) -> None:
    first, second = rerun
    assert second.counts.content_checksum == first.counts.content_checksum
    assert second.counts.version == (first.counts.version or 0) + 1
    second.assert_accounted(read=len(LINES))
    assert len(second.rows) == len(LINES)
    assert {row["run_id"] for row in second.rows} == {second.summary.run_id}


def test_the_run_is_recorded_last_with_what_the_summary_tells(
    rerun: tuple[Ingested, Ingested],
) -> None:
    for done in rerun:
        row = next(row for row in done.read("ops.job_runs") if row["run_id"] == done.summary.run_id)
        assert (row["job"], row["status"], row["error"]) == ("ingest_sources", "succeeded", None)
        assert row["as_of_date"] is None
        table = next(held for held in row["tables"] if held["name"] == "core.transactions")
        assert table["version"] == done.counts.version
        assert table["content_checksum"] == done.counts.content_checksum
        assert table["rows_read"] == done.counts.rows_read
        assert row["core_seconds"] > 0
        assert row["seconds"] > 0


def test_what_where_leaves_out_is_counted_as_filtered(rerun: tuple[Ingested, Ingested]) -> None:
    counts = rerun[0].counts
    assert (counts.rows_read, counts.rows_written) == (len(LINES) + 1, len(LINES))
    assert (counts.rows_filtered, counts.rows_rejected, counts.rows_duplicate) == (1, 0, 0)


# --- rows that cannot be used --------------------------------------------------------------------

TOO_FEW = "17850.0,536365,71053"
TOO_MANY = "17850.0,536365,71053,2010-12-01 08:26:00,6,20.34,surplus"
UNREADABLE = ("", "536999", "71053", "2010-13-01 08:26:00", "six", "much")
NO_AMOUNT = ("13047.0", "536998", "22960", "2011-07-01 23:45:00", "6", "")


@pytest.fixture(scope="module")
def with_faults(spark: SparkSession, folder: Path) -> Ingested:
    """Ingest good lines with four bad ones, and the whole file once more under another name."""
    lines = folder / "faults"
    lines.mkdir()
    text = as_csv([*LINES, UNREADABLE, NO_AMOUNT]) + f"{TOO_FEW}\n{TOO_MANY}\n"
    (lines / "a.csv").write_text(text)
    (lines / "b.csv").write_text(text)
    (lines / "c.csv").write_text(as_csv([OTHER]))
    return ingest(spark, folder / "lake_faults", csv_source(lines))


def test_every_row_read_is_accepted_rejected_or_duplicate(with_faults: Ingested) -> None:
    with_faults.assert_accounted(read=2 * (len(LINES) + 4) + 1)


def test_a_file_given_under_two_names_is_loaded_once_and_its_rows_are_duplicates(
    with_faults: Ingested, formats: Formats
) -> None:
    assert with_faults.counts.rows_duplicate == len(LINES) + 4
    expected = Counter(line_key(row) for row in formats["csv"].rows)
    found = Counter(line_key(row) for row in with_faults.rows if row["order_id"] != "700000")
    assert found == expected
    assert len(with_faults.rows) == len(LINES) + 1


def test_a_line_with_too_few_or_too_many_columns_is_rejected_as_it_came(
    with_faults: Ingested,
) -> None:
    misfits = {row["row"]: row["reasons"] for row in with_faults.rejected if row["row"][0] != "{"}
    assert set(misfits) == {TOO_FEW, TOO_MANY}
    for reasons in misfits.values():
        assert len(reasons) == 1
        assert "does not fit the file's header" in reasons[0]


def reasons_by_order(found: Ingested) -> dict[str, list[str]]:
    rows = [(row["row"], row["reasons"]) for row in found.rejected]
    return {json.loads(row)["InvoiceNo"]: reasons for row, reasons in rows if row.startswith("{")}


def test_a_rejected_row_tells_all_its_reasons_with_the_columns_they_are_of(
    with_faults: Ingested,
) -> None:
    reasons = reasons_by_order(with_faults)
    assert set(reasons) == {"536999", "536998"}
    told = {reason.split()[0]: reason for reason in reasons["536999"]}
    assert set(told) == {"customer_id", "ordered_at", "quantity", "amount"}
    assert "missing" in told["customer_id"]
    for column, source in (
        ("ordered_at", "InvoiceDate"),
        ("quantity", "Quantity"),
        ("amount", "Amount"),
    ):
        assert "cannot be read" in told[column]
        assert source in told[column]
    assert reasons["536998"] == ["amount is missing (Amount)"]


def test_a_rejected_row_is_kept_as_it_came_with_its_file(with_faults: Ingested) -> None:
    kept = [json.loads(row["row"]) for row in with_faults.rejected if row["row"].startswith("{")]
    expected = [
        {key: held or None for key, held in zip(HEADER, line, strict=True)}
        for line in (UNREADABLE, NO_AMOUNT)
    ]
    assert sorted(kept, key=lambda row: row["InvoiceNo"]) == expected[::-1]
    files = {row["source_file"].split("/")[-1] for row in with_faults.rejected}
    assert len(files) == 1
    assert files <= {"a.csv", "b.csv"}


def test_a_broken_line_is_rejected_and_not_filtered_where_a_condition_is_given(
    spark: SparkSession, folder: Path
) -> None:
    file = folder / "broken_line.csv"
    file.write_text(as_csv([*LINES, OTHER]) + f"{TOO_FEW}\n")
    source = csv_source(file, where="Quantity < 5")
    found = ingest(spark, folder / "lake_broken_line", source)
    found.assert_accounted(read=len(LINES) + 2)
    assert [row["row"] for row in found.rejected] == [TOO_FEW]
    assert found.counts.rows_filtered == 4


def test_files_whose_columns_come_in_another_order_are_not_read_crosswise(
    spark: SparkSession, folder: Path
) -> None:
    files = folder / "orders_of_columns"
    files.mkdir()
    (files / "a.csv").write_text(as_csv(LINES))
    turned = [OTHER[1], OTHER[0], *OTHER[2:]]
    header = [HEADER[1], HEADER[0], *HEADER[2:]]
    (files / "b.csv").write_text(as_csv([turned], header))
    found = ingest(spark, folder / "lake_columns", csv_source(files))
    found.assert_accounted(read=len(LINES) + 1)
    # Read by its header or rejected: either will do, but the customer is not order 700000.
    assert "700000" not in {row["customer_id"] for row in found.rows}


# --- the same file more than once, and names of files --------------------------------------------


def test_a_file_that_two_paths_lead_to_is_loaded_once(spark: SparkSession, folder: Path) -> None:
    files = folder / "overlap"
    files.mkdir()
    (files / "a.csv").write_text(as_csv(LINES))
    (files / "b.csv").write_text(as_csv([OTHER]))
    places = [f"{files}/*.csv", f"{files}/a.csv"]
    found = ingest(spark, folder / "lake_overlap", csv_source(places))
    assert len(found.rows) == len(LINES) + 1
    counts = found.counts
    assert counts.rows_read == counts.rows_written + counts.rows_duplicate


def test_files_may_have_blanks_and_signs_in_their_names(spark: SparkSession, folder: Path) -> None:
    files = folder / "names with blanks"
    files.mkdir()
    (files / "new orders (1).csv").write_text(as_csv(LINES))
    (files / "new orders (2) 100%.csv").write_text(as_csv(LINES))
    (files / "zipped \u00fc.csv.gz").write_bytes(truncated_gzip())
    found = ingest(spark, folder / "lake_names", csv_source(files))
    found.assert_accounted(read=2 * len(LINES) + 1)
    assert found.counts.rows_duplicate == len(LINES)
    assert found.counts.rows_rejected == 1


# --- files that cannot be read -------------------------------------------------------------------


def truncated_gzip() -> bytes:
    """Give a gzip file of thousands of good lines that ends too early."""
    lines = [
        (f"{number}.0", f"9{number}", "X", "2011-01-01 00:00:00", "1", f"{number % 97}.50")
        for number in range(20_000)
    ]
    whole = gzip.compress(as_csv(lines).encode())
    return whole[: len(whole) // 2]


def assert_one_file_rejected(found: Ingested, file: str, *, written: int) -> None:
    """Assert that `file` is rejected whole with its reason, and that all else was loaded."""
    found.assert_accounted(read=written + 1)
    assert found.counts.rows_written == written
    assert len(found.rejected) == len(found.rejected_from(file)) == 1
    row = found.rejected[0]
    assert row["row"] is None
    assert len(row["reasons"]) == 1
    assert "the file cannot be read: " in row["reasons"][0]
    assert len(row["reasons"][0]) > len("the file cannot be read: ") + 10


def test_a_truncated_gzip_is_rejected_whole_and_the_other_files_load(
    spark: SparkSession, folder: Path, formats: Formats
) -> None:
    files = folder / "truncated"
    files.mkdir()
    (files / "a.csv.gz").write_bytes(truncated_gzip())
    (files / "m.csv.gz").write_bytes(gzip.compress(as_csv(LINES).encode()))
    found = ingest(spark, folder / "lake_truncated", csv_source(files))
    assert_one_file_rejected(found, "a.csv.gz", written=len(LINES))
    assert found.counts.content_checksum == formats["csv"].counts.content_checksum
    assert "end of input" in found.rejected[0]["reasons"][0]


def test_a_truncated_gzip_that_comes_later_is_rejected_and_what_was_loaded_stays(
    spark: SparkSession, folder: Path, formats: Formats
) -> None:
    files = folder / "truncated_later"
    files.mkdir()
    (files / "m.csv.gz").write_bytes(gzip.compress(as_csv(LINES).encode()))
    ingest(spark, folder / "lake_truncated_later", csv_source(files))
    (files / "z.csv.gz").write_bytes(truncated_gzip())
    found = ingest(spark, folder / "lake_truncated_later", csv_source(files))
    assert (found.counts.rows_read, found.counts.rows_rejected) == (1, 1)
    assert found.counts.content_checksum == formats["csv"].counts.content_checksum
    assert len(found.rejected) == len(found.rejected_from("z.csv.gz")) == 1
    assert "end of input" in found.rejected[0]["reasons"][0]


@pytest.mark.parametrize("name", ["a.parquet", "z.parquet"], ids=["first", "last"])
def test_a_corrupt_parquet_file_is_rejected_whole_and_the_good_one_beside_it_loads(
    name: str, spark: SparkSession, tmp_path: Path, formats: Formats
) -> None:
    text = spark.createDataFrame([Row(**dict(zip(HEADER, line, strict=True))) for line in LINES])
    text.coalesce(1).write.parquet(str(tmp_path / "written"))
    good = next((tmp_path / "written").glob("*.parquet")).read_bytes()
    files = tmp_path / "files"
    files.mkdir()
    (files / "m.parquet").write_bytes(good)
    (files / name).write_bytes(good[: len(good) // 2])
    source = {"path": str(files), "format": "parquet", "columns": MAPPING}
    found = ingest(spark, tmp_path / "lake", source)
    assert_one_file_rejected(found, name, written=len(LINES))
    assert found.counts.content_checksum == formats["csv"].counts.content_checksum


# --- mapped keys ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keyed(spark: SparkSession, folder: Path) -> Ingested:
    """Ingest lines that name their own line_id, and products, each with repeated keys."""
    line = ("1", "10", "A", "2020-01-01 10:00:00", "1", "2.50")
    other = ("1", "10", "A", "2020-01-01 10:00:00", "1", "9.50")
    lines = [
        (*line, "same"),
        (*line, "same"),
        (*line, "differs"),
        (*other, "differs"),
        (*line, "once"),
    ]
    (folder / "keyed.csv").write_text(as_csv(lines, (*HEADER, "Line")))
    products = [
        ("A", "Lamp"),
        ("A", "Lamp"),
        ("B", "Cup"),
        ("B", "Mug"),
        ("C", "Tea"),
        ("", "Nameless"),
    ]
    (folder / "products.csv").write_text(as_csv(products, ("Code", "Name")))
    return ingest(
        spark,
        folder / "lake_keyed",
        csv_source(folder / "keyed.csv", columns={**MAPPING, "line_id": "Line"}),
        products=csv_source(
            folder / "products.csv", columns={"product_id": "Code", "product_name": "Name"}
        ),
    )


def test_a_repeated_line_id_with_the_same_content_is_a_duplicate(keyed: Ingested) -> None:
    assert keyed.counts.rows_duplicate == 1
    assert [row["line_id"] for row in keyed.rows].count("same") == 1


def test_a_repeated_line_id_with_other_content_is_rejected(keyed: Ingested) -> None:
    held = [row["amount"] for row in keyed.rows if row["line_id"] == "differs"]
    kept = {
        json.loads(row["row"])["Amount"]: row["reasons"]
        for row in keyed.rejected
        if json.loads(row["row"])["Line"] == "differs"
    }
    assert len(held) == len(kept) == 1
    assert {held[0], *map(Decimal, kept)} == {Decimal("2.50"), Decimal("9.50")}
    assert "line_id" in next(iter(kept.values()))[0]


def test_rows_with_keys_of_their_own_are_all_accounted_for(keyed: Ingested) -> None:
    keyed.assert_accounted(read=5)
    assert Counter(row["line_id"] for row in keyed.rows).most_common(1)[0][1] == 1


def test_a_mapped_line_id_that_is_missing_does_not_stop_the_others(
    spark: SparkSession, folder: Path
) -> None:
    lines = [(*OTHER, "one"), (*OTHER, "")]
    (folder / "no_line_id.csv").write_text(as_csv(lines, (*HEADER, "Line")))
    source = csv_source(folder / "no_line_id.csv", columns={**MAPPING, "line_id": "Line"})
    found = ingest(spark, folder / "lake_no_line_id", source)
    found.assert_accounted(read=2)
    assert "one" in {row["line_id"] for row in found.rows}
    assert all(row["line_id"] for row in found.rows)


def test_a_product_given_twice_is_loaded_once(keyed: Ingested) -> None:
    keyed.assert_accounted(read=6, table="core.products")
    counts = keyed.summary.tables["core.products"]
    assert (counts.rows_written, counts.rows_duplicate, counts.rows_rejected) == (3, 1, 2)
    rows = keyed.read("core.products")
    assert sorted(row["product_id"] for row in rows) == ["A", "B", "C"]
    reasons = {
        json.loads(row["row"])["Code"]: row["reasons"]
        for row in keyed.read("core.products_rejected")
    }
    assert set(reasons) == {"B", None}
    assert "same product_id and other content" in reasons["B"][0]
    assert "product_id is missing" in reasons[None][0]


# --- runs that fail ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """One way to fail: what the sources are, the error it has to end in, and what that says."""

    transactions: Callable[[Path], dict[str, Any]]
    error: type[CrmSparkError]
    says: tuple[str, ...]
    others: Callable[[Path], dict[str, Any]] = lambda _: {}


def given(text: str | bytes = as_csv(LINES), name: str = "in.csv", **keys: Any) -> Any:
    """Give a function that writes a file and gives its source."""

    def source(folder: Path) -> dict[str, Any]:
        held = text.encode() if isinstance(text, str) else text
        (folder / name).write_bytes(held)
        return csv_source(folder / name, **keys)

    return source


def products_of(code: str, **keys: Any) -> Any:
    """Give a function that writes one product and gives its source."""
    return given(as_csv([(code, "Lamp")], ("Code", "Name")), "p.csv", **keys)


def empty_folder(folder: Path) -> dict[str, Any]:
    (folder / "nothing").mkdir()
    return csv_source(folder / "nothing")


def with_column(**columns: str) -> dict[str, str]:
    return {**MAPPING, **columns}


FAULTS = {
    "only_a_header": Fault(given(as_csv([])), DataError, ("in.csv", "it is empty")),
    "no_bytes": Fault(given(""), DataError, ("in.csv", "empty")),
    "an_empty_folder": Fault(empty_folder, DataError, ("nothing",)),
    "no_file": Fault(
        lambda folder: csv_source(folder / "absent.csv"),
        DataError,
        ("absent.csv does not exist",),
    ),
    "every_row_rejected": Fault(
        given(as_csv([UNREADABLE, NO_AMOUNT])),
        DataError,
        ("1 row: amount is missing (Amount)", "1 row: amount cannot be read", "in.csv"),
    ),
    "only_a_broken_file": Fault(
        given(truncated_gzip(), "in.csv.gz"), DataError, ("in.csv.gz", "end of input")
    ),
    "nothing_left_by_where": Fault(
        given(where="Quantity > 1000"), DataError, ("where leaves out every row",)
    ),
    "no_such_table_in_a_database": Fault(
        lambda _: {
            "jdbc": {"url": "jdbc:derby:memory:none;create=true", "dbtable": "absent"},
            "columns": MAPPING,
        },
        DataError,
        ("absent",),
    ),
    "no_such_catalog_table": Fault(
        lambda _: {"table": "nowhere.absent", "columns": MAPPING}, DataError, ("nowhere", "absent")
    ),
    "no_such_column": Fault(
        given(columns=with_column(amount="Quantity * UnitPrise")),
        ConfigError,
        ("sources.transactions.columns.amount", "'Quantity * UnitPrise'", "UnitPrise"),
    ),
    "an_aggregate": Fault(
        given(columns=with_column(amount="sum(Amount)")),
        ConfigError,
        ("sources.transactions.columns.amount", "sum(Amount)"),
    ),
    "a_generator": Fault(
        given(columns=with_column(product_id="explode(split(StockCode, ','))")),
        ConfigError,
        ("sources.transactions.columns.product_id",),
    ),
    "a_type_that_cannot_be_cast": Fault(
        given(columns=with_column(amount="split(Amount, ',')")),
        ConfigError,
        ("sources.transactions.columns.amount", "split(Amount, ',')"),
    ),
    "where_that_is_no_condition": Fault(
        given(where="Quantity + 1"), ConfigError, ("sources.transactions.where", "boolean")
    ),
    "several_expressions": Fault(
        given(columns=with_column(amount="Amont", quantity="Quantity +"), where="Nope = 1"),
        ConfigError,
        (
            "4 faults",
            "transactions.columns.amount",
            "Amont",
            "transactions.columns.quantity",
            "transactions.where",
            "Nope",
            "sources.products.columns.product_id",
            "Cod",
        ),
        lambda folder: {"products": products_of("A", columns={"product_id": "Cod"})(folder)},
    ),
    "a_missing_file_and_a_wrong_expression": Fault(
        given(columns=with_column(amount="Amont")),
        DataError,
        ("sources.products", "absent.csv does not exist", "columns.amount", "Amont"),
        lambda folder: {
            "products": csv_source(folder / "absent.csv", columns={"product_id": "Code"})
        },
    ),
    "products_without_a_usable_row": Fault(
        given(),
        DataError,
        ("sources.products", "p.csv", "product_id is missing"),
        lambda folder: {"products": products_of("", columns={"product_id": "Code"})(folder)},
    ),
}


def files_of_core(root: Path) -> dict[str, bytes]:
    """Give every file of the core tables, so that the least change shows."""
    files = (root / "core").rglob("*")
    return {str(file): file.read_bytes() for file in files if file.is_file()}


def failed_run(spark: SparkSession, root: Path, fault: Fault, folder: Path) -> CrmSparkError:
    """Run the job into a lake, and give the error that it ends in."""
    config = build_config(root, fault.transactions(folder), **fault.others(folder))
    with pytest.raises(CrmSparkError) as raised:
        ingest_sources.run(spark, config, None, rebuild=True)
    return raised.value


@pytest.mark.parametrize("name", FAULTS)
def test_a_run_that_cannot_succeed_ends_with_one_clear_error_and_touches_no_core_table(
    name: str, spark: SparkSession, tmp_path: Path, rerun: tuple[Ingested, Ingested]
) -> None:
    fault, standing = FAULTS[name], rerun[1].root
    before = files_of_core(standing)
    assert before
    error = failed_run(spark, standing, fault, tmp_path)
    message = str(error)
    assert type(error) is fault.error, message
    assert all(said in message for said in fault.says), message
    assert "SQLSTATE" not in message
    assert "\tat " not in message
    assert len(message) < 2500
    summary: RunSummary = error.summary  # type: ignore[attr-defined]
    assert (summary.status, summary.error) == ("failed", message)
    assert files_of_core(standing) == before


@pytest.mark.parametrize("name", ["no_file", "every_row_rejected", "several_expressions"])
def test_a_first_run_that_cannot_succeed_makes_no_core_table(
    name: str, spark: SparkSession, tmp_path: Path
) -> None:
    error = failed_run(spark, tmp_path / "lake", FAULTS[name], tmp_path)
    assert type(error) is FAULTS[name].error
    assert not (tmp_path / "lake" / "core").exists()


def test_exit_codes_tell_a_scheduler_what_to_do() -> None:
    assert (ConfigError.exit_code, DataError.exit_code, BusyError.exit_code) == (2, 3, 4)


def test_a_failed_run_leaves_its_row_with_the_error(spark: SparkSession, tmp_path: Path) -> None:
    config = build_config(tmp_path / "lake", csv_source(tmp_path / "absent.csv"))
    with pytest.raises(DataError) as raised:
        ingest_sources.run(spark, config, None)
    rows = spark.read.format("delta").load(str(tmp_path / "lake/ops/job_runs")).collect()
    assert [(row["job"], row["status"], row["error"]) for row in rows] == [
        ("ingest_sources", "failed", str(raised.value))
    ]


def test_an_expression_that_is_no_sql_is_told_with_what_is_wrong(
    spark: SparkSession, tmp_path: Path
) -> None:
    source = given(columns=with_column(quantity="Quantity +"))(tmp_path)
    with pytest.raises(ConfigError, match=r"columns\.quantity: 'Quantity \+': \S+"):
        ingest_sources.run(spark, build_config(tmp_path / "lake", source), None)


HOLD_THE_LOCK = """
import fcntl, sys
handle = open(sys.argv[1], "a+")
fcntl.flock(handle, fcntl.LOCK_EX)
handle.truncate(0)
handle.write("train_churn (process 4711)")
handle.flush()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_run_on_the_lake_is_told_who_is_in_the_way_and_changes_nothing(
    spark: SparkSession, tmp_path: Path, rerun: tuple[Ingested, Ingested]
) -> None:
    root = rerun[1].root
    before = files_of_core(root)
    runs = len(rerun[1].read("ops.job_runs"))
    config = build_config(root, given()(tmp_path))
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, str(root / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        with pytest.raises(BusyError, match=r"train_churn \(process 4711\).*try again") as raised:
            ingest_sources.run(spark, config, None)
    finally:
        holder.kill()
        holder.wait()
    assert raised.value.exit_code == 4
    assert raised.value.summary.status == "failed"  # type: ignore[attr-defined]
    assert files_of_core(root) == before
    assert len(rerun[1].read("ops.job_runs")) == runs
    # The kernel frees the lock of a process that died.
    with lake_lock(spark, str(root), job="ingest_sources"):
        assert "ingest_sources" in (root / ".lock").read_text()
