"""A changed formula is another generation: a checksum that moves by itself is found out.

The committed checksums are of one fixed sample. Where a change is meant, raise the generation
beside the computation (crm_spark/features/targets.py), and run this with WRITE_GENERATIONS=1.
"""

from __future__ import annotations

import json
import os
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.features.departments import customer_departments
from crm_spark.features.interactions import product_interactions
from crm_spark.features.orders import orders_known
from crm_spark.features.prices import product_prices
from crm_spark.features.snapshot import customer_snapshot
from crm_spark.features.tables import (
    CUSTOMER_DEPARTMENTS,
    CUSTOMER_ORDERS,
    CUSTOMER_SNAPSHOT,
    PRODUCT_INTERACTIONS,
    PRODUCT_PRICES,
)
from crm_spark.features.targets import GENERATIONS
from crm_spark.lake.contract import Table, content_checksum
from tests.features.as_stored import stored_orders
from tests.features.oracle import Line, as_frame

COMMITTED = Path(__file__).parent / "generations.json"
DAYS = [date(2024, 3, 1), date(2024, 5, 1)]


def sample() -> list[Line]:
    """Give lines with returns, corrections, late ones, discounts and two channels."""
    draw = random.Random(11)
    lines = []
    for number in range(600):
        at = datetime(2024, 1, 1, 15, tzinfo=UTC) + timedelta(hours=draw.randrange(24 * 150))
        known = at + timedelta(days=draw.choice([0, 0, 0, 2, 40]))
        amount = Decimal(draw.randrange(100, 5000)) / 100
        is_return = draw.random() < 0.08
        lines.append(
            Line(
                customer_id=f"c{draw.randrange(25)}",
                order_id=f"o{number // 2}",
                ordered_at=at,
                arrived_at=known,
                superseded_at=known + timedelta(days=9) if draw.random() < 0.1 else None,
                product_id=f"p{draw.randrange(9)}",
                quantity=Decimal(draw.randrange(1, 5)),
                amount=-amount if is_return else amount,
                discount_amount=Decimal("0.50") if draw.random() < 0.3 else None,
                is_return=is_return,
                channel=draw.choice(["web", "shop"]),
            )
        )
    return lines


@pytest.fixture(scope="module")
def computed(spark: SparkSession) -> dict[str, str]:
    """Give the checksum of every feature table on the sample."""
    lines = as_frame(spark, sample()).cache()
    departments = lines.select("product_id").distinct()
    departments = departments.withColumn("department", F.right("product_id", F.lit(1)))
    days = F.explode(F.array(*[F.lit(day) for day in DAYS]))
    of_days = departments.withColumn("as_of_date", days)
    orders = stored_orders(lines)
    known = orders_known(orders, lines, dates=DAYS).localCheckpoint()
    snapshot = customer_snapshot(
        known, lines, of_days, dates=DAYS, horizon_days=28, with_channels=True
    )
    rows: dict[Table, DataFrame] = {
        CUSTOMER_ORDERS: orders,
        CUSTOMER_SNAPSHOT: snapshot,
        CUSTOMER_DEPARTMENTS: customer_departments(lines, departments, day=DAYS[1]),
        PRODUCT_INTERACTIONS: product_interactions(lines, dates=DAYS),
        PRODUCT_PRICES: product_prices(lines, day=DAYS[1]),
    }
    found = {table.name: content_checksum(df, table) for table, df in rows.items()}
    if os.environ.get("WRITE_GENERATIONS"):
        written = {name: [GENERATIONS[name], checksum] for name, checksum in found.items()}
        COMMITTED.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    return found


@pytest.mark.parametrize("name", sorted(GENERATIONS))
def test_a_value_that_moves_raises_the_generation(computed: dict[str, str], name: str) -> None:
    generation, checksum = json.loads(COMMITTED.read_text(encoding="utf-8"))[name]
    assert (GENERATIONS[name], computed[name]) == (generation, checksum), (
        f"{name} is computed otherwise than generation {generation} was: raise its number, and "
        "commit the new checksum"
    )
