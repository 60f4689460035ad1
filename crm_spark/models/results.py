"""What a test comes to: figures of each candidate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Generic, TypeVar

from crm_spark.tables.checks import Verdict

F = TypeVar("F")


@dataclass(frozen=True)
class Measured:
    """One figure of a candidate, of `n` rows, with its 95 % interval where it has one.

    `cutoff` is the cut-off it was measured on, where that is not the step's test.
    """

    name: str
    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    cutoff: date | None = None


@dataclass(frozen=True)
class Tested(Generic[F]):
    """A candidate that was fitted and measured on one step.

    `verdicts` are what the test showed of it that users of a champion have to know.
    """

    __test__: ClassVar[bool] = False  # no test, whatever pytest makes of its name

    name: str
    is_rule: bool
    fitted: F
    metrics: tuple[Measured, ...]
    verdicts: tuple[Verdict, ...] = ()

    def value(self, metric: str) -> float | None:
        """Give one figure; None where it is not known."""
        return next((one.value for one in self.metrics if one.name == metric), None)
