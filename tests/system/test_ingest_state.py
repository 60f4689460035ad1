"""ingest_sources and the state: what is loaded anew and what is not, whatever went before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lakes
import pandas as pd
import pytest
from delta.tables import DeltaTable
from pydantic import create_model
from pyspark.sql import DataFrameWriter, SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config, load_config
from crm_spark.errors import DataError
from crm_spark.ingest import ingest as ingest_module
from crm_spark.ingest.planning import content as content_module
from crm_spark.ingest.planning import found as found_module
from crm_spark.ingest.sources import SourceSection
from crm_spark.jobs import ingest_sources
from crm_spark.lake.contract import Table, content_checksum
from crm_spark.lake.delta import Lake
from crm_spark.lake.outputs import OutputLog
from crm_spark.lake.state import UNTOUCHED, OutputRow
from crm_spark.runtime.run import RunSummary, TableCounts
from crm_spark.tables.core import EXCHANGE_RATES, PRODUCTS, TRANSACTIONS, rejected
from crm_spark.tables.ops import REJECTIONS, SOURCE_FILES

HEADER = "customer,order,line,at,known,price,currency,op"
CONFIG = """
storage: {{root: "{folder}/lake"}}
time_zone: America/New_York
{more}
sources:
  transactions:
    path: "{folder}/in"
    format: csv
    options: {{header: true}}
    columns:
      customer_id: customer
      order_id: order
      line_id: line
      ordered_at: to_timestamp(at)
      arrived_at: to_timestamp(known)
      amount: price
      currency: currency
      is_deleted: op = 'd'
  exchange_rates:
    path: "{folder}/rates.csv"
    format: csv
    options: {{header: true}}
    columns: {{currency: currency, rate_date: cast(day as date), rate: rate}}
