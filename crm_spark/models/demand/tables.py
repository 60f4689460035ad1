"""The score table of demand."""

from __future__ import annotations

from pyspark.sql import types as T

from crm_spark.lake.contract import Column, Table
from crm_spark.tables.columns import AS_OF_DATE, IS_BACKFILLED, SCORED_BY, as_made


def _sold(name: str, comment: str) -> Column:
    return Column(name, T.DoubleType(), comment, minimum=0)


DEMAND_FORECAST = Table(
    name="scores.demand_forecast",
    comment="How much of each product, department and in all will be sold in the periods to come.",
    key=("series_id", "period_start", "as_of_date"),
    partition_by=("as_of_date",),
    columns=(
        Column("series_id", T.StringType(), "Series: level and what it is of", nullable=False),
        AS_OF_DATE,
        Column("period_start", T.DateType(), "First day of the period", nullable=False),
        Column("period_days", T.IntegerType(), "Days of the period"),
        Column(
            "level",
            T.StringType(),
            "total, department, product or other_products: those of a department without a series "
            "of their own; products and other_products add up to it, departments to the total",
        ),
        Column("department", T.StringType(), "Department; null: the total, or none is known"),
        Column("product_id", T.StringType(), "Product; null where the level is another"),
        _sold("expected_amount", "Revenue to expect, returns not taken off"),
        _sold("expected_amount_low", "The 80 % interval's lower end; null: too little has closed"),
        _sold("expected_amount_high", "The 80 % interval's upper end"),
        _sold("expected_units", "Items to expect, returns not taken off; null: no quantity known"),
        _sold("expected_units_low", "The 80 % interval's lower end"),
        _sold("expected_units_high", "The 80 % interval's upper end"),
        Column(
            "usual_amount",
            T.DoubleType(),
            "Mean revenue of the last 8 weeks, or 28 days, to compare with",
        ),
        Column("usual_units", T.DoubleType(), "Mean items of the last 8 weeks, or 28 days"),
        IS_BACKFILLED,
        *SCORED_BY,
    ),
)

FORECASTS = as_made(DEMAND_FORECAST)
