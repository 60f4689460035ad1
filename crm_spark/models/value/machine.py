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
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestRegressor,
)

from crm_spark.models.logistic import LogisticRegression, fit_logistic
from crm_spark.models.purchases import Floats
from crm_spark.models.value.histories import DAYS_A_WEEK
from crm_spark.models.value.model import Customers, Predicted, mean_present_value
from crm_spark.models.value.trees import Trees, averaged, boosted
from crm_spark.words import counted

Kind = Literal["trees", "forest"]
# Of fewer customers a tree tells chance; of more every second, third, ... is learnt from.
FEWEST_ROWS, FEWEST_BUYERS, MOST_ROWS = 200, 50, 20_000
_EDGE = 1e-6


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
    learnt, held_out = _parted(closed)
    buyers = learnt.where(learnt.order_days > 0)
    if len(buyers) < FEWEST_BUYERS or len(buyers) == len(learnt):
        raise TooFewError(
            f"{len(buyers):,} of {counted(len(learnt), 'customer')} of closed cut-offs ordered in "
            f"the horizon: at least {FEWEST_BUYERS} are needed, and some who did not"
        )
    probability = _classifier(learnt.columns, learnt.order_days > 0, kind, seed)
    order_days = _regressor(buyers.columns, buyers.order_days, kind, seed)
    amount = _regressor(buyers.columns, buyers.amount / buyers.order_days, kind, seed)
    outcomes = (held_out.order_days > 0).astype(float)
    is_share = kind == "forest"
    calibration = fit_logistic([(_logits(probability, held_out.columns, is_share), outcomes)])
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
    learnt, held_out = _parted(closed)
    amount = _regressor(learnt.columns, learnt.amount, kind, seed)
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


def _parted(closed: Sequence[Customers]) -> tuple[_Rows, _Rows]:
    """Give what is fitted on, and the latest cut-off, which is held out."""
    rows = [_rows(one) for one in closed if len(one)]
    if sum(map(len, rows)) < FEWEST_ROWS:
        raise TooFewError(
            f"closed cut-offs have {counted(sum(map(len, rows)), 'customer')}: trees need "
            f"{FEWEST_ROWS}"
        )
    latest, *earlier = rows
    if not earlier:
        is_even = np.arange(len(latest)) % 2 == 0
        return latest.where(is_even), latest.where(~is_even)
    together = _Rows(
        np.concatenate([one.columns for one in earlier]),
        np.concatenate([one.order_days for one in earlier]),
        np.concatenate([one.amount for one in earlier]),
    )
    every = -(-len(together) // MOST_ROWS)
    return together.where(np.arange(len(together)) % every == 0), latest


def _rows(customers: Customers) -> _Rows:
    assert customers.actual_amount is not None and customers.actual_order_days is not None
    return _Rows(columns_of(customers), customers.actual_order_days, customers.actual_amount)


def _ratio(actual: Floats, expected: Floats) -> float:
    total = float(expected.sum())
    return round(float(np.clip(actual.sum() / total, 0.5, 2.0)), 9) if total > 0 else 1.0


def _classifier(columns: Floats, outcomes: Any, kind: Kind, seed: int) -> Trees:
    """Give trees of the logit; a forest's of the share."""
    if kind == "forest":
        return averaged(_forest(seed).fit(columns, outcomes.astype(float)))
    fitted = GradientBoostingClassifier(**_boosting(seed)).fit(columns, outcomes)
    share = float(outcomes.mean())
    return boosted(fitted, float(np.log(share / (1 - share))))


def _regressor(columns: Floats, values: Floats, kind: Kind, seed: int) -> Trees:
    if kind == "forest":
        return averaged(_forest(seed).fit(columns, values))
    fitted = GradientBoostingRegressor(**_boosting(seed)).fit(columns, values)
    return boosted(fitted, float(values.mean()))


def _boosting(seed: int) -> dict[str, Any]:
    return {
        "n_estimators": 100,
        "learning_rate": 0.05,
        "max_depth": 3,
        "min_samples_leaf": 30,
        "random_state": seed,
    }


def _forest(seed: int) -> RandomForestRegressor:
    return RandomForestRegressor(
        n_estimators=60, max_depth=6, min_samples_leaf=20, max_features=0.5, random_state=seed
    )