"""
POUNDS = "currencies: {reporting: GBP, max_rate_age_days: 30}"


def line(
    number: int, day: int, price: str = "2.00", *, known: int | None = None, op: str = ""
) -> str:
    """Give a line of one order a line, in January 2024."""
    at, arrived = (f"2024-01-{of:02d} 12:00:00" for of in (day, known or day))
    return f"c{number % 3},o{number},l{number},{at},{arrived},{price},EUR,{op}"


@dataclass(frozen=True)
class Shop:
    """A folder of deliveries, the rates, and the lake that they are loaded into."""

    spark: SparkSession
    folder: Path

    def deliver(self, name: str, *lines: str) -> None:
        folder = self.folder / "in"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.csv").write_text("\n".join([HEADER, *lines]) + "\n")

    def rate(self, **by_day: str) -> None:
        rows = [f"EUR,2024-01-{day[1:]},{rate}" for day, rate in by_day.items()]
        (self.folder / "rates.csv").write_text("\n".join(["currency,day,rate", *rows]) + "\n")

    def config(self, more: str = "", *overrides: str) -> Config:
        text = CONFIG.format(folder=self.folder, more=more)
        return load_config(text, name="shop.yml", overrides=overrides)

    def ingest(self, config: Config | None = None, *, rebuild: bool = False) -> RunSummary:
        return ingest_sources.run(self.spark, config or self.config(), None, rebuild=rebuild)

    def load(self, config: Config | None = None, *, rebuild: bool = False) -> TableCounts:
        return self.ingest(config, rebuild=rebuild).tables[TRANSACTIONS.name]

    @property
    def lake(self) -> Lake:
        return Lake(self.spark, self.config().storage, "test")

    def rows(self, table: Table = TRANSACTIONS) -> list[OutputRow]:
        """Give what the state says of a table, the newest row last."""
        rows = [row for row in OutputLog(self.lake).read() if row.output.name == table.name]
        return sorted(rows, key=lambda row: row.sequence)

    def checksum(self, table: Table = TRANSACTIONS) -> str:
        return content_checksum(self.lake.read(table), table)

    def amounts(self) -> set[float]:
        return {float(row["amount"]) for row in self.lake.read(TRANSACTIONS).collect()}


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Shop:
    shop = Shop(spark, tmp_path)
    shop.deliver("day_10", line(1, 9), line(2, 10), line(3, 10, "free"))
    shop.rate(d01="0.50")
    return shop


def assert_noted_as_it_is(shop: Shop, table: Table = TRANSACTIONS) -> None:
    """Assert that the newest row of the state tells version and checksum of the table as it is."""
    row = shop.rows(table)[-1]
    assert row.checksum == shop.checksum(table)
    assert row.version == shop.lake.version(table)


# --- what is loaded anew -------------------------------------------------------------------------


def test_other_currencies_and_other_rates_of_days_with_lines_load_transactions_anew(
    shop: Shop,
) -> None:
    assert shop.load().rows_read == 3
    assert shop.amounts() == {2.0}
    pounds = shop.config(POUNDS)
    assert shop.load(pounds).rows_read == 3
    assert shop.amounts() == {1.0}
    assert shop.load(pounds).rows_read == 0
    shop.rate(d01="0.50", d10="0.75")
    assert shop.load(pounds).rows_read == 3
    assert shop.amounts() == {1.0, 1.5}
    # The line of the 9th is what it was: what a date up to the 10th saw still stands.
    assert shop.rows()[-1].changed_from == datetime(2024, 1, 10, 5, tzinfo=UTC)
    assert shop.rows(EXCHANGE_RATES)[-1].changed_from == datetime(2024, 1, 10, 5, tzinfo=UTC)
    shop.rate(d01="0.50", d10="0.75", d11="0.99")
    assert shop.load(pounds).rows_read == 0
    # That the new rates were seen is noted: the table is current.
    assert shop.rows()[-1].changed_from == UNTOUCHED
    assert shop.rows()[-1].inputs[0].version == shop.rows(EXCHANGE_RATES)[-1].version
    shop.deliver("day_11", line(4, 11))
    assert shop.load(pounds).rows_read == 1
    assert shop.amounts() == {1.0, 1.5, 1.98}


def test_an_upgrade_that_adds_a_setting_loads_nothing_anew(shop: Shop) -> None:
    config = shop.config()
    assert shop.load(config).rows_read == 3
    later = create_model("Later", __base__=SourceSection, id_style=(str, "plain"))
    sections = {
        name: later(**section.model_dump()) for name, section in config.sources.given().items()
    }
    upgraded = config.model_copy(update={"sources": config.sources.model_copy(update=sections)})
    summary = shop.ingest(upgraded)
    assert {counts.rows_read for counts in summary.tables.values()} == {0}


def test_a_source_loaded_anew_with_the_same_content_touches_nothing(shop: Shop) -> None:
    first = shop.load()
    again = shop.load(rebuild=True)
    assert again.rows_read == first.rows_read == 3
    row = shop.rows()[-1]
    assert (row.changed_from, row.replaces_all) == (UNTOUCHED, True)
    other = shop.config("", "sources.transactions.where=order <> 'o2'")
    shop.load(other)
    assert shop.rows()[-1].changed_from == datetime(2024, 1, 10, 5, tzinfo=UTC)
    assert_noted_as_it_is(shop)


def test_a_log_that_was_cleaned_to_its_last_checkpoint_is_enough_for_a_new_day(shop: Shop) -> None:
    shop.load()
    shop.deliver("day_11", line(4, 11))
    shop.load()
    for table in (TRANSACTIONS, rejected(TRANSACTIONS), SOURCE_FILES):
        clean_log(shop, table)
    shop.deliver("day_12", line(5, 12), line(4, 11, "3.00", known=12))
    counts = shop.load()
    assert (counts.rows_read, counts.rows_written) == (2, 2)
    assert_noted_as_it_is(shop)


def clean_log(shop: Shop, table: Table) -> None:
    """Leave of a table's log what Delta leaves after its retention: checkpoint and what follows."""
    path = shop.lake.path(table)
    spark = shop.spark
    jvm: Any = spark._jvm
    jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path).checkpoint()
    commits = sorted((Path(path) / "_delta_log").glob("*.json"))
    for commit in commits[:-1]:
        commit.unlink()
    assert len(commits) > 1


