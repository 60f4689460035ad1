"""Files of one table, told by their columns, and the paths by which a source names them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatch
from typing import TypeVar

from crm_spark.ingest.drafting.names import squeezed
from crm_spark.ingest.reading.broken import comparable
from crm_spark.ingest.reading.files import SourceFile

_ALIKE = 0.5
_MOST_PATHS = 6
_Item = TypeVar("_Item")


def grouped(items: Iterable[_Item], names: Callable[[_Item], Sequence[str]]) -> list[list[_Item]]:
    """Put files together that share at least half of all their columns."""
    groups: list[tuple[set[str], list[_Item]]] = []
    for item in items:
        own = {squeezed(name) or name for name in names(item)}
        alike = next((group for group in groups if _similarity(group[0], own) >= _ALIKE), None)
        if alike is None:
            groups.append((own, [item]))
        else:
            alike[0].update(own)
            alike[1].append(item)
    return [members for _, members in groups]


def _similarity(one: set[str], other: set[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 1.0


def table_name(uri: str) -> str:
    """Name a table after a file: orders of orders_2019-01.csv.gz."""
    stem = comparable(uri).rpartition("/")[2].partition(".")[0]
    plain = re.sub(r"[^A-Za-z]+", "_", stem).strip("_").lower()
    return plain if re.match(r"[a-z]", plain) else "source"


def paths_of(path: str, chosen: Sequence[SourceFile], others: Iterable[SourceFile]) -> list[str]:
    """Name files of a path: by the path itself where no others are there, else by a pattern."""
    apart = list(others)
    if not apart:
        return [path]
    places = [_below(path, file) for file in chosen]
    rest = [_below(path, file) for file in apart]
    for pattern in _patterns(places):
        if not any(fnmatch(place, pattern) for place in rest):
            return [pattern]
    return places


def _below(path: str, file: SourceFile) -> str:
    """Give a file's path as a user would write it below the path that was given."""
    place = comparable(file.uri)
    if file.base is None:
        return path if not re.search(r"[*?\[{]", path) else place
    fixed = re.split(r"/?[^/]*[*?\[{]", path)[0].rstrip("/")
    below = place.removeprefix(comparable(file.base)).lstrip("/")
    return f"{fixed}/{below}" if fixed else below


def _patterns(places: Sequence[str]) -> list[str]:
    """Give patterns that all of these match, the widest first; none where they are few."""
    if len(places) == 1:
        return list(places)
    start = _common_start(places)
    end = _common_start([place[::-1] for place in places])[::-1]
    if start.count("/") != places[0].count("/"):
        return []
    folder = start.rpartition("/")[0]
    wide = f"{folder}/*{end}" if folder else f"*{end}"
    narrow = f"{start}*{end}"
    return [wide, narrow] if len(places) > _MOST_PATHS or end.count(".") else [narrow]


def _common_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    n = next((n for n, mark in enumerate(first) if mark != last[n : n + 1]), len(first))
    return first[:n]
