"""What value learns from in one run: counted histories, and customers of closed cut-offs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.features.lines import MINOR_UNITS
from crm_spark.models.purchases import Floats
from crm_spark.models.resampling import resamples
from crm_spark.models.rows import sampled_customers
from crm_spark.models.value.candidates import Known, ValueCandidate, candidate_named, spend_of
from crm_spark.models.value.cells import amount_cells, history_cells
from crm_spark.models.value.histories import ACTUAL_AMOUNT, AMOUNT, REPEATS, TENURE
from crm_spark.models.value.intervals import AlikeGroup, alike_groups
from crm_spark.models.value.model import Customers, Predictor, ValueModel
from crm_spark.models.value.section import ValueSection, closed_after

# Of more customers than these a sample by hash says how good a candidate is.
MOST_TESTED = 50_000


@dataclass(frozen=True)
class CustomerCounts:
    """Customers of a cut-off, those with a second order day, and those who then spent anything.

    `usual_amount` is the mean net spend of an order day, `n_days` the days since anybody's first.
    """

    n: int = 0
    n_repeaters: int = 0
    n_with_amount: int = 0
    n_spenders: int = 0
    usual_amount: float = 0.0
    n_days: int = 0


class ValueData:
    """Rows of value_histories() with their outcomes, and what candidates make of them, once each.

    `dates` are the cut-offs of `rows` with an outcome.
    """

    def __init__(self, rows: DataFrame, params: ValueSection, dates: Sequence[date]) -> None:
        self.rows, self._params, self._dates = rows, params, dates
        self._counts: dict[date, CustomerCounts] = {}
        self._known: dict[date, Known] = {}
        self._customers: dict[date, Customers] = {}
        self._draws: dict[date, Floats] = {}
        self._fitted: dict[tuple[str, date], Predictor] = {}

    def counts(self, day: date) -> CustomerCounts:
        """Give the counts of a date; all dates are counted at once."""
        if not self._counts:
            minor = F.sum(F.round(F.col(AMOUNT) * MINOR_UNITS).cast("long"))
            counted = self.rows.groupBy("as_of_date").agg(
                F.count(F.lit(1)).alias("n"),
                F.count_if(F.col(REPEATS) > 0).alias("n_repeaters"),
                F.count_if(F.col(AMOUNT) > 0).alias("n_with_amount"),
                F.count_if(F.col(ACTUAL_AMOUNT) > 0).alias("n_spenders"),
                (F.greatest(minor, F.lit(0)) / MINOR_UNITS / F.sum(F.col(REPEATS) + 1)).alias(
                    "usual_amount"
                ),
                (F.max(TENURE) + 1).alias("n_days"),
            )
            for row in counted.collect():  # a row a date
                day_counted, *values = row
                self._counts[day_counted] = CustomerCounts(*values)
        return self._counts.get(day, CustomerCounts())

    def customers(self, day: date) -> Customers:
        """Give the customers of a date, a sample by hash of at most about MOST_TESTED."""
        if day not in self._customers:
            n = self.counts(day).n
            sample = sampled_customers(self._of(day), n_rows=n, most=MOST_TESTED)
            # bounded by MOST_TESTED
            frame = sample.orderBy("customer_id").drop("customer_id", "as_of_date").toPandas()
            self._customers[day] = Customers.of(frame, self._params.horizons_days)
        return self._customers[day]

    def draws(self, day: date) -> Floats:
        """Give the resamples of the customers of a date, for intervals."""
        if day not in self._draws:
            self._draws[day] = resamples(len(self.customers(day)), seed=self._params.seed)
        return self._draws[day]

    def known(self, day: date) -> Known:
        """Give what a candidate may know on a date."""
        if day not in self._known:
            self._known[day] = Known(
                history_cells(self.rows, day),
                self.counts(day).n_days,
                spend_of(amount_cells(self.rows, day)),
                self.counts(day).usual_amount,
                self.customers(day),
                [self.customers(one) for one in self._closed(day)],
                lambda name: self._predictor(candidate_named(name), day),
            )
        return self._known[day]

    def fitted(self, candidate: ValueCandidate, day: date) -> ValueModel:
        """Give a candidate as a date allows, with how far the same one was off before it.

        Raises ValueError where the date does not do for it.
        """
        closed = self._closed(day)
        horizon = self._params.horizon_days
        return ValueModel(
            candidate.name,
            self._predictor(candidate, day),
            self._params.horizons_days,
            self._params.discount_rate,
            {horizon: self._groups(candidate, closed[0], horizon)} if closed else {},
        )

    def with_all_intervals(self, model: ValueModel, day: date) -> ValueModel:
        """Add how far a model was off over longer horizons, where one had closed by the date.

        On the newest such cut-off, by the same candidate as that allowed it.
        """
        groups = dict(model.groups)
        for days in self._params.horizons_days[1:]:
            closed = closed_on(self._dates, day, self._params, days)
            if closed:
                groups[days] = self._groups(candidate_named(model.kind), closed[0], days)
        return replace(model, groups=groups)

    def _groups(
        self, candidate: ValueCandidate, day: date, horizon_days: int
    ) -> tuple[AlikeGroup, ...]:
        """Give how far the candidate was off on a closed cut-off; none where there was no such."""
        try:
            predictor = self._predictor(candidate, day)
        except ValueError:
            return ()
        customers = self.customers(day)
        is_first = horizon_days == self._params.horizon_days
        actual = customers.actual_amount if is_first else customers.later.get(horizon_days)
        if actual is None:
            return ()
        return alike_groups(predictor.predict(customers, horizon_days).amount, actual)

    def _predictor(self, candidate: ValueCandidate, day: date) -> Predictor:
        key = (candidate.name, day)
        if key not in self._fitted:
            self._fitted[key] = candidate.fit(self.known(day), self._params)
        return self._fitted[key]

    def _closed(self, day: date) -> list[date]:
        return closed_on(self._dates, day, self._params)

    def _of(self, day: date) -> DataFrame:
        return self.rows.where(F.col("as_of_date") == F.lit(day))


def closed_on(
    dates: Sequence[date], day: date, params: ValueSection, horizon_days: int | None = None
) -> list[date]:
    """Give the cut-offs whose outcome was known on a day, the latest first, as many as are used.

    That of the first horizon by default.
    """
    wait = closed_after(params, horizon_days)
    closed = [one for one in sorted(dates, reverse=True) if one + wait <= day]
    return closed[: params.n_training_cutoffs]
