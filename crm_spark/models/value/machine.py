"""Machine models of spend: in three parts, whether, how often and how much, or directly.

Learnt from what customers of closed cut-offs did in the first horizon. The three parts are those of
Fader, Hardie and Lee's decomposition, each a model of trees: the probability of any order, the
order days of who orders, and the spend an order day; their product is what is expected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from crm_spark.models.logistic import AS_IT_IS, LogisticRegression, fit_logistic
from crm_spark.models.purchases import Floats
from crm_spark.models.value.histories import DAYS_A_WEEK
from crm_spark.models.value.model import Customers, Predicted, mean_present_value
from crm_spark.models.value.trees import Trees, averaged, boosted
from crm_spark.runtime.progress import log
from crm_spark.words import counted

Kind = Literal["trees", "forest"]
# Of fewer customers a tree tells chance; of more rows so many are learnt from.
FEWEST_ROWS, FEWEST_BUYERS, MOST_ROWS = 200, 50, 20_000
# A share of no customer in a leaf of 20 says no more than that there are fewer than so many.
_EDGE = 5e-3
# What sums of the latest cut-off correct at most: beyond that they are another shop's.
_MOST_RATIO = 2.0


class TooFewError(ValueError):
    """Closed cut-offs have too few customers for trees."""


def columns_of(customers: Customers) -> Floats:
    """Give what the machine models know of customers: a row each.

    Order days, silence and time known; net spend in all, of the last horizons and an order day;
    order days a week and the mean gap. Amounts and times as their logarithms.
    """
    order_days, weeks = customers.x + 1, customers.T + 1
    known = [
        order_days,
        np.log1p(customers.silence_days),
        np.log1p(customers.T * DAYS_A_WEEK),
        _log(customers.amount),
        _log(customers.amount / order_days),
        _log(np.divide(customers.repeat_amount, np.maximum(customers.x, 1))),
        _log(customers.amount / weeks),
        order_days / weeks,
        np.log1p(np.divide(customers.t_x * DAYS_A_WEEK, np.maximum(customers.x, 1))),
        *[_log(amount) for _, amount in sorted(customers.recent.items())],
    ]
    return np.stack(known, axis=1)


def _log(amount: Floats) -> Floats:
    """Give the logarithm of an amount; what is below zero counts as nothing."""
    return np.log1p(np.maximum(amount, 0.0))


@dataclass(frozen=True)
class ThreeParts:
    """P(order) x order days of who orders x spend an order day, times `ratio`.

    `probability` gives the first as its logit, or as a share, which `calibration` bends by what
    came on the newest closed cut-off; `ratio` is what came there by what was expected.
    """

    probability: Trees
    is_share: bool
    calibration: LogisticRegression
    order_days: Trees
    amount: Trees
    ratio: float
    horizon_days: int

    def predict(
        self, customers: Customers, horizon_days: int, *, discount_rate: float = 0.0
    ) -> Predicted:
        """See Predictor; horizons other than its own in proportion, with no probability."""
        columns = columns_of(customers)
        chance, days, amount = self.parts(columns)
        share = horizon_days / self.horizon_days
        present = mean_present_value(discount_rate, horizon_days)
        expected = chance * days * amount * self.ratio * share * present
        is_own = horizon_days == self.horizon_days
        return Predicted(expected, chance * days * share, chance if is_own else None)

    def parts(self, columns: Floats) -> tuple[Floats, Floats, Floats]:
        """Give the probability, the order days of who orders, and the spend on one of them."""
        chance = self.calibration.probability(_logits(self.probability, columns, self.is_share))
        days = np.maximum(self.order_days.values(columns), 1.0)
        return chance, days, np.maximum(self.amount.values(columns), 0.0)

    def spec(self) -> dict[str, Any]:
        """See Predictor."""
        return {
            "probability": self.probability.spec(),
            "is_share": self.is_share,
            "calibration": self.calibration.spec(),
            "order_days": self.order_days.spec(),
            "amount": self.amount.spec(),
            "ratio": self.ratio,
            "horizon_days": self.horizon_days,
        }


@dataclass(frozen=True)
class Direct:
    """One regression of spend, times `ratio`, what came on the newest cut-off by its sum."""

    amount: Trees
    ratio: float
    horizon_days: int

    def predict(
        self, customers: Customers, horizon_days: int, *, discount_rate: float = 0.0
    ) -> Predicted:
        """See Predictor; horizons other than its own in proportion."""
        expected = np.maximum(self.amount.values(columns_of(customers)), 0.0) * self.ratio
        share = horizon_days / self.horizon_days
        return Predicted(expected * share * mean_present_value(discount_rate, horizon_days))

    def spec(self) -> dict[str, Any]:
        """See Predictor."""
        return {
            "amount": self.amount.spec(),
            "ratio": self.ratio,
            "horizon_days": self.horizon_days,
        }


@dataclass(frozen=True)
class _Rows:
    """Customers of closed cut-offs as columns, with the order days and the spend that came."""

    columns: Floats
    order_days: Floats
    amount: Floats

    def __len__(self) -> int:
        return len(self.amount)

    def where(self, kept: Any) -> _Rows:
        return _Rows(self.columns[kept], self.order_days[kept], self.amount[kept])


def fit_three_parts(
    closed: Sequence[Customers], horizon_days: int, *, kind: Kind, seed: int
) -> ThreeParts:
    """Fit on closed cut-offs, the latest first, and calibrate on the latest.

    With one of them on half of its customers each. Raises TooFewError where they are.
    """
    learnt, held_out = _parted(closed, seed)
    buyers = learnt.where(learnt.order_days > 0)
    if len(buyers) < FEWEST_BUYERS or len(buyers) == len(learnt):
        raise TooFewError(
            f"{len(buyers):,} of {counted(len(learnt), 'customer')} of closed cut-offs ordered in "
            f"the horizon: at least {FEWEST_BUYERS} are needed, and some who did not"
        )
    learnt, buyers = _thinned(learnt, seed), _thinned(buyers, seed)
    probability = _classifier(learnt.columns, learnt.order_days > 0, kind, seed)
    order_days = _regressor(buyers.columns, buyers.order_days, kind, seed)
    # By order days: their mean times the mean spend on one is then the mean spend, in each leaf.
    days = buyers.order_days
    amount = _regressor(buyers.columns, buyers.amount / days, kind, seed, weights=days)
    outcomes = (held_out.order_days > 0).astype(float)
    is_share = kind == "forest"
    calibration = fit_logistic([(_logits(probability, held_out.columns, is_share), outcomes)])
    if calibration.weights[0] <= 0:  # so few are held out that chance would turn the order round
        calibration = AS_IT_IS
    found = ThreeParts(probability, is_share, calibration, order_days, amount, 1.0, horizon_days)
    chance, days, spend = found.parts(held_out.columns)
    return replace(found, ratio=_ratio(held_out.amount, chance * days * spend))


def _logits(trees: Trees, columns: Floats, is_share: bool) -> Floats:
    """Give the logit of each row's probability, as a matrix of one column."""
    values = trees.values(columns)
    if is_share:
        kept = np.clip(values, _EDGE, 1 - _EDGE)
        values = np.log(kept / (1 - kept))
    return values[:, None]


