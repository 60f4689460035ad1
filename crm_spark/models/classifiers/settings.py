"""What can be set of the learners, as keys of the section of a model that uses them."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

FOREST: Final = "forest"
LOGISTIC_REGRESSION: Final = "logistic_regression"
AVERAGE: Final = "average"


class ForestParams(BaseModel):
    """Random forest settings, as Spark MLlib names them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_trees: int = Field(default=200, ge=1, le=2000)
    max_depth: int = Field(default=8, ge=1, le=15)
    min_instances_per_node: int = Field(default=20, ge=1)
    max_bins: int = Field(default=32, ge=8)
    # The forest depends on how its rows are spread: a number of partitions that follows from the
    # rows alone makes it the same everywhere. Each partition sends the statistics of every node of
    # all trees: with a fifth of the rows in each, nearly four times as much is shuffled.
    rows_per_partition: int = Field(default=50_000, ge=100)


class LearnerSettings(BaseModel):
    """What learners depend on; the section of a model that uses them extends it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 1
    threshold: float | None = Field(default=None, gt=0, lt=1)
    # What is tried beside the rules; average is the mean of the other two.
    candidates: tuple[Literal["forest", "logistic_regression", "average"], ...] = (
        FOREST,
        LOGISTIC_REGRESSION,
        AVERAGE,
    )
    forest: ForestParams = Field(default_factory=ForestParams)
    # On the squares of the weights of standardised features, beside the sum of log losses.
    logistic_penalty: float = Field(default=100.0, ge=0)

    @field_validator("candidates")
    @classmethod
    def _parts_are_there(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        lacking = [name for name in (FOREST, LOGISTIC_REGRESSION) if name not in value]
        if AVERAGE in value and lacking:
            raise ValueError(f"average is the mean of others: name {' and '.join(lacking)}, too")
        return tuple(sorted(set(value)))
