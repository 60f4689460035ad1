"""Values as people reported them: what a small export of each gives, from files to core.

The sources are public reports; the inputs here are made after what they describe.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pyspark.sql import SparkSession
from system.exports import orders

from crm_spark.config import load_config
from crm_spark.errors import ConfigError, DataError
from crm_spark.jobs import ingest_sources
from crm_spark.lake.contract import content_checksum
from crm_spark.lake.delta import Lake
from crm_spark.tables.core import TRANSACTIONS, rejected

COLUMNS = {
    "customer_id": "customer",
    "order_id": "order_id",
    "ordered_at": "day",
    "product_id": "sku",
    "amount": "amount",
}
CSV = {"format": "csv", "options": {"header": True}}
HEADER = "customer,order_id,day,sku,amount\n"


class Shop:
    """A folder with files of order lines, a configuration and a lake."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.spark, self.folder = spark, folder
        (folder / "input").mkdir()

    def deliver(self, name: str, content: str) -> None:
        (self.folder / "input" / name).write_text(content, encoding="utf-8")

    def ingest(
        self,
        columns: dict[str, str] | None = None,
        place: dict[str, Any] | None = None,
        **others: Any,
    ) -> None:
        lines = {
            "path": f"{self.folder}/input",
            **(place or CSV),
            "columns": {**COLUMNS, **(columns or {})},
        }
        where = lines.pop("where", None)
        sections = {"sources": {"transactions": lines | ({"where": where} if where else {})}}
        sections["sources"] |= others.pop("sources", {})
        storage = {"storage": {"root": f"{self.folder}/lake"}}
        text = yaml.safe_dump({**sections, **others, **storage})
        self.config = load_config(text, name="config.yml")
        ingest_sources.run(self.spark, self.config, None)

    @property
    def lake(self) -> Lake:
        return Lake(self.spark, self.config.storage, "test")

    def customers(self) -> dict[str, tuple[int, Decimal]]:
        found: dict[str, list[Any]] = {}
        for row in self.lake.read(TRANSACTIONS).collect():
            found.setdefault(row["customer_id"], []).append((row["order_id"], row["amount"]))
        return {
            customer: (len({order for order, _ in lines}), sum(amount for _, amount in lines))
            for customer, lines in found.items()
        }

    def products(self) -> Counter[str | None]:
        return Counter(row["product_id"] for row in self.lake.read(TRANSACTIONS).collect())

    def reasons(self) -> Counter[str]:
        rows = self.lake.read(rejected(TRANSACTIONS)).collect()
        return Counter(reason for row in rows for reason in row["reasons"])

    def checksums(self) -> list[str]:
        tables = (TRANSACTIONS, rejected(TRANSACTIONS))
        return [content_checksum(self.lake.read(table), table) for table in tables]

    def refused(self, kind: type[Exception], *arguments: Any, **others: Any) -> str:
        with pytest.raises(kind) as error:
            self.ingest(*arguments, **others)
        return str(error.value)


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Shop:
    """Give an empty shop."""
    return Shop(spark, tmp_path)


def test_lost_digits_are_no_id_nulls_and_blanks_no_product_and_a_currency_one(shop: Shop) -> None:
    shop.deliver(
        "a.csv",
        HEADER.replace("amount", "amount,currency")
        + "8.96529E+19,o1,2024-01-05,lamp,20.00,GBP\n8.96529E+19,o2,2024-01-06,lamp,20.00,GBP\n"
        + "c1,1.12346E+17,2024-01-05,lamp,5.00,GBP\n1.7850E+04,o3,2024-01-05,lamp,5.00,gbp\n"
        + "c2,o4,2024-01-05,\\N,1.00,GBP\nc2,o5,2024-01-05,\0,1.00, GBP\n"
        + "c2,o6,2024-01-05,\u00a0,10.00,usd\n\\N,o7,2024-01-05,lamp,1.00,GBP\n",
    )
    (shop.folder / "rates.csv").write_text("cur,day,rate\nUsd,2024-01-01,0.8\n")
    rates = {
        "path": f"{shop.folder}/rates.csv",
        **CSV,
        "columns": {"currency": "cur", "rate_date": "day", "rate": "rate"},
    }
    shop.ingest(
        {"currency": "currency"},
        sources={"exchange_rates": rates},
        currencies={"reporting": "gbp"},
    )
    assert shop.customers() == orders(**{"17850": (1, "5.00"), "c2": (3, "10.00")})
    assert shop.products() == {"lamp": 1, None: 3}
    cut = "has lost digits (a rounded number, as 1.2E+17 is): export the column as text"
    assert shop.reasons() == {
        f"customer_id {cut}": 2,
        f"order_id {cut}": 1,
        "customer_id is missing (customer)": 1,
    }


