"""What the feature tables are made of: one output for orders, one a date for the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from crm_spark.features.families import FAMILIES, features_of
from crm_spark.features.families.family import Family, Feature
from crm_spark.features.orders import ORDER_SPAN_DAYS
from crm_spark.features.own_families import OwnFamilies
from crm_spark.features.tables import (
    CUSTOMER_DEPARTMENTS,
    CUSTOMER_ORDERS,
    CUSTOMER_SNAPSHOT,
    PRODUCT_INTERACTIONS,
    PRODUCT_PRICES,
)
from crm_spark.lake.contract import Table
from crm_spark.lake.state import Output, Target
from crm_spark.tables.core import (
    CAMPAIGN_CONTACTS,
    EVENTS,
    FEEDBACK,
    PRODUCTS,
    TRANSACTIONS,
)

# Raise a number with every change that can change a value of its table.
GENERATIONS: dict[str, int] = {
    CUSTOMER_ORDERS.name: 4,
    CUSTOMER_SNAPSHOT.name: 2,
    CUSTOMER_DEPARTMENTS.name: 2,
    PRODUCT_INTERACTIONS.name: 2,
    PRODUCT_PRICES.name: 1,
}
# Tables besides the transactions that the snapshot reads where their source is mapped.
BESIDES: tuple[Table, ...] = (EVENTS, FEEDBACK, CAMPAIGN_CONTACTS)


@dataclass(frozen=True)
class FeatureSettings:
    """What features depend on besides their date: settings, and what the sources give.

    `sources` are the mapped sources, `has_*` whether the transactions or products map the column;
    bought lines of one order number more than `order_span_days` apart are different orders.
    """

    time_zone: str
    horizon_days: int
    sources: frozenset[str]
    has_products: bool
    has_departments: bool
    has_channels: bool
    has_refunds: bool = False
    order_span_days: int = ORDER_SPAN_DAYS
    own_families: tuple[OwnFamilies, ...] = ()

    @property
    def families(self) -> tuple[Family, ...]:
        """Our families, and after them those of the user."""
        return (*FAMILIES, *(family for own in self.own_families for family in own.families))

    @property
    def features(self) -> tuple[Feature, ...]:
        """The features of all families."""
        return features_of(self.families)

    def besides(self) -> tuple[Table, ...]:
        """The tables besides the transactions that the snapshot reads."""
        return tuple(table for table in BESIDES if table.name.split(".")[1] in self.sources)


@dataclass(frozen=True)
class FeatureDates:
    """The dates to build for: the run's own day, and those that models learn from."""

    day: date
    snapshots: tuple[date, ...]
    interactions: tuple[date, ...]
    prices: tuple[date, ...]


def feature_targets(settings: FeatureSettings, dates: FeatureDates) -> list[Target]:
    """Give every output that features of these dates need, each after what it reads."""
    targets = [orders_target(settings), *snapshot_targets(settings, dates.snapshots)]
    if settings.has_products:
        targets += interaction_targets(settings, dates.interactions)
        targets += price_targets(settings, dates.prices)
    if settings.has_products and settings.has_departments:
        targets.append(department_target(settings, dates.day))
    return targets


def target_of(settings: FeatureSettings, output: Output) -> Target | None:
    """Give the target that makes an output under these settings; None for one of another stage."""
    day = output.as_of_date
    if output.name == CUSTOMER_ORDERS.name:
        return orders_target(settings)
    if day is None or output.name not in GENERATIONS:
        return None
    targets = feature_targets(settings, FeatureDates(day, (day,), (day,), (day,)))
    return next((target for target in targets if target.output == output), None)


def orders_target(settings: FeatureSettings) -> Target:
    """Give the target of features.customer_orders."""
    more: dict[str, object] = {}
    if settings.order_span_days != ORDER_SPAN_DAYS:
        more["order_span_days"] = settings.order_span_days
    if settings.has_refunds:
        more["has_refunds"] = True
    return _target(CUSTOMER_ORDERS, None, (TRANSACTIONS,), settings, **more)


def snapshot_targets(settings: FeatureSettings, days: Sequence[date]) -> list[Target]:
    """Give the targets of features.customer_snapshot."""
    reads: list[Table] = [CUSTOMER_ORDERS, TRANSACTIONS, *settings.besides()]
    if settings.has_departments:
        reads.append(PRODUCTS)
    more: dict[str, object] = {"horizon_days": settings.horizon_days}
    if settings.has_channels:
        more["has_channels"] = True
    if settings.own_families:
        more["families"] = {own.module: own.source_hash for own in settings.own_families}
    return [_target(CUSTOMER_SNAPSHOT, day, reads, settings, **more) for day in days]


def interaction_targets(settings: FeatureSettings, days: Sequence[date]) -> list[Target]:
    """Give the targets of features.product_interactions."""
    reads = (CUSTOMER_ORDERS, TRANSACTIONS)
    return [_target(PRODUCT_INTERACTIONS, day, reads, settings) for day in days]


def price_targets(settings: FeatureSettings, days: Sequence[date]) -> list[Target]:
    """Give the targets of features.product_prices."""
    return [_target(PRODUCT_PRICES, day, (TRANSACTIONS,), settings) for day in days]


def department_target(settings: FeatureSettings, day: date) -> Target:
    """Give the target of features.customer_departments."""
    reads = (CUSTOMER_ORDERS, TRANSACTIONS, PRODUCTS)
    return _target(CUSTOMER_DEPARTMENTS, day, reads, settings)


def _target(
    table: Table,
    day: date | None,
    reads: Sequence[Table],
    settings: FeatureSettings,
    **more: object,
) -> Target:
    return Target(
        Output(table.name, day),
        reads=tuple(Output(read.name) for read in reads),
        settings={"time_zone": settings.time_zone, **more},
        generation=GENERATIONS[table.name],
    )
