"""The next_purchase section: which horizons are said, and on which cut-offs they are tested."""

from __future__ import annotations

from datetime import date, timedelta

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from crm_spark.models.cutoffs import Cutoffs, closed_cutoffs, steps_to_walk
from crm_spark.models.horizons import checked_horizons, one_is_a_list_of_one
from crm_spark.words import counted

# How many cut-offs a backtest walks over.
N_WALKED = 4

# Of more cut-offs too many dates are asked for what was known on them.
MOST_CUTOFFS = 60

# Chances are learnt from one of these days to the next, and from horizon to horizon: finely where
# most orders come, so that a date can be told.
STEPS_DAYS = (1, 2, 3, 5, 7, 10, 14, 21, 28, 42, 60, 90, 120, 180, 270, 365)


class NextPurchaseSection(BaseModel):
    """Next purchase: whether a customer orders in the days from the as-of date on, and when.

    The first horizon is the one that candidates are chosen by, and cut-offs lie that far apart: a
    multiple of 7 keeps them to one day of the week. An outcome of cut-off T is known once T + its
    horizon + grace_days has passed. Without n_training_cutoffs there are as many as the longest
    horizon needs, to be learnt and to be tested, and at least six.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    horizons_days: tuple[int, ...] = (28, 7, 90)
    grace_days: int = Field(default=0, ge=0, le=365)
    n_training_cutoffs: int | None = Field(default=None, ge=1, le=MOST_CUTOFFS)
    seed: int = 1

    @field_validator("horizons_days", mode="before")
    @classmethod
    def _one_horizon_is_a_list_of_one(cls, value: object) -> object:
        return one_is_a_list_of_one(value)

    @field_validator("horizons_days")
    @classmethod
    def _horizons_are_different(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return checked_horizons(value, first="chooses", most_days=365)

    @model_validator(mode="after")
    def _every_horizon_can_be_tested(self) -> NextPurchaseSection:
        longest, needed = max(self.horizons_days), self._cutoffs_needed
        if needed > MOST_CUTOFFS:
            raise ValueError(
                f"with a first horizon of {counted(self.horizon_days, 'day')} one of "
                f"{counted(longest, 'day')} needs {counted(needed, 'training cut-off')}, and "
                f"{MOST_CUTOFFS} are the most: put a longer horizon first"
            )
        if self.n_training_cutoffs is not None and self.n_training_cutoffs < needed:
            raise ValueError(
                f"a horizon of {counted(longest, 'day')} needs n_training_cutoffs of at least "
                f"{needed}, not {self.n_training_cutoffs}: cut-offs lie "
                f"{counted(self.closed_after.days, 'day')} apart"
            )
        return self

    @property
    def _cutoffs_needed(self) -> int:
        """How many training cut-offs reach back so far that the longest horizon had closed."""
        return -(-self.wait(max(self.horizons_days)).days // self.closed_after.days)

    @property
    def n_cutoffs(self) -> int:
        """How many training cut-offs there are where history allows."""
        return self.n_training_cutoffs or max(6, min(self._cutoffs_needed + 2, MOST_CUTOFFS))

    @property
    def horizon_days(self) -> int:
        """The horizon that chooses."""
        return self.horizons_days[0]

    @property
    def closed_after(self) -> timedelta:
        """How long after a cut-off the outcome of the first horizon is known."""
        return self.wait(self.horizon_days)

    def wait(self, horizon_days: int) -> timedelta:
        """Give how long after a cut-off the outcome of a horizon is known."""
        return timedelta(days=horizon_days + self.grace_days)

    @property
    def steps_days(self) -> tuple[int, ...]:
        """The ends of the steps that chances are learnt of, in days from the date on."""
        longest = max(self.horizons_days)
        return tuple(sorted({*self.horizons_days, *(one for one in STEPS_DAYS if one < longest)}))


def cutoffs_for_test(params: NextPurchaseSection, test: date, first_order: date) -> Cutoffs:
    """Give the cut-offs whose first horizon had closed by `test`, latest first.

    On each of them customers are known for at least a horizon.
    """
    return closed_cutoffs(
        test,
        oldest=first_order + params.closed_after,
        closes_after=params.closed_after,
        every=params.closed_after,
        n=params.n_cutoffs,
    )


def step_of_horizon(
    params: NextPurchaseSection, step: Cutoffs, horizon_days: int, first_order: date
) -> Cutoffs | None:
    """Give the step on which a horizon is tested, where the first one is tested on `step`.

    A shorter horizon is tested on the same. A longer one on the newest cut-off that closes no
    later, by what had closed before that; None where no outcome of the horizon had.
    """
    if horizon_days <= params.horizon_days:
        return step
    test = step.test + params.closed_after - params.wait(horizon_days)
    earlier = cutoffs_for_test(params, test, first_order)
    has_closed = any(day + params.wait(horizon_days) <= test for day in earlier.training)
    return earlier if has_closed else None


def walk_over(
    params: NextPurchaseSection, day: date, first_order: date, newest_order: date
) -> list[Cutoffs]:
    """Give the latest four cut-offs that have closed, each with those before it.

    Raises DataError where there are none.
    """
    known_to = min(day, newest_order + timedelta(days=1))
    walked = [known_to - index * params.closed_after for index in range(1, N_WALKED + 1)]
    steps = [cutoffs_for_test(params, test, first_order) for test in sorted(walked)]
    return steps_to_walk(
        steps,
        subject="next_purchase",
        day=day,
        known=(first_order, newest_order),
        needs=f"a first horizon of {counted(params.horizon_days, 'day')}",
    )
