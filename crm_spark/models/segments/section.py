"""The segments section: which features, how many segments, and how the number is chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from crm_spark.features.section import unknown_features

MOST_SEGMENTS = 20


class SegmentsSection(BaseModel):
    """Segments of alike customers.

    `features` are columns of features.customer_snapshot. With `k` the number of segments is given;
    else it is the one of `k_from` to `k_to` with the highest silhouette among those whose segments
    come out alike from resampled customers. `n_starts` fits are made, and the best one is kept.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[str, ...] = Field(
        default=("days_since_last_order", "n_orders", "spend_amount"), min_length=1
    )
    k: int | None = Field(default=None, ge=2, le=MOST_SEGMENTS)
    k_from: int = Field(default=4, ge=2, le=MOST_SEGMENTS)
    k_to: int = Field(default=8, ge=2, le=MOST_SEGMENTS)
    # What stands for an unknown value: the median of all customers, or of those with about as many
    # orders.
    fill: Literal["median", "group_median"] = "median"
    # The share at each end that is pulled in to the value at its edge, so that a few customers
    # beyond all others do not make a segment of their own.
    winsorize_share: float = Field(default=0.01, ge=0, lt=0.5)
    n_starts: int = Field(default=5, ge=1, le=50)
    max_iterations: int = Field(default=100, ge=1)
    seed: int = 1
    # The number of segments is chosen on at most so many customers, drawn by hash.
    sample_rows: int = Field(default=5000, ge=100, le=20_000)
    rows_per_partition: int = Field(default=50_000, ge=100)

    @field_validator("features")
    @classmethod
    def _features_are_known(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        twice = sorted({name for name in value if value.count(name) > 1})
        faults = unknown_features(value, info) + [f"{name} is given twice" for name in twice]
        if faults:
            raise ValueError("; ".join(faults))
        return value

    @model_validator(mode="after")
    def _range_rises(self) -> SegmentsSection:
        if self.k is None and self.k_from > self.k_to:
            raise ValueError(f"k_from {self.k_from} is above k_to {self.k_to}")
        return self

    def candidates(self) -> tuple[int, ...]:
        """Give the numbers of segments to choose from."""
        return (self.k,) if self.k else tuple(range(self.k_from, self.k_to + 1))
