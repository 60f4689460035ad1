"""RFM: scores of 1 to 5 for recency, frequency and monetary value, and the named segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import product
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.words import counted

SCORES = 5
MEASURES = ("days_since_last_order", "n_orders", "spend_amount")
_QUANTILES = tuple(position / SCORES for position in range(1, SCORES))
# Beyond this many customers cut points come from a sample by hash: still the same on every rerun.
SAMPLE_ROWS = 1_000_000

Range = tuple[int, int]
Scores = tuple[int, int, int]  # recency, frequency, monetary


class RfmSegment(BaseModel):
    """One named segment: the scores, from and to, and the orders that a customer must have.

    With `min_orders` and `max_orders` its customers have at least, and at most, so many orders;
    with `max_tenure_days` they had their first order at most so many days before the date.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    recency: Range = (1, SCORES)
    frequency: Range = (1, SCORES)
    monetary: Range = (1, SCORES)
    min_orders: int = Field(default=1, ge=1)
    max_orders: int | None = Field(default=None, ge=1)
    max_tenure_days: int | None = Field(default=None, ge=0)

    @field_validator("recency", "frequency", "monetary")
    @classmethod
    def _range_lies_within_the_scores(cls, value: Range) -> Range:
        low, high = value
        if not 1 <= low <= high <= SCORES:
            raise ValueError(f"expected [from, to] within 1 to {SCORES}, found {list(value)}")
        return value

    @model_validator(mode="after")
    def _orders_rise(self) -> RfmSegment:
        if self.max_orders is not None and self.min_orders > self.max_orders:
            raise ValueError(
                f"min_orders {self.min_orders} is above max_orders {self.max_orders}: "
                "no customer can have so many"
            )
        return self

    def holds(self, scores: Scores, n_orders: int, tenure_days: int | None = None) -> bool:
        """Tell whether a customer belongs here; without `tenure_days`, one of any tenure."""
        ranges = (self.recency, self.frequency, self.monetary)
        has_tenure = self.max_tenure_days is None or (
            tenure_days is not None and tenure_days <= self.max_tenure_days
        )
        return (
            all(low <= score <= high for score, (low, high) in zip(scores, ranges, strict=True))
            and self.min_orders <= n_orders
            and (self.max_orders is None or n_orders <= self.max_orders)
            and has_tenure
        )


def _segment(
    name: str,
    recency: Range,
    frequency: Range = (1, SCORES),
    *,
    min_orders: int = 1,
    max_orders: int | None = None,
    max_tenure_days: int | None = None,
) -> RfmSegment:
    return RfmSegment(
        name=name,
        recency=recency,
        frequency=frequency,
        min_orders=min_orders,
        max_orders=max_orders,
        max_tenure_days=max_tenure_days,
    )


# Who is new: the first order lies at most so long back. A customer of a year who orders less often
# than others is none.
NEW_DAYS = 90
# Who is called a regular: scores compare customers with one another, so that two orders are many
# where nearly all have one.
REGULAR_ORDERS = 3

# The first that fits counts. Names as they are used in the field's RFM grids. Where most customers
# have one order, it has a frequency score of 2 or 3: what one order means is said by its number.
DEFAULT_SEGMENTS = (
    _segment("champions", (5, 5), (4, 5), min_orders=REGULAR_ORDERS),
    _segment("champions", (4, 4), (5, 5), min_orders=REGULAR_ORDERS),
    _segment("loyal_customers", (3, 4), (4, 5), min_orders=REGULAR_ORDERS),
    _segment("potential_loyalists", (4, 5), (2, 5), min_orders=2),
    _segment("new_customers", (5, 5), max_orders=1, max_tenure_days=NEW_DAYS),
    _segment("new_customers", (5, 5), (1, 1), max_tenure_days=NEW_DAYS),
    _segment("promising", (4, 5)),
    _segment("need_attention", (3, 3), (3, 5)),
    _segment("about_to_sleep", (3, 3)),
    _segment("cannot_lose_them", (1, 2), (5, 5), min_orders=REGULAR_ORDERS),
    _segment("at_risk", (1, 2), (3, 5), min_orders=2),
    # Of those with one order, as of all who order least, silence alone tells who is lost: the fifth
    # that has been silent longest.
    _segment("hibernating", (2, 2)),
    _segment("lost", (1, 1)),
)
MOST_SEGMENTS = 11


