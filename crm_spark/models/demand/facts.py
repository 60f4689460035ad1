"""What the report shows of demand, read from the lake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.features.product_names import name_with_id, with_product_names
from crm_spark.models.candidate_report import decision_of, metrics_of, quoted
from crm_spark.models.decisions import Decision
from crm_spark.models.demand.series import DEPARTMENT, PRODUCT, REST, TOTAL
from crm_spark.models.demand.tables import DEMAND_FORECAST
from crm_spark.models.records import MetricRow
from crm_spark.report.subject import ReportRequest

N_SHOWN = 10


@dataclass(frozen=True)
class Expected:
    """What is expected of one series in one period, or in all of the horizon."""

    name: str
    amount: float
    usual_amount: float
    amount_low: float | None = None
    amount_high: float | None = None
    units: float | None = None
    units_low: float | None = None
    units_high: float | None = None


@dataclass(frozen=True)
class DemandFacts:
    """What is known of demand on a date.

    `periods` are the total's, by the first day of each; `departments` and `products` have the sums
    of the horizon, products the interval of the first period, those first of which most is
    expected; `n_products` have series of their own, `n_rests` departments one of all others.
    """

    period_days: int
    periods: tuple[tuple[date, Expected], ...]
    departments: tuple[Expected, ...]
    products: tuple[Expected, ...]
    n_products: int
    n_rests: int
    metrics: tuple[MetricRow, ...] = ()
    decision: Decision | None = None

    @property
    def amount(self) -> float:
        """What is expected in all."""
        return sum(one.amount for _, one in self.periods)

    @property
    def usual_amount(self) -> float:
        """What as many periods usually bring."""
        return sum(one.usual_amount for _, one in self.periods)


def read_demand(
    request: ReportRequest, *, registered_name: str, train_job: str
) -> DemandFacts | None:
    """Read forecasts, and figures of the training that decided; None without forecasts."""
    rows = request.of_date(DEMAND_FORECAST)
    if rows is None:
        return None
    total = rows.where(F.col("level") == TOTAL).orderBy("period_start").collect()  # the horizon's
    if not total:
        return None
    decision = decision_of(request, registered_name)
    series = rows.select("level", "series_id").distinct().groupBy("level").count().collect()
    n_series = {row["level"]: row["count"] for row in series}
    products = with_product_names(
        request.lake, rows.where(F.col("level") == PRODUCT), request.mapped
    )
    return DemandFacts(
        total[0]["period_days"],
        tuple(
            (
                row["period_start"],
                Expected(
                    TOTAL,
                    row["expected_amount"],
                    row["usual_amount"],
                    row["expected_amount_low"],
                    row["expected_amount_high"],
                    row["expected_units"],
                    row["expected_units_low"],
                    row["expected_units_high"],
                ),
            )
            for row in total
        ),
        _sums(
            rows.where(F.col("level") == DEPARTMENT).fillna({"department": "of no department"}),
            "department",
        ),
        _sums(products.withColumn("name", name_with_id()), "name"),
        n_series.get(PRODUCT, 0),
        n_series.get(REST, 0),
        quoted(metrics_of(request, train_job, decision)),
        decision,
    )


def _sums(rows: DataFrame, name: str) -> tuple[Expected, ...]:
    """Give the first series by what is expected in the horizon."""
    first = [
        F.min_by(column, "period_start").alias(column)
        for column in ("expected_units_low", "expected_units_high")
    ]
    summed = (
        rows.groupBy("series_id", F.col(name).alias("_name"))
        .agg(
            F.sum("expected_amount").alias("amount"),
            F.sum("usual_amount").alias("usual"),
            F.min_by("expected_units", "period_start").alias("units"),
            *first,
        )
        .orderBy(F.desc("amount"), "series_id")
        .limit(N_SHOWN)
    )
    return tuple(
        Expected(
            row["_name"],
            row["amount"],
            row["usual"],
            units=row["units"],
            units_low=row["expected_units_low"],
            units_high=row["expected_units_high"],
        )
        for row in summed.collect()
    )
