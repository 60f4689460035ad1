"""How the level of leaving moves with the season, as far as past years tell it for sure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from crm_spark.features.lines import midnight
from crm_spark.features.tables import CUSTOMER_ORDERS
from crm_spark.lake.delta import Lake
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import Output
from crm_spark.models.binary_metrics import Floats
from crm_spark.models.churn.inputs import counted_orders
from crm_spark.models.churn.section import ChurnSection, closed_after
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.records import MetricRow
from crm_spark.tables.core import TRANSACTIONS
from crm_spark.words import counted

# What ops.metrics calls the figures below: it is no candidate.
SEASON_MODEL, SHIFT_OF_DATE = "season", "shift_of_date"
# A year of whole weeks: the weekday stays.
YEAR = timedelta(days=364)
# Leaving rates are taken so often, and lie on lines between.
EVERY = timedelta(days=14)
# Changes of the past are compared four weeks apart at least, and so many of them are needed: eight
# months of them, besides the year before (our convention).
_APART_DAYS, FEWEST_PAIRS = 28, 9
# Customers are alike by the twelfth of the active days in which they ordered last, and by how many
# horizons their latest four order days lie in.
_SILENCES, _PACE_ORDERS, _PACES = 12, 4, (1, 2, 3, 4, 6, 12)
_MOST_STEPS = 50


@dataclass(frozen=True)
class Levels:
    """The level of leaving on cut-offs, in order: log-odds above those of like customers."""

    days: tuple[date, ...]
    log_odds: tuple[float, ...]

    def change(self, earlier: date, later: date) -> float | None:
        """Give the change from one day to another; None where they are not both among these."""
        if not self.days or earlier < self.days[0] or later > self.days[-1]:
            return None
        known = [day.toordinal() for day in self.days]
        before, after = np.interp([earlier.toordinal(), later.toordinal()], known, self.log_odds)
        return float(after - before)


@dataclass(frozen=True)
class Season:
    """What is added to calibrated log-odds on a date: a `share` of the change a year earlier.

    That is the change of the level of leaving since `calibrated_on`; `levels` are those of cut-offs
    from a year before that on.
    """

    share: float
    calibrated_on: date
    levels: Levels

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Season:
        """Give the season of a spec."""
        return cls(
            spec["share"],
            date.fromisoformat(spec["calibrated_on"]),
            Levels(tuple(date.fromisoformat(day) for day in spec["days"]), tuple(spec["log_odds"])),
        )

    def shift(self, day: date) -> float:
        """Give what is added on a date; 0 on one whose year before is not known."""
        change = self.levels.change(self.calibrated_on - YEAR, day - YEAR)
        return 0.0 if change is None else self.share * change

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "share": self.share,
            "calibrated_on": self.calibrated_on.isoformat(),
            "days": [day.isoformat() for day in self.levels.days],
            "log_odds": list(self.levels.log_odds),
        }


@dataclass(frozen=True)
class Evidence:
    """What past changes say of the season.

    Of `n_pairs` changes the `share` of the change a year earlier that came again, and by how much
    it lowered the squared error of no change at all, with the standard error of that.
    """

    n_pairs: int
    share: float
    gain: float
    error: float

    @property
    def is_sure(self) -> bool:
        """Whether the season is used."""
        return self.n_pairs >= FEWEST_PAIRS and self.share > 0 and self.gain > self.error


@dataclass(frozen=True)
class Known:
    """What is known of the season: the evidence, where there are years, and what is used of it."""

    evidence: Evidence | None = None
    used: Season | None = None


def has_years(first_order: date, step: Cutoffs, params: ChurnSection) -> bool:
    """Whether enough of the history lies before a step for the pairs that are needed."""
    oldest = first_order + timedelta(days=params.active_days)
    return len(_pair_days(oldest, step, params)) >= FEWEST_PAIRS


def leaving_counts(
    orders: DataFrame, *, newest: date, n: int, active_days: int, horizon_days: int
) -> DataFrame:
    """Count the active customers of `n` cut-offs 14 days apart, up to `newest`, and who left.

    Grain: before, silence, pace. Reads customer_id and order_date of counted orders; adds n and
    n_left. `before` is how many cut-offs lie between one and the newest, `silence` the twelfth of
    the active days in which a customer ordered last, and `pace` a band of the days in which their
    latest four order days lie. Active is who ordered in the `active_days` days before, and has left
    who then placed none in `horizon_days`. One pass: an order is the latest of its customer on all
    cut-offs from the day after it to the day of the next.
    """
    days = orders.select("customer_id", "order_date").distinct()
    of_customer = Window.partitionBy("customer_id").orderBy("order_date")
    following = F.lead("order_date").over(of_customer)
    until = F.least(following, F.date_add("order_date", active_days))  # passes over nulls
    first, last = (
        F.ceil(F.datediff(F.lit(newest), day) / EVERY.days).cast("int")
        for day in (until, F.col("order_date"))
    )
    reach = days.select(
        "order_date",
        F.lag("order_date", _PACE_ORDERS - 1).over(of_customer).alias("fourth"),
        following.alias("next"),
        F.greatest(first, F.lit(0)).alias("first"),
        F.least(last - 1, F.lit(n - 1)).alias("last"),
    )
    on_cutoffs = reach.where("first <= last").select(
        "*", F.explode(F.sequence("first", "last")).alias("before")
    )
    cutoff = F.date_sub(F.lit(newest), F.col("before") * EVERY.days)
    silence = (F.datediff(cutoff, "order_date") - 1) * _SILENCES / active_days
    pace = F.lit(0)
    for most in _PACES:
        is_slower = F.datediff(cutoff, "fourth") > most * horizon_days
        pace = pace + F.coalesce(is_slower, F.lit(True)).cast("int")
    has_left = F.col("next").isNull() | (F.datediff("next", cutoff) >= horizon_days)
    return on_cutoffs.groupBy(
        "before", F.floor(silence).cast("int").alias("silence"), pace.alias("pace")
    ).agg(F.count(F.lit(1)).alias("n"), F.count_if(has_left).alias("n_left"))


def levels_known(
    orders: DataFrame, first_order: date, step: Cutoffs, params: ChurnSection
) -> Levels:
    """Give the level of leaving on past cut-offs that had closed by a test.

    By counted orders as they were known on the test.
    """
    newest = step.test - closed_after(params)
    oldest = first_order + timedelta(days=params.active_days)
    counts = leaving_counts(
        orders.where(F.col("order_date") < F.lit(step.test)),
        newest=newest,
        n=(newest - oldest) // EVERY + 1,
        active_days=params.active_days,
        horizon_days=params.horizon_days,
    )
    return levels_of(counts.toPandas(), newest)  # 84 rows for each of 26 cut-offs a year at most


def levels_of(counts: pd.DataFrame, newest: date) -> Levels:
    """Give the level of each cut-off: what its log-odds of leaving are above those of like ones.

    Reads what leaving_counts() gives. Customers are alike by silence and pace, whose log-odds are
    those of all cut-offs; a level is what has to be added to these for as many to leave as did.
    Half a customer is added to either side, so that none are infinite (Haldane 1956). The share
    that leaves would not do: it also moves with how many have ordered lately, which a model knows.
    """
    if counts.empty:
        return Levels((), ())
    tables = counts.pivot_table(
        index="before", columns=["silence", "pace"], values=["n", "n_left"], fill_value=0
    )
    n, n_left = tables["n"].to_numpy(float), tables["n_left"].to_numpy(float)
    alike = np.log((n_left.sum(axis=0) + 0.5) / ((n - n_left).sum(axis=0) + 0.5))
    total, left = n.sum(axis=1), n_left.sum(axis=1)
    wanted = (left + 0.5) / (total + 1) * total
    level = np.zeros(len(n))
    for _ in range(_MOST_STEPS):  # Newton's method, in steps of one at most
        p = 1 / (1 + np.exp(-(alike + level[:, None])))
        step = (wanted - (n * p).sum(axis=1)) / (n * p * (1 - p)).sum(axis=1)
        level += np.clip(step, -1, 1)
    order = np.argsort(-tables.index.to_numpy())
    return Levels(
        tuple(newest - int(tables.index[at]) * EVERY for at in order),
        tuple(float(level[at]) for at in order),
    )


def evidence(levels: Levels, step: Cutoffs, params: ChurnSection) -> Evidence:
    """Hold past changes against those a year earlier, as a test could.

    A change is that from a cut-off to one as much later as the test is than what calibrates.
    The share is that of least squares, between 0 and 1: of few customers a change a year earlier
    is chance for a part. Its gain is measured with each pair left out of the share in turn.
    """
    pairs = []
    for earlier, later in _pair_days(levels.days[0], step, params) if levels.days else []:
        now, before = levels.change(earlier, later), levels.change(earlier - YEAR, later - YEAR)
        if now is not None and before is not None:
            pairs.append((now, before))
    if len(pairs) < 2:
        return Evidence(len(pairs), 0.0, 0.0, math.inf)
    changes = np.array(pairs)
    others = [_share(np.delete(changes, at, axis=0)) for at in range(len(changes))]
    now, before = changes.T
    gains = now**2 - (now - others * before) ** 2
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains))
    return Evidence(len(pairs), _share(changes), float(gains.mean()), error)


def _share(changes: Floats) -> float:
    now, before = changes.T
    return float(np.clip((now * before).sum() / max((before**2).sum(), 1e-12), 0, 1))


def _pair_days(oldest: date, step: Cutoffs, params: ChurnSection) -> list[tuple[date, date]]:
    """Give cut-offs and as much later ones that had closed by a test, the latest first."""
    apart = step.test - step.calibration
    later = step.test - closed_after(params)
    found = []
    while later - apart - YEAR >= oldest:
        found.append((later - apart, later))
        later -= timedelta(days=max(params.horizon_days, _APART_DAYS))
    return found


def season_of(levels: Levels, step: Cutoffs, params: ChurnSection) -> Known:
    """Give the season where the past is sure of it, with what dates of the next year need."""
    told = evidence(levels, step, params)
    if not told.is_sure:
        return Known(told)
    first = step.calibration - YEAR - EVERY
    start = bisect_left(levels.days, first)
    kept = Levels(levels.days[start:], levels.log_odds[start:])
    return Known(told, Season(told.share, step.calibration, kept))


def season_known(run: LakeRun, step: Cutoffs, params: ChurnSection) -> Known:
    """Give what is known of the season before the test of a step, worked out once a process.

    Nothing where its history is short of years, or no cut-off calibrates.
    """
    # Of all orders the first is a fact of the lake: a young one is not read for this.
    if len(step.training) < 2 or not has_years(run.order_dates()[0], step, params):
        return Known()
    days = (params.active_days, params.horizon_days, params.grace_days)
    return run.state.once(
        f"season before {step.test}, from {step.calibration}, by {days}",
        (Output(CUSTOMER_ORDERS.name), Output(TRANSACTIONS.name)),
        lambda: _season_read(run.lake, step, params),
    )


def _season_read(lake: Lake, step: Cutoffs, params: ChurnSection) -> Known:
    known = lake.read(CUSTOMER_ORDERS).where(F.col("first_known_at") < midnight(F.lit(step.test)))
    first_order = known.agg(F.min("order_date")).collect()[0][0]
    if first_order is None or not has_years(first_order, step, params):
        return Known()
    orders = counted_orders(lake, step.test)
    return season_of(levels_known(orders, first_order, step, params), step, params)


def season_figures(step: Cutoffs, day: date, known: Known) -> list[MetricRow]:
    """Give rows of ops.metrics: the share, its gain with an interval, and the shifts.

    These are of the test and, as shift_of_date, of the date; n are pairs. None without years.
    """
    told, season = known.evidence, known.used
    if told is None:
        return []

    def row(name: str, value: float, half: float | None = None) -> MetricRow:
        ends = (None, None) if half is None else (value - half, value + half)
        return MetricRow(SEASON_MODEL, step.test, name, value, told.n_pairs, *ends)

    found = [row("share", told.share), row("gain", told.gain, 1.96 * told.error)]
    if season is not None:
        found += [row("shift", season.shift(step.test)), row(SHIFT_OF_DATE, season.shift(day))]
    return found


def shift_in_words(shift: MetricRow) -> str:
    """Say by how much the season moves the probabilities of the date."""
    value = shift.value or 0.0
    moved = 100 * (1 / (1 + math.exp(math.log(9) - value)) - 0.1)
    return (
        f"Leaving has a season: in {counted(shift.n, 'past change')} of its level that of a year "
        f"before told a part for sure. So probabilities are "
        f"{'raised' if value > 0 else 'lowered'} for this date, one of 10.0 % to "
        f"{10 + moved:.1f} %."
    )


def shift_of_figures(rows: Sequence[MetricRow]) -> MetricRow | None:
    """Give the row with what is added to log-odds on the date; None where there is no season."""
    of_season = [row for row in rows if row.model_name == SEASON_MODEL]
    found = [row for row in of_season if row.metric == SHIFT_OF_DATE]
    return max(found, key=lambda row: row.cutoff, default=None)
