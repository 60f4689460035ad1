"""Currencies: amounts in one reporting currency, at the rate of the order's day."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from crm_spark.tables.core import MONEY

CURRENCY = "currency"
RATE = "_rate"
AMOUNTS = ("amount", "discount_amount")


class CurrenciesSection(BaseModel):
    """The currency that all amounts are turned into, and how old a rate may be.

    `max_rate_age_days`: on days without a rate the newest one before holds, for so many days.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reporting: str = Field(min_length=1)
    max_rate_age_days: int = Field(default=7, ge=0, le=366)

    @field_validator("reporting")
    @classmethod
    def _is_a_code(cls, value: str) -> str:
        code = value.strip().upper()
        if not code:
            raise ValueError("is blank: expected the code of a currency, as EUR")
        return code


def as_code(currency: Column) -> Column:
    """Give a currency as ISO 4217 writes it, without small letters: some systems write usd."""
    return F.upper(currency)


def rates_by_day(rates: DataFrame, *, max_age_days: int) -> DataFrame:
    """Give the rate that holds on each day.

    Grain: currency, day. Reads currency, rate_date and rate (reporting currency for one unit of
    the currency); adds day, and keeps rate. A rate holds until the next one, at most
    `max_age_days` days longer than its own.
    """
    by_date = Window.partitionBy("currency").orderBy("rate_date")
    last = F.least(
        F.date_add("rate_date", max_age_days),
        F.date_sub(F.lead("rate_date").over(by_date), 1),
    )
    days = F.explode(F.sequence("rate_date", F.col("_last")))
    return rates.withColumn("_last", last).select("currency", days.alias("day"), "rate")


def convert(lines: DataFrame, rates: DataFrame, params: CurrenciesSection) -> DataFrame:
    """Turn amount and discount_amount into the reporting currency; adds _rate.

    Reads currency and ordered_at; rounds half up to minor units, once. _rate is null where the
    rates hold none, and the amounts are null then; an amount in the reporting currency stays as it
    is.
    """
    by_day = rates_by_day(rates, max_age_days=params.max_rate_age_days)
    daily = F.broadcast(
        by_day.select(
            F.col("currency").alias("_of_currency"),
            F.col("day").alias("_of_day"),
            F.col("rate").alias("_found"),
        )
    )
    same = (F.col("currency") == F.col("_of_currency")) & (
        F.to_date("ordered_at") == F.col("_of_day")
    )
    is_reporting = F.col("currency") == params.reporting
    rate = F.when(is_reporting, F.lit(1).cast("decimal(18,8)")).otherwise(F.col("_found"))
    amounts = {
        name: F.when(is_reporting, F.col(name)).otherwise(
            F.round(F.col(name) * F.col(RATE), 2).cast(MONEY)
        )
        for name in AMOUNTS
    }
    return (
        lines.join(daily, same, "left")
        .withColumn(RATE, rate)
        .withColumns(amounts)
        .drop("_of_currency", "_of_day", "_found")
    )
