"""A pipeline that dies before or after any write goes on to the tables of an undisturbed run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import lakes
import mlflow
import pytest
from delta.tables import DeltaTableBuilder
from pyspark.sql import DataFrameWriter, SparkSession
from shop import shop_config, write_shop

from crm_spark.jobs import run_pipeline
from crm_spark.lake.delta import Lake
from crm_spark.lake.hadoop import HadoopFile
from crm_spark.pipeline import lifecycle

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
    """Every place where something lasting is written; the first one not yet tried is deadly.

    A job dies before its first write and after every write: before the next one the same is there.
    """

    def __init__(self, *, deadly: bool) -> None:
        self.tried: list[Place] = []
        self._deadly = deadly
        self._job = ""
        self._met: Counter[str] = Counter()

    def begin(self, job: str) -> None:
        """Count the places of a job from its start."""
        self._job = job
        self._met.clear()

    def around(self, what: str, write: Callable[[], Any]) -> Any:
        """Write, and die where that has not been tried."""
        self._die_at("before the first write", 1)
        written = write()
        self._met[what] += 1
        self._die_at(what, self._met[what])
        return written

    def _die_at(self, what: str, number: int) -> None:
        place = (self._job, what, number)
        if place in self.tried:
            return
        self.tried.append(place)
        if self._deadly:
            raise Dead(*place)


@contextmanager
def exits_at_every_write(exits: Exits, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put `exits` around every Delta commit, file, registration and alias."""

    def wrap(owner: type, name: str, told: Callable[..., str]) -> None:
        real = getattr(owner, name)

        def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
            what = f"{name} {told(self, *args, **kwargs)}".strip()
            return exits.around(what, lambda: real(self, *args, **kwargs))

        patched.setattr(owner, name, wrapped)

    def end(path: str) -> str:
        return "/".join(Path(path).parts[-2:])

    def located(self: Any, path: str) -> Any:
        self.located_at = path
        return location(self, path)

    def begun(*args: Any, **kwargs: Any) -> Any:
        exits.begin(args[3].__name__)
        return run_job(*args, **kwargs)

    location, run_job = DeltaTableBuilder.location, run_pipeline._run_job
    with monkeypatch.context() as patched:
        # What would be written after an error is what a dead process cannot write.
        patched.setattr(lifecycle, "_record_failure", lambda *_: None)
        patched.setattr(DeltaTableBuilder, "location", located)
        patched.setattr(run_pipeline, "_run_job", begun)
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    held = tmp_path_factory.mktemp("killed")
    write_shop(held / "shop.csv", n_customers=60)
    return held


def test_a_pipeline_that_dies_anywhere_goes_on_to_the_tables_of_an_undisturbed_run(
    spark: SparkSession, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = shop_config(folder, "undisturbed", *QUICK)
    seen = Exits(deadly=False)
    with exits_at_every_write(seen, monkeypatch):
        run_pipeline.run(spark, undisturbed, AS_OF)

    config = shop_config(folder, "killed", *QUICK)
    exits = Exits(deadly=True)
    n_deaths = 0
    with exits_at_every_write(exits, monkeypatch):
        while True:
            try:
                run_pipeline.run(spark, config, AS_OF)
                break
            except Dead:
                n_deaths += 1

    assert {place[:2] for place in seen.tried} <= {place[:2] for place in exits.tried}
    assert n_deaths == len(exits.tried) > 60
    assert lakes.checksums(spark, config) == lakes.checksums(spark, undisturbed)
    assert lakes.models(config) == lakes.models(undisturbed)
    for table in lakes.DATED:
        final = lakes.dates_of_all_versions(spark, undisturbed, table)
        assert lakes.dates_of_all_versions(spark, config, table) == final, table.name
        assert all(len(held) == 1 for held in final.values())
