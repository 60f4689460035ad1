"""Load Complete Journey day by day, print what each day rewrote, and compare with one clean load.

    python scripts/day_by_day.py FOLDER                                # the whole year: hours
    python scripts/day_by_day.py FOLDER --build-every 7                # features once a week
    python scripts/day_by_day.py FOLDER --from 2017-11-24 --days 7     # a week: the past at once

Each day one file arrives, with late, corrected, deleted and returned lines; it is ingested, and the
features are built as of the day after. Rows and megabytes are those written. The end compares the
checksums of all tables with those of a lake that loads every file at once, and fails where one
differs. The lines printed are kept in FOLDER/days.json: the same command goes on after the last.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from complete_journey_feed import write_feed
from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config, load_config
from crm_spark.features.tables import CUSTOMER_ORDERS, CUSTOMER_SNAPSHOT, PRODUCT_INTERACTIONS
from crm_spark.jobs import build_features, ingest_sources
from crm_spark.lake.contract import Table, content_checksum
from crm_spark.lake.delta import Lake
from crm_spark.runtime.session import open_session
from crm_spark.tables.core import TRANSACTIONS, rejected

TABLES = (TRANSACTIONS, CUSTOMER_ORDERS, CUSTOMER_SNAPSHOT, PRODUCT_INTERACTIONS)
SHOWN = (TRANSACTIONS, CUSTOMER_ORDERS, CUSTOMER_SNAPSHOT)
HEADER = (
    f"{'day':10} {'rows':>7} {'customers':>9}"
    + "".join(f" | {name:>13} {'MB':>6}" for name in ("lines written", "orders", "snapshot rows"))
    + f" | {'seconds':>7}"
)


def config_of(folder: Path, lake: str, source: Path) -> Config:
    """Give the feed's configuration with a lake and files of its own."""
    text = (folder / "feed.yml").read_text(encoding="utf-8")
    overrides = [f"storage.root={folder / lake}", f"sources.transactions.path={source}"]
    return load_config(text, name="feed.yml", overrides=overrides)


def written(lake: Lake, table: Table, since: int) -> tuple[int, float]:
    """Give the rows and megabytes that a table's commits after a version wrote."""
    if not lake.exists(table):
        return 0, 0.0
    newest = lake.version(table)
    history = DeltaTable.forPath(lake.spark, lake.path(table)).history(max(newest - since, 1))
    rows, size = 0, 0
    for commit in history.where(F.col("version") > since).collect():
        metrics = commit["operationMetrics"]
        merged = ("numTargetRowsInserted", "numTargetRowsUpdated", "numTargetRowsCopied")
        names = merged if commit["operation"] == "MERGE" else ("numOutputRows",)
        rows += sum(int(metrics.get(name, 0)) for name in names)
        size += int(metrics.get("numTargetBytesAdded", metrics.get("numOutputBytes", 0)))
    return rows, size / 1e6


def load(spark: SparkSession, config: Config, as_of: date | None) -> None:
    """Ingest what is new and build the features of a date, if one is given."""
    ingest_sources.run(spark, config, None)
    if as_of is not None:
        build_features.run(spark, config, as_of)


def line_of(day: Mapping[str, Any]) -> str:
    """Give a day's line of the table."""
    head = f"{day['day']} {day['rows']:7,} {day['customers']:9,}"
    cells = [f" | {rows:13,} {size:6.2f}" for rows, size in day["written"]]
    return f"{head}{''.join(cells)} | {day['seconds']:7.1f}"


