"""The propensity section: how far ahead, of how many departments and products."""

from __future__ import annotations

from datetime import date, timedelta

from pydantic import BaseModel, ConfigDict, Field

from crm_spark.models.cutoffs import Cutoffs, closed_cutoffs, steps_to_walk
from crm_spark.words import counted

# How many cut-offs a backtest walks over.
N_WALKED = 4


class PropensitySection(BaseModel):
    """Propensity: whether a customer buys of a department, or a product, in the days to come.

    An outcome of cut-off T is known once T + horizon_days + grace_days has passed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    horizon_days: int = Field(default=28, ge=1, le=365)
    grace_days: int = Field(default=0, ge=0, le=365)
    n_training_cutoffs: int = Field(default=3, ge=1, le=24)
    # Those that most customers bought of in the horizon before a date; a row a customer and each.
    departments: int = Field(default=30, ge=0, le=100)
    products: int = Field(default=20, ge=0, le=100)
    # Fewer buyers in the horizon before a date say too little of a department or product.
    fewest_buyers: int = Field(default=20, ge=1)
    seed: int = 1

    @property
    def closed_after(self) -> timedelta:
        """How long after a cut-off its outcome is known."""
        return timedelta(days=self.horizon_days + self.grace_days)


def cutoffs_for_test(params: PropensitySection, test: date, first_order: date) -> Cutoffs:
    """Give the cut-offs that had closed by `test`, each closed by the next, the latest first.

    On each of them customers are known for at least two horizons: the last of them says how many
    usually buy.
    """
    return closed_cutoffs(
        test,
        oldest=first_order + timedelta(days=2 * params.horizon_days),
        closes_after=params.closed_after,
        every=params.closed_after,
        n=params.n_training_cutoffs,
    )


def walk_over(
    params: PropensitySection, day: date, first_order: date, newest_order: date
) -> list[Cutoffs]:
    """Give the latest four cut-offs that have closed, each with those before it.

    Raises DataError where there are none.
    """
    known_to = min(day, newest_order + timedelta(days=1))
    walked = [known_to - index * params.closed_after for index in range(1, N_WALKED + 1)]
    steps = [cutoffs_for_test(params, test, first_order) for test in sorted(walked)]
    return steps_to_walk(
        steps,
        subject="propensity",
        day=day,
        known=(first_order, newest_order),
        needs=f"a horizon of {counted(params.horizon_days, 'day')}",
    )
