"""What may be bought: departments, and the products that most buy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

DEPARTMENT, PRODUCT = "department", "product"
LEVELS = (DEPARTMENT, PRODUCT)


def target_id(level: str, name: str) -> str:
    """Give the id that tells a department from a product of the same name."""
    return f"{level}:{name}"


@dataclass(frozen=True)
class Target:
    """A department or product, with how many customers bought it in the horizon before a date."""

    level: str
    name: str
    n_buyers: int

    @property
    def target_id(self) -> str:
        """Its id."""
        return target_id(self.level, self.name)


@dataclass(frozen=True)
class Targets:
    """The targets of a date, in order."""

    all: tuple[Target, ...] = ()

    def __len__(self) -> int:
        """How many."""
        return len(self.all)

    def __iter__(self) -> Iterator[Target]:
        """Give them in order."""
        return iter(self.all)

    @property
    def ids(self) -> list[str]:
        """Their ids, in order."""
        return [one.target_id for one in self.all]
