"""The channels that a customer orders through."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families.family import Family, Feature, Inputs, count_feature

_NO_CHANNEL = "null when no channel of the customer's orders is known"

FEATURES = (
    count_feature("n_channels", "distinct channels of orders", "channels", _NO_CHANNEL),
    Feature(
        "main_channel_share",
        "orders in the channel with the most / orders with a known channel",
        "share",
        _NO_CHANNEL,
    ),
)


def _channel_mix(inputs: Inputs) -> DataFrame | None:
    if not inputs.with_channels:
        return None
    grain = ("customer_id", "as_of_date")
    known = inputs.orders.where(F.col("is_counted") & F.col("channel").isNotNull())
    by_channel = known.groupBy(*grain, "channel").agg(F.count(F.lit(1)).alias("_n"))
    return by_channel.groupBy(*grain).agg(
        F.count(F.lit(1)).alias("n_channels"),
        (F.max("_n") / F.sum("_n").cast(T.DoubleType())).alias("main_channel_share"),
    )


CHANNELS = Family(FEATURES, table=_channel_mix)
