"""The data of benchmarks: samples of make_sample, each made once and kept."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import lines_loaded, run_job
from crm_spark.runtime.progress import log

FIRST_DAY, N_DAYS = date(2023, 1, 2), 730
AS_OF = FIRST_DAY + timedelta(days=N_DAYS)  # the day after the last
TIME_ZONE = "Europe/London"  # of make_sample's configuration
SEED = 1


@dataclass(frozen=True)
class Sample:
    """A folder that make_sample has written."""

    folder: Path

    @property
    def config(self) -> str:
        """Its configuration."""
        return str(self.folder / "sample.yml")

    @property
    def lines(self) -> Path:
        """The folder of its order lines."""
        return self.folder / "transactions"


def flags_below(work: Path) -> list[str]:
    """Give the flags by which a job has its lake, its tracking store and its report in a folder."""
    settings = {
        "storage.root": work / "lake",
        "tracking.uri": f"sqlite:///{work / 'mlflow.db'}",
        "report.path": work / "report.html",
    }
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


def sample(place: Path, n_customers: int, *, days: int = N_DAYS, files: str = "parquet") -> Sample:
    """Give a sample of so many customers, made where it is not there yet."""
    folder = place / f"{n_customers}_customers_{days}_days_{files}"
    if not (folder / "sample.yml").exists():
        log.info("making a sample of %s customers over %s days", f"{n_customers:,}", days)
        flags = ["--customers", str(n_customers), "--days", str(days), "--seed", str(SEED)]
        flags += ["--start", FIRST_DAY.isoformat(), "--format", files]
        run_job("make_sample", str(folder), *flags)
    return Sample(folder)


def config_with(source: Sample, target: Path, *, lines: Path | None = None, **sections: Any) -> str:
    """Write the configuration of a sample with other sections, and other lines; give its path."""
    config: dict[str, Any] = yaml.safe_load(Path(source.config).read_text(encoding="utf-8"))
    if lines is not None:
        config["sources"]["transactions"]["path"] = str(lines)
    target.write_text(yaml.safe_dump({**config, **sections}), encoding="utf-8")
    return str(target)


def deliver(source: Sample, target: Path, *, where: str = "true", **replaced: str) -> None:
    """Write those lines of a sample for which `where` holds, with other values of columns."""
    import duckdb  # of the extra benchmark, which tests of this package do without

    # Stamps in the files are UTC, and are written as what they are.
    stamps = {name: f"{name} AT TIME ZONE 'UTC'" for name in ("ordered_at", "arrived_at")}
    values = [f"{value} AS {name}" for name, value in {**stamps, **replaced}.items()]
    files = f"read_parquet('{source.lines}/*.parquet')"
    rows = f"SELECT * REPLACE ({', '.join(values)}) FROM {files} WHERE {where}"
    duckdb.sql(f"COPY ({rows}) TO '{target}' (FORMAT parquet)")


def loaded_lake(place: Path, source: Sample) -> tuple[Path, int]:
    """Load a sample anew into a lake to be copied, and give it with its number of lines."""
    lake = place / "loaded"
    shutil.rmtree(lake, ignore_errors=True)
    ingest = run_job("ingest_sources", "--config", source.config, "--set", f"storage.root={lake}")
    return lake, lines_loaded(ingest)