def fit_direct(closed: Sequence[Customers], horizon_days: int, *, kind: Kind, seed: int) -> Direct:
    """Fit on closed cut-offs, the latest first, and calibrate the sum on the latest.

    Raises TooFewError where they are.
    """
    learnt, held_out = _parted(closed, seed)
    fitted_on = _thinned(learnt, seed)
    amount = _regressor(fitted_on.columns, fitted_on.amount, kind, seed)
    expected = np.maximum(amount.values(held_out.columns), 0.0)
    return Direct(amount, _ratio(held_out.amount, expected), horizon_days)


def load_three_parts(spec: Mapping[str, Any]) -> ThreeParts:
    """Put it together again from its spec."""
    return ThreeParts(
        Trees.of(spec["probability"]),
        spec["is_share"],
        LogisticRegression.of(spec["calibration"]),
        Trees.of(spec["order_days"]),
        Trees.of(spec["amount"]),
        spec["ratio"],
        spec["horizon_days"],
    )


def load_direct(spec: Mapping[str, Any]) -> Direct:
    """Put it together again from its spec."""
    return Direct(Trees.of(spec["amount"]), spec["ratio"], spec["horizon_days"])


def _parted(closed: Sequence[Customers], seed: int) -> tuple[_Rows, _Rows]:
    """Give what is fitted on, and the latest cut-off, which is held out."""
    rows = [_rows(one) for one in closed if len(one)]
    if sum(map(len, rows)) < FEWEST_ROWS:
        raise TooFewError(
            f"closed cut-offs have {counted(sum(map(len, rows)), 'customer')}: trees need "
            f"{FEWEST_ROWS}"
        )
    latest, *earlier = rows
    if not earlier:
        order = np.random.default_rng(seed).permutation(len(latest))
        half = len(latest) // 2
        return latest.where(np.sort(order[half:])), latest.where(np.sort(order[:half]))
    together = _Rows(
        np.concatenate([one.columns for one in earlier]),
        np.concatenate([one.order_days for one in earlier]),
        np.concatenate([one.amount for one in earlier]),
    )
    return together, latest


