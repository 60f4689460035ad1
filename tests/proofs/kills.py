"""Pipelines killed at random moments go on to the tables of an undisturbed run."""

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
# A run writes from some 10 s after its start, and its longest job takes some 20 s.
SECONDS = (10, 50)
SPARK = {
    "spark.master": "local[2]",
    "spark.driver.memory": "2g",
    "spark.sql.shuffle.partitions": "1",
    **QUICK_FOR_SMALL_TABLES,
    "spark.driver.extraJavaOptions": QUICK_JVM,
}


@dataclass(frozen=True)
class Kill:
    """One run of a lake's pipeline that was to be killed, and whether it was still at work then."""

    lake: str
    seconds: float
    was_at_work: bool


def run_undisturbed(spark: SparkSession, folder: Path, *overrides: str) -> None:
    """Make the shop, and the lake of a pipeline that nobody kills."""
    write_shop(folder / "shop.csv", n_customers=60)
    run_pipeline.run(spark, shop_config(folder, "undisturbed", *overrides), AS_OF)


def run_killed(folder: Path, *overrides: str, n_kills: int, seed: int) -> Iterator[Kill]:
    """Kill a pipeline at random moments until so many runs were at work; give each run.

    Where a run had ended before it was to be killed, the next is of another lake.
    """
    draw = random.Random(seed)
    number, n_killed = 1, 0
    while n_killed < n_kills:
        lake, seconds = f"killed_{number}", draw.uniform(*SECONDS)
        was_at_work = _is_killed(_pipeline(folder, lake, *overrides), seconds, folder / "log")
        yield Kill(lake, seconds, was_at_work)
        n_killed += was_at_work
        number += not was_at_work


def differences(spark: SparkSession, folder: Path, lake: str, *overrides: str) -> list[str]:
    """Let a killed lake's pipeline end, and name what differs from the undisturbed one.

    Tables, models, and dates in any version of a table.
    """
    run_pipeline.run(spark, shop_config(folder, lake, *overrides), AS_OF)
    killed, undisturbed = (shop_config(folder, name) for name in (lake, "undisturbed"))
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
