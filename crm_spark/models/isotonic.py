"""Isotonic calibration: any rising map from raw scores to probabilities, of few knots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np
from pyspark.sql import Column
from pyspark.sql import functions as F

from crm_spark.models.binary_metrics import Floats, ScoreCounts
from crm_spark.models.calibration import PlattCalibration, logit, logits

# Groups of about equal size that shares are taken of, and so the knots that a map may have.
MOST_KNOTS = 50
# Each group's share has so many customers more, of whom as large a share as of all has the outcome:
# no share is then 0 or 1. Cestnik (1990), the m-estimate; Laplace's rule has two, too.
_ADDED = 2.0
# So much of Platt's log-odds is in those of a knot: what is pooled keeps its order.
_TILT = 0.01


@dataclass(frozen=True)
class IsotonicCalibration:
    """probability = sigmoid(a line from knot to knot over logit(raw)).

    `knots` are logits of raw scores, and `log_odds` what is made of them; both rise, and there is
    one of each at least. Beyond the first and the last knot the line goes on by `slope`.
    """

    form: ClassVar[str] = "isotonic"

    knots: tuple[float, ...]
    log_odds: tuple[float, ...]
    slope: float

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> IsotonicCalibration:
        """Give the calibration of a spec."""
        return cls(tuple(spec["knots"]), tuple(spec["log_odds"]), spec["slope"])

    def probability(self, raw: Column) -> Column:
        """Give the calibrated probability of a raw score between 0 and 1; null of a null."""
        x = logit(raw)
        slopes = [self.slope, *np.diff(self.log_odds) / np.diff(self.knots), self.slope]
        # The first piece ends, and the second starts, at the first knot.
        starts = zip(
            (self.knots[0], *self.knots), (self.log_odds[0], *self.log_odds), slopes, strict=True
        )
        *pieces, last = [start + (x - at) * float(slope) for at, start, slope in starts]
        line = F.when(x.isNull(), F.lit(None))
        for end, piece in zip(self.knots, pieces, strict=True):
            line = line.when(x < end, piece)
        return 1 / (1 + F.exp(-line.otherwise(last)))

    def probabilities(self, raw: Floats) -> Floats:
        """Give the calibrated probabilities of raw scores of any shape."""
        x = logits(raw)
        beyond = x - np.clip(x, self.knots[0], self.knots[-1])
        line = np.interp(x, self.knots, self.log_odds) + beyond * self.slope
        return np.asarray(1 / (1 + np.exp(-line)))

    def shifted(self, log_odds: float) -> IsotonicCalibration:
        """Give the map with so much added to the log-odds of all."""
        return replace(self, log_odds=tuple(one + log_odds for one in self.log_odds))

    def spec(self) -> dict[str, Any]:
        """Give the knots and the slope beyond them."""
        return asdict(self)


def fit_isotonic(counts: ScoreCounts, platt: PlattCalibration) -> IsotonicCalibration:
    """Fit a rising map to counts of raw scores; `platt` was fitted to the same.

    Customers are put in groups of about equal size by their score, whose shares are pooled until
    they rise (Ayer et al. 1955). Each group is a knot, at the score where Platt's probability is
    what it is in the group's mean: where Platt's map is right the line is Platt's. Lines from knot
    to knot in place of steps, and the tilt of what is pooled, leave the ranking as it was: steps
    would make ties of it, which cost AUC.
    """
    x, which = np.unique(logits(counts.probability[counts.n > 0]), return_inverse=True)
    n = np.bincount(which, counts.n[counts.n > 0])
    hits = np.bincount(which, counts.n_positive[counts.n > 0])
    middle = np.cumsum(n) - n / 2
    group = np.minimum((middle / n.sum() * MOST_KNOTS).astype(int), MOST_KNOTS - 1)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    z = platt.slope * x + platt.intercept
    # Sums of probabilities as logarithms: near 1 their logit would end.
    hits_by_platt = np.logaddexp.reduceat(np.log(n) - np.logaddexp(0, -z), starts)
    others_by_platt = np.logaddexp.reduceat(np.log(n) - np.logaddexp(0, z), starts)
    of_platt = hits_by_platt - others_by_platt
    n_group, hits_group = np.add.reduceat(n, starts), np.add.reduceat(hits, starts)
    of_all = (hits.sum() + 1) / (n.sum() + 2)
    share = (hits_group + _ADDED * of_all) / (n_group + _ADDED)
    pooled = pool_adjacent_violators(share, n_group)
    log_odds = (1 - _TILT) * np.log(pooled / (1 - pooled)) + _TILT * of_platt
    places = (of_platt - platt.intercept) / platt.slope
    return IsotonicCalibration(tuple(places.tolist()), tuple(log_odds.tolist()), platt.slope)


def pool_adjacent_violators(values: Floats, weights: Floats) -> Floats:
    """Give the rising values that are nearest in weighted squares.

    Neighbours that fall are pooled to their mean, until none do. Ayer et al. (1955).
    """
    blocks: list[tuple[float, float, int]] = []  # sum of weights, mean, how many values
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        total, mean, size = weight, value, 1
        while blocks and blocks[-1][1] >= mean:
            before, mean_before, size_before = blocks.pop()
            mean = (before * mean_before + total * mean) / (before + total)
            total, size = before + total, size_before + size
        blocks.append((total, mean, size))
    return np.repeat([mean for _, mean, _ in blocks], [size for _, _, size in blocks])
