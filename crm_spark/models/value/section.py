"""The value section: which horizons, which cut-offs train and test, and how spend is discounted."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from crm_spark.models.cutoffs import Cutoffs, closed_cutoffs, steps_to_walk
from crm_spark.models.horizons import checked_horizons, one_is_a_list_of_one
from crm_spark.words import counted

# How many cut-offs a backtest walks over.
N_WALKED = 6

# What has to beat the rules.
Challenger = Literal[
    "bg_nbd",
    "mbg_nbd",
    "mbg_cnbd_k",
    "three_part_trees",
    "three_part_forest",
    "direct_trees",
    "direct_forest",
    "average_of_two",
    "average_with_forest",
]


class ScoreWeights(BaseModel):
    """Weights of the parts of the value score: alpha, beta and gamma."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    purchase: float = Field(default=1.0, ge=0)
    recommend: float = Field(default=1.0, ge=0)
    maintain: float = Field(default=1.0, ge=0)

    @model_validator(mode="after")
    def _something_counts(self) -> ScoreWeights:
        if not self.purchase + self.recommend + self.maintain:
            raise ValueError("one of purchase, recommend and maintain has to be above 0")
        return self


class ValueSection(BaseModel):
    """Value: what a customer spends, less what is taken back, in the days from the as-of date on.

    The first horizon is the one that candidates are tested and chosen by, and that tiers follow;
    the others are said beside it. An outcome of cut-off T is known once T + the first horizon +
    grace_days has passed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    horizons_days: tuple[int, ...] = (28, 84, 364)
    # Which are tried; the rules always are.
    candidates: tuple[Challenger, ...] = (
        "bg_nbd",
        "mbg_nbd",
        "mbg_cnbd_k",
        "three_part_forest",
        "average_of_two",
        "average_with_forest",
    )
    grace_days: int = Field(default=0, ge=0, le=365)
    n_training_cutoffs: int = Field(default=3, ge=1, le=24)
    # What money of a year later is worth less, as a share: .1 makes 100 in a year 90.91 now.
    discount_rate: float = Field(default=0.0, ge=0, lt=1)
    # Gaps between orders are tried as Erlang-1 to Erlang-k.
    most_regular_k: int = Field(default=4, ge=1, le=8)
    seed: int = 1
    # What counts for value_score beside what is expected; no model depends on them.
    score_weights: ScoreWeights = ScoreWeights()

    @field_validator("horizons_days", mode="before")
    @classmethod
    def _one_horizon_is_a_list_of_one(cls, value: object) -> object:
        return one_is_a_list_of_one(value)

    @field_validator("horizons_days")
    @classmethod
    def _horizons_are_different(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return checked_horizons(value, first="is tested", most_days=3650)

    @property
    def horizon_days(self) -> int:
        """The horizon that is tested."""
        return self.horizons_days[0]


def closed_after(params: ValueSection, horizon_days: int | None = None) -> timedelta:
    """Give how long after a cut-off its outcome is known, that of the first horizon by default."""
    return timedelta(days=(horizon_days or params.horizon_days) + params.grace_days)


def cutoffs_for_test(params: ValueSection, test: date, first_order: date) -> Cutoffs:
    """Give the cut-offs that had closed by `test`, each closed by the next, latest first.

    On each of them customers are known for at least a horizon.
    """
    return closed_cutoffs(
        test,
        oldest=first_order + timedelta(days=params.horizon_days),
        closes_after=closed_after(params),
        every=closed_after(params),
        n=params.n_training_cutoffs,
    )


def walk_over(
    params: ValueSection, day: date, first_order: date, newest_order: date
) -> list[Cutoffs]:
    """Give the latest six cut-offs to walk over, each closed by the next, with those before it.

    Raises DataError where there are none.
    """
    known_to = min(day, newest_order + timedelta(days=1))
    wait = closed_after(params)
    walked = [known_to - index * wait for index in range(1, N_WALKED + 1)]
    steps = [cutoffs_for_test(params, test, first_order) for test in sorted(walked)]
    return steps_to_walk(
        steps,
        subject="value",
        day=day,
        known=(first_order, newest_order),
        needs=f"a first horizon of {counted(params.horizon_days, 'day')}",
    )