def test_products_that_change_keep_what_was_known_before_and_touch_what_follows(
    shop: Shop,
) -> None:
    file = shop.folder / "products.csv"
    columns = "{product_id: code, department: department}"
    section = f"{{path: {file}, format: csv, options: {{header: true}}, columns: {columns}}}"
    config = shop.config("", f"sources.products={section}")

    def load(text: str, changed_at: datetime) -> TableCounts:
        file.write_text(f"code,department\n{text}\n")
        os.utime(file, (changed_at.timestamp(), changed_at.timestamp()))
        return shop.ingest(config).tables[PRODUCTS.name]

    first, second, third = (datetime(2024, month, 1, 9, tzinfo=UTC) for month in (1, 2, 3))
    assert load("soap,bath\nmilk,food\nrope,home", first).rows_written == 3
    counts = load("soap,home\ntea,food\nrope,home", second)
    assert (counts.rows_read, counts.rows_written, counts.rows_duplicate) == (3, 2, 1)
    assert set(versions_of(shop)) == {
        ("soap", "bath", None, second),
        ("soap", "home", second, None),
        ("milk", "food", None, None),
        ("tea", "food", second, None),
        ("rope", "home", None, None),
    }
    assert shop.rows(PRODUCTS)[-1].changed_from == second
    assert_noted_as_it_is(shop, PRODUCTS)
    assert load("soap,home\ntea,food\nrope,home", third).rows_read == 0
    counts = load("rope,home\ntea,food", third)
    assert (counts.rows_read, counts.rows_written, counts.rows_duplicate) == (2, 0, 2)
    assert shop.rows(PRODUCTS)[-1].changed_from == UNTOUCHED
    # With --rebuild what the files say now is all that is known.
    shop.ingest(config, rebuild=True)
    assert set(versions_of(shop)) == {
        ("tea", "food", None, None),
        ("rope", "home", None, None),
    }


def versions_of(shop: Shop) -> list[tuple[Any, ...]]:
    rows = shop.lake.read(PRODUCTS).collect()
    times = [
        [row[name] and row[name].astimezone(UTC) for name in ("valid_from", "valid_to")]
        for row in rows
    ]
    return [
        (row["product_id"], row["department"], *both) for row, both in zip(rows, times, strict=True)
    ]


def test_of_a_delta_table_only_what_was_appended_is_read_and_any_other_change_reads_it_anew(
    shop: Shop,
) -> None:
    table = shop.folder / "delta"
    columns = HEADER.split(",")
    place = {"path": str(table), "format": "delta", "options": {}}
    overrides = [f"sources.transactions.{key}={value}" for key, value in place.items()]
    config = shop.config("", *overrides)

    def write(*lines: str, mode: str = "append") -> None:
        rows = [tuple(line.split(",")) for line in lines]
        frame = shop.spark.createDataFrame(rows, ", ".join(f"`{name}` string" for name in columns))
        frame.coalesce(1).write.format("delta").mode(mode).save(str(table))

    write(line(1, 9), line(2, 10))
    assert shop.load(config).rows_read == 2
    write(line(3, 10))
    write(line(4, 11), line(1, 9, "3.00", known=12))
    assert shop.load(config).rows_read == 3
    assert_noted_as_it_is(shop)
    DeltaTable.forPath(shop.spark, str(table)).optimize().executeCompaction()
    assert shop.load(config).rows_read == 0
    DeltaTable.forPath(shop.spark, str(table)).delete("`order` = 'o2'")
    assert shop.load(config).rows_read == 4
    version = DeltaTable.forPath(shop.spark, str(table)).history(1).collect()[0]["version"]
    # Another table in its place, with as many versions.
    shutil.rmtree(table)
    jvm: Any = shop.spark._jvm
    jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # as in another process
    for number in range(version + 1):
        write(line(number, 9))
    assert shop.load(config).rows_read == version + 1
    assert shop.rows()[-1].facts["n_rows"] == str(version + 1)


# --- what is noted -------------------------------------------------------------------------------


