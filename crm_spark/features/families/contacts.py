"""How often a customer is contacted, and how it responds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families.by_date import rows_by_date, table_of
from crm_spark.features.families.family import Family, Feature, count_feature
from crm_spark.tables.core import CAMPAIGN_CONTACTS

CONTACT_DAYS = 180

_WINDOW = f"contacts of ages 1 to {CONTACT_DAYS}"
_NEVER = "null without core.campaign_contacts; 0 when the customer has none"
_NONE = f"null without a contact in the last {CONTACT_DAYS} days"

FEATURES = (
    count_feature(f"n_contacts_{CONTACT_DAYS}d", _WINDOW, "contacts", _NEVER, of_none=0),
    count_feature(
        "days_since_last_contact",
        "age of the newest contact - 1",
        "days",
        "null without a contact before D",
    ),
    *[
        Feature(
            f"{response}_contacts_share_{CONTACT_DAYS}d",
            f"{_WINDOW} that were {response} before D / {_WINDOW}",
            "share",
            _NONE,
        )
        for response in ("opened", "clicked", "converted")
    ],
)


def contact_features(contacts: DataFrame, *, dates: Sequence[date]) -> DataFrame:
    """Give how often each customer had been contacted before each date, and how it responded.

    Grain: customer_id, as_of_date, customers with a contact before it. Reads
    core.campaign_contacts; what was opened, clicked or converted on or after the date is not known.
    """

    def aggregates(cut: Column, age: Column) -> dict[str, Column]:
        is_recent = age <= CONTACT_DAYS
        n = F.nullif(F.count_if(is_recent), F.lit(0)).cast(T.DoubleType())

        def share(response: str) -> Column:
            return F.count_if(is_recent & (F.col(response) < cut)) / n

        return {
            "n_contacts": F.count(age),
            f"n_contacts_{CONTACT_DAYS}d": F.count_if(is_recent),
            "days_since_last_contact": (F.min(age) - 1).cast(T.LongType()),
            f"opened_contacts_share_{CONTACT_DAYS}d": share("opened_at"),
            f"clicked_contacts_share_{CONTACT_DAYS}d": share("clicked_at"),
            f"converted_contacts_share_{CONTACT_DAYS}d": share("converted_at"),
        }

    return rows_by_date(
        contacts, CAMPAIGN_CONTACTS.event_time, aggregates, "n_contacts", dates=dates
    )


CONTACTS = Family(FEATURES, table=table_of(lambda inputs: inputs.contacts, contact_features))
