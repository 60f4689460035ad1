"""A pipeline killed at any moment goes on: two moments of `scripts/prove kills`, with one model."""

from __future__ import annotations

from pathlib import Path

from proofs import kills
from pyspark.sql import SparkSession

# The one that reads least: the others write as it does.
ONE_MODEL = "models=[segments]"


def test_killed_at_random_moments_it_ends_with_the_tables_of_an_undisturbed_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    kills.run_undisturbed(spark, tmp_path, ONE_MODEL)
    killed = list(kills.run_killed(tmp_path, ONE_MODEL, n_kills=2, seed=17))
    assert sum(kill.was_at_work for kill in killed) == 2
    for lake in {kill.lake for kill in killed}:
        assert kills.differences(spark, tmp_path, lake, ONE_MODEL) == []
