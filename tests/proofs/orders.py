"""Complete Journey in deliveries, whatever their order, gives the tables of one load."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import lakes
from conftest import REPOSITORY
from pyspark.sql import SparkSession

from crm_spark.config import Config, load_config
from crm_spark.jobs import build_features, ingest_sources
from crm_spark.runtime.run import TableCounts
from crm_spark.tables.core import TRANSACTIONS

AS_OF = date(2017, 12, 1)


@dataclass(frozen=True)
class Size:
    """How many households, and how many files their year comes in."""

    n_customers: int
    n_files: int


@dataclass(frozen=True)
class Order:
    """The numbers of the files in the order of their delivery, run by run.

    Features are built after the runs of these numbers.
    """

    name: str
    runs: tuple[tuple[int, ...], ...]
    built_after: tuple[int, ...]


@dataclass(frozen=True)
class Loaded:
    """What each run counted of transactions, the run that built last, and the tables' checksums."""

    config: Config
    counts: tuple[TableCounts, ...]
    built_by: str
    checksums: Mapping[str, str]


def orders(n_files: int, seed: int) -> tuple[Order, ...]:
    """Give three orders of so many files; features are built in between, and at the end."""
    arrived = list(range(n_files))
    mixed = random.Random(seed).sample(arrived, n_files)
    return (
        _order("as it arrived", arrived, at_once=1, build_at=5 / 6),
        _order("newest first", arrived[::-1], at_once=-(-n_files // 5), build_at=1 / 2),
        _order("at random", mixed, at_once=-(-n_files // 6), build_at=2 / 3),
    )


def _order(name: str, files: list[int], *, at_once: int, build_at: float) -> Order:
    runs = tuple(tuple(files[first : first + at_once]) for first in range(0, len(files), at_once))
    return Order(name, runs, (min(int(len(runs) * build_at), len(runs) - 2), len(runs) - 1))


def write_deliveries(folder: Path, size: Size) -> Path:
    """Write the files, with late, corrected, deleted and returned lines; give their folder."""
    feed = folder / "feed"
    script = REPOSITORY / "scripts" / "complete_journey_feed.py"
    sizes = [f"--customers={size.n_customers}", f"--files={size.n_files}"]
    subprocess.run([sys.executable, str(script), str(feed), *sizes], check=True)
    return feed


def files_of(feed: Path) -> list[Path]:
    """Give the delivered files in the order of their arrival."""
    return sorted((feed / "source").iterdir())


def load_at_once(spark: SparkSession, feed: Path, folder: Path) -> dict[str, str]:
    """Give the checksums of the tables after one load of all files."""
    config = _config(feed, folder / "lake", feed / "source")
    ingest_sources.run(spark, config, None)
    build_features.run(spark, config, AS_OF)
    return lakes.checksums(spark, config, lakes.BUILT)


def load_in_order(spark: SparkSession, feed: Path, folder: Path, order: Order) -> Loaded:
    """Load the files run by run."""
    source = folder / "source"
    source.mkdir(parents=True)
    config = _config(feed, folder / "lake", source)
    files = files_of(feed)
    counts, built_by = [], ""
    for number, run in enumerate(order.runs):
        for file in run:
            (source / files[file].name).symlink_to(files[file])
        counts.append(ingest_sources.run(spark, config, None).tables[TRANSACTIONS.name])
        if number in order.built_after:
            built_by = build_features.run(spark, config, AS_OF).run_id
    return Loaded(config, tuple(counts), built_by, lakes.checksums(spark, config, lakes.BUILT))


def _config(feed: Path, lake: Path, source: Path) -> Config:
    text = (feed / "feed.yml").read_text(encoding="utf-8")
    overrides = [f"storage.root={lake}", f"sources.transactions.path={source}"]
    return load_config(text, name="feed.yml", overrides=overrides)
