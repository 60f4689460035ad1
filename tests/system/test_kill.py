"""A pipeline killed at any moment goes on to the tables of an undisturbed run."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import lakes
import pytest
from conftest import QUICK_FOR_SMALL_TABLES
from pyspark.sql import SparkSession
from shop import shop_config, shop_text, write_shop
from system.runs import REPOSITORY, command

AS_OF = "2024-07-01"
N_KILLS = 10
# A run writes from some 12 s after its start, and its longest job takes some 20 s.
SECONDS = (15, 60)
SPARK = {
    "spark.master": "local[2]",
    "spark.driver.memory": "2g",
    "spark.sql.shuffle.partitions": "2",
    **QUICK_FOR_SMALL_TABLES,
}


def written(folder: Path, lake: str) -> list[str]:
    """Write a configuration, and give the arguments of its pipeline."""
    path = folder / f"{lake}.yml"
    text = f"{shop_text(folder, lake)}\nspark: {json.dumps(SPARK)}\n"
    path.write_text(text, encoding="utf-8")
    return ["run_pipeline", "--config", str(path), "--as-of", AS_OF]


def killed(arguments: list[str], seconds: float, log: Path) -> bool:
    """Run a command and kill its whole process group then; tell whether it was still at work."""
    with log.open("a", encoding="utf-8") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "crm_spark", *arguments],
            stdout=told,
            stderr=told,
            cwd=REPOSITORY,
            start_new_session=True,
        )
        try:
            process.wait(timeout=seconds)
            return False
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True


@pytest.mark.real_data
def test_killed_at_random_moments_it_ends_with_the_tables_of_an_undisturbed_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    write_shop(tmp_path / "shop.csv", n_customers=60)
    undisturbed = command(*written(tmp_path, "undisturbed"))
    assert undisturbed.code == 0, undisturbed.log[-3000:]

    arguments = written(tmp_path, "killed")
    draw = random.Random(17)
    log = tmp_path / "killed.log"
    n_at_work = sum(killed(arguments, draw.uniform(*SECONDS), log) for _ in range(N_KILLS))
    assert n_at_work >= N_KILLS // 2
    last = command(*arguments)
    assert last.code == 0, last.log[-3000:]

    configs = [shop_config(tmp_path, lake) for lake in ("killed", "undisturbed")]
    first, second = (lakes.checksums(spark, config) for config in configs)
    assert first == second
    first_models, second_models = map(lakes.models, configs)
    assert first_models == second_models
    for table in lakes.DATED:
        seen, final = (lakes.dates_of_all_versions(spark, config, table) for config in configs)
        assert seen == final, table.name
