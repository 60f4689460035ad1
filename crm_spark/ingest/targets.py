"""What each source is to become: the core table, and what the user set that it depends on."""

from __future__ import annotations

from typing import Any

from crm_spark.ingest.reading.place import PlaceSection
from crm_spark.ingest.settings import Source
from crm_spark.lake.state import Output, Target
from crm_spark.tables.core import EXCHANGE_RATES

# Raise it with every change of ingest that can change a row: all sources are loaded anew then.
INGEST_GENERATION = 6


def source_target(source: Source) -> Target:
    """Give the core table that a source fills, as a target."""
    reads = (Output(EXCHANGE_RATES.name),) if source.currencies else ()
    return _target(source, source.table.name, reads)


def rejected_target(source: Source) -> Target:
    """Give the table of a source's rejected rows, as a target."""
    return _target(source, source.rejected.name, ())


def _target(source: Source, name: str, reads: tuple[Output, ...]) -> Target:
    return Target(
        Output(name), reads=reads, settings=source_settings(source), generation=INGEST_GENERATION
    )


def source_settings(source: Source) -> dict[str, Any]:
    """Give what the user set that the rows of a source depend on: all but where they are.

    Defaults are left out, so that a setting that is new in the code changes nothing.
    """
    section = source.section
    where = {"path", "table", "jdbc"}
    settings = section.model_dump(
        mode="json",
        exclude_defaults=True,
        exclude={**dict.fromkeys({*where, "time_zone"}, True), "inputs": {"__all__": where}},
    )
    places = {one.name: _within(one.section) for one in source.inputs}
    settings |= {
        "place": _within(section) or {name: place for name, place in places.items() if place},
        "time_zone": source.time_zone,
        "currencies": _currencies(source),
    }
    return {key: value for key, value in settings.items() if value not in (None, {}, [])}


def _within(section: PlaceSection) -> str | int | None:
    """Give the table, or the table or query within a database."""
    jdbc = section.jdbc or {}
    return section.table or jdbc.get("dbtable") or jdbc.get("query")


def _currencies(source: Source) -> dict[str, Any] | None:
    if source.currencies is None:
        return None
    return source.currencies.model_dump(mode="json", exclude_defaults=True)
