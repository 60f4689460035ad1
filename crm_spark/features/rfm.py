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


class RfmSegment(BaseModel):
    """One named segment: the scores, from and to, that a customer must have.

    With `max_tenure_days` its customers had their first order at most so many days before the date.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    recency: Range = (1, SCORES)
    frequency: Range = (1, SCORES)
    monetary: Range = (1, SCORES)
    max_tenure_days: int | None = Field(default=None, ge=0)

    @field_validator("recency", "frequency", "monetary")
    @classmethod
    def _range_lies_within_the_scores(cls, value: Range) -> Range:
        low, high = value
        if not 1 <= low <= high <= SCORES:
            raise ValueError(f"expected [from, to] within 1 to {SCORES}, found {list(value)}")
        return value

    def holds(self, scores: tuple[int, int, int]) -> bool:
        """Tell whether any customer with these three scores belongs to the segment."""
        ranges = (self.recency, self.frequency, self.monetary)
        return self.max_tenure_days is None and all(
            low <= score <= high for score, (low, high) in zip(scores, ranges, strict=True)
        )


def _segment(name: str, recency: Range, frequency: Range) -> RfmSegment:
    return RfmSegment(name=name, recency=recency, frequency=frequency)


# Who is new: the first order lies at most so long back. A customer of a year who orders less often
# than others is none.
NEW_DAYS = 90

# The first that fits counts. Names as they are used in the field's RFM grids.
DEFAULT_SEGMENTS = (
    _segment("champions", (5, 5), (4, 5)),
    _segment("champions", (4, 4), (5, 5)),
    _segment("loyal_customers", (3, 4), (4, 5)),
    _segment("potential_loyalists", (4, 5), (2, 3)),
    RfmSegment(name="new_customers", recency=(5, 5), frequency=(1, 1), max_tenure_days=NEW_DAYS),
    _segment("promising", (4, 5), (1, 1)),
    _segment("need_attention", (3, 3), (3, 3)),
    _segment("about_to_sleep", (3, 3), (1, 2)),
    _segment("cannot_lose_them", (1, 2), (5, 5)),
    _segment("at_risk", (1, 2), (3, 4)),
    _segment("hibernating", (2, 2), (1, 2)),
    _segment("lost", (1, 1), (1, 2)),
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
        scores = range(1, SCORES + 1)
        grid = product(scores, scores, scores)
        homeless = [cell for cell in grid if not any(s.holds(cell) for s in self.segments)]
        if homeless:
            raise ValueError(
                f"segments leaves {len(homeless)} of 125 score combinations without a name, "
                "for example recency {}, frequency {}, monetary {}".format(*homeless[0])
            )
        return self


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
    """Name the first segment that a customer's three scores, and tenure_days, fall into."""
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
        if segment.max_tenure_days is not None:
            fits = fits & (F.col("tenure_days") <= segment.max_tenure_days)
        name = F.when(fits, F.lit(segment.name)).otherwise(name)
    return name
