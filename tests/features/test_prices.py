"""Usual prices of products, as of a date."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pyspark.sql import Row, SparkSession

from crm_spark.features.prices import product_prices
from crm_spark.features.tables import PRODUCT_PRICES
from crm_spark.models.usability.data_facts import unusual_prices
from tests.features.oracle import Line, as_frame

DAY = date(2024, 3, 10)
# The session's midnight is New York's, five hours behind.
MIDNIGHT = datetime(2024, 3, 10, 5, tzinfo=UTC)


def line(product: str | None, amount: str, quantity: str | None = "1", **more: Any) -> Line:
    at = MIDNIGHT - timedelta(days=3)
    fields: dict[str, Any] = {"arrived_at": at, **more}
    return Line(
        "c1",
        "o1",
        at,
        product_id=product,
        amount=Decimal(amount),
        quantity=Decimal(quantity) if quantity else None,
        **fields,
    )


def prices(spark: SparkSession, lines: list[Line]) -> dict[str, Row]:
    rows = product_prices(as_frame(spark, lines), day=DAY).collect()
    return {row["product_id"]: row for row in rows}


def test_a_price_beyond_twice_a_products_only_price_is_unusual(spark: SparkSession) -> None:
    lines = [
        line("mug", "12.00", "4"),
        line("mug", "3.00"),
        line("mug", "3.00", None),
        line("mug", "6.00", "2"),
        line("mug", "2.00"),
        line("mug", "300.00"),
        line("mug", "6.03"),
        line("mug", "6.00"),
        line("mug", "1.50"),
        line("mug", "3.00"),
        line("mug", "3.00"),
    ]
    (mug,) = prices(spark, lines).values()
    assert mug.asDict() == {
        "product_id": "mug",
        "as_of_date": DAY,
        "n_lines": 11,
        "sold_amount": 345.53,
        "median_price": 3.0,
        "lowest_price": 1.5,
        "highest_price": 300.0,
        "usual_from_price": 1.5,
        "usual_to_price": 6.0,
        "n_unusual_lines": 2,
        "unusual_amount": 306.03,
    }
    assert set(mug.asDict()) == set(PRODUCT_PRICES.content_columns)


def test_a_product_whose_price_varies_has_a_wider_range(spark: SparkSession) -> None:
    # Logarithms to the base 2: 0 1 2 3 4 10; median 2.5, MAD of .5 .5 1.5 1.5 2.5 7.5 is 1.5.
    lines = [line("meat", amount) for amount in ("1", "2", "4", "8", "16", "1024")]
    (meat,) = prices(spark, lines).values()
    width = 1.5 * 3.5 / 0.6745
    assert meat["median_price"] == round(2**2.5, 6)
    assert abs(meat["usual_to_price"] - 2 ** (2.5 + width)) < 1e-5
    assert abs(meat["usual_from_price"] - 2 ** (2.5 - width)) < 1e-5
    assert meat["n_unusual_lines"] == 0
    far = [*lines, line("meat", "262144")]  # 2 ** 18; median 3, MAD 2: up to 2 ** 13.4
    assert prices(spark, far)["meat"]["n_unusual_lines"] == 1


def test_few_lines_are_not_judged(spark: SparkSession) -> None:
    found = prices(spark, [line("rare", amount) for amount in ("1", "1", "1", "9999")])["rare"]
    judged = ("usual_from_price", "usual_to_price", "n_unusual_lines", "unusual_amount")
    assert [found[name] for name in judged] == [None] * 4
    assert (found["n_lines"], found["highest_price"]) == (4, 9999.0)


def test_only_what_was_known_and_sold_before_the_date_counts(spark: SparkSession) -> None:
    known = [line("mug", "3.00") for _ in range(5)]
    others = [
        line("mug", "99.00", arrived_at=MIDNIGHT),
        line("mug", "99.00", superseded_at=MIDNIGHT - timedelta(days=1)),
        line("mug", "-99.00", "-1", is_return=True),
        line("mug", "99.00", "0"),
        line("mug", "0.00"),
        line(None, "99.00"),
    ]
    alone = prices(spark, known)
    assert alone["mug"]["n_lines"] == 5
    assert prices(spark, [*known, *others]) == alone


def test_money_at_unusual_prices_is_summed_over_products(spark: SparkSession) -> None:
    lines = [line(product, "3.00") for product in ("mug", "cup", "jug") for _ in range(5)]
    lines += [line("mug", "30.00"), line("cup", "0.10"), line("cup", "0.20"), line("rare", "5.00")]
    table = product_prices(as_frame(spark, lines), day=DAY)
    assert unusual_prices(table).collect()[0].asDict() == {
        "sold_minor": 8_030,
        "unusual_minor": 3_030,
        "n_unusual_lines": 3,
        "n_unusual_products": 2,
    }
    assert set(unusual_prices(table.limit(0)).collect()[0]) == {0}
