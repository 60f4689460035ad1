"""What next purchase learns from in one run: order days in Spark, and a sample of them at hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cached_property

from pyspark.sql import DataFrame

from crm_spark.models.cutoffs import Plan
from crm_spark.models.next_purchase.customers import Histories
from crm_spark.models.next_purchase.order_days import EVENTS, count_customers
from crm_spark.models.next_purchase.section import NextPurchaseSection, step_of_horizon
from crm_spark.models.next_purchase.trials import Trials
from crm_spark.models.rows import sampled_customers

# Of more customers those of a sample by hash are learnt from, and say how good a candidate is.
MOST_CUSTOMERS = 20_000


def moments_of(params: NextPurchaseSection, plan: Plan, day: date, first_order: date) -> list[date]:
    """Give the dates, in order, on which a training asks who had ordered on which days.

    Those of its steps, and of longer horizons', and when horizons of these closed by the date.
    """
    cutoffs: set[date] = set()
    for step in (plan.quoted, *([plan.choice] if plan.choice else []), *plan.earlier):
        cutoffs |= set(step.all)
        for horizon in params.horizons_days:
            further = step_of_horizon(params, step, horizon, first_order)
            cutoffs |= set(further.all if further else ())
    longer = [one for one in params.horizons_days if one >= params.horizon_days]
    closed = {cutoff + params.wait(one) for cutoff in cutoffs for one in longer}
    return sorted({day, *cutoffs, *(one for one in closed if one <= day)})


class NextPurchaseData:
    """Rows of order_days() of several moments."""

    def __init__(
        self,
        rows: DataFrame,
        moments: Sequence[date],
        params: NextPurchaseSection,
        first_order: date,
    ) -> None:
        self.rows, self.moments = rows, moments
        self._params, self._first_order = params, first_order

    def n_customers(self, day: date) -> int:
        """Give how many customers had ordered before one of the moments, beyond any sample."""
        if self._n_rows <= MOST_CUSTOMERS:
            return len(self.trials.customers(day))
        return count_customers(self.rows, self.moments, day)

    @cached_property
    def _n_rows(self) -> int:
        return self.rows.count()

    @cached_property
    def trials(self) -> Trials:
        """What candidates make of all customers, or of a sample of them by hash."""
        sample = sampled_customers(self.rows, n_rows=self._n_rows, most=MOST_CUSTOMERS)
        table = sample.orderBy("customer_id").select(EVENTS).toArrow()  # bounded by the sample
        return Trials(Histories.of(table, self.moments), self._params, self._first_order)
