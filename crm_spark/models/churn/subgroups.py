"""Whether a churn model serves some customers worse than others: its figures by group."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crm_spark.models.binary_metrics import (
    Floats,
    auc_interval,
    count_arrays,
    roc_auc,
    wilson_interval,
)
from crm_spark.models.calibration_gate import harmless_error
from crm_spark.models.paired_gain import Flags
from crm_spark.models.records import MetricRow
from crm_spark.models.results import Measured
from crm_spark.report.words import plain, share
from crm_spark.tables.checks import Verdict
from crm_spark.words import counted

SUBGROUP, SELECTION_LEAK = "subgroup", "selection_leak"
PREFIX = "group."
# Of fewer customers nothing is said.
FEWEST_OF_GROUP = 50
# A ranking that is for sure below this tells next to nothing. That of a group lies below the one
# over all wherever the group says much of the risk itself: that is no fault.
HARDLY_A_RANKING = 0.6
# Some ten groups are looked at: two standard errors would warn of one in half of all trainings.
_STANDARD_ERRORS = 3.0

# Features by whose values customers are grouped: up to each limit, above the last, and unknown.
_LIMITS: dict[str, tuple[str, tuple[float, ...]]] = {
    "tenure": ("tenure_days", (89.5, 364.5)),
    "rhythm": ("median_gap_days", (7.5, 30.5)),
}
_SPEND = "spend_amount_84d"
# In words: of a grouping and of each of its groups, from the least values up.
GROUPINGS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "tenure": (
        "since the first order",
        ("less than 90 days", "90 to 364 days", "a year or more"),
        "not known",
    ),
    "rhythm": (
        "usual gap between orders",
        ("up to a week", "8 to 30 days", "more than 30 days"),
        "ordered on one day only",
    ),
    "value": (
        "bought in 84 days",
        ("the lowest third", "the middle third", "the highest third"),
        "not known",
    ),
}
FEATURES_OF_GROUPS = ("tenure_days", "median_gap_days", _SPEND)
# Of an attribute its commonest values.
MOST_VALUES = 10
UNKNOWN = "unknown"
# All of whom an attribute is known, where there are others.
KNOWN = "known"


def attribute(name: str) -> str:
    """Give the column of labelled rows that holds an attribute of core.customers."""
    return f"attribute_{name}"


@dataclass(frozen=True)
class Group:
    """Customers of a test who have something in common, and how the model did on them."""

    grouping: str
    name: str
    n: int
    predicted: float
    observed: float
    low: float
    high: float
    auc: float | None
    auc_high: float | None

    @property
    def in_words(self) -> str:
        """Say who they are."""
        if self.grouping not in GROUPINGS:
            of = {UNKNOWN: "not known", KNOWN: "known, in all"}.get(self.name, self.name)
            return f"{plain(self.grouping)}: {of}"
        about, names, unknown = GROUPINGS[self.grouping]
        of = unknown if self.name == UNKNOWN else names[int(self.name) - 1]
        return f"{about}: {of}"


def groups_of(
    features: Mapping[str, Floats],
    has_left: Flags,
    probability: Floats,
    attributes: Mapping[str, NDArray[np.object_]] | None = None,
) -> list[Group]:
    """Give the groups with enough customers; `features` has the values of FEATURES_OF_GROUPS.

    Arrays of one length, a row a customer; NaN, and None of `attributes`, where a value is not
    known.
    """
    found = []
    for grouping, number in _numbers(features).items():
        for name in [*map(str, range(1, 4)), UNKNOWN]:
            is_in = number == (0 if name == UNKNOWN else int(name))
            if is_in.sum() >= FEWEST_OF_GROUP:
                found.append(_group(grouping, name, has_left[is_in], probability[is_in]))
    for grouping, values in (attributes or {}).items():
        for value in _commonest(values):
            is_in = np.asarray(values == value, bool)
            name = UNKNOWN if value is None else str(value)
            found.append(_group(grouping, name, has_left[is_in], probability[is_in]))
        is_known = np.array([value is not None for value in values])
        if min(is_known.sum(), (~is_known).sum()) >= FEWEST_OF_GROUP:
            found.append(_group(grouping, KNOWN, has_left[is_known], probability[is_known]))
    return found


def _commonest(values: NDArray[np.object_]) -> list[object]:
    """Give values that enough customers have, by name, who have none last."""
    counts = Counter(values.tolist()).most_common()
    known = [value for value, n in counts if n >= FEWEST_OF_GROUP and value is not None]
    unknown = [None for value, n in counts if n >= FEWEST_OF_GROUP and value is None]
    return [*sorted(known[:MOST_VALUES]), *unknown]


def _numbers(features: Mapping[str, Floats]) -> dict[str, NDArray[np.int64]]:
    """Give the number of each customer's group by grouping, from 1 on; 0: not known."""
    numbers = {}
    for grouping, (feature, limits) in _LIMITS.items():
        values = features[feature]
        numbers[grouping] = np.where(np.isnan(values), 0, np.searchsorted(limits, values) + 1)
    spend = features[_SPEND]
    known = spend[~np.isnan(spend)]
    limits_of_spend = np.quantile(known, [1 / 3, 2 / 3]) if len(known) else [0.0, 0.0]
    numbers["value"] = np.where(np.isnan(spend), 0, np.searchsorted(limits_of_spend, spend) + 1)
    return numbers


def _group(grouping: str, name: str, has_left: Flags, probability: Floats) -> Group:
    counts = count_arrays(probability, has_left)
    observed = float(has_left.mean())
    low, high = wilson_interval(observed, len(has_left), _STANDARD_ERRORS)
    interval = auc_interval(counts)
    return Group(
        grouping,
        name,
        len(has_left),
        float(probability.mean()),
        observed,
        low,
        high,
        roc_auc(counts),
        interval[1] if interval else None,
    )


