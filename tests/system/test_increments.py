"""Loading in pieces, in any order, is loading at once; and no snapshot sees what came later."""

from __future__ import annotations

import csv
import os
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import lakes
import pytest
from pyspark.sql import SparkSession

from crm_spark.config import Config, load_config
from crm_spark.errors import DataError
from crm_spark.features.tables import (
    CUSTOMER_SNAPSHOT,
    PRODUCT_INTERACTIONS,
)
from crm_spark.jobs import build_features, ingest_sources
from crm_spark.lake.contract import content_checksum
from crm_spark.lake.delta import Lake
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.core import TRANSACTIONS

HEADER = ("customer", "order", "line", "product", "at", "known", "price", "op")
FIRST_DAY = datetime(2024, 1, 1, 12)  # noqa: DTZ001 - the file has no zones
AS_OF = date(2024, 4, 1)


@dataclass
class Shop:
    """Rows of a feed: lines, late ones, corrections, deletions, returns, and rows that are bad."""

    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(
        self,
        customer: int,
        order: int,
        line: int,
        product: int,
        day: float,
        price: str,
        *,
        delay: float = 0,
        op: str = "u",
    ) -> None:
        at = FIRST_DAY + timedelta(days=day)
        known = at + timedelta(days=delay)
        self.rows.append(
            (f"c{customer}", f"o{order}", f"l{line}", f"p{product}", str(at), str(known), price, op)
        )


def drawn_shop(seed: int) -> list[tuple[str, ...]]:
    """Draw 25 customers over 110 days; what was said of a line may be corrected or taken back."""
    draw = random.Random(seed)
    shop, order, line = Shop(), 0, 0
    for customer in range(25):
        for _ in range(draw.randrange(1, 9)):
            order += 1
            day = draw.randrange(110)
            for _ in range(draw.choice([1, 2])):
                line += 1
                product, price = draw.randrange(6), f"{draw.randrange(100, 900) / 100}"
                late = draw.choice([0, 0, 0, 3, 30])
                shop.add(customer, order, line, product, day, price, delay=late)
                fate = draw.random()
                if fate < 0.1:
                    shop.add(
                        customer,
                        order,
                        line,
                        product,
                        day,
                        f"{draw.randrange(100)}",
                        delay=late + draw.randrange(1, 60),
                    )
                elif fate < 0.2:
                    shop.add(
                        customer,
                        order,
                        line,
                        product,
                        day,
                        "",
                        delay=late + draw.randrange(1, 60),
                        op="d",
                    )
                elif fate < 0.3:
                    shop.add(customer, order, 10_000 + line, product, day + 5, f"-{price}")
    shop.add(3, 1, 77_777, 1, 5, "free")
    shop.add(4, 1, 77_778, 1, 5, "dear")
    return shop.rows


def write_files(folder: Path, batches: Sequence[Sequence[tuple[str, ...]]]) -> list[Path]:
    """Write each batch as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, batch in enumerate(batches):
        path = folder / f"part_{number:03d}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([HEADER, *batch])
        paths.append(path)
    return paths


def config_of(root: Path, source: Path, *overrides: str) -> Config:
    text = f"""
storage: {{root: "{root}"}}
time_zone: America/New_York
sources:
  transactions:
    path: "{source}"
    format: csv
    options: {{header: true}}
    columns:
      customer_id: customer
      order_id: order
      line_id: line
      product_id: product
      ordered_at: to_timestamp(at)
      arrived_at: to_timestamp(known)
      amount: price
      is_deleted: op = 'd'
churn: {{horizon_days: 14, active_days: 28, n_training_cutoffs: 2, cutoff_every_days: 14}}
"""
    return load_config(text, name="shop.yml", overrides=overrides)


def brought_in(spark: SparkSession, config: Config, as_of: date = AS_OF) -> RunSummary:
    summary = ingest_sources.run(spark, config, None)
    build_features.run(spark, config, as_of)
    return summary


ROWS = drawn_shop(5)


@dataclass(frozen=True)
class Loaded:
    """A lake that tests copy, and the files it was loaded from at once: all rows."""

    root: Path
    source: Path

    def copied(self, root: Path, *overrides: str) -> Config:
        """Give the configuration of a lake like this one, of the same files."""
        shutil.copytree(self.root, root)
        return config_of(root, self.source, *overrides)


@pytest.fixture(scope="module")
def ingested(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Give a lake into which all rows were ingested, without features."""
    folder = tmp_path_factory.mktemp("ingested")
    write_files(folder / "in", [ROWS])
    ingest_sources.run(spark, config_of(folder / "lake", folder / "in"), None)
    return Loaded(folder / "lake", folder / "in")


@pytest.fixture(scope="module")
def built(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, ingested: Loaded
) -> Loaded:
    """Give a lake of all rows with their features."""
    root = tmp_path_factory.mktemp("built") / "lake"
    build_features.run(spark, ingested.copied(root), AS_OF)
    return Loaded(root, ingested.source)


@pytest.fixture(scope="module")
def clean(spark: SparkSession, built: Loaded) -> dict[str, str]:
    """Give the checksums after one load of all rows."""
    return lakes.checksums(spark, config_of(built.root, built.source), lakes.BUILT)


