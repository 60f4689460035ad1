"""Twelve planted faults in generated files: each lands where it should, all good rows are exact."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config, load_config
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.jobs import build_features, ingest_sources
from crm_spark.lake.delta import Lake
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.core import TRANSACTIONS, rejected
from crm_spark.tables.ops import JOB_RUNS

HEADER = "line,customer,order,product,at,known,price,currency"
FIRST = datetime(2024, 1, 1, 12, tzinfo=UTC)
AS_OF = date(2024, 4, 1)
SKEWED = "giant"

CONFIG = """
storage: {{root: "{folder}/lake"}}
time_zone: UTC
currencies: {{reporting: GBP}}
sources:
  transactions:
    path: "{folder}/in"
    format: csv
    options: {{header: true}}
    columns:
      line_id: line
      customer_id: customer
      order_id: order
      product_id: product
      ordered_at: >-
        coalesce(to_timestamp(at, 'yyyy-MM-dd HH:mm:ss'), to_timestamp(at, 'dd/MM/yyyy HH:mm'))
      arrived_at: to_timestamp(known)
      amount: price
      currency: currency
    cleaning: {{missing: {{product_id: unknown}}}}
  exchange_rates:
    path: "{folder}/rates.csv"
    format: csv
    options: {{header: true}}
    columns: {{currency: currency, rate_date: cast(day as date), rate: rate}}
churn: {{horizon_days: 14, active_days: 28, n_training_cutoffs: 1}}
"""

Good = tuple[str, str, datetime, Decimal, bool]


@dataclass
class Planted:
    """What is written, what of it is good, and for which reason the rest is rejected."""

    lines: list[str] = field(default_factory=list)
    good: dict[str, Good] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    n_duplicates: int = 0

    def write(
        self,
        line: str,
        *,
        customer: str = "c",
        order: str = "o",
        product: str = "soap",
        at: datetime = FIRST,
        shown: str | None = None,
        known: datetime | None = None,
        price: str = "5.00",
        currency: str = "GBP",
        worth: str | None = None,
        taken_as: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Write a row; it is good unless there is a reason."""
        stamp = shown or f"{at:%Y-%m-%d %H:%M:%S}"
        arrived = f"{known or at:%Y-%m-%d %H:%M:%S}"
        self.lines.append(
            ",".join((line, customer, order, product, stamp, arrived, price, currency))
        )
        if reason:
            self.reasons[line] = reason
        else:
            amount = Decimal(worth or price)
            self.good[line] = (customer, taken_as or product, at, amount, amount < 0)


def planted(draw: random.Random) -> Planted:
    """Give rows of forty customers, and among them the faults."""
    rows = Planted()
    for number in range(400):
        at = FIRST + timedelta(days=draw.randrange(80), minutes=draw.randrange(600))
        rows.write(
            f"g{number}",
            customer=f"c{draw.randrange(40)}",
            order=f"o{number // 2}",
            product=draw.choice(["soap", "milk"]),
            at=at,
            price=f"{draw.randrange(100, 9999) / 100:.2f}",
        )
    for number in range(3_000):  # a customer with most of the rows
        rows.write(f"s{number}", customer=SKEWED, order=f"so{number // 50}", price="1.00")
    rows.lines.append(rows.lines[7])  # an id twice, the same content
    rows.n_duplicates = 1
    # An id twice, other content: which of them stays is decided by their hashes.
    for price in ("1.00", "2.00"):
        rows.write("twice", price=price)
    rows.write(
        "future",
        at=datetime(2999, 1, 1, 12, tzinfo=UTC),
        known=FIRST,
        reason="ordered_at is 2999-01-01, in the future of 2024-01-01, when it was known",
    )
    rows.write(
        "ancient",
        at=datetime(1900, 1, 1, 12, tzinfo=UTC),
        known=FIRST,
        reason="ordered_at is 1900-01-01, before earliest_date 1990-01-01",
    )
    rows.write("negative", customer="orphan", product="never sold", price="-7.00")
    rows.write("orphan", customer="orphan", order="first", price="9.00")
    rows.write("free", price="0.00")
    rows.write("no product", product="", taken_as="unknown")
    rows.write("euro", price="10.00", currency="EUR", worth="8.80")
    rows.write(
        "no rate", price="10.00", currency="XXX", reason="no exchange rate of XXX for 2024-01-01"
    )
    rows.write("no id", customer="", reason="customer_id is missing (customer)")
    rows.write(
        "late", customer="tardy", at=FIRST + timedelta(days=1), known=FIRST + timedelta(days=200)
    )
    rows.write("in time", customer="tardy", at=FIRST)
    rows.write(
        "wrong type",
        price="five pounds",
        reason="amount cannot be read as decimal(18,2) from price",
    )
    rows.write("other date", at=datetime(2024, 2, 1, 9, 30, tzinfo=UTC), shown="01/02/2024 09:30")
    rows.write(
        "no date", shown="the day before", reason="ordered_at cannot be read as timestamp from at"
    )
    return rows


