"""A pipeline that dies before or after any write goes on to the tables of an undisturbed run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import lakes
import mlflow
import pytest
from delta.tables import DeltaTableBuilder
from pyspark.sql import DataFrameWriter, SparkSession
from shop import shop_config, write_shop

from crm_spark.config import Config
from crm_spark.jobs import run_pipeline
from crm_spark.lake.delta import Lake
from crm_spark.lake.hadoop import HadoopFile
from crm_spark.pipeline import lifecycle
from crm_spark.pipeline.pipeline_run import PipelineRun

AS_OF = date(2024, 7, 1)
# As little to fit as will do: what is tried is the writing.
QUICK = (
    "churn.importance_rows=100",
    "churn.forest.n_trees=2",
    "segments.k=4",
    "segments.n_starts=1",
)
Place = tuple[str, str, int]


class Dead(BaseException):
    """The process is gone: nothing of ours may catch this and tidy up."""


class Exits:
    """Every place where something lasting is written; of those not yet met every n-th is deadly.

    A job dies before its first write and after every write: before the next one the same is there.
    """

    def __init__(self, *, deadly_every: int | None) -> None:
        self.met: list[Place] = []
        self.n_deaths = 0
        self._deadly_every = deadly_every
        self._job = ""
        self._times: Counter[str] = Counter()

    def begin(self, job: str) -> None:
        """Count the places of a job from its start."""
        self._job = job
        self._times.clear()

    def around(self, what: str, write: Callable[[], Any]) -> Any:
        """Write, and die where that has not been tried."""
        self._die_at("before the first write", 1)
        written = write()
        self._times[what] += 1
        self._die_at(what, self._times[what])
        return written

    def _die_at(self, what: str, number: int) -> None:
        place = (self._job, what, number)
        if place in self.met:
            return
        self.met.append(place)
        if self._deadly_every and len(self.met) % self._deadly_every == 0:
            self.n_deaths += 1
            raise Dead(*place)


@contextmanager
def exits_at_every_write(exits: Exits) -> Iterator[None]:
    """Put `exits` around every Delta commit, file, registration and alias."""

    def wrap(owner: type, name: str, describe: Callable[..., str]) -> None:
        real = getattr(owner, name)

        def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
            what = f"{name} {describe(self, *args, **kwargs)}".strip()
            return exits.around(what, lambda: real(self, *args, **kwargs))

        patched.setattr(owner, name, wrapped)

    def end(path: str) -> str:
        return "/".join(Path(path).parts[-2:])

    def located(self: Any, path: str) -> Any:
        self.located_at = path
        return location(self, path)

    def begun(self: PipelineRun, name: str, *args: Any) -> Any:
        exits.begin(name)
        return run_job(self, name, *args)

    location, run_job = DeltaTableBuilder.location, PipelineRun.run_job
    with pytest.MonkeyPatch.context() as patched:
        # What would be written after an error is what a dead process cannot write.
        patched.setattr(lifecycle, "_record_failure", lambda *_: None)
        patched.setattr(DeltaTableBuilder, "location", located)
        patched.setattr(PipelineRun, "run_job", begun)
        wrap(DeltaTableBuilder, "execute", lambda self: f"create {end(self.located_at)}")
        wrap(DataFrameWriter, "save", lambda _, path, **__: end(path))
        wrap(Lake, "merge", lambda _, table, *__, **___: table.name)
        wrap(HadoopFile, "write_text", lambda self, _: end(self.path))
        for name in (
            "create_run",
            "create_registered_model",
            "create_model_version",
            "set_registered_model_alias",
        ):
            wrap(mlflow.MlflowClient, name, lambda _, *args, **__: str(args[:1]))
        yield


@dataclass(frozen=True)
class Died:
    """Where the undisturbed run and the dying one wrote, how often it died, and what differs."""

    undisturbed: Exits
    dying: Exits
    differing: tuple[str, ...]


def run_dying(spark: SparkSession, folder: Path, *overrides: str, deadly_every: int) -> Died:
    """Let a pipeline die at every n-th place, rerun it until it ends, compare with another."""
    write_shop(folder / "shop.csv", n_customers=60)
    undisturbed = shop_config(folder, "undisturbed", *QUICK, *overrides)
    seen = Exits(deadly_every=None)
    with exits_at_every_write(seen):
        run_pipeline.run(spark, undisturbed, AS_OF)
    config = shop_config(folder, "killed", *QUICK, *overrides)
    dying = Exits(deadly_every=deadly_every)
    with exits_at_every_write(dying):
        while True:
            try:
                run_pipeline.run(spark, config, AS_OF)
                break
            except Dead:
                pass
    return Died(seen, dying, tuple(_differing(spark, config, undisturbed)))


def _differing(spark: SparkSession, config: Config, undisturbed: Config) -> Iterator[str]:
    tables = lakes.written(spark, undisturbed)
    found, expected = (lakes.checksums(spark, of, tables) for of in (config, undisturbed))
    yield from (f"table {name}" for name in expected if found[name] != expected[name])
    if lakes.models(config) != lakes.models(undisturbed):
        yield "models"
    for table in (table for table in lakes.DATED if table in tables):
        final = lakes.dates_of_all_versions(spark, undisturbed, table)
        if lakes.dates_of_all_versions(spark, config, table) != final:
            yield f"dates of {table.name}"
        if any(len(checksums) != 1 for checksums in final.values()):
            yield f"versions of {table.name}"
