"""A pipeline killed at random moments goes on to the tables of an undisturbed run."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from os import killpg
from pathlib import Path

import lakes
from conftest import QUICK_FOR_SMALL_TABLES, QUICK_JVM
from pyspark.sql import SparkSession
from shop import shop_config, shop_text, write_shop
from system.runs import REPOSITORY

from crm_spark.jobs import run_pipeline

AS_OF = date(2024, 7, 1)
# A run writes from some 12 s after its start, and its longest job takes some 20 s.
SECONDS = (15, 60)
SPARK = {
    "spark.master": "local[2]",
    "spark.driver.memory": "2g",
    "spark.sql.shuffle.partitions": "1",
    **QUICK_FOR_SMALL_TABLES,
    "spark.driver.extraJavaOptions": QUICK_JVM,
}


@dataclass(frozen=True)
class Kill:
    """One run of the pipeline that was to be killed, and whether it was still at work then."""

    seconds: float
    was_at_work: bool


def run_undisturbed(spark: SparkSession, folder: Path, *overrides: str) -> None:
    """Make the shop, and the lake of a pipeline that nobody kills."""
    write_shop(folder / "shop.csv", n_customers=60)
    run_pipeline.run(spark, shop_config(folder, "undisturbed", *overrides), AS_OF)


def run_killed(
    spark: SparkSession, folder: Path, *overrides: str, n_kills: int, seed: int
) -> Iterator[Kill]:
    """Kill the pipeline of another lake at random moments, telling each, then let it end."""
    arguments = _pipeline(folder, "killed", *overrides)
    draw = random.Random(seed)
    for _ in range(n_kills):
        seconds = draw.uniform(*SECONDS)
        yield Kill(seconds, _is_killed(arguments, seconds, folder / "killed.log"))
    run_pipeline.run(spark, shop_config(folder, "killed", *overrides), AS_OF)


def differences(spark: SparkSession, folder: Path) -> list[str]:
    """Name what differs between the two lakes: tables, models, dates in any version of a table."""
    killed, undisturbed = (shop_config(folder, lake) for lake in ("killed", "undisturbed"))
    tables = lakes.written(spark, undisturbed)
    found = lakes.checksums(spark, killed, tables)
    expected = lakes.checksums(spark, undisturbed, tables)
    differing = [f"table {name}" for name in expected if found[name] != expected[name]]
    if lakes.models(killed) != lakes.models(undisturbed):
        differing.append("models")
    for table in (table for table in lakes.DATED if table in tables):
        seen, final = (
            lakes.dates_of_all_versions(spark, config, table) for config in (killed, undisturbed)
        )
        if seen != final:
            differing.append(f"dates of {table.name}")
    return differing


def _pipeline(folder: Path, lake: str, *overrides: str) -> list[str]:
    """Write a configuration, and give the arguments of its pipeline."""
    path = folder / f"{lake}.yml"
    text = f"{shop_text(folder, lake)}\nspark: {json.dumps(SPARK)}\n"
    path.write_text(text, encoding="utf-8")
    flags = [flag for setting in overrides for flag in ("--set", setting)]
    return ["run_pipeline", "--config", str(path), "--as-of", str(AS_OF), *flags]


def _is_killed(arguments: list[str], seconds: float, log: Path) -> bool:
    """Run a command and kill its whole process group then; tell whether it was still at work."""
    with log.open("a", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "crm_spark", *arguments],
            stdout=output,
            stderr=output,
            cwd=REPOSITORY,
            start_new_session=True,
        )
        try:
            process.wait(timeout=seconds)
            return False
        except subprocess.TimeoutExpired:
            killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
