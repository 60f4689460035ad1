"""What candidates make of the customers of several cut-offs: fitted, tested and compared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.next_purchase.candidates import CANDIDATES, NextPurchaseCandidate
from crm_spark.models.next_purchase.customers import Customers, Histories
from crm_spark.models.next_purchase.metrics import (
    chance_metrics,
    day_metrics,
    due_shares,
    gain,
    last_plus_gap,
    losses,
    of_further_horizon,
)
from crm_spark.models.next_purchase.model import NextPurchaseModel, closed_steps
from crm_spark.models.next_purchase.predictors import Learnt
from crm_spark.models.next_purchase.section import NextPurchaseSection, step_of_horizon
from crm_spark.models.resampling import resamples
from crm_spark.models.results import Measured

Fit = tuple[str, tuple[date, ...], date]


class Trials:
    """Histories of customers, and what candidates make of them, once each."""

    def __init__(
        self, histories: Histories, params: NextPurchaseSection, first_order: date
    ) -> None:
        self.histories, self._params, self._first_order = histories, params, first_order
        self._customers: dict[date, Customers] = {}
        self._days: dict[tuple[date, date], Floats] = {}
        self._fitted: dict[Fit, NextPurchaseModel] = {}
        self._chances: dict[Fit, Floats] = {}
        self._draws: dict[int, Floats] = {}

    def customers(self, day: date) -> Customers:
        """Give the customers of a date, as it was known then."""
        if day not in self._customers:
            self._customers[day] = self.histories.before(day)
        return self._customers[day]

    def n_ordered(self, cutoff: date) -> int:
        """Give how many customers of a closed cut-off ordered in the first horizon."""
        horizon = self._params.horizon_days
        return int((self._days_to_order(cutoff, horizon) <= horizon).sum())

    def fitted(
        self, candidate: NextPurchaseCandidate, cutoffs: Sequence[date], known_on: date
    ) -> NextPurchaseModel:
        """Give a candidate as the outcomes of these cut-offs make it, as they are known on a date.

        Raises ValueError where they do not do for it.
        """
        key = (candidate.name, tuple(cutoffs), known_on)
        if key not in self._fitted:
            learnt = [self._learnt(day, known_on) for day in cutoffs if len(self.customers(day))]
            if not learnt:
                raise ValueError("nobody had ordered before any of them")
            steps_days = closed_steps(
                self._params.steps_days, max(one.closed_days for one in learnt)
            )
            predictor = candidate.fit(learnt, self.customers(known_on), steps_days)
            self._fitted[key] = NextPurchaseModel(
                candidate.name, predictor, steps_days, self._params.horizons_days
            )
        return self._fitted[key]

    def is_learnt(self, horizon_days: int, cutoffs: Sequence[date], known_on: date) -> bool:
        """Whether a horizon had closed on a date, for any of the cut-offs with customers."""
        return any(
            day + self._params.wait(horizon_days) <= known_on and len(self.customers(day))
            for day in cutoffs
        )

    def step_of(self, step: Cutoffs, horizon_days: int) -> Cutoffs | None:
        """Give the step on which a horizon is tested; None where it cannot be yet."""
        of = step_of_horizon(self._params, step, horizon_days, self._first_order)
        if of is None or not len(self.customers(of.test)):
            return None
        return of if self.is_learnt(horizon_days, of.training, of.test) else None

    def measured(self, candidate: NextPurchaseCandidate, step: Cutoffs) -> list[Measured]:
        """Give the figures of a candidate that learnt from a step's training, on its test.

        Those of further horizons on the newest cut-off of theirs that closes with the step's, and
        those of the day on that of the longest. Of a challenger the gain over the best rule
        besides, with its interval.
        """
        first, *others = self._params.horizons_days
        chances = self._of_horizon(candidate, step, first)
        has_ordered = self._days_to_order(step.test, first) <= first
        found = chance_metrics(chances, has_ordered)
        if not candidate.is_rule:
            of_rules = [
                losses(self._of_horizon(rule, step, first), has_ordered)
                for rule in CANDIDATES
                if rule.is_rule
            ]
            of_challenger = losses(chances, has_ordered)
            found.append(gain(of_challenger, of_rules, self._draws_of(len(chances))))
        tested = [first]
        for horizon in others:
            of = self.step_of(step, horizon)
            if of is not None:
                tested.append(horizon)
                probability = self._of_horizon(candidate, of, horizon)
                came = self._days_to_order(of.test, horizon) <= horizon
                found += of_further_horizon(of.test, horizon, chance_metrics(probability, came))
        return found + self._of_days(candidate, step, max(tested), tested)

    def _of_days(
        self,
        candidate: NextPurchaseCandidate,
        step: Cutoffs,
        longest: int,
        horizons_days: Sequence[int],
    ) -> list[Measured]:
        of = self.step_of(step, longest)
        assert of is not None, "the horizon is tested"
        model = self.fitted(candidate, of.training, of.test)
        chances = self._chances_of(candidate, of)[:, : model.steps_days.index(longest) + 1]
        until = model.steps_days[: chances.shape[1]]
        customers, came = self.customers(of.test), self._days_to_order(of.test, longest)
        days = model.days(chances)
        found = [
            *day_metrics(chances, until, days, came),
            last_plus_gap(customers, came, longest),
            *due_shares(days, came, horizons_days),
        ]
        return of_further_horizon(of.test, longest, found)

    def _learnt(self, cutoff: date, known_on: date) -> Learnt:
        """Give the outcomes of a cut-off: of every horizon as they were known when it closed."""
        first, *longer = sorted(
            {max(one, self._params.horizon_days) for one in self._params.horizons_days}
        )
        later, after = [], first
        for horizon in longer:
            later.append((after, self._days_to_order(cutoff, horizon, known_on=known_on)))
            after = horizon
        days = self._days_to_order(cutoff, first, known_on=known_on)
        closed_days = (known_on - cutoff).days - self._params.grace_days
        return Learnt(self.customers(cutoff), days, closed_days, tuple(later))

    def _days_to_order(
        self, cutoff: date, horizon_days: int, *, known_on: date | None = None
    ) -> Floats:
        """Give when customers next ordered, as it was known when a horizon had closed, or before.

        A horizon shorter than the first is asked when that had closed.
        """
        closed_on = cutoff + self._params.wait(max(horizon_days, self._params.horizon_days))
        closed_on = min(closed_on, known_on or closed_on)
        if (cutoff, closed_on) not in self._days:
            self._days[cutoff, closed_on] = self.histories.days_to_order(
                cutoff, self.customers(cutoff), known_on=closed_on
            )
        return self._days[cutoff, closed_on]

    def _chances_of(self, candidate: NextPurchaseCandidate, step: Cutoffs) -> Floats:
        fit = (candidate.name, tuple(step.training), step.test)
        if fit not in self._chances:
            model = self.fitted(candidate, step.training, step.test)
            self._chances[fit] = model.chances(self.customers(step.test))
        return self._chances[fit]

    def _of_horizon(
        self, candidate: NextPurchaseCandidate, step: Cutoffs, horizon_days: int
    ) -> Floats:
        model = self.fitted(candidate, step.training, step.test)
        found = model.of_horizon(self._chances_of(candidate, step), horizon_days)
        assert found is not None, "the training cut-offs of a step have closed"
        return np.asarray(found)

    def _draws_of(self, n: int) -> Floats:
        if n not in self._draws:
            self._draws[n] = resamples(n, seed=self._params.seed)
        return self._draws[n]
