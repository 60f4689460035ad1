"""Quality of probabilities of a yes-or-no outcome, from counts by distinct probability.

A million customers have at most a million distinct probabilities once these are rounded to six
decimals, so the counts fit the driver whatever the size of the base, and every figure is exact but
for that rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.special import psi

from crm_spark.models.results import Measured

DECIMALS = 6
N_BINS = 10
TOP_SHARE = 0.1
N_RESAMPLES = 200

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ScoreCounts:
    """How many customers, and how many of them with the outcome, at each distinct probability.

    Arrays of one length, sorted by falling probability.
    """

    probability: Floats
    n: Floats
    n_positive: Floats

    @property
    def rows(self) -> int:
        """Customers in all."""
        return int(self.n.sum())

    @property
    def positives(self) -> int:
        """Customers with the outcome."""
        return int(self.n_positive.sum())


@dataclass(frozen=True)
class Metric:
    """A metric with its 95 % interval, where one was computed."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None


def count_scores(df: DataFrame, *, probability: str, label: str) -> ScoreCounts:
    """Count rows and positives at each probability, rounded to six decimals."""
    grouped = df.groupBy(F.round(probability, DECIMALS).alias("p")).agg(
        F.count(F.lit(1)).alias("n"), F.sum(label).alias("n_positive")
    )
    frame = grouped.toPandas()  # at most a million and one rows, by the rounding
    return from_arrays(
        frame["p"].to_numpy(float), frame["n"].to_numpy(float), frame["n_positive"].to_numpy(float)
    )


def from_arrays(probability: Floats, n: Floats, n_positive: Floats) -> ScoreCounts:
    """Build counts from unsorted arrays of distinct probabilities."""
    order = np.argsort(-probability, kind="stable")
    return ScoreCounts(probability[order], n[order], n_positive[order])


def count_arrays(probability: Floats, is_positive: NDArray[np.bool_]) -> ScoreCounts:
    """Count rows and positives of arrays at each probability, rounded to six decimals."""
    values, which = np.unique(np.round(probability.ravel(), DECIMALS), return_inverse=True)
    n = np.bincount(which, minlength=len(values)).astype(float)
    positive = np.bincount(which, weights=is_positive.ravel(), minlength=len(values))
    return from_arrays(values, n, positive.astype(float))


def roc_auc(counts: ScoreCounts) -> float | None:
    """Area under the ROC curve: the chance that a positive outranks a negative, ties half.

    Hanley and McNeil (1982). None with one class only.
    """
    positive, negative = counts.n_positive, counts.n - counts.n_positive
    if positive.sum() == 0 or negative.sum() == 0:
        return None
    negatives_below = negative.sum() - np.cumsum(negative)
    wins = (positive * (negatives_below + negative / 2)).sum()
    return float(wins / (positive.sum() * negative.sum()))


def auc_interval(counts: ScoreCounts) -> tuple[float, float] | None:
    """Give the 95 % interval of the AUC. DeLong, DeLong and Clarke-Pearson (1988).

    Closed form, for where a bootstrap of many scores would take too long. None with fewer than two
    rows of a class.
    """
    auc = roc_auc(counts)
    positive, negative = counts.n_positive, counts.n - counts.n_positive
    n_positive, n_negative = positive.sum(), negative.sum()
    if auc is None or min(n_positive, n_negative) < 2:
        return None
    negatives_outranked, positives_above = placements(counts)
    variance = (positive * (negatives_outranked - auc) ** 2).sum() / (n_positive - 1) / n_positive
    variance += (negative * (positives_above - auc) ** 2).sum() / (n_negative - 1) / n_negative
    half = 1.96 * math.sqrt(variance)
    return max(0.0, auc - half), min(1.0, auc + half)


