"""Which dates a training learns from and is tested on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from crm_spark.errors import DataError


@dataclass(frozen=True)
class Cutoffs:
    """One step of walking forward: the cut-off to test on and the earlier ones to learn from.

    The training cut-offs are in order, the latest first.
    """

    test: date
    training: tuple[date, ...]

    @property
    def calibration(self) -> date:
        """The latest training cut-off, on which probabilities are calibrated."""
        return self.training[0]

    @property
    def all(self) -> tuple[date, ...]:
        """All cut-offs, latest first."""
        return (self.test, *self.training)


@dataclass(frozen=True)
class Plan:
    """The steps of one training.

    What is quoted, and scores, is fitted and tested on `quoted`. The kind is chosen on the earlier
    step `choice`; without one, as history is too short, the figures that are quoted choose, too.
    A step without training cut-offs is one that cannot be made.
    """

    quoted: Cutoffs
    choice: Cutoffs | None = None
    # Further steps, of a backtest.
    earlier: tuple[Cutoffs, ...] = ()

    @property
    def is_possible(self) -> bool:
        """Whether there is anything to learn from."""
        return bool(self.quoted.training)

    @property
    def dates(self) -> tuple[date, ...]:
        """All dates of all steps, latest first."""
        steps = [self.quoted, *([self.choice] if self.choice else []), *self.earlier]
        return tuple(sorted({day for step in steps for day in step.all}, reverse=True))


def closed_cutoffs(
    test: date, *, oldest: date, closes_after: timedelta, every: timedelta, n: int
) -> Cutoffs:
    """Give a test cut-off with the `n` cut-offs before it, `every` apart, that had closed by it.

    The outcome of a cut-off is known `closes_after` later. Cut-offs before `oldest` are left out.
    """
    newest = test - closes_after
    wanted = [newest - index * every for index in range(n)]
    return Cutoffs(test, tuple(day for day in wanted if day >= oldest))


def plan_with_choice(quoted: Cutoffs, *, closes_after: timedelta) -> Plan:
    """Give the plan that chooses on the latest training cut-off, by those that had closed by it.

    What is chosen is then fitted on all training cut-offs, and quoted on the test cut-off, which
    has no part in the choice. Where none had closed so early, the plan has no step to choose on.
    """
    if not quoted.training:
        return Plan(quoted)
    chosen_on, *earlier = quoted.training
    closed = tuple(day for day in earlier if day + closes_after <= chosen_on)
    return Plan(quoted, Cutoffs(chosen_on, closed) if closed else None)


def steps_to_walk(
    steps: Iterable[Cutoffs], *, subject: str, day: date, known: tuple[date, date], needs: str
) -> list[Cutoffs]:
    """Give the steps of a backtest that have cut-offs to learn from.

    `known` are the days of the first and the newest order. Raises DataError where there are none.
    """
    possible = [step for step in steps if step.training]
    if not possible:
        first, newest = known
        raise DataError(
            f"{subject} cannot be backtested as of {day}: the first order is of {first}, the "
            f"newest of {newest}: too little history for {needs}"
        )
    return possible