def test_the_state_tells_days_counts_and_checksum_after_every_load(shop: Shop) -> None:
    shop.load()
    facts = shop.rows()[-1].facts
    assert facts["first_order_date"] == "2024-01-09"
    assert facts["newest_event_date"] == "2024-01-10"
    assert (facts["n_rows"], facts["n_rejected"]) == ("2", "1")
    # A return of the 15th, a line of the 20th that is void a day later, and one of the 16th that is
    # corrected to the 12th.
    shop.deliver(
        "later", line(4, 15, "-1.00"), line(5, 20), line(5, 20, known=21, op="d"), line(6, 16)
    )
    shop.deliver("latest", line(6, 12, known=17), line(7, 1, "dear"))
    shop.load()
    facts = shop.rows()[-1].facts
    assert facts["newest_event_date"] == "2024-01-15"
    assert (facts["n_rows"], facts["n_rejected"]) == ("7", "2")
    assert_noted_as_it_is(shop)
    assert_noted_as_it_is(shop, rejected(TRANSACTIONS))
    # The return is taken back by itself: what is known of the newest day is computed again.
    shop.deliver("void", line(4, 15, known=22, op="d"), line(1, 9, known=23, op="d"))
    shop.load()
    row = shop.rows()[-1]
    assert row.facts["newest_event_date"] == "2024-01-12"
    assert row.facts["first_order_date"] == "2024-01-10"
    assert row.changed_from == datetime(2024, 1, 22, 17, tzinfo=UTC)
    assert not row.replaces_all
    assert_noted_as_it_is(shop)


def test_a_file_without_a_new_row_is_noted_and_not_read_again(shop: Shop) -> None:
    shop.load()
    shop.deliver("copy", line(2, 10))
    first = shop.load()
    assert (first.rows_read, first.rows_duplicate) == (1, 1)
    assert shop.rows()[-1].changed_from == UNTOUCHED
    assert shop.load().rows_read == 0


# --- runs that are cut off, and strangers --------------------------------------------------------


class Dead(BaseException):
    """The process is gone: nothing of ours may catch this and tidy up."""


