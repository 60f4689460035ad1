"""A made-up shop: half a year of orders of 80 customers, some of whom stop."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

from crm_spark.config import Config, load_config

FIRST_DAY = datetime(2024, 1, 1, 12, 0)  # noqa: DTZ001 - the file has no zones


def write_shop(path: Path) -> None:
    """Write 80 customers who order at a rhythm of their own; every third one stops some day."""
    draw = random.Random(7)
    lines = ["customer,order,product,at,pieces,price"]
    order = 0
    for customer in range(80):
        rhythm = draw.choice([5, 9, 14, 21])
        stops = draw.randrange(60, 180) if customer % 3 == 0 else 10_000
        day = draw.randrange(0, 30)
        while day < 182 and day < stops:
            order += 1
            at = FIRST_DAY + timedelta(days=day, minutes=draw.randrange(600))
            for _ in range(draw.choice([1, 1, 2])):
                product, price = draw.randrange(20), draw.randrange(100, 900) / 100
                lines.append(f"c{customer},o{order},p{product},{at},1,{price}")
            day += max(1, round(draw.gauss(rhythm, rhythm / 4)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def shop_config(folder: Path, lake: str, *overrides: str, without: str = "-") -> Config:
    """Give the configuration of the shop with a lake of this name in the folder."""
    text = f"""
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
    lines = [line for line in text.splitlines() if not line.strip().startswith(f"{without}:")]
    return load_config("\n".join(lines), name="shop.yml", overrides=overrides)
