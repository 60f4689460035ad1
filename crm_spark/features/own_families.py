"""Families of users' own: modules that the configuration names, beside the families of ours."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import math
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from crm_spark.errors import ConfigError, listed
from crm_spark.features.families import FEATURES, features_of
from crm_spark.features.families.family import Family, Feature

# The key of the configuration, as faults name it.
KEY = "features.families"
# Columns of the snapshot that are no features, and what models put beside features.
RESERVED = frozenset({"customer_id", "as_of_date", "run_id", "label", "features", "raw_score"})
_COLUMN_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class OwnFamilies:
    """The families of one module, and the hash of its source: what it says may change values."""

    module: str
    families: tuple[Family, ...]
    source_hash: str

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features of its families."""
        return features_of(self.families)


def own_families(modules: Iterable[str]) -> tuple[OwnFamilies, ...]:
    """Give the families of these modules.

    A module has FAMILY or FAMILIES. Raises ConfigError that lists every fault of every module;
    what only Spark can tell is told by family_faults().
    """
    named = list(modules)
    faults = [f"{name} is named twice" for name in dict.fromkeys(named) if named.count(name) > 1]
    found: list[OwnFamilies] = []
    owners = {feature.name: "crm_spark" for feature in FEATURES}
    for name in dict.fromkeys(named):
        own, of_module = _of_module(name)
        if own is not None:
            found.append(own)
            of_module += _feature_faults(own, owners)
        faults += [f"{name}: {fault}" for fault in of_module]
    if faults:
        raise ConfigError(listed(KEY, faults))
    return tuple(found)


def _of_module(name: str) -> tuple[OwnFamilies | None, list[str]]:
    """Give the families of a module; None where they cannot be looked into."""
    try:
        module = importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - a module of the user's may raise anything
        return None, [_why_not_imported(name, error)]
    families, faults = _families_of(module)
    shape_faults = [_shape_faults(family) for family in families]
    faults += [fault for of_family in shape_faults for fault in of_family]
    well_formed = [
        replace(family, features=tuple(family.features))
        for family, wrong in zip(families, shape_faults, strict=True)
        if not wrong
    ]
    return OwnFamilies(name, tuple(well_formed), _source_hash(module)), faults


@cache  # at import: the file may change while the module runs as it was
def _source_hash(module: ModuleType) -> str:
    """Give the hash of a module's source; of one without, as compiled ones are, of its name."""
    try:
        source = inspect.getsource(module)
    except (OSError, TypeError):
        source = module.__name__
    return hashlib.sha256(source.encode()).hexdigest()[:16]


def _families_of(module: ModuleType) -> tuple[list[Family], list[str]]:
    has_one, has_many = hasattr(module, "FAMILY"), hasattr(module, "FAMILIES")
    if has_one and has_many:
        return [], ["the module has both FAMILY and FAMILIES: one of them is enough"]
    if has_one:
        family = module.FAMILY
        if isinstance(family, Family):
            return [family], []
        return [], [f"FAMILY is {_kind(family)}, expected a Family"]
    if not has_many:
        return [], ["the module has neither FAMILY nor FAMILIES"]
    found, faults = _all_of("FAMILIES", module.FAMILIES, Family)
    return found, faults or ([] if found else ["FAMILIES is empty"])


def _shape_faults(family: Family) -> list[str]:
    """Say which fields of a family are of another kind than they are declared to be."""
    _, faults = _all_of("features", family.features, Feature)
    makers: dict[str, Callable[..., object] | None] = {
        "sums": family.sums,
        "derived": family.derived,
        "table": family.table or (lambda: None),
    }
    faults += [
        f"{field} is {_kind(maker)}, expected a function"
        for field, maker in makers.items()
        if not callable(maker)
    ]
    return faults


def _all_of(what: str, found: object, kind: type[Any]) -> tuple[list[Any], list[str]]:
    """Give the items of a list or tuple that are of a kind, and what is wrong with the others."""
    if not isinstance(found, list | tuple):
        return [], [f"{what} is {_kind(found)}, expected a tuple of {kind.__name__}"]
    others = [one for one in found if not isinstance(one, kind)]
    faults = [f"{what} holds {_kind(one)}, expected {kind.__name__}s alone" for one in others]
    return [one for one in found if isinstance(one, kind)], faults


def _kind(value: object) -> str:
    """Name the type of a value, with its article."""
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _feature_faults(own: OwnFamilies, owners: dict[str, str]) -> list[str]:
    """Say what is wrong with the features of a module, and note in `owners` whose they are."""
    faults = []
    for feature in own.features:
        name = feature.name
        if not isinstance(name, str) or not _COLUMN_NAME.fullmatch(name):
            faults.append(
                f"{name!r} is no column name: expected small letters, digits and _, "
                "beginning with a letter"
            )
            continue
        if name in RESERVED:
            faults.append(f"{name} is reserved: give the feature another name")
        elif name in owners:
            too = "" if owners[name] == "crm_spark" else ", too"
            faults.append(f"{name} is a feature of {owners[name]}{too}: give it another name")
        owners.setdefault(name, own.module)
        faults += _described_faults(feature)
    return faults


def _described_faults(feature: Feature) -> list[str]:
    texts = {
        "formula": feature.formula,
        "unit": feature.unit,
        "null rule": feature.null_rule,
    }
    faults = [
        f"{feature.name} has no {what}"
        for what, text in texts.items()
        if not isinstance(text, str) or not text.strip()
    ]
    fill: object = feature.fill
    is_number = isinstance(fill, int | float) and not isinstance(fill, bool)
    if not is_number or not math.isfinite(feature.fill):
        faults.append(f"fill of {feature.name} is {fill}, expected a number outside its range")
    return faults


def _why_not_imported(name: str, error: Exception) -> str:
    """Say why a module cannot be imported: where Python looked for it, or the line that failed."""
    if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
        hint = f"name it without .py ({name[:-3]}), " if name.endswith(".py") else ""
        return (
            f"there is no module {error.name!r}; looked in {', '.join(_search_path())} and among "
            f"the installed packages: {hint}put it beside the configuration, on PYTHONPATH, or "
            "among --py-files"
        )
    message = f": {error}" if str(error) else ""
    return f"the module cannot be imported: {type(error).__name__}{message}{_line_of(error)}"


def _search_path() -> Sequence[str]:
    """Give the folders and archives that modules of users may lie in, in Python's order."""
    library = Path(sysconfig.get_path("stdlib")).parent
    places = [str(Path(place).absolute()) for place in sys.path]
    return [
        place
        for place in dict.fromkeys(places)
        if not Path(place).is_relative_to(library)
        and not {"site-packages", "dist-packages"} & set(Path(place).parts)
    ]


def _line_of(error: Exception) -> str:
    """Say which line of the user's code an error arose in; a SyntaxError says it itself."""
    if isinstance(error, SyntaxError):
        return ""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "importlib" not in frame.filename and frame.filename != __file__
    ]
    return f", line {frames[-1].lineno} of {Path(frames[-1].filename).name}" if frames else ""
