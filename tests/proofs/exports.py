"""Each export of ../shared/cases: what was told is what happens, in every order and grouping."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from pyspark.sql import SparkSession
from system.exports import CASES, Export

from crm_spark.errors import ConfigError, CrmSparkError, DataError

Grouping = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Proved:
    """What a case showed: how it ended, in how many ways its files were given, and faults."""

    name: str
    ended: str
    n_groupings: int
    faults: tuple[str, ...]


def cases() -> list[str]:
    """Give the names of all cases."""
    return sorted(path.name for path in CASES.iterdir() if path.is_dir())


def groupings(n_files: int) -> Iterator[Grouping]:
    """Give each way to deliver files in groups, one group after the other."""

    def of(left: tuple[int, ...]) -> Iterator[Grouping]:
        if not left:
            yield ()
        for size in range(1, len(left) + 1):
            for first in combinations(left, size):
                for rest in of(tuple(number for number in left if number not in first)):
                    yield (first, *rest)

    return of(tuple(range(n_files)))


def prove_case(
    spark: SparkSession, case: str, folder: Path, *, most: int, seed: int
) -> list[Proved]:
    """Check and load each configuration of a case, and of several files at most so many ways."""
    export = Export.of(spark, case, folder)
    if (export.folder / "later").is_dir():
        export.deliver()
    proved = []
    for config in sorted(path.name for path in export.folder.glob("*.yml")):
        of_config = export.with_config(config)
        ended, faults = _agreed(of_config)
        n_groupings = 0
        if ended == "loaded":
            n_groupings, differing = _in_all_orders(of_config, most=most, seed=seed)
            faults += differing
        proved.append(Proved(f"{case}/{config}", ended, n_groupings, tuple(faults)))
    return proved


def _agreed(export: Export) -> tuple[str, list[str]]:
    """Check and ingest, and say how that ended and where the two differ."""
    told: CrmSparkError | None = None
    try:
        export.check()
    except (ConfigError, DataError) as error:
        told = error
    try:
        export.ingest()
    except (ConfigError, DataError) as error:
        if told is None or (type(error), str(error)) != (type(told), str(told)):
            return "refused", [f"check_config said {told}, and ingest_sources: {error}"]
        return "refused", []
    except AssertionError as error:
        return "loaded", str(error).splitlines()[:1]
    return "loaded", [f"check_config refused what loads: {told}"] if told else []


def _in_all_orders(export: Export, *, most: int, seed: int) -> tuple[int, list[str]]:
    """Give in how many ways the files were delivered, and those that gave other tables."""
    files = _files(export)
    if len(files) < 2:
        return 0, []
    right = export.checksums()
    ways = list(groupings(len(files)))
    if len(ways) > most:
        ways = random.Random(seed).sample(ways, most)
    held = export.folder / "held"
    shutil.copytree(export.folder / "input", held, dirs_exist_ok=True)
    differing = []
    for number, way in enumerate(ways):
        of_way = replace(export, lake_name=f"{export.lake_name}_{number}")
        if _delivered(of_way, held, files, way) != right:
            names = [[str(files[file]) for file in group] for group in way]
            differing.append(f"other tables from {names}")
    shutil.copytree(held, export.folder / "input", dirs_exist_ok=True)
    return len(ways), differing


def _delivered(export: Export, held: Path, files: Sequence[Path], way: Grouping) -> tuple[str, str]:
    shutil.rmtree(export.folder / "input")
    for group in way:
        for file in group:
            place = export.folder / "input" / files[file]
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(held / files[file], place)
        # A group may hold nothing that can be loaded by itself: it comes with the next.
        with suppress(DataError, ConfigError):
            export.ingest()
    return export.checksums()


def _files(export: Export) -> list[Path]:
    folder = export.folder / "input"
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
