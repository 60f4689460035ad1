"""Early warning: how an alert is raised, and how well that warns of lapses.

A lapse is a silence of `lapse_days`; it can be seen in the data once so many days have passed since
the last order. A silence is an episode: it begins with an order, ends with the next one, and has
one alert at most. All in numpy, over customers times dates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column
from pyspark.sql import functions as F

from crm_spark.models.binary_metrics import Floats, wilson_interval
from crm_spark.models.results import Measured

Days = NDArray[np.int64]
Flags = NDArray[np.bool_]
PolicyName = Literal["silence", "level", "rise", "lapse_probability"]

# The rule that a score has to beat, and the ways to use a score.
SILENCE: PolicyName = "silence"
LEVEL: PolicyName = "level"
RISE: PolicyName = "rise"
LAPSE_PROBABILITY: PolicyName = "lapse_probability"
OF_SCORES: tuple[PolicyName, ...] = (LEVEL, RISE, LAPSE_PROBABILITY)
# No day: never alerted.
_NEVER = np.iinfo(np.int64).min // 2
# So many thresholds of a signal are tried.
_N_THRESHOLDS = 100
WARNING_GAIN = "warning_gain_days"


@dataclass(frozen=True)
class Policy:
    """An alert is raised where the signal reaches the threshold, for the first time in a silence.

    The signal of `silence` is the days since the last order, of `level` the churn probability, of
    `rise` by how much that lies above the least of the customer's own in the lapse_days before, of
    `lapse_probability` what lapse_probability() gives.
    """

    name: PolicyName
    threshold: float


def lapse_probability(
    churn_probability: Column, *, days_left: Column, horizon_days: Column
) -> Column:
    """Give the probability that a silence goes on for `days_left` days, between 0 and 1.

    Of a probability p of no order in the horizon, p ^ (days_left / horizon): as if a customer's
    chance of an order were the same on every day to come. Null where any of them is.
    """
    return F.pow(churn_probability, days_left.cast("double") / horizon_days)


@dataclass(frozen=True)
class Watched:
    """Customers on dates, in order: an array a figure, [customers, dates].

    `dates` are ordinals. `silent_days` since the last order, `probability` of no order in the
    horizon: NaN where a customer had no score. `next_order` is the day of the order that ended the
    silence, after all that is known where it goes on. What follows from these is worked out once:
    every threshold that is tried asks for it.
    """

    dates: Days
    silent_days: Floats
    probability: Floats
    next_order: Days
    lapse_days: int
    horizon_days: int

    @property
    def scored_in_28_days(self) -> float:
        """How often a customer is scored in 28 days."""
        return 28 / float(self.dates[1] - self.dates[0]) if len(self.dates) > 1 else 1.0

    @cached_property
    def last_order(self) -> Days:
        """The day that the silence of a customer on a date began with."""
        silent = np.nan_to_num(self.silent_days, nan=0.0).astype(np.int64)
        return np.asarray(self.dates[None, :] - silent)

    @cached_property
    def may_alert(self) -> Flags:
        """Whether a customer has a score on a date, and has not lapsed."""
        return np.asarray(self.silent_days < self.lapse_days)  # NaN is not

    def signal(self, name: PolicyName) -> Floats:
        """Give what a policy holds against its threshold, NaN where it is not known."""
        if name == SILENCE:
            return self.silent_days
        if name == LEVEL:
            return self.probability
        return self._rise if name == RISE else self._lapse_probability

    @cached_property
    def _rise(self) -> Floats:
        """The probability less the least of the lapse_days before, NaN without any."""
        known = np.where(np.isnan(self.probability), np.inf, self.probability)
        least = np.full(known.shape, np.inf)
        for place, day in enumerate(self.dates):
            is_before = (self.dates < day) & (self.dates >= day - self.lapse_days)
            least[:, place] = known[:, is_before].min(axis=1, initial=np.inf)
        return np.asarray(self.probability - np.where(np.isinf(least), np.nan, least))

    @cached_property
    def _lapse_probability(self) -> Floats:
        """What lapse_probability() gives."""
        left = np.maximum(self.lapse_days - self.silent_days, 0) / self.horizon_days
        return np.asarray(self.probability**left)


@dataclass(frozen=True)
class Span:
    """Silences that began on the days [first, end), by which a policy is measured."""

    first: int
    end: int

    def holds(self, days: Days) -> Flags:
        """Whether days lie in it."""
        return np.asarray((days >= self.first) & (days < self.end))


@dataclass(frozen=True)
class Lapses:
    """The silences of watched customers that became lapses: customer (its row), first day."""

    customer: Days
    began: Days


def raised(watched: Watched, policy: Policy, *, cool_down_days: int) -> Flags:
    """Give where alerts are raised, [customers, dates]: once in a silence, and none in cool-down.

    As raise_alerts raises them, date by date.
    """
    signal, may, began = watched.signal(policy.name), watched.may_alert, watched.last_order
    newest = np.full(len(signal), _NEVER)
    found = np.zeros(signal.shape, bool)
    for place, day in enumerate(watched.dates):
        # An order on the day of an alert was not known by then: it begins a new silence.
        is_first = newest <= began[:, place]
        is_rested = day - newest >= cool_down_days
        now = may[:, place] & (signal[:, place] >= policy.threshold) & is_first & is_rested
        found[:, place] = now
        newest = np.where(now, day, newest)
    return found


@dataclass(frozen=True)
class Warned:
    """What alerts of a policy came to over a span, by customer where it is added up.

    `mean_signal` is that of the alerts; `lead_days` are those of each alert that came true, from
    alert to where the lapse could be seen; `warning_of_customer` sums them, `lapses_of_customer`
    counts all lapses. `per_1000` are the alerts that 1,000 active customers have in 28 days.
    """

    n_alerts: int
    n_true: int
    n_lapses: int
    mean_signal: float | None
    lead_days: Floats
    warning_of_customer: Floats
    lapses_of_customer: Floats
    per_1000: float

    @property
    def precision(self) -> float | None:
        """The share of alerts that came true: the silence became a lapse."""
        return self.n_true / self.n_alerts if self.n_alerts else None

    @property
    def warning_days(self) -> float | None:
        """Days of warning a lapse, 0 for one without an alert."""
        return float(self.warning_of_customer.sum()) / self.n_lapses if self.n_lapses else None


def warned(
    watched: Watched, lapses: Lapses, policy: Policy, span: Span, *, cool_down_days: int
) -> Warned:
    """Measure a policy on the silences that began in a span, all of which have ended or lapsed."""
    alerts = raised(watched, policy, cool_down_days=cool_down_days)
    of_span = alerts & span.holds(watched.last_order)
    customer, place = np.nonzero(of_span)
    began = watched.last_order[customer, place]
    seen = began + watched.lapse_days
    is_true = watched.next_order[customer, place] >= seen
    lead = (seen - watched.dates[place])[is_true].astype(float)
    n = len(watched.silent_days)
    counted = lapses.customer[span.holds(lapses.began)]
    in_span = span.holds(watched.dates)
    n_scores = float((~np.isnan(watched.silent_days[:, in_span])).sum())
    signal = watched.signal(policy.name)[customer, place]
    return Warned(
        n_alerts=len(customer),
        n_true=int(is_true.sum()),
        n_lapses=len(counted),
        mean_signal=float(signal.mean()) if len(signal) else None,
        lead_days=lead,
        warning_of_customer=np.bincount(customer[is_true], lead, n).astype(float),
        lapses_of_customer=np.bincount(counted, None, n).astype(float),
        per_1000=watched.scored_in_28_days * 1000 * alerts[:, in_span].sum() / max(n_scores, 1.0),
    )


def fitted_policy(
    watched: Watched,
    lapses: Lapses,
    name: PolicyName,
    span: Span,
    *,
    precision: float,
    cool_down_days: int,
) -> Policy | None:
    """Give the threshold that warns longest at no less than a precision; None where none does."""
    signal = watched.signal(name)[watched.may_alert]
    known = signal[~np.isnan(signal)]
    if not len(known):
        return None
    best: tuple[float, Policy] | None = None
    for threshold in np.unique(np.quantile(known, np.linspace(0.2, 0.999, _N_THRESHOLDS))):
        policy = Policy(name, float(threshold))
        found = warned(watched, lapses, policy, span, cool_down_days=cool_down_days)
        if found.precision is None or found.precision < precision:
            continue
        days = found.warning_days or 0.0
        if best is None or days > best[0]:
            best = (days, policy)
    return best[1] if best else None


def warning_gain(found: Warned, rule: Warned) -> Measured | None:
    """Give by how many days a lapse a policy warns earlier than the rule, with its 95 % interval.

    Both on the same customers. The interval is that of a ratio of sums over customers, linearised
    (Cochran 1977, section 6.4). None where there are no lapses.
    """
    n_lapses = rule.lapses_of_customer.sum()
    if not n_lapses:
        return None
    gained = found.warning_of_customer - rule.warning_of_customer
    ratio = float(gained.sum() / n_lapses)
    error = math.sqrt(float(((gained - ratio * rule.lapses_of_customer) ** 2).sum())) / n_lapses
    half = 1.96 * float(error)
    return Measured(WARNING_GAIN, ratio, int(n_lapses), ratio - half, ratio + half)


def warning_figures(found: Warned, policy: Policy) -> list[Measured]:
    """Give the figures of a policy: what came of its alerts, and of the lapses."""
    precision = found.precision
    recall = found.n_true / found.n_lapses if found.n_lapses else None
    lead = float(np.median(found.lead_days)) if len(found.lead_days) else None

    def share(name: str, value: float | None, n: int) -> Measured:
        low, high = wilson_interval(value, n) if value is not None else (None, None)
        return Measured(name, value, n, low, high)

    return [
        Measured("threshold", policy.threshold, found.n_alerts),
        Measured("mean_signal", found.mean_signal, found.n_alerts),
        share("precision", precision, found.n_alerts),
        share("recall", recall, found.n_lapses),
        Measured("warning_days", found.warning_days, found.n_lapses),
        Measured("lead_days", lead, found.n_true),
        Measured("alerts_per_1000", found.per_1000, found.n_alerts),
    ]


def chosen_policy(
    tried: Mapping[PolicyName, tuple[Policy, Warned]], rule: tuple[Policy, Warned]
) -> Policy:
    """Give the policy of scores that warns longest where it is longer than the rule for sure."""
    best = max(tried.values(), key=lambda one: one[1].warning_days or 0.0, default=None)
    if best is None:
        return rule[0]
    gain = warning_gain(best[1], rule[1])
    is_better = gain is not None and gain.low is not None and gain.low > 0
    return best[0] if is_better else rule[0]