def placements(counts: ScoreCounts) -> tuple[Floats, Floats]:
    """Give by probability the share of negatives outranked, and of positives above; ties half.

    The mean of the first over positives and that of the second over negatives are both the AUC.
    DeLong, DeLong and Clarke-Pearson (1988). Both classes have to be there.
    """
    positive, negative = counts.n_positive, counts.n - counts.n_positive
    n_positive, n_negative = positive.sum(), negative.sum()
    negatives_outranked = (n_negative - np.cumsum(negative) + negative / 2) / n_negative
    positives_above = (np.cumsum(positive) - positive / 2) / n_positive
    return negatives_outranked, positives_above


def average_precision(counts: ScoreCounts) -> float | None:
    """Mean over positives of the share of positives among the rows up to them; None without any.

    Rows of one probability are taken in the mean of all their orders: where they stood together, as
    scikit-learn has it, few distinct probabilities would lose to the same with noise added.
    """
    if counts.n_positive.sum() == 0:
        return None
    rows = np.cumsum(counts.n)
    # Sums of 1 / place up to a row, without a table as long as there are rows.
    harmonic = psi(rows + 1) - psi(1)
    return float(mean_precision(rows, np.cumsum(counts.n_positive), harmonic))


def mean_precision(rows: Floats | Ints, positives: Floats | Ints, harmonic: Floats) -> Floats:
    """Give the average precision in the mean of all orders within groups; NaN without positives.

    Groups lie along the last axis, the highest first, rankings along any others: `rows` and
    `positives` are those up to the end of each group, itself included, and `harmonic` is the sum of
    1 / place over the places up to there. A group may be empty.

    Of m rows in a group, k of them positive, after N rows with P positives, each of the places
    N + 1 to N + m is a positive's with the chance k / m, and has then P + 1 positives up to it and
    on average (k - 1) / (m - 1) more for each place of the m before it.
    """
    m, k = np.diff(rows, axis=-1, prepend=0), np.diff(positives, axis=-1, prepend=0)
    before, positives_before = rows - m, positives - k
    more = (k - 1) / np.maximum(m - 1, 1)
    reciprocals = np.diff(harmonic, axis=-1, prepend=0)
    summed = more * m + (positives_before + 1 - more * (before + 1)) * reciprocals
    gained = np.where(m > 0, k / np.maximum(m, 1) * summed, 0.0).sum(axis=-1)
    total = positives[..., -1]
    return np.divide(gained, total, out=np.full(total.shape, np.nan), where=total > 0)


def brier(counts: ScoreCounts) -> float:
    """Mean squared difference of probability and outcome. Brier (1950)."""
    p = counts.probability
    squares = counts.n_positive * (1 - p) ** 2 + (counts.n - counts.n_positive) * p**2
    return float(squares.sum() / counts.n.sum())


def log_loss(counts: ScoreCounts) -> float:
    """Mean negative log-likelihood, probabilities kept 1e-6 away from 0 and 1."""
    p = np.clip(counts.probability, 1e-6, 1 - 1e-6)
    likelihood = counts.n_positive * np.log(p) + (counts.n - counts.n_positive) * np.log(1 - p)
    return float(-likelihood.sum() / counts.n.sum())


def calibration_bins(counts: ScoreCounts, n_bins: int = N_BINS) -> list[tuple[float, float, int]]:
    """Give mean probability, share of positives and rows of bins of about equal size.

    Rows of one probability stay in one bin.
    """
    middle = np.cumsum(counts.n) - counts.n / 2
    which = np.minimum((middle / counts.n.sum() * n_bins).astype(int), n_bins - 1)
    bins = []
    for index in np.unique(which):
        in_bin = which == index
        n = counts.n[in_bin].sum()
        mean = (counts.probability[in_bin] * counts.n[in_bin]).sum() / n
        bins.append((float(mean), float(counts.n_positive[in_bin].sum() / n), int(n)))
    return bins


