"""A pipeline that dies before or after any write goes on to the tables of an undisturbed run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import lakes
import mlflow
import pytest
from delta.tables import DeltaMergeBuilder, DeltaTable, DeltaTableBuilder
from pyspark.sql import DataFrameWriter, SparkSession
from shop import shop_config, write_shop

from crm_spark.io.hadoop import HadoopFile
from crm_spark.jobs import lifecycle, run_pipeline

AS_OF = date(2024, 7, 1)
Place = tuple[str, int, str]


class Dead(BaseException):
    """The process is gone: nothing of ours may catch this and tidy up."""


class Exits:
    """Every place where something lasting is written; the first one not yet tried is deadly."""

    def __init__(self, *, deadly: bool) -> None:
        self.tried: list[Place] = []
        self._deadly = deadly
        self._met: dict[str, int] = {}

    def begin(self) -> None:
        """Count the places from the start, as a new process would."""
        self._met = {}

    def around(self, what: str, write: Callable[[], Any]) -> Any:
        """Write, and die before or after it where that has not been tried."""
        self._met[what] = self._met.get(what, 0) + 1
        self._die_at((what, self._met[what], "before"))
        written = write()
        self._die_at((what, self._met[what], "after"))
        return written

    def _die_at(self, place: Place) -> None:
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

    def table(path: str) -> str:
        return "/".join(Path(path).parts[-2:])

    def model(self: Any, *args: Any, **kwargs: Any) -> str:
        return str(args[0] if args else kwargs.get("name", ""))

    with monkeypatch.context() as patched:
        # What would be written after an error is what a dead process cannot write.
        patched.setattr(lifecycle, "_record_failure", lambda *_: None)
        wrap(DataFrameWriter, "save", lambda _, path, **__: table(path))
        wrap(DeltaTableBuilder, "execute", lambda self: "create")
        wrap(DeltaMergeBuilder, "execute", lambda self: "merge")
        wrap(DeltaTable, "delete", lambda self, *_: "")
        wrap(HadoopFile, "write_text", lambda self, _: self.path)
        for name in ("create_run", "create_registered_model", "create_model_version",
                     "set_registered_model_alias"):  # fmt: skip
            wrap(mlflow.MlflowClient, name, model)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    held = tmp_path_factory.mktemp("killed")
    write_shop(held / "shop.csv", n_customers=60)
    return held


def test_a_pipeline_that_dies_anywhere_goes_on_to_the_tables_of_an_undisturbed_run(
    spark: SparkSession, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = shop_config(folder, "undisturbed")
    seen = Exits(deadly=False)
    with exits_at_every_write(seen, monkeypatch):
        run_pipeline.run(spark, undisturbed, AS_OF)

    config = shop_config(folder, "killed")
    exits = Exits(deadly=True)
    n_deaths = 0
    with exits_at_every_write(exits, monkeypatch):
        while True:
            exits.begin()
            try:
                run_pipeline.run(spark, config, AS_OF)
                break
            except Dead:
                n_deaths += 1

    assert {what for what, _, _ in seen.tried} <= {what for what, _, _ in exits.tried}
    assert n_deaths == len(exits.tried) >= len(seen.tried)
    assert lakes.checksums(spark, config) == lakes.checksums(spark, undisturbed)
    assert lakes.models(config) == lakes.models(undisturbed)
    for table in lakes.DATED:
        final = lakes.dates_of_all_versions(spark, undisturbed, table)
        assert lakes.dates_of_all_versions(spark, config, table) == final, table.name
        assert all(len(held) == 1 for held in final.values())
