"""make_sample: what it writes loads as it is, and nothing that is there is written over."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from pyspark.sql import SparkSession

from crm_spark.config import load_config
from crm_spark.errors import ConfigError
from crm_spark.jobs import ingest_sources, make_sample
from crm_spark.runtime.run import RunSummary
from crm_spark.sample.configuration import Format


def made_and_loaded(spark: SparkSession, folder: Path, files: Format) -> tuple[RunSummary, ...]:
    """Make a sample and load it by its own configuration."""
    made = make_sample.run(
        spark, None, None, path=str(folder), customers=200, days=365, products=160, format=files
    )
    config = load_config((folder / "sample.yml").read_text(), name="sample.yml")
    return made, ingest_sources.run(spark, config, None)


def test_a_sample_loads_with_no_row_rejected_and_is_the_same_in_each_format(
    spark: SparkSession, tmp_path: Path
) -> None:
    checksums = {}
    for files in get_args(Format):
        made, loaded = made_and_loaded(spark, tmp_path / files, files)
        assert (made.status, loaded.status) == ("succeeded", "succeeded")
        assert made.tables["truth"].rows_written == 200
        for name in ("transactions", "products"):
            counts = loaded.tables[f"core.{name}"]
            assert counts.rows_read == counts.rows_written == made.tables[name].rows_written > 100
            assert counts.rows_rejected == counts.rows_duplicate == counts.rows_filtered == 0
            assert counts.cleaned == {}
            checksums[name, files] = counts.content_checksum
    for name in ("transactions", "products"):
        of_formats = {checksums[name, files] for files in get_args(Format)}
        assert len(of_formats) == 1
        assert None not in of_formats


@pytest.mark.parametrize("is_file", [True, False])
def test_what_is_there_is_not_written_over(
    spark: SparkSession, tmp_path: Path, is_file: bool
) -> None:
    (tmp_path / "there").write_text("mine")
    path = tmp_path / "there" if is_file else tmp_path
    says = "is a file" if is_file else "is there already and not empty"
    with pytest.raises(ConfigError, match=says) as raised:
        make_sample.run(spark, None, None, path=str(path))
    assert str(path) in str(raised.value)
    assert [one.name for one in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_text() == "mine"
