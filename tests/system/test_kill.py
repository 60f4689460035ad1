"""A pipeline killed at any moment goes on: three moments of `scripts/prove kills`."""

from __future__ import annotations

from pathlib import Path

import pytest
from proofs import kills
from pyspark.sql import SparkSession

N_KILLS = 3


@pytest.mark.real_data
def test_killed_at_random_moments_it_ends_with_the_tables_of_an_undisturbed_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    kills.run_undisturbed(tmp_path)
    killed = list(kills.run_killed(tmp_path, n_kills=N_KILLS, seed=17))
    assert sum(kill.was_at_work for kill in killed) >= N_KILLS // 2
    assert kills.differences(spark, tmp_path) == []
