"""Spark SQL as drafts write it: texts, and names of columns."""

from __future__ import annotations

from crm_spark.ingest.mapping.expressions import as_sql

# Blanks that look like any other, but are not.
_UNSEEN = "\u00a0\u202f\u2009\ufeff"


def literal(text: str) -> str:
    """Give a text as SQL writes it."""
    seen = text.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + "".join(f"\\u{ord(one):04x}" if one in _UNSEEN else one for one in seen) + "'"


def path_sql(parts: list[str]) -> str:
    """Give a field within structs as SQL writes it."""
    return ".".join(as_sql(part) for part in parts)