@pytest.mark.long
def test_batches_in_any_order_give_the_tables_of_one_load(
    spark: SparkSession, tmp_path: Path, clean: dict[str, str]
) -> None:
    # Bad rows and ties included; whole orders of delivery: test_complete_journey_increments.
    rows = random.Random(2).sample(ROWS, len(ROWS))
    n = 3
    size = -(-len(rows) // n)
    config = config_of(tmp_path / "lake", tmp_path / "in")
    for number in range(n):
        batch = rows[number * size : (number + 1) * size]
        written = write_files(tmp_path / "out", [batch])[0]
        (tmp_path / "in").mkdir(exist_ok=True)
        written.rename(tmp_path / "in" / f"batch_{number}.csv")
        if number == 1:
            ingest_sources.run(spark, config, None)
        else:
            # What the first features hold has to be put right by what comes later.
            brought_in(spark, config)
    assert lakes.checksums(spark, config, lakes.BUILT) == clean


def test_the_tables_of_a_date_see_no_later_row_and_no_order_of_files(
    spark: SparkSession, tmp_path: Path, ingested: Loaded
) -> None:
    day = date(2024, 3, 1)
    mixed = random.Random(3).sample(ROWS, len(ROWS))
    files = [mixed[first::3] for first in range(3)]
    deliveries = {
        # Nothing that was ordered later, therefore, either.
        "nothing arrived from the day on": [[row for row in ROWS if row[5] < str(day)]],
        "shuffled, in three files, each of them twice": [*files, *files],
    }

    def checksums(config: Config) -> list[str]:
        build_features.run(spark, config, day)
        lake = Lake(spark, config.storage, "test")
        return [
            content_checksum(lake.read_date(table, day), table)
            for table in (CUSTOMER_SNAPSHOT, PRODUCT_INTERACTIONS)
        ]

    whole = checksums(ingested.copied(tmp_path / "whole"))
    found = {}
    for name, batches in deliveries.items():
        folder = tmp_path / name.replace(",", "")
        write_files(folder / "in", batches)
        config = config_of(folder / "lake", folder / "in")
        ingest_sources.run(spark, config, None)
        found[name] = checksums(config)
    assert found == dict.fromkeys(deliveries, whole)
    assert len(mixed) > len(deliveries["nothing arrived from the day on"][0])


def test_nothing_new_changes_nothing_and_a_rerun_says_so(
    spark: SparkSession, tmp_path: Path, built: Loaded, clean: dict[str, str]
) -> None:
    config = built.copied(tmp_path / "lake")
    version = Lake(spark, config.storage, "test").version(TRANSACTIONS)
    again = brought_in(spark, config)
    assert lakes.checksums(spark, config, lakes.BUILT) == clean
    counts = again.tables["core.transactions"]
    assert (counts.rows_read, counts.rows_written) == (0, 0)
    assert counts.version == version
    assert counts.content_checksum == clean["core.transactions"]


def test_a_file_without_a_row_adds_nothing(spark: SparkSession, tmp_path: Path) -> None:
    write_files(tmp_path / "in", [ROWS])
    config = config_of(tmp_path / "lake", tmp_path / "in")
    first = ingest_sources.run(spark, config, None)
    write_files(tmp_path / "in", [ROWS, []])
    second = ingest_sources.run(spark, config, None)
    counts = [held.tables["core.transactions"] for held in (first, second)]
    assert (counts[1].rows_read, counts[1].rows_written) == (0, 0)
    assert counts[1].content_checksum == counts[0].content_checksum


def test_the_time_of_a_file_can_say_when_its_rows_arrived(
    spark: SparkSession, tmp_path: Path
) -> None:
    paths = write_files(tmp_path / "in", [[row for row in ROWS[:30] if row[7] != "d"]])
    changed_at = datetime(2024, 7, 1, 4, tzinfo=UTC)
    os.utime(paths[0], (changed_at.timestamp(), changed_at.timestamp()))
    mapped = "sources.transactions.columns.arrived_at=_metadata.file_modification_time"
    config = config_of(tmp_path / "lake", tmp_path / "in", mapped)
    ingest_sources.run(spark, config, None)
    lines = Lake(spark, config.storage, "test").read(TRANSACTIONS)
    arrived = {row["arrived_at"].astimezone(UTC) for row in lines.collect()}
    assert arrived == {changed_at}


def test_another_path_is_refused_unless_all_is_to_be_loaded_anew(
    spark: SparkSession, tmp_path: Path
) -> None:
    good = [row for row in ROWS if row[6] not in ("free", "dear")]
    write_files(tmp_path / "in", [good[:20]])
    write_files(tmp_path / "other", [good[20:50]])
    ingest_sources.run(spark, config_of(tmp_path / "lake", tmp_path / "in"), None)
    other = config_of(tmp_path / "lake", tmp_path / "other")
    with pytest.raises(DataError, match=r"other places than before.*--rebuild.*part_000"):
        ingest_sources.run(spark, other, None)
    summary = ingest_sources.run(spark, other, None, rebuild=True)
    assert summary.tables["core.transactions"].rows_written == 30