@contextmanager
def dead_after(n_writes: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Die after so many writes of the lake."""
    left = [n_writes]

    def dying(real: Any) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            written = real(*args, **kwargs)
            left[0] -= 1
            if left[0] == 0:
                raise Dead
            return written

        return wrapped

    with monkeypatch.context() as patched:
        patched.setattr("crm_spark.pipeline.lifecycle._record_failure", lambda *_: None)
        patched.setattr(DataFrameWriter, "save", dying(DataFrameWriter.save))
        patched.setattr(Lake, "merge", dying(Lake.merge))
        yield


@pytest.mark.long
def test_a_run_that_dies_after_any_write_is_undone_and_the_next_loads_what_it_would_have(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliveries = [
        [line(1, 9), line(2, 10), line(3, 10, "free")],
        [line(2, 10, "3.00", known=12), line(4, 11), line(5, 11, "dear"), line(1, 9, "7.00")],
    ]
    checksums = {}
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
        shop = Shop(spark, tmp_path / name)
        shop.rate(d01="0.50")
        n_deaths = 0
        for number, lines in enumerate(deliveries):
            shop.deliver(f"part_{number}", *lines)
            # After the rows, the rejected ones, the files and the state of transactions (each run
            # first notes what the one before left of either table), and then after what is still
            # to be written. At last nothing is in the way.
            deadly = ((1, 5, 0), (1, 3, 5, 6, 1, 0))[number]
            for n_writes in deadly if name == "killed" else (0,):
                try:
                    with dead_after(n_writes, monkeypatch):
                        shop.ingest()
                except Dead:
                    n_deaths += 1
        assert n_deaths == (7 if name == "killed" else 0)
        tables = (TRANSACTIONS, rejected(TRANSACTIONS), EXCHANGE_RATES, REJECTIONS)
        checksums[name] = lakes.checksums(spark, shop.config(), tables)
        assert_noted_as_it_is(shop)
        assert_noted_as_it_is(shop, rejected(TRANSACTIONS))
        assert shop.load().rows_read == 0
    assert checksums["killed"] == checksums["undisturbed"]


def test_rows_that_another_program_changed_are_refused_until_they_are_put_back(shop: Shop) -> None:
    shop.load()
    version = shop.lake.version(TRANSACTIONS)
    lines = DeltaTable.forPath(shop.spark, shop.lake.path(TRANSACTIONS))
    lines.delete("order_id = 'o1'")
    with pytest.raises(DataError, match=r"changed by another program.*ingest_sources --rebuild"):
        shop.load()
    lines.restoreToVersion(version)
    shop.deliver("day_11", line(4, 11))
    assert shop.load().rows_read == 1
    assert_noted_as_it_is(shop)
    lines.delete("order_id = 'o1'")
    assert shop.load(rebuild=True).rows_read == 4
    assert_noted_as_it_is(shop)


# --- files that cannot be read -------------------------------------------------------------------


def test_broken_files_begin_no_load_again_and_each_source_is_listed_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gzip

    lines = "\n".join([HEADER, *[line(n, 1 + n % 28, f"{n}.{n % 97:02d}") for n in range(20_000)]])
    # The first two are the same to the last byte: one delivery that was cut off, under two names.
    for number in range(3):
        packed = gzip.compress(f"{lines}\n{line(number, 3)}".encode(), mtime=number // 2)
        (shop.folder / "in" / f"broken_{number}.csv.gz").write_bytes(packed[: len(packed) // 2])
    begun: list[str] = []
    listed: list[str] = []
    load, listing = ingest_module.load_source, found_module.list_files

    def counted_load(delivery: Any, files: Any) -> Any:
        begun.append(delivery.source.name)
        return load(delivery, files)

    def counted_listing(spark: SparkSession, section: SourceSection) -> Any:
        listed.append(section.description)
        return listing(spark, section)

    monkeypatch.setattr(ingest_module, "load_source", counted_load)
    monkeypatch.setattr(found_module, "list_files", counted_listing)
    hashed: list[str] = []
    hash_of = content_module.content_of

    def counted_hash(spark: SparkSession, uri: str) -> str:
        hashed.append(uri)
        return hash_of(spark, uri)

    monkeypatch.setattr(content_module, "content_of", counted_hash)
    shop.load()
    shop.deliver("day_11", line(4, 11))
    begun.clear()
    listed.clear()
    hashed.clear()
    counts = shop.load()
    assert (counts.rows_read, counts.rows_written, counts.rows_rejected) == (4, 1, 3)
    # Each new file is read once to know its content; the three broken ones are tried again.
    assert len(hashed) == len(set(hashed)) == 4
    # All three are found before a row is read.
    assert begun == ["transactions", "exchange_rates"]
    assert len(listed) == 2
    kept = shop.lake.read(rejected(TRANSACTIONS)).where("row IS NULL").collect()
    names = {Path(row["source_file"]).name for row in kept}
    assert names == {f"broken_{number}.csv.gz" for number in range(3)} and len(kept) == 3
    assert_noted_as_it_is(shop)
    assert_noted_as_it_is(shop, rejected(TRANSACTIONS))
    statuses = shop.lake.read(SOURCE_FILES).where(F.col("item").contains("/broken_"))
    assert {row["status"] for row in statuses.collect()} == {"rejected"}
    assert shop.rows()[-1].facts["n_rejected"] == "4"


def test_a_damaged_file_given_twice_is_rejected_twice_whatever_the_damage(shop: Shop) -> None:
    folder = shop.folder / "parquet"
    folder.mkdir()
    names = HEADER.split(",")
    rows = {name: [line(n, 9).split(",") for n in range(1, 500)] for name in ("good", "damaged")}
    for name, values in rows.items():
        pd.DataFrame(values, columns=names).to_parquet(folder / f"{name}.parquet")
    # Both ends are as they should be: only who reads the rows can tell.
    content = bytearray((folder / "damaged.parquet").read_bytes())
    content[4:400] = bytes(396)
    (folder / "damaged.parquet").write_bytes(content)
    (folder / "damaged_again.parquet").write_bytes(content)
    config = shop.config(
        "",
        f"sources.transactions.path={folder}",
        "sources.transactions.format=parquet",
        "sources.transactions.options={}",
    )
    counts = shop.load(config)
    assert (counts.rows_read, counts.rows_written, counts.rows_rejected) == (501, 499, 2)
    kept = shop.lake.read(rejected(TRANSACTIONS)).where("row IS NULL").collect()
    names_of_kept = sorted(Path(row["source_file"]).name for row in kept)
    assert names_of_kept == ["damaged.parquet", "damaged_again.parquet"]
    noted = shop.lake.rows(SOURCE_FILES)
    statuses = {Path(row["item"]).stem: row["status"] for row in noted if "parquet" in row["item"]}
    assert statuses == {"good": "loaded", "damaged": "rejected", "damaged_again": "rejected"}
