"""A made-up shop: half a year of orders of 80 customers, some of whom stop."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from crm_spark.config import Config, load_config

FIRST_DAY = datetime(2024, 1, 1, 12, 0)  # noqa: DTZ001 - the file has no zones


def write_shop(
    path: Path,
    *,
    n_customers: int = 80,
    n_days: int = 182,
    hole: range = range(0),
    all_stay: bool = False,
    spoiled: Literal["price", "customer"] | None = None,
    spoiled_percent: int = 0,
) -> None:
    """Write customers who order at a rhythm of their own; every third one stops some day.

    In the days of the `hole` nobody orders; with `all_stay` everybody orders every few days. Of the
    lines `spoiled_percent` have a price that is no number, or no customer.
    """
    draw = random.Random(7)
    lines = ["customer,order,product,at,pieces,price"]
    order = 0
    for customer in range(n_customers):
        rhythm = draw.choice([5, 9, 14, 21])
        stops = draw.randrange(60, 180) if customer % 3 == 0 else 10_000
        day = draw.randrange(0, 30)
        if all_stay:
            rhythm, stops = 4, 10_000
        while day < n_days and day < stops:
            order += 1
            at = FIRST_DAY + timedelta(days=day, minutes=draw.randrange(600))
            for _ in range(draw.choice([1, 1, 2])):
                product, price = draw.randrange(20), draw.randrange(100, 900) / 100
                is_spoiled = len(lines) % 100 < spoiled_percent
                who = "" if is_spoiled and spoiled == "customer" else f"c{customer}"
                paid = "?" if is_spoiled and spoiled == "price" else price
                if day not in hole:
                    lines.append(f"{who},o{order},p{product},{at},1,{paid}")
            day += max(1, round(draw.gauss(rhythm, rhythm / 4)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def shop_text(folder: Path, lake: str) -> str:
    """Give the text of the shop's configuration, with a lake of this name in the folder."""
    return f"""
storage: {{root: "{folder / lake}"}}
tracking: {{uri: "sqlite:///{folder / lake}.db"}}
time_zone: America/New_York
sources:
  transactions:
    path: "{folder / "shop.csv"}"
    format: csv
    options: {{header: true}}
    columns:
      customer_id: customer
      order_id: order
      product_id: product
      ordered_at: to_timestamp(at)
      quantity: pieces
      amount: pieces * price
churn:
  horizon_days: 21
  active_days: 42
  cutoff_every_days: 14
  n_training_cutoffs: 3
  importance_rows: 200
  forest: {{n_trees: 5, max_depth: 3, min_instances_per_node: 5}}
"""


def shop_config(folder: Path, lake: str, *overrides: str, without: str = "-") -> Config:
    """Give the configuration of the shop, but for one mapped column."""
    lines = shop_text(folder, lake).splitlines()
    kept = [line for line in lines if not line.strip().startswith(f"{without}:")]
    return load_config("\n".join(kept), name="shop.yml", overrides=overrides)
