"""What candidates are fitted to: step-by-step regressions, and a buy-till-you-die model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.logistic import LogisticRegression, fit_logistic
from crm_spark.models.next_purchase.curves import chances_by_steps
from crm_spark.models.next_purchase.customers import Customers
from crm_spark.models.purchases import (
    Histories,
    PurchaseModel,
    fit_regular,
    order_probability,
)

DAYS_A_WEEK = 7.0
# The most regular rhythm that is tried: gaps as Erlang-4.
MOST_REGULAR_K = 4

Columns = Callable[[Customers], Floats]


@dataclass(frozen=True)
class Learnt:
    """Customers of a cut-off with the day on which they next ordered, and for how long it is known.

    Of orders after `closed_days` days from the cut-off on nothing is known. `later` are the days as
    they were known when longer horizons closed: each counts for the steps that end later than so
    many days.
    """

    customers: Customers
    days_to_order: Floats
    closed_days: int
    later: tuple[tuple[int, Floats], ...] = ()

    def days_by(self, ends: int) -> Floats:
        """Give the days on which customers next ordered as a step that ends then counts them."""
        found = self.days_to_order
        for after, days in self.later:
            found = days if ends > after else found
        return found


class Predictor(Protocol):
    """Gives the chances of customers to have ordered by the end of each of some steps."""

    def chances(self, customers: Customers, steps_days: Sequence[int]) -> Floats:
        """Give a row a customer, a column a step."""

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""


@dataclass(frozen=True)
class Step:
    """The chance to order in a step of who has not before.

    `stretch` is how many steps of the regression's length it is as long as: 1 but where nobody was
    left to learn it from, so that it goes on at the rate of the step before.
    """

    regression: LogisticRegression
    stretch: float = 1.0

    def hazard(self, columns: Floats) -> Floats:
        """Give the chance of each row."""
        found = self.regression.probability(columns)
        return found if self.stretch == 1 else 1 - (1 - found) ** self.stretch


@dataclass(frozen=True)
class Hazards:
    """A logistic regression a step: the chance to order in it of who has not ordered before it.

    A discrete-time hazard model: Cox (1972), Journal of the Royal Statistical Society B 34(2),
    section 6; Singer and Willett (1993), Journal of Educational Statistics 18(2).
    """

    columns: Columns
    steps: tuple[Step, ...]

    def chances(self, customers: Customers, steps_days: Sequence[int]) -> Floats:
        """See Predictor. The steps are those it was fitted on."""
        matrix = self.columns(customers)
        steps = [one.hazard(matrix) for one in self.steps[: len(steps_days)]]
        return chances_by_steps(np.stack(steps, axis=1))

    def spec(self) -> dict[str, Any]:
        """See Predictor."""
        return {"steps": [{**one.regression.spec(), "stretch": one.stretch} for one in self.steps]}


def load_hazards(columns: Columns, spec: Mapping[str, Any]) -> Hazards:
    """Put it together again from its spec."""
    steps = [Step(LogisticRegression.of(one), one["stretch"]) for one in spec["steps"]]
    return Hazards(columns, tuple(steps))


def fit_hazards(columns: Columns, learnt: Sequence[Learnt], steps_days: Sequence[int]) -> Hazards:
    """Fit each step on the customers who had not ordered before it, of cut-offs closed by its end.

    Raises ValueError where there is nobody to learn the first step from.
    """
    matrices = [columns(one.customers) for one in learnt]
    steps: list[Step] = []
    begins, fitted_width = 0, 0
    for ends in steps_days:
        pieces = []
        for one, matrix in zip(learnt, matrices, strict=True):
            if one.closed_days >= ends:
                days = one.days_by(ends)
                is_open = days > begins
                pieces.append((matrix[is_open], (days[is_open] <= ends).astype(np.float64)))
        width = ends - begins
        # Where all have ordered by then, whoever has not goes on as in the step before.
        if steps and not sum(len(outcomes) for _, outcomes in pieces):
            steps.append(Step(steps[-1].regression, width / fitted_width))
        else:
            steps.append(Step(fit_logistic(pieces)))
            fitted_width = width
        begins = ends
    return Hazards(columns, tuple(steps))


@dataclass(frozen=True)
class OrderProcess:
    """MBG/CNBD-k, Platzer and Reutterer (2016): rhythms of customers, and customers lost for good.

    It learns from the histories before the date alone, and from no outcome.
    """

    model: PurchaseModel

    def chances(self, customers: Customers, steps_days: Sequence[int]) -> Floats:
        """See Predictor."""
        x, t_x, T = _history(customers)
        steps = [
            order_probability(self.model, x, t_x, T, days / DAYS_A_WEEK) for days in steps_days
        ]
        return np.stack(steps, axis=1)

    def spec(self) -> dict[str, Any]:
        """See Predictor."""
        return asdict(self)


def fit_order_process(now: Customers) -> OrderProcess:
    """Fit the histories of the customers of a date.

    Raises ValueError where nobody was known before it for any time.
    """
    x, t_x, T = _history(now)
    log_gaps = float(now.log_gaps.sum() - x.sum() * np.log(DAYS_A_WEEK))
    distinct, n = np.unique(np.stack([x, t_x, T], axis=1), axis=0, return_counts=True)
    histories = Histories.of(distinct[:, 0], distinct[:, 1], distinct[:, 2], n, log_gaps)
    return OrderProcess(fit_regular(histories, most=MOST_REGULAR_K))


def load_order_process(spec: Mapping[str, Any]) -> OrderProcess:
    """Put it together again from its spec."""
    return OrderProcess(PurchaseModel.of(spec["model"]))


def _history(customers: Customers) -> tuple[Floats, Floats, Floats]:
    """Give order days after the first, and the weeks to the last of them and to the date."""
    x = customers.n_days - 1
    span = customers.tenure_days - customers.silence_days
    return x, span / DAYS_A_WEEK, customers.tenure_days / DAYS_A_WEEK