def wilson_interval(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """Give the 95 % interval of a share of `n` rows. Wilson (1927)."""
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return middle - half, middle + half


def bin_figures(counts: ScoreCounts) -> list[Measured]:
    """Give how probabilities came true, in ten groups of equal size, 1 the most probable.

    bin.01.predicted is the mean probability, bin.01.observed the share of positives with its Wilson
    interval.
    """
    found = []
    for place, (predicted, observed, n) in enumerate(calibration_bins(counts), start=1):
        name = f"bin.{place:02d}"
        found.append(Measured(f"{name}.predicted", predicted, n))
        found.append(Measured(f"{name}.observed", observed, n, *wilson_interval(observed, n)))
    return found


def expected_calibration_error(counts: ScoreCounts) -> float:
    """Mean distance of probability and share of positives over ten bins of about equal size.

    Naeini, Cooper and Hauskrecht (2015), with bins of equal mass.
    """
    bins = calibration_bins(counts)
    total = sum(n for _, _, n in bins)
    return sum(abs(mean - share) * n for mean, share, n in bins) / total


def lift(counts: ScoreCounts, top_share: float = TOP_SHARE) -> float | None:
    """Share of positives among the top of the ranking over that among all.

    A group of equal probabilities on the border counts in part. None without positives.
    """
    if counts.n_positive.sum() == 0:
        return None
    room = top_share * counts.n.sum()
    before = np.cumsum(counts.n) - counts.n
    part = np.clip((room - before) / counts.n, 0, 1)
    in_top = (counts.n_positive * part).sum() / room
    return float(in_top / (counts.n_positive.sum() / counts.n.sum()))


def at_threshold(counts: ScoreCounts, threshold: float) -> dict[str, float | None]:
    """Give precision, recall and f1 of calling a positive whatever reaches the threshold."""
    called = counts.probability >= threshold
    hits = float(counts.n_positive[called].sum())
    n_called, n_positive = float(counts.n[called].sum()), float(counts.n_positive.sum())
    return {
        "precision": hits / n_called if n_called else None,
        "recall": hits / n_positive if n_positive else None,
        "f1": 2 * hits / (n_called + n_positive) if n_called + n_positive else None,
    }


def best_f1_threshold(counts: ScoreCounts) -> float:
    """Give the probability from which to call a positive for the highest F1."""
    hits, called = np.cumsum(counts.n_positive), np.cumsum(counts.n)
    f1 = 2 * hits / (called + max(counts.n_positive.sum(), 1))
    return float(counts.probability[int(np.argmax(f1))])


def all_metrics(counts: ScoreCounts, *, threshold: float, seed: int) -> list[Metric]:
    """Give every metric; auc, average_precision and brier with bootstrap intervals.

    The bootstrap draws the rows of each probability from a Poisson distribution, once for the
    positives and once for the others. Hanley and MacGibbon (2006).
    """
    measured = {"auc": roc_auc, "average_precision": average_precision, "brier": brier}
    drawn: dict[str, list[float]] = {name: [] for name in measured}
    random = np.random.default_rng(seed)
    for _ in range(N_RESAMPLES):
        positive = random.poisson(counts.n_positive).astype(float)
        n = positive + random.poisson(counts.n - counts.n_positive).astype(float)
        if n.sum() == 0:
            continue
        is_drawn = n > 0
        resampled = ScoreCounts(counts.probability[is_drawn], n[is_drawn], positive[is_drawn])
        for name, measure in measured.items():
            value = measure(resampled)
            if value is not None:
                drawn[name].append(value)
    metrics = []
    for name, measure in measured.items():
        low, high = np.quantile(drawn[name], [0.025, 0.975]) if drawn[name] else (None, None)
        metrics.append(
            Metric(
                name,
                measure(counts),
                None if low is None else float(low),
                None if high is None else float(high),
            )
        )
    metrics += [
        Metric("log_loss", log_loss(counts)),
        Metric("calibration_error", expected_calibration_error(counts)),
        Metric("lift_at_10_percent", lift(counts)),
        Metric("threshold", threshold),
        *[Metric(name, value) for name, value in at_threshold(counts, threshold).items()],
        Metric("positive_share", counts.positives / counts.rows),
        Metric("mean_probability", float((counts.probability * counts.n).sum() / counts.rows)),
    ]
    return metrics
