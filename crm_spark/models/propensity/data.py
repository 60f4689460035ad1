"""What propensity learns from in one run: purchase days in Spark, and a sample of them at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.models.propensity.customers import Histories
from crm_spark.models.propensity.purchases import EVENTS, is_known_on
from crm_spark.models.propensity.section import PropensitySection
from crm_spark.models.propensity.targets import Targets
from crm_spark.models.propensity.trials import Trials
from crm_spark.models.rows import sampled_customers

# Of more pairs of customer and target a date, or more customers, those of a sample of the customers
# by hash are learnt from, and say how good a candidate is: matrices of some 60 MB a date.
MOST_PAIRS, MOST_CUSTOMERS = 400_000, 20_000


class PropensityData:
    """Rows of purchase_histories() of several dates.

    `closes` gives the date on which the outcome of each cut-off stood.
    """

    def __init__(
        self,
        rows: DataFrame,
        moments: Sequence[date],
        targets: Mapping[date, Targets],
        closes: Mapping[date, date],
        params: PropensitySection,
    ) -> None:
        self.rows, self.moments, self.targets = rows, moments, targets
        self._closes, self._params = closes, params

    @cached_property
    def n_customers(self) -> Mapping[date, int]:
        """How many customers had bought anything before each date."""
        days = sorted(self.targets)
        (counts,) = self.rows.agg(
            *[F.count_if(is_known_on(place)) for place in range(len(days))]
        ).collect()
        return dict(zip(days, counts, strict=True))

    @cached_property
    def trials(self) -> Trials:
        """What candidates make of all customers, or of a sample of them by hash."""
        n_customers = max(self.n_customers.values())
        n_targets = max(1, *(len(one) for one in self.targets.values()))
        most = min(MOST_CUSTOMERS, MOST_PAIRS // n_targets)
        sample = sampled_customers(self.rows, n_rows=n_customers, most=most)
        table = sample.orderBy("customer_id").select(EVENTS).toArrow()  # bounded by the sample
        histories = Histories.of(table, self.moments, self.targets, self.n_customers)
        return Trials(histories, self._closes, self._params)