def group_figures(groups: Sequence[Group]) -> list[Measured]:
    """Give group.<grouping>.<number>.predicted, .observed (interval of three errors) and .auc."""
    found = []
    for one in groups:
        name = f"{PREFIX}{one.grouping}.{one.name}"
        found += [
            Measured(f"{name}.predicted", one.predicted, one.n),
            Measured(f"{name}.observed", one.observed, one.n, one.low, one.high),
            Measured(f"{name}.auc", one.auc, one.n, None, one.auc_high),
        ]
    return found


_PREDICTED = re.compile(rf"{re.escape(PREFIX)}(\w+)\.(.+)\.predicted")


def groups_of_figures(figures: Mapping[str, MetricRow]) -> list[Group]:
    """Put the groups together again from a candidate's figures by name, in order of groupings."""
    found = []
    for name, predicted in figures.items():
        match = _PREDICTED.fullmatch(name)
        observed = figures.get(name.removesuffix("predicted") + "observed")
        auc = figures.get(name.removesuffix("predicted") + "auc")
        if match is None or observed is None or auc is None:
            continue
        known = (predicted.value, observed.value, observed.low, observed.high)
        if None not in known:
            found.append(
                Group(match[1], match[2], observed.n, *known, auc.value, auc.high)  # type: ignore[arg-type]
            )
    order = list(GROUPINGS)

    def place(group: Group) -> tuple[bool, int, str, int, str]:
        is_ours = group.grouping in order
        number = order.index(group.grouping) if is_ours else 0
        is_last = (group.name == UNKNOWN) + 2 * (group.name == KNOWN)
        return (not is_ours, number, group.grouping, is_last, group.name)

    return sorted(found, key=place)


def fault_of(group: Group) -> str | None:
    """Say what is wrong with a model on a group; None where nothing is.

    Its mean probability is off by more than is harmless, and by three standard errors, or the
    interval of its AUC lies below HARDLY_A_RANKING. All of whom an attribute is known are in groups
    of their own besides.
    """
    if group.name == KNOWN:
        return None
    off = group.predicted - group.observed
    harmless = harmless_error(max(group.predicted, group.observed))
    if abs(off) > harmless and not group.low <= group.predicted <= group.high:
        more = "more" if off > 0 else "fewer"
        return (
            f"{group.predicted:.0%} were expected to leave, {group.observed:.0%} did: {more} than "
            "came true; do not take its probabilities as they are there"
        )
    if group.auc is not None and group.auc_high is not None and group.auc_high < HARDLY_A_RANKING:
        return (
            f"it hardly tells who of them leaves (AUC {group.auc:.3f}, at most "
            f"{group.auc_high:.3f}): take them all alike"
        )
    return None


def group_verdicts(kind: str, groups: Sequence[Group]) -> list[Verdict]:
    """Give a warning for each group that is badly served, else that none is."""
    faults = [(one, fault) for one in groups if (fault := fault_of(one))]
    if not faults:
        looked_at = counted(len(groups), "group")
        message = f"{kind} serves none of {looked_at} badly for sure"
        return [Verdict(SUBGROUP, "churn", looked_at, "no group badly served", "ok", message)]
    return [
        Verdict(
            SUBGROUP,
            "churn",
            f"{one.in_words} ({counted(one.n, 'customer')})",
            "no group badly served",
            "warning",
            f"{kind}, {one.in_words} ({counted(one.n, 'customer')}): {fault}",
        )
        for one, fault in faults
    ]


@dataclass(frozen=True)
class SelectionLeak:
    """An attribute of which it says who stays, or leaves, that it is known at all.

    Shares of leavers among the customers for whom it is known and not, with how many they are.
    """

    attribute: str
    n_known: int
    known: float
    n_unknown: int
    unknown: float

    @property
    def in_words(self) -> str:
        """Say what is wrong, and what not to do."""
        return (
            f"that {plain(self.attribute)} is known says itself who stays: {share(self.known)} of "
            f"{counted(self.n_known, 'customer')} with it left, {share(self.unknown)} of "
            f"{counted(self.n_unknown, 'customer')} without. Read its groups as no cause, and give "
            "it to no model"
        )


def selection_leaks(groups: Sequence[Group]) -> list[SelectionLeak]:
    """Give the attributes that are known of others than leave as often as those without.

    A difference beyond three standard errors, and beyond what is harmless. Attributes that are
    known of all, or of nobody, tell nothing.
    """
    by_name = {(one.grouping, one.name): one for one in groups}
    found = []
    for (name, of), known in by_name.items():
        unknown = by_name.get((name, UNKNOWN))
        if of != KNOWN or name in GROUPINGS or unknown is None:
            continue
        n, m = known.n, unknown.n
        both = (known.observed * n + unknown.observed * m) / (n + m)
        error = math.sqrt(both * (1 - both) * (1 / n + 1 / m))
        off = abs(known.observed - unknown.observed)
        if off > _STANDARD_ERRORS * error and off > harmless_error(both):
            found.append(SelectionLeak(name, n, known.observed, m, unknown.observed))
    return found


def selection_verdicts(groups: Sequence[Group]) -> list[Verdict]:
    """Give an advice for each attribute that is known of some by what they did."""
    return [
        Verdict(
            SELECTION_LEAK,
            one.attribute,
            f"{share(one.known)} left of those with it, {share(one.unknown)} of those without",
            "as many of both",
            "advice",
            one.in_words,
        )
        for one in selection_leaks(groups)
    ]
