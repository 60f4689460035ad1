"""How good probabilities of buying are: ranking of customers by target, calibration, audiences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crm_spark.models.binary_metrics import (
    Floats,
    Ints,
    count_arrays,
    expected_calibration_error,
    log_loss,
    mean_precision,
)
from crm_spark.models.propensity.tables import REACHES
from crm_spark.models.propensity.targets import LEVELS, Targets
from crm_spark.models.resampling import interval_of_draws
from crm_spark.models.results import Measured

AVERAGE_PRECISION, LOG_LOSS = "average_precision", "log_loss"
# Of a challenger: its average precision less that of the best rule on the same customers.
GAIN = "average_precision_gain"
# With fewer buyers in the test, one more or less decides the average precision of a target.
FEWEST_TESTED = 10
# Resamples are looked at in pieces that fit a processor's cache.
_AT_ONCE = 100_000


@dataclass(frozen=True)
class Precision:
    """Average precision of each target, NaN where too few bought it, and its mean by resample."""

    by_target: Floats
    draws: Floats

    @property
    def mean(self) -> float | None:
        """The mean over targets; None where too few bought any."""
        known = self.by_target[~np.isnan(self.by_target)]
        return float(known.mean()) if len(known) else None


def precision_of(probability: Floats, is_buyer: NDArray[np.bool_], draws: Floats) -> Precision:
    """Rank the customers of each target, a column each, and give the average precision.

    The mean over buyers of the share of buyers among the customers up to them. Customers with the
    same probability are taken in the mean of all their orders: where they stood together, as
    scikit-learn has it, a rule of few distinct values would lose to itself with noise added.
    `draws` are weights of customers, a row a resample. Targets with fewer than FEWEST_TESTED buyers
    have none. A customer drawn twice is a buyer above himself, so that resamples come out higher
    than what they resample: they are moved by as much as their mean is off.
    """
    enough = is_buyer.sum(axis=0) >= FEWEST_TESTED
    by_target = np.full(is_buyer.shape[1], np.nan)
    of_draws = []
    n = len(is_buyer)
    once, counts = np.ones((1, n), np.int64), np.rint(draws * n).astype(np.int64)
    for at in np.flatnonzero(enough):
        one = (probability[:, at], is_buyer[:, at])
        by_target[at] = _average_precision(*one, once)[0]
        of_draws.append(_average_precision(*one, counts))
    if not of_draws:
        return Precision(by_target, np.full(len(draws), np.nan))
    means = _mean_known(np.array(of_draws))
    return Precision(by_target, means + (np.nanmean(by_target) - np.nanmean(means)))


def _mean_known(values: Floats) -> Floats:
    known = ~np.isnan(values)
    n = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _average_precision(probability: Floats, is_buyer: NDArray[np.bool_], counts: Ints) -> Floats:
    """Give the average precision by each row of counts of customers; NaN where no buyer is in it.

    Equals are taken in the mean of all their orders.
    """
    order, ends = _by_rank(probability)
    # Sums of 1 / place up to each place.
    harmonic = np.append(0.0, np.cumsum(1 / np.arange(1, counts.sum(axis=1).max() + 1)))
    rows = max(1, _AT_ONCE // len(order))
    pieces = [
        _of_rows(counts[start : start + rows, order], is_buyer[order], ends, harmonic)
        for start in range(0, len(counts), rows)
    ]
    return np.concatenate(pieces)


def _of_rows(
    sorted_counts: Ints, is_buyer: NDArray[np.bool_], ends: Ints, harmonic: Floats
) -> Floats:
    customers = np.cumsum(sorted_counts, axis=1)[:, ends]
    buyers = np.cumsum(sorted_counts * is_buyer, axis=1)[:, ends]
    return mean_precision(customers, buyers, harmonic[customers])


def _by_rank(probability: Floats) -> tuple[Ints, Ints]:
    """Give the order of falling probability, and the last place of each distinct one."""
    order = np.argsort(-probability, kind="stable")
    changes = np.flatnonzero(np.diff(probability[order]) != 0)
    return order, np.append(changes, len(order) - 1)


def reached_share(probability: Floats, is_buyer: NDArray[np.bool_], reach: float) -> float | None:
    """Give the share of the buyers in the audience that was expected to hold a share of them.

    The audience is the customers, the most probable first, up to that share of the sum of all
    probabilities; of customers with one probability as many as it takes. None where nobody bought.
    """
    if not is_buyer.any():
        return None
    order, ends = _by_rank(probability)
    expected = np.append(0.0, np.cumsum(probability[order])[ends])
    buyers = np.append(0, np.cumsum(is_buyer[order])[ends])
    return float(np.interp(reach * expected[-1], expected, buyers) / buyers[-1])


def audience_share(probability: Floats, is_buyer: NDArray[np.bool_], reach: float) -> float | None:
    """Give the share of customers, the most probable first, who held a share of the buyers.

    So many had to be addressed, as is known afterwards. Within customers of one probability buyers
    are spread evenly. None where nobody bought.
    """
    if not is_buyer.any():
        return None
    order, ends = _by_rank(probability)
    customers = np.append(0, ends + 1)
    buyers = np.append(0, np.cumsum(is_buyer[order])[ends])
    wanted = reach * buyers[-1]
    last = int(np.searchsorted(buyers, wanted))
    part = (wanted - buyers[last - 1]) / (buyers[last] - buyers[last - 1])
    n = customers[last - 1] + part * (customers[last] - customers[last - 1])
    return float(n / len(is_buyer))


def propensity_metrics(
    probability: Floats, is_buyer: NDArray[np.bool_], targets: Targets, precision: Precision
) -> list[Measured]:
    """Give the figures of one candidate on the customers of a closed cut-off, a column a target.

    average_precision (mean over targets, with its interval) and log_loss (of all pairs), which
    decide; calibration_error (of all pairs, by bins of the probability); buyers_off (by how many
    buyers targets are off in sum, by all buyers); expected_buyers and actual_buyers, pairs; of each
    level, of the mean over its targets, average_precision.<level>,
    audience_<reach>_percent.<level>, the share of customers that held so many per cent of the
    buyers, and reached_<reach>_percent.<level>, the share of the buyers in the audience that was
    expected to hold so many per cent. `n` of a mean is the number of targets.
    """
    n = is_buyer.size
    counts = count_arrays(probability, is_buyer)
    ends = interval_of_draws(precision.draws) or (None, None)
    found = [
        Measured(AVERAGE_PRECISION, precision.mean, len(is_buyer), *ends),
        Measured(LOG_LOSS, log_loss(counts), n),
        Measured("calibration_error", expected_calibration_error(counts), n),
        Measured("buyers_off", _buyers_off(probability, is_buyer), is_buyer.shape[1]),
        Measured("expected_buyers", float(probability.sum()), n),
        Measured("actual_buyers", float(is_buyer.sum()), n),
    ]
    for level in LEVELS:
        at = np.array([one.level == level for one in targets], bool)
        if at.any():
            found += _of_level(level, probability[:, at], is_buyer[:, at], precision.by_target[at])
    return found


def _of_level(
    level: str, probability: Floats, is_buyer: NDArray[np.bool_], precision: Floats
) -> list[Measured]:
    means = {AVERAGE_PRECISION: precision}
    targets = list(zip(probability.T, is_buyer.T, strict=True))
    for reach in REACHES:
        for name, measure in (("audience", audience_share), ("reached", reached_share)):
            shares = [measure(*one, reach / 100) for one in targets]
            means[f"{name}_{reach}_percent"] = np.array(shares, float)
    found = []
    for name, values in means.items():
        known = values[~np.isnan(values)]
        mean = float(known.mean()) if len(known) else None
        found.append(Measured(f"{name}.{level}", mean, len(known)))
    return found


def _buyers_off(probability: Floats, is_buyer: NDArray[np.bool_]) -> float | None:
    off = np.abs(probability.sum(axis=0) - is_buyer.sum(axis=0)).sum()
    return float(off / is_buyer.sum()) if is_buyer.any() else None


def gain(precision: Precision, rules: Sequence[Precision], n: int) -> Measured:
    """Give how much a challenger's average precision is above that of the best rule.

    With its interval from the same resamples of customers for both. None where too few bought
    anything.
    """
    best = max(rules, key=lambda rule: -1.0 if rule.mean is None else rule.mean)
    if precision.mean is None or best.mean is None:
        return Measured(GAIN, None, n)
    ends = interval_of_draws(precision.draws - best.draws) or (None, None)
    return Measured(GAIN, precision.mean - best.mean, n, *ends)
