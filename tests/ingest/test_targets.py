"""Targets of sources: what of the configuration their rows depend on, and what not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import create_model

from crm_spark.ingest.mapping.currency import CurrenciesSection
from crm_spark.ingest.settings import IngestSettings, Source
from crm_spark.ingest.sources import SourceSection, SourcesSection
from crm_spark.ingest.targets import rejected_target, source_settings, source_target
from crm_spark.lake.state import Output

COLUMNS = {"customer_id": "c", "order_id": "o", "ordered_at": "t", "amount": "a"}


def source(*, currencies: CurrenciesSection | None = None, **keys: Any) -> Source:
    values = {"path": "in", "format": "csv", "columns": COLUMNS, **keys}
    return Source("transactions", SourceSection(**values), "UTC", currencies)


def test_a_setting_that_a_later_version_adds_changes_nothing_until_it_is_used() -> None:
    later = create_model("Later", __base__=SourceSection, id_style=(str, "plain"))
    before = source()
    unused = Source("transactions", later(path="in", format="csv", columns=COLUMNS), "UTC")
    used = Source(
        "transactions", later(path="in", format="csv", columns=COLUMNS, id_style="upper"), "UTC"
    )
    assert source_target(unused).fingerprint == source_target(before).fingerprint
    assert source_target(used).fingerprint != source_target(before).fingerprint


def test_a_default_that_is_written_out_is_the_default() -> None:
    written = source(cleaning={"duplicates": "keep", "ahead_days": 1}, options={})
    assert source_target(written).fingerprint == source_target(source()).fingerprint


@pytest.mark.parametrize(
    "keys",
    [
        {"path": ["in", "more"]},
        {"path": None, "format": None, "jdbc": {"url": "jdbc:x", "dbtable": "t", "user": "u"}},
    ],
    ids=["paths", "database"],
)
def test_where_the_rows_are_is_no_setting(keys: dict[str, Any]) -> None:
    settings = source_settings(source(**keys))
    assert not {"path", "jdbc", "url", "user"} & set(settings)


def test_the_table_within_a_database_is_one() -> None:
    tables = [
        source(path=None, format=None, jdbc={"url": "jdbc:x", "dbtable": name}) for name in "tu"
    ]
    assert source_settings(tables[0])["place"] == "t"
    assert len({source_target(one).fingerprint for one in tables}) == 2


@pytest.mark.parametrize(
    "keys",
    [
        {"columns": {**COLUMNS, "amount": "a / 100"}},
        {"where": "a > 0"},
        {"cleaning": {"zero_amounts": "reject"}},
        {"options": {"sep": ";"}},
        {"currencies": CurrenciesSection(reporting="GBP")},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_what_changes_rows_is_a_setting(keys: dict[str, Any]) -> None:
    assert source_target(source(**keys)).fingerprint != source_target(source()).fingerprint


def test_the_time_zone_that_holds_is_a_setting_whoever_says_it() -> None:
    section = SourceSection(path="in", format="csv", columns=COLUMNS)
    other = section.model_copy(update={"time_zone": "Asia/Tokyo"})
    of_business = Source("transactions", section, "Asia/Tokyo")
    of_source = Source("transactions", other, "Asia/Tokyo")
    assert source_target(of_business).fingerprint == source_target(of_source).fingerprint
    assert source_target(of_business).fingerprint != source_target(source()).fingerprint


def test_transactions_alone_are_converted_and_after_the_rates() -> None:
    section = SourceSection(path="in", format="csv", columns=COLUMNS)
    rates = SourceSection(
        path="r", format="csv", columns={"currency": "c", "rate_date": "d", "rate": "r"}
    )
    products = SourceSection(path="p", format="csv", columns={"product_id": "p"})
    sources = SourcesSection(transactions=section, exchange_rates=rates, products=products)
    settings = IngestSettings(sources, "UTC", CurrenciesSection(reporting="GBP"))
    assert [[one.name for one in wave] for wave in settings.waves()] == [
        ["exchange_rates"],
        ["transactions", "products"],
    ]
    reads = {one.name: source_target(one).reads for one in settings.given()}
    assert reads == {
        "transactions": (Output("core.exchange_rates"),),
        "products": (),
        "exchange_rates": (),
    }
    assert all(rejected_target(one).reads == () for one in settings.given())