@dataclass(frozen=True)
class Ingested:
    planted: Planted
    config: Config
    lake: Lake
    summary: RunSummary


@pytest.fixture(scope="module")
def ingested(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Ingested:
    folder = tmp_path_factory.mktemp("planted")
    (folder / "in").mkdir()
    rows = planted(random.Random(3))
    random.Random(4).shuffle(rows.lines)
    (folder / "in/lines.csv").write_text("\n".join([HEADER, *rows.lines]) + "\n")
    broken = f"{HEADER}\nlatin,c,o,caf\u00e9,2024-01-01 12:00:00,2024-01-01 12:00:00,5.00,GBP\n"
    (folder / "in/latin.csv").write_bytes(broken.encode("latin-1"))
    whole = gzip.compress(
        "\n".join([HEADER, *[line.replace(",", "z,", 1) for line in rows.lines]]).encode()
    )
    (folder / "in/torn.csv.gz").write_bytes(whole[: len(whole) // 2])
    (folder / "rates.csv").write_text("currency,day,rate\nEUR,2024-01-01,0.88\n")
    config = load_config(CONFIG.format(folder=folder), name="planted.yml")
    summary = ingest_sources.run(spark, config, None)
    build_features.run(spark, config, AS_OF)
    return Ingested(rows, config, Lake(spark, config.storage, "test"), summary)


def test_every_good_row_is_there_as_it_was_written(ingested: Ingested) -> None:
    found = {
        row["line_id"]: (
            row["customer_id"],
            row["product_id"],
            row["ordered_at"].astimezone(UTC),
            row["amount"],
            row["is_return"],
        )
        for row in ingested.lake.read(TRANSACTIONS).collect()
    }
    expected = dict(ingested.planted.good)
    twice, planted_twice = found.pop("twice"), expected.pop("twice")
    assert twice[:3] == planted_twice[:3]
    assert twice[3] in (Decimal(1), Decimal(2))
    assert found == expected


def test_every_bad_row_is_kept_with_its_reason_and_nothing_else_is(ingested: Ingested) -> None:
    rows = (
        ingested.lake.read(rejected(TRANSACTIONS))
        .select(F.get_json_object("row", "$.line").alias("line"), "reasons", "source_file")
        .collect()
    )
    by_line = {row["line"]: row["reasons"] for row in rows if row["line"]}
    assert by_line.pop("twice") == [
        "another row has the same line_id, arrived_at and other content"
    ]
    assert by_line.pop("latin") == [
        "product_id holds characters that could not be decoded: is the encoding right?"
    ]
    assert by_line == {line: [reason] for line, reason in ingested.planted.reasons.items()}
    files = [row for row in rows if row["line"] is None]
    assert [row["source_file"].rsplit("/", 1)[1] for row in files] == ["torn.csv.gz"]
    assert files[0]["reasons"][0].startswith("the file cannot be read: ")


def test_read_is_accepted_and_rejected_and_duplicate(ingested: Ingested) -> None:
    counts = ingested.summary.tables["core.transactions"]
    n_rejected = len(ingested.planted.reasons) + 3  # twice, latin, the torn file
    assert counts.rows_written == len(ingested.planted.good)
    assert (counts.rows_rejected, counts.rows_duplicate) == (n_rejected, 1)
    assert counts.rows_read == len(ingested.planted.lines) + 2
    assert counts.rows_read == counts.rows_written + counts.rows_rejected + counts.rows_duplicate


def test_what_cleaning_changed_or_marked_is_counted_and_kept(ingested: Ingested) -> None:
    expected = {"product_id filled in": 1, "taken as returns": 1, "amount of zero": 1}
    assert ingested.summary.tables["core.transactions"].cleaned == expected
    runs = ingested.lake.read(JOB_RUNS).where("job = 'ingest_sources'")
    held = runs.select(F.inline("tables")).where("name = 'core.transactions'").collect()
    kept = [{told["effect"]: told["n_rows"] for told in row["cleaned"]} for row in held]
    assert kept == [expected]


def test_features_tell_the_orphan_the_late_and_the_giant(ingested: Ingested) -> None:
    held = ingested.lake.read_date(CUSTOMER_SNAPSHOT, AS_OF)
    rows = {row["customer_id"]: row for row in held.collect()}
    orphan = rows["orphan"]
    assert (orphan["net_spend_amount"], orphan["orphan_returned_amount"]) == (9.0, 7.0)
    assert rows["tardy"]["spend_amount"] == 5.0
    assert (rows[SKEWED]["n_orders"], rows[SKEWED]["spend_amount"]) == (60, 3000.0)
    spend = Counter[str]()
    for customer, _, _, amount, is_return in ingested.planted.good.values():
        if customer.startswith("c") and len(customer) > 1 and not is_return:
            spend[customer] += int(amount * 100)
    found = {name: round(rows[name]["spend_amount"] * 100) for name in spend}
    assert found == dict(spend)
