"""Families of features, a file each; a family counts once it is named here.

The order is that of the columns of features.customer_snapshot, and of what models are given.
"""

from __future__ import annotations

from collections.abc import Iterable

from crm_spark.features.families.baskets import BASKETS
from crm_spark.features.families.calendar import CALENDAR
from crm_spark.features.families.channels import CHANNELS
from crm_spark.features.families.contacts import CONTACTS
from crm_spark.features.families.decayed import DECAYED
from crm_spark.features.families.discounts import DISCOUNTS
from crm_spark.features.families.family import Family, Feature
from crm_spark.features.families.feedback import FEEDBACK
from crm_spark.features.families.gaps import GAP_TREND, GAPS
from crm_spark.features.families.products import HABITS, VARIETY
from crm_spark.features.families.rfm import RFM
from crm_spark.features.families.trends import TRENDS
from crm_spark.features.families.unusual import UNUSUAL
from crm_spark.features.families.visits import VISITS
from crm_spark.features.families.windows import WINDOWS

FAMILIES: tuple[Family, ...] = (
    RFM,
    UNUSUAL,
    WINDOWS,
    DECAYED,
    GAPS,
    BASKETS,
    VARIETY,
    DISCOUNTS,
    CALENDAR,
    TRENDS,
    GAP_TREND,
    HABITS,
    CHANNELS,
    VISITS,
    FEEDBACK,
    CONTACTS,
)


def features_of(families: Iterable[Family]) -> tuple[Feature, ...]:
    """Give the features of families, in order."""
    return tuple(feature for family in families for feature in family.features)


FEATURES: tuple[Feature, ...] = features_of(FAMILIES)
