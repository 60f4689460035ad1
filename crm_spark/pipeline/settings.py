"""What each stage depends on, taken from the sections of the configuration that say it."""

from __future__ import annotations

from crm_spark.config import Config
from crm_spark.features.targets import FeatureSettings
from crm_spark.ingest.settings import IngestSettings


def ingest_settings(config: Config) -> IngestSettings:
    """Give the sections of a configuration that the ingest depends on."""
    return IngestSettings(config.sources, config.time_zone, config.currencies)


def feature_settings(config: Config) -> FeatureSettings:
    """Give what features depend on besides their dates."""
    sources = config.sources
    columns = sources.transactions.columns if sources.transactions else {}
    return FeatureSettings(
        time_zone=config.time_zone,
        horizon_days=config.churn.horizon_days,
        sources=frozenset(sources.given()),
        has_products="product_id" in columns,
        has_departments=sources.products is not None and "department" in sources.products.columns,
        has_channels="channel" in columns,
        has_refunds="refund_of_order_id" in columns,
        order_span_days=config.order_span_days,
        own_families=config.own_families,
    )