def test_binary_columns_are_read_as_the_text_that_they_are(shop: Shop) -> None:
    columns = {
        "customer": [b"c1", b"c1 ", b"\xc2\xa0c1"],
        "order_id": [b"o1", b"o2", b"o3"],
        "day": [b"2024-01-05"] * 3,
        "sku": [b"", b"\0", b"lamp"],
        "amount": [b"1.00", b"2.00", b"3.00"],
    }
    pq.write_table(pa.table(columns), shop.folder / "input" / "a.parquet")
    parquet = {"format": "parquet"}
    told = shop.refused(ConfigError, place=parquet)
    assert "columns.amount: 'amount': is binary: write cast(amount as string)" in told
    text = {"amount": "cast(amount as string)", "ordered_at": "cast(day as string)"}
    shop.ingest(text, parquet)
    assert shop.customers() == orders(c1=(3, "6.00"))
    assert shop.products() == {None: 2, "lamp": 1}


def test_expressions_that_read_something_else_are_refused_in_one_sentence_each(shop: Shop) -> None:
    shop.deliver("a.csv", HEADER + "c1,o1,2015/07/23,lamp,10.00\n")
    told = shop.refused(
        ConfigError,
        {
            "customer_id": '"customer"',
            "ordered_at": "to_timestamp(day, 'yyyy/mm/dd')",
            "arrived_at": "to_timestamp(day, 'yyyy/MM/dd hh:mm')",
        },
        {**CSV, "where": "\"day\" > '2015'"},
    )
    assert "columns.customer_id: '\"customer\"': reads no column" in told
    assert "columns.ordered_at: " in told
    assert "write MM for the month" in told
    assert "columns.arrived_at: " in told
    assert "write HH for the hour" in told
    assert "where: " in told
    assert "write day" in told


def test_numbers_for_times_and_signs_in_amounts_have_one_reason_that_says_what_reads_them(
    shop: Shop,
) -> None:
    shop.deliver(
        "a.csv",
        HEADER
        + "c1,o1,1546387200000,lamp,$10.00\nc1,o2,1546473600000,lamp,$20.00\n"
        + "c1,o3,1546560000000,lamp,($5.00)\n",
    )
    told = shop.refused(DataError)
    time = "timestamp_millis(cast(day as bigint))"
    assert "3 rows: ordered_at cannot be read as timestamp from day: 13 digits look like " in told
    assert f"milliseconds: write {time}" in told
    assert "2 rows: amount cannot be read as decimal(18,2) from amount: it holds a currency" in told
    amount = "translate(amount, '(),$€£¥', '-')"
    assert f"1 row: amount cannot be read as decimal(18,2) from amount: {PARENTHESES}" in told
    assert f"write {amount}" in told
    assert "to_number fails" in shop.refused(
        ConfigError, {"ordered_at": time, "amount": "to_number(amount, '$99.99')"}
    )
    shop.ingest({"ordered_at": time, "amount": amount})
    assert (shop.customers(), shop.reasons()) == (orders(c1=(3, "25.00")), {})


PARENTHESES = "parentheses stand for a minus"
OF_JSON = {
    "customer_id": "coalesce(cast(customer.id as string), customer.contact.email)",
    "product_id": "items[0].sku",
}


def lines_of_json() -> dict[str, list[dict[str, Any]]]:
    """Give files that differ in what they have of a customer."""
    base = {"day": "2024-01-05", "amount": 10, "items": [{"sku": "lamp"}]}
    return {
        "a.json": [{**base, "order_id": "o1", "customer": {"id": 7, "contact": {"email": "a@x"}}}],
        "b.json": [{**base, "order_id": "o2", "customer": None, "items": []}],
        "c.json": [
            {**base, "order_id": "o3", "customer": {"id": None, "contact": {"email": "b@x"}}},
            {**base, "order_id": "o4", "customer": {"contact": None}, "amount": "free"},
        ],
    }


def test_what_a_json_file_has_no_value_of_is_null_as_other_files_have_it(shop: Shop) -> None:
    files, place = lines_of_json(), {"format": "json"}
    for names in (["a.json"], ["b.json", "c.json"]):
        for name in names:
            shop.deliver(name, "".join(f"{json.dumps(row)}\n" for row in files[name]))
        shop.ingest(OF_JSON, place)
    assert shop.customers() == orders(**{"7": (1, "10.00"), "b@x": (1, "10.00")})
    assert shop.products() == {"lamp": 2}
    rows = shop.lake.read(rejected(TRANSACTIONS)).collect()
    kept = {row["order_id"]: row["customer"] for row in (json.loads(row["row"]) for row in rows)}
    # As they came: without the fields of other files.
    assert kept == {"o2": None, "o4": {"contact": None, "id": None}}
    one_by_one = shop.checksums()
    ingest_sources.run(shop.spark, shop.config, None, rebuild=True)
    assert shop.checksums() == one_by_one