class RfmSection(BaseModel):
    """How RFM scores are cut and segments named.

    With `thresholds` the four cuts of each measure are fixed business values; else they are the
    quintiles of the snapshot, or with `cut_points_as_of` those stored for an earlier date.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["quintiles", "thresholds"] = "quintiles"
    thresholds: dict[str, tuple[float, float, float, float]] | None = None
    cut_points_as_of: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    segments: tuple[RfmSegment, ...] = DEFAULT_SEGMENTS

    @model_validator(mode="before")
    @classmethod
    def _date_is_text(cls, values: object) -> object:
        """YAML reads 2017-06-01 as a date."""
        if isinstance(values, dict) and values.get("cut_points_as_of") is not None:
            return {**values, "cut_points_as_of": str(values["cut_points_as_of"])}
        return values

    @model_validator(mode="after")
    def _is_whole(self) -> RfmSection:
        if self.method == "thresholds":
            given = self.thresholds or {}
            if set(given) != set(MEASURES):
                raise ValueError(
                    f"thresholds needs four rising values for each of {', '.join(MEASURES)}"
                )
            for measure, cuts in given.items():
                if list(cuts) != sorted(set(cuts)):
                    raise ValueError(f"thresholds.{measure} must rise, found {list(cuts)}")
        elif self.thresholds is not None:
            raise ValueError(
                "thresholds are given, but method is quintiles: say method: thresholds"
            )
        names = {segment.name for segment in self.segments}
        if len(names) > MOST_SEGMENTS:
            raise ValueError(
                f"segments has {counted(len(names), 'name')}, at most {MOST_SEGMENTS} are legible"
            )
        self._cover_all()
        return self

    def _cover_all(self) -> None:
        """Raise ValueError where customers of some scores and orders are in no segment."""
        scores = range(1, SCORES + 1)
        homeless = {
            cell: n_orders
            for n_orders in reversed(_telling_orders(self.segments))
            for cell in product(scores, scores, scores)
            if not any(segment.holds(cell, n_orders) for segment in self.segments)
        }
        if homeless:
            cell = min(homeless)
            raise ValueError(
                f"segments leaves {len(homeless)} of 125 score combinations without a name, for "
                "example recency {}, frequency {}, monetary {}".format(*cell)
                + f" of a customer with {counted(homeless[cell], 'order')}"
            )


def _telling_orders(segments: Sequence[RfmSegment]) -> list[int]:
    """Give the numbers of orders from which on other segments hold, the first being 1."""
    begins = {segment.min_orders for segment in segments}
    ends = {segment.max_orders + 1 for segment in segments if segment.max_orders is not None}
    return sorted({1} | begins | ends)


CutPoints = Mapping[str, Sequence[float]]


def rfm_cut_points(snapshot: DataFrame, *, n_customers: int) -> DataFrame:
    """Give the quintile cuts of each measure.

    Grain: measure, position (1 to 4). Reads the three measures of one snapshot; adds value, in the
    measure's unit. Exact percentiles, from the counts of distinct values: the same whatever the
    partitioning.
    """
    sample = snapshot
    if n_customers > SAMPLE_ROWS:
        every = -(-n_customers // SAMPLE_ROWS)
        sample = snapshot.where(F.pmod(F.xxhash64("customer_id"), F.lit(every)) == 0)
    quantiles = F.array(*[F.lit(quantile) for quantile in _QUANTILES])
    cuts = sample.agg(*[F.percentile(measure, quantiles).alias(measure) for measure in MEASURES])
    stacked = F.inline(
        F.array(
            *[
                F.struct(F.lit(measure).alias("measure"), F.col(measure).alias("values"))
                for measure in MEASURES
            ]
        )
    )
    return (
        cuts.select(stacked)
        .select("measure", F.posexplode("values").alias("position", "value"))
        .withColumn("position", F.col("position") + 1)
    )


def add_rfm_scores(snapshot: DataFrame, *, cut_points: CutPoints) -> DataFrame:
    """Add recency_score, frequency_score and monetary_score, 1 worst to 5 best.

    A score is 1 plus the number of cuts that the value exceeds, so equal values have equal scores
    whatever the row order; for recency the fewest days are best. Where many share a value, several
    cuts are equal to it: they get the middle of the scores that they span, of two the one that
    values up to the cut have. Measures with many ties leave some scores empty, rather than part
    equal customers.
    """

    def exceeded(measure: str) -> Column:
        value, cuts = F.col(measure), [F.lit(cut) for cut in cut_points[measure]]
        n_below = _n_true([value > cut for cut in cuts])
        n_up_to = _n_true([value >= cut for cut in cuts])
        return F.floor((n_below + n_up_to) / 2).cast(T.IntegerType())

    return snapshot.withColumns(
        {
            "recency_score": F.lit(SCORES) - exceeded("days_since_last_order"),
            "frequency_score": F.lit(1) + exceeded("n_orders"),
            "monetary_score": F.lit(1) + exceeded("spend_amount"),
        }
    )


def _n_true(conditions: Sequence[Column]) -> Column:
    counted = [condition.cast(T.IntegerType()) for condition in conditions]
    return reduce(lambda left, right: left + right, counted)


def rfm_segment(segments: Sequence[RfmSegment]) -> Column:
    """Name the first segment that a customer's three scores, n_orders and tenure_days fall into."""
    score = {
        "recency": F.col("recency_score"),
        "frequency": F.col("frequency_score"),
        "monetary": F.col("monetary_score"),
    }
    name = F.lit(None).cast(T.StringType())
    for segment in reversed(segments):
        fits = reduce(
            lambda left, right: left & right,
            [score[key].between(*getattr(segment, key)) for key in score],
        )
        if segment.min_orders > 1:
            fits = fits & (F.col("n_orders") >= segment.min_orders)
        if segment.max_orders is not None:
            fits = fits & (F.col("n_orders") <= segment.max_orders)
        if segment.max_tenure_days is not None:
            fits = fits & (F.col("tenure_days") <= segment.max_tenure_days)
        name = F.when(fits, F.lit(segment.name)).otherwise(name)
    return name
