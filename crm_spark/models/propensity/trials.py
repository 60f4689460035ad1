"""What candidates make of the customers of several cut-offs: fitted, tested and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.logistic import AS_IT_IS, fit_logistic
from crm_spark.models.propensity.candidates import CANDIDATES, PropensityCandidate
from crm_spark.models.propensity.customers import Customers, Histories
from crm_spark.models.propensity.metrics import (
    Precision,
    gain,
    precision_of,
    propensity_metrics,
)
from crm_spark.models.propensity.model import PropensityModel, TargetTest
from crm_spark.models.propensity.section import PropensitySection
from crm_spark.models.resampling import resamples
from crm_spark.models.results import Measured

N_RESAMPLES = 200


class Trials:
    """Histories of customers, and what candidates make of them, once each.

    `closes` gives the date on which the outcome of each cut-off stood.
    """

    def __init__(
        self, histories: Histories, closes: Mapping[date, date], params: PropensitySection
    ) -> None:
        self.histories, self._closes, self._params = histories, closes, params
        self._customers: dict[date, Customers] = {}
        self._draws: dict[int, Floats] = {}
        self._fitted: dict[tuple[str, tuple[date, ...]], PropensityModel] = {}
        self._precision: dict[tuple[str, Cutoffs], Precision] = {}

    def customers(self, day: date) -> Customers:
        """Give the customers of a date, with what they bought after it where that is known."""
        if day not in self._customers:
            self._customers[day] = self.histories.before(
                day, horizon_days=self._params.horizon_days, closed_on=self._closes.get(day)
            )
        return self._customers[day]

    def fitted(self, candidate: PropensityCandidate, cutoffs: Sequence[date]) -> PropensityModel:
        """Give a candidate as the outcomes of these cut-offs make it.

        Raises ValueError where they have no target with customers.
        """
        key = (candidate.name, tuple(cutoffs))
        if key not in self._fitted:
            if not candidate.is_learnt:
                return PropensityModel(candidate.name, AS_IT_IS, self._params.horizon_days)
            learnt = [self.customers(day) for day in cutoffs if len(self.histories.targets[day])]
            horizon = self._params.horizon_days
            pieces = [(candidate.columns(one, horizon), one.outcomes) for one in learnt]
            self._fitted[key] = PropensityModel(candidate.name, fit_logistic(pieces), horizon)
        return self._fitted[key]

    def measured(self, candidate: PropensityCandidate, step: Cutoffs) -> list[Measured]:
        """Give the figures of a candidate that learnt from a step's training, on its test.

        Of a challenger the gain over the best rule besides, with its interval.
        """
        customers = self.customers(step.test)
        assert customers.is_buyer is not None, "the cut-off has closed"
        precision = self.precision(candidate, step)
        found = propensity_metrics(
            self.fitted(candidate, step.training).probability(customers),
            customers.is_buyer,
            self.histories.targets[step.test],
            precision,
        )
        if not candidate.is_rule:
            of_rules = [self.precision(rule, step) for rule in CANDIDATES if rule.is_rule]
            found.append(gain(precision, of_rules, len(customers)))
        return found

    def precision(self, candidate: PropensityCandidate, step: Cutoffs) -> Precision:
        """Give how well a candidate that learnt from a step's training ranks on its test."""
        key = (candidate.name, step)
        if key not in self._precision:
            customers = self.customers(step.test)
            assert customers.is_buyer is not None, "the cut-off has closed"
            probability = self.fitted(candidate, step.training).probability(customers)
            draws = self._draws_of(len(customers))
            self._precision[key] = precision_of(probability, customers.is_buyer, draws)
        return self._precision[key]

    def by_target(
        self, candidate: PropensityCandidate, rule: PropensityCandidate, step: Cutoffs
    ) -> dict[str, TargetTest]:
        """Give what a candidate came to on a step's test by target, beside a rule."""
        found = self.precision(candidate, step).by_target
        of_rule = self.precision(rule, step).by_target
        return {
            name: TargetTest(round(float(one), 6), round(float(other), 6))
            for name, one, other in zip(
                self.histories.targets[step.test].ids, found, of_rule, strict=True
            )
            if not np.isnan(one)
        }

    def _draws_of(self, n: int) -> Floats:
        if n not in self._draws:
            self._draws[n] = resamples(n, seed=self._params.seed, n_resamples=N_RESAMPLES)
        return self._draws[n]
