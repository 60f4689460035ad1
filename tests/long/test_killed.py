"""A pipeline that dies at its writes goes on; `scripts/prove exits` dies at each of them."""

from __future__ import annotations

from pathlib import Path

from proofs import exits
from pyspark.sql import SparkSession

DEADLY_EVERY = 8


def test_a_pipeline_that_dies_anywhere_goes_on_to_the_tables_of_an_undisturbed_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    died = exits.run_dying(spark, tmp_path, "models=[segments]", deadly_every=DEADLY_EVERY)
    met = {place[:2] for place in died.dying.met}
    assert {place[:2] for place in died.undisturbed.met} <= met
    assert died.dying.n_deaths == len(died.dying.met) // DEADLY_EVERY > 4
    assert died.differing == ()
