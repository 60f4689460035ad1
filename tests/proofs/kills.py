"""A pipeline killed at random moments goes on to the tables of an undisturbed run."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from os import killpg
from pathlib import Path

import lakes
from conftest import QUICK_FOR_SMALL_TABLES
from pyspark.sql import SparkSession
from shop import shop_config, shop_text, write_shop
from system.runs import REPOSITORY, command

AS_OF = "2024-07-01"
# A run writes from some 12 s after its start, and its longest job takes some 20 s.
SECONDS = (15, 60)
SPARK = {
    "spark.master": "local[2]",
    "spark.driver.memory": "2g",
    "spark.sql.shuffle.partitions": "2",
    **QUICK_FOR_SMALL_TABLES,
}


@dataclass(frozen=True)
class Kill:
    """One run of the pipeline that was to be killed, and whether it was still at work then."""

    seconds: float
    was_at_work: bool


def run_undisturbed(folder: Path) -> None:
    """Make the shop, and the lake of a pipeline that nobody kills."""
    write_shop(folder / "shop.csv", n_customers=60)
    _run_to_the_end(_pipeline(folder, "undisturbed"))


def run_killed(folder: Path, *, n_kills: int, seed: int) -> Iterator[Kill]:
    """Kill the pipeline of another lake at random moments, telling each, then let it end."""
    arguments = _pipeline(folder, "killed")
    draw = random.Random(seed)
    for _ in range(n_kills):
        seconds = draw.uniform(*SECONDS)
        yield Kill(seconds, _is_killed(arguments, seconds, folder / "killed.log"))
    _run_to_the_end(arguments)


def differences(spark: SparkSession, folder: Path) -> list[str]:
    """Name what differs between the two lakes: tables, models, dates in any version of a table."""
    killed, undisturbed = (shop_config(folder, lake) for lake in ("killed", "undisturbed"))
    found = lakes.checksums(spark, killed)
    expected = lakes.checksums(spark, undisturbed)
    differing = [f"table {name}" for name in expected if found[name] != expected[name]]
    if lakes.models(killed) != lakes.models(undisturbed):
        differing.append("models")
    for table in lakes.DATED:
        seen, final = (
            lakes.dates_of_all_versions(spark, config, table) for config in (killed, undisturbed)
        )
        if seen != final:
            differing.append(f"dates of {table.name}")
    return differing


def _pipeline(folder: Path, lake: str) -> list[str]:
    """Write a configuration, and give the arguments of its pipeline."""
    path = folder / f"{lake}.yml"
    text = f"{shop_text(folder, lake)}\nspark: {json.dumps(SPARK)}\n"
    path.write_text(text, encoding="utf-8")
    return ["run_pipeline", "--config", str(path), "--as-of", AS_OF]


def _run_to_the_end(arguments: list[str]) -> None:
    run = command(*arguments)
    assert run.code == 0, run.log[-3000:]


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
