"""The customer base, on the page and on the console."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from pyspark.sql import functions as F

from crm_spark.features.lines import MINOR_UNITS
from crm_spark.features.tables import CUSTOMER_ORDERS, CUSTOMER_SNAPSHOT
from crm_spark.report import charts
from crm_spark.report.blocks import Block, Picture, Section, Text, Tile
from crm_spark.report.section import ReportSection
from crm_spark.report.subject import ReportRequest, Subject
from crm_spark.report.words import day_in_words, money
from crm_spark.words import counted

N_MONTHS = 36


@dataclass(frozen=True)
class Month:
    """A calendar month with an order."""

    month: str
    n_customers: int
    spend: float


@dataclass(frozen=True)
class BaseFacts:
    """The customers with an order before the date, and the last months, the newest last."""

    n_customers: int
    n_active: int
    active_days: int
    n_orders: int
    spend: float
    returned: float
    first_day: date
    last_day: date
    months: tuple[Month, ...] = ()


def base_subject(request: ReportRequest, *, active_days: int) -> Subject:
    """Give the base; a customer is active with an order in the last `active_days` days."""
    return show_base(read_base(request, active_days=active_days), request.style)


def read_base(request: ReportRequest, *, active_days: int) -> BaseFacts:
    """Sum the snapshot of the date up."""
    day = F.lit(request.day)
    last_day = F.date_sub(day, (F.min("days_since_last_order") + 1).cast("int"))
    row = (
        request.lake.read_date(CUSTOMER_SNAPSHOT, request.day)
        .agg(
            F.count(F.lit(1)).alias("n_customers"),
            F.count_if(F.col("days_since_last_order") < active_days).alias("n_active"),
            F.sum("n_orders").alias("n_orders"),
            F.sum("spend_amount").alias("spend"),
            F.sum("returned_amount").alias("returned"),
            F.date_sub(day, F.max("tenure_days").cast("int")).alias("first_day"),
            last_day.alias("last_day"),
        )
        .collect()[0]
    )
    return BaseFacts(**row.asDict(), active_days=active_days, months=_months(request))


def _months(request: ReportRequest) -> tuple[Month, ...]:
    known = request.lake.read(CUSTOMER_ORDERS).where(
        F.col("is_counted") & (F.col("order_date") < F.lit(request.day))
    )
    rows = (
        known.groupBy(F.date_format("order_date", "yyyy-MM").alias("month"))
        .agg(
            F.countDistinct("customer_id").alias("n_customers"),
            (F.sum("spend_amount_minor") / MINOR_UNITS).alias("spend"),
        )
        .orderBy(F.desc("month"))
        .limit(N_MONTHS)
        .collect()
    )
    return tuple(Month(**row.asDict()) for row in reversed(rows))


def show_base(facts: BaseFacts, style: ReportSection) -> Subject:
    """Lay the base out."""
    line = (
        f"  {counted(facts.n_orders, 'order')} of {counted(facts.n_customers, 'customer')}, "
        f"{facts.spend:,.2f} bought"
    )
    return Subject((_section(facts, style),), _tiles(facts, style), (line,))


def _tiles(facts: BaseFacts, style: ReportSection) -> tuple[Tile, ...]:
    return (
        Tile("Customers", f"{facts.n_customers:,}", "with an order before this day"),
        Tile(
            "Active",
            f"{facts.n_active:,}",
            f"ordered in the last {counted(facts.active_days, 'day')}",
        ),
        Tile(
            "Orders",
            f"{facts.n_orders:,}",
            f"{facts.n_orders / facts.n_customers:,.1f} a customer",
        ),
        Tile(
            "Bought",
            money(style, facts.spend),
            f"{money(style, facts.spend / facts.n_orders, cents=True)} an order",
        ),
    )


def _section(facts: BaseFacts, style: ReportSection) -> Section:
    returned = f"; {money(style, facts.returned)} came back." if facts.returned else "."
    lead = Text(
        f"{counted(facts.n_customers, 'customer')} placed {counted(facts.n_orders, 'order')} from "
        f"{day_in_words(facts.first_day)} to {day_in_words(facts.last_day)} and bought for "
        f"{money(style, facts.spend)}{returned}"
    )
    blocks: list[Block] = [lead]
    if len(facts.months) > 1:
        blocks += _pictures(facts.months, style)
    return Section("base", "The customer base", blocks)


def _pictures(months: tuple[Month, ...], style: ReportSection) -> list[Block]:
    labels = [row.month for row in months]
    best = max(months, key=lambda row: row.spend)
    note = "The first and the last month may be incomplete."
    return [
        Picture(
            charts.bars(
                "months-spend",
                f"Amount bought a month, {labels[0]} to {labels[-1]}; most in {best.month} "
                f"with {money(style, best.spend)}",
                labels,
                [row.spend for row in months],
                y_label="bought",
            ),
            f"Bought, by month. {note}",
        ),
        Picture(
            charts.bars(
                "months-customers",
                f"Customers with an order in each month, {labels[0]} to {labels[-1]}: from "
                f"{months[0].n_customers:,} to {months[-1].n_customers:,}",
                labels,
                [row.n_customers for row in months],
                y_label="customers",
                are_counts=True,
            ),
            f"Customers with an order, by month. {note}",
        ),
    ]
