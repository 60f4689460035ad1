"""What the user's configuration maps: which sources there are, and which columns of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Mapped:
    """The mapped columns of each source that is configured, by the source's name."""

    columns: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def has(self, source: str, column: str | None = None) -> bool:
        """Whether a source is configured, and this column of it mapped."""
        found = self.columns.get(source)
        return found is not None and (column is None or column in found)