def _thinned(rows: _Rows, seed: int) -> _Rows:
    """Give at most MOST_ROWS of them, drawn by the seed."""
    if len(rows) <= MOST_ROWS:
        return rows
    drawn = np.random.default_rng(seed).permutation(len(rows))[:MOST_ROWS]
    return rows.where(np.sort(drawn))


def _rows(customers: Customers) -> _Rows:
    assert customers.actual_amount is not None and customers.actual_order_days is not None
    return _Rows(columns_of(customers), customers.actual_order_days, customers.actual_amount)


def _ratio(actual: Floats, expected: Floats) -> float:
    total = float(expected.sum())
    if total <= 0:
        return 1.0
    ratio = float(actual.sum()) / total
    kept = float(np.clip(ratio, 1 / _MOST_RATIO, _MOST_RATIO))
    if kept != ratio:
        log.warning("value: %.2f times what was expected came on the latest cut-off", ratio)
    return round(kept, 9)


def _classifier(columns: Floats, outcomes: Any, kind: Kind, seed: int) -> Trees:
    """Give trees of the logit; a forest's of the share."""
    if kind == "forest":
        return averaged(_forest(seed).fit(columns, outcomes.astype(float)))
    from sklearn.ensemble import GradientBoostingClassifier

    fitted = GradientBoostingClassifier(**_boosting(seed)).fit(columns, outcomes)
    share = float(outcomes.mean())
    return boosted(fitted, float(np.log(share / (1 - share))))


def _regressor(
    columns: Floats, values: Floats, kind: Kind, seed: int, *, weights: Floats | None = None
) -> Trees:
    if kind == "forest":
        return averaged(_forest(seed).fit(columns, values, sample_weight=weights))
    from sklearn.ensemble import GradientBoostingRegressor

    fitted = GradientBoostingRegressor(**_boosting(seed))
    fitted.fit(columns, values, sample_weight=weights)
    return boosted(fitted, float(np.average(values, weights=weights)))


def _boosting(seed: int) -> dict[str, Any]:
    return {
        "n_estimators": 100,
        "learning_rate": 0.05,
        "max_depth": 3,
        "min_samples_leaf": 30,
        "random_state": seed,
    }


def _forest(seed: int) -> Any:
    """Give a forest to fit: scikit-learn is imported where something is fitted, not to score."""
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(
        n_estimators=60, max_depth=6, min_samples_leaf=20, max_features=0.5, random_state=seed
    )