def by_month(done: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give the sums of the days of each month, and the seconds of a day on average."""
    months: dict[str, list[Mapping[str, Any]]] = {}
    for day in done:
        months.setdefault(day["day"][:7], []).append(day)
    return [
        {
            "day": month,
            "rows": sum(day["rows"] for day in days),
            "customers": sum(day["customers"] for day in days),
            "written": [
                tuple(map(sum, zip(*(day["written"][i] for day in days), strict=True)))
                for i in range(len(SHOWN))
            ],
            "seconds": sum(day["seconds"] for day in days) / len(days),
        }
        for month, days in months.items()
    ]


def print_sizes(lake: Lake) -> None:
    """Print how much each table holds at the end."""
    for table in SHOWN:
        size = DeltaTable.forPath(lake.spark, lake.path(table)).detail().collect()[0]
        n_rows = lake.read(table).count()
        print(f"{table.name:35} {n_rows:12,} rows {size['sizeInBytes'] / 1e6:9.2f} MB")


def one_day(
    spark: SparkSession,
    config: Config,
    day: date,
    file: Path,
    before: Mapping[str, int],
    as_of: date | None,
) -> dict[str, Any]:
    """Load a day's file, and give its rows and what was written since the versions before."""
    lake = Lake(spark, config.storage, "day_by_day")
    began = time.perf_counter()
    load(spark, config, as_of)
    seconds = time.perf_counter() - began
    delivered = spark.read.parquet(str(file))
    return {
        "day": day.isoformat(),
        "rows": delivered.count(),
        "customers": delivered.select("household_id").distinct().count(),
        "written": [written(lake, table, before[table.name]) for table in SHOWN],
        "seconds": seconds,
        "versions": versions(lake),
    }


def versions(lake: Lake) -> dict[str, int]:
    """Give the version of each table that is shown, -1 before there is one."""
    return {table.name: lake.version(table) if lake.exists(table) else -1 for table in SHOWN}


def main() -> int:
    """Run it, and give 1 where the tables differ from those of one load."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="an empty folder to work in")
    parser.add_argument("--from", dest="first", type=date.fromisoformat)
    parser.add_argument("--days", type=int, help="default: to the end")
    parser.add_argument("--build-every", type=int, default=1, help="days; default: 1")
    parser.add_argument("--customers", type=int, help="so many households; default: all 2,469")
    given = parser.parse_args()
    arrived, kept = given.folder / "arrived", given.folder / "days.json"
    if not arrived.exists():
        write_feed(given.folder, n_customers=given.customers, n_files=366)
        arrived.mkdir()
    files = {
        date.fromisoformat(file.stem): file.resolve()
        for file in sorted((given.folder / "source").iterdir())
    }
    first = given.first or min(files)
    days = [day for day in files if day >= first][: given.days]
    past = [day for day in files if day < first]
    with open_session("day_by_day", time_zone="America/New_York") as spark:
        config = config_of(given.folder, "lake", arrived)
        if past and not kept.exists():
            print(f"{len(past)} files from before {first} at once", flush=True)
            arrive(arrived, [files[day] for day in past])
            load(spark, config, first)
        lake = Lake(spark, config.storage, "day_by_day")
        done = json.loads(kept.read_text()) if kept.exists() else []
        before = done[-1]["versions"] if done else versions(lake)
        print("\n".join([HEADER, *map(line_of, done)]), flush=True)
        for number, day in enumerate(days[len(done) :], start=len(done) + 1):
            arrive(arrived, [files[day]])
            is_due = number % given.build_every == 0 or number == len(days)
            as_of = day + timedelta(days=1) if is_due else None
            done.append(one_day(spark, config, day, files[day], before, as_of))
            before = done[-1]["versions"]
            print(line_of(done[-1]), flush=True)
            keep(kept, done)
        print("by month: sums, and seconds a day")
        print("\n".join([HEADER, *map(line_of, by_month(done))]), flush=True)
        print_sizes(lake)
        print(f"all {len(past) + len(days)} files in one clean load", flush=True)
        whole = config_of(given.folder, "clean", arrived)
        last = days[-1] + timedelta(days=1)
        load(spark, whole, last)
        return compare(spark, config, whole, last)


def arrive(folder: Path, files: Sequence[Path]) -> None:
    """Put files where the source is read, where they are not there already."""
    for file in files:
        (folder / file.name).unlink(missing_ok=True)
        (folder / file.name).symlink_to(file)


def keep(path: Path, done: Sequence[Mapping[str, Any]]) -> None:
    """Write the days that are done, whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(done), encoding="utf-8")
    fresh.replace(path)


def compare(spark: SparkSession, config: Config, whole: Config, as_of: date) -> int:
    """Print the checksums of both lakes; of dated tables, those of the dates that both have."""
    lakes = [Lake(spark, lake_config.storage, "day_by_day") for lake_config in (config, whole)]
    n_differences = 0
    for table in (*TABLES, rejected(TRANSACTIONS)):
        frames = [lake.read(table) for lake in lakes]
        if "as_of_date" in frames[0].columns:
            dates = [row[0] for row in frames[1].select("as_of_date").distinct().collect()]
            frames = [frame.where(F.col("as_of_date").isin(dates)) for frame in frames]
        sums = [content_checksum(frame, table) for frame in frames]
        n_differences += sums[0] != sums[1]
        verdict = "the same" if sums[0] == sums[1] else "DIFFERENT"
        print(f"{table.name:35} {sums[0]:>40} {verdict}")
    print(f"as of {as_of}: {n_differences} of {len(TABLES) + 1} tables differ")
    return 1 if n_differences else 0


if __name__ == "__main__":
    sys.exit(main())
