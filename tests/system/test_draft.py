"""draft_config: what it writes of each export loads as the configuration written by hand does.

It loads so where it maps the same files in the same way. Where the one by hand has a fault on
purpose, or says the same in other words, the values are those that expected.md says are right.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from system.exports import CASES, Export, orders

from crm_spark.config import Config, load_config
from crm_spark.errors import ConfigError, DataError
from crm_spark.ingest.check import look_at_all
from crm_spark.ingest.mapping.columns import is_usable
from crm_spark.ingest.mapping.rows import map_rows, origin_of
from crm_spark.ingest.reading.files import list_files
from crm_spark.jobs import check_config, draft_config
from crm_spark.pipeline.settings import ingest_settings

# Those whose configuration by hand is right, and says no more than their files do.
AS_BY_HAND = [
    "big_test_customer",
    "bom_and_empty_files",
    "column_names",
    "crlf_multiline",
    "dst_midnight_gap",
    "dst_midnight_overlap",
    "file_name_colon",
    "hive_partition_zeros",
    "identical_customers",
    "later_file_extra_column",
    "later_file_renamed_column",
    "mixed_currencies",
    "negative_totals_emoji",
    "odd_dates",
    "odd_numbers",
    "one_customer",
    "order_numbers_restart",
    "overlapping_exports",
    "pandas_index_column",
    "parquet_int96",
    "parquet_int_then_double_ids",
    "parquet_pandas_defaults",
    "placeholder_ids",
    "shopify_orders",
    "subscription_ties",
    "underscore_file",
    "woo_refund_order",
]
MISSING = {
    "instacart_no_dates": ["ordered_at", "amount"],
    "retail_rocket_no_amount": ["amount"],
}
RIGHT = {
    "json_pretty_array": orders(c1=(1, "10.00"), c2=(1, "12.50")),
    "nan_customer_id": orders(**{"17850": (2, "20.00"), "13047": (1, "5.00")}),
    "superstore_cp1252": orders(**{"CG-12520": (1, "1966.50"), "DV-13045": (2, "0.00")}),
    "weekday_stamp": orders(**{"278166": (2, "12.63"), "337701": (1, "3.52")}),
    "trailing_comma": orders(c1=(1, "10.00"), c2=(1, "20.00")),
    "json_items_array": orders(c1=(1, "25.50"), c2=(1, "10.00")),
    "olist_three_files": orders(u1=(2, "267.39"), u2=(1, "29.99")),
}


@dataclass
class Drafted(Export):
    """A case's files under the configuration that is drafted from them."""

    lake_name: str = "lake_of_draft"

    @property
    def text(self) -> str:
        """The draft."""
        return (self.folder / "draft.yml").read_text(encoding="utf-8")

    @property
    def config(self) -> Config:
        """The draft as a configuration."""
        root = f"storage.root={self.folder / self.lake_name}"
        return load_config(self.text, name="draft.yml", overrides=[root])

    def draft(self) -> None:
        """Run draft_config."""
        path, output = str(self.folder / "input"), str(self.folder / "draft.yml")
        draft_config.run(self.spark, None, None, path=path, output=output)


def drafted(spark: SparkSession, case: str, folder: Path) -> tuple[Drafted, Export]:
    """Give a case under its draft, and under its configuration by hand."""
    by_hand = Export.of(spark, case, folder)
    return Drafted(spark, by_hand.folder), by_hand


def same_rows(spark: SparkSession, one: Config, other: Config) -> bool:
    """Whether two configurations map the same files in the same way."""

    def what(config: Config) -> tuple[Any, ...]:
        section = config.sources.transactions
        files = [file.uri for file in list_files(spark, section).files]
        # What is taken for a return is for the user to say; it changes no amount.
        cleaning = section.cleaning.model_dump(exclude={"negative_amounts"})
        kept = {"customer_id", "order_id", "ordered_at", "amount", "quantity", "product_id"}
        columns = {key: text for key, text in section.columns.items() if key in kept}
        return files, section.options, section.where, columns, cleaning

    return what(one) == what(other)


def test_every_case_is_named_here() -> None:
    names = {path.name for path in CASES.iterdir() if path.is_dir()}
    assert names == {*AS_BY_HAND, *MISSING, *RIGHT}


@pytest.mark.parametrize("case", AS_BY_HAND)
def test_a_draft_loads_as_the_configuration_by_hand(
    case: str, spark: SparkSession, tmp_path: Path
) -> None:
    draft, by_hand = drafted(spark, case, tmp_path)
    draft.draft()
    assert max(map(len, draft.text.splitlines())) <= 100 + len(str(tmp_path))
    assert same_rows(spark, draft.config, by_hand.config)


@pytest.mark.parametrize("case", MISSING)
def test_what_is_needed_and_not_there_is_asked_for(
    case: str, spark: SparkSession, tmp_path: Path
) -> None:
    draft, _ = drafted(spark, case, tmp_path)
    with pytest.raises(DataError) as told:
        draft.draft()
    assert "draft.yml is written, but is not complete" in str(told.value)
    for key in ("customer_id", "order_id", "ordered_at", "amount"):
        is_missing = key in MISSING[case]
        assert (f"no column for {key}" in str(told.value)) == is_missing
        assert (f"      # {key}: ..." in draft.text) == is_missing
        assert (f"      {key}: " in draft.text) == (not is_missing)


@pytest.mark.parametrize("case", RIGHT)
def test_a_draft_gives_the_right_values(case: str, spark: SparkSession, tmp_path: Path) -> None:
    draft, _ = drafted(spark, case, tmp_path)
    draft.draft()
    draft.ingest()
    assert draft.customers() == RIGHT[case]


def test_an_output_that_is_there_is_not_written_over(spark: SparkSession, tmp_path: Path) -> None:
    draft, _ = drafted(spark, "one_customer", tmp_path)
    (draft.folder / "draft.yml").write_text("mine")
    with pytest.raises(ConfigError, match=r"draft.yml is there already"):
        draft.draft()
    assert draft.text == "mine"


GERMAN = """\
Bestellungen Januar 2019;;;;;;
;;;;;;
Bestellnummer;Bestelldatum;Kundennummer;Artikelnummer;Menge;Einzelpreis;Währung
B-1;02.01.2019 10:11;K1;Ä1;2;1.010,50 €;EUR
B-1;02.01.2019 10:11;K1;A2;1;5,50 €;EUR
B-2;13.01.2019 09:00;K2;Ä1;-1;10,00 €;EUR
"""
NO_HEADER = """\
1001|c1|01/13/2019 9:05 AM|mug|2|20.00
1001|c1|01/13/2019 9:05 AM|spoon|1|(5.50)
1002|c1|01/14/2019 9:05 PM|mug|1|(10.00)
1003|c2|01/15/2019 9:05 PM|mug|1|10.00
"""


def accepted(spark: SparkSession, config: Config) -> dict[str, tuple[int, Decimal]]:
    """Give each customer's orders and the sum of the amounts, as the mapping gives them."""
    (source,) = ingest_settings(config).given()
    found, faults = look_at_all(spark, source)
    assert faults == []
    (part,) = found.parts(spark, found.layouts)
    rows = map_rows(part.rows, source, origin_of(source)).where(is_usable())
    sums = rows.groupBy("customer_id").agg(
        F.countDistinct("order_id").alias("n"), F.sum("amount").alias("amount")
    )
    return {row["customer_id"]: (row["n"], row["amount"]) for row in sums.collect()}


@pytest.mark.parametrize(
    ("text", "encoding", "right"),
    [
        (GERMAN, "cp1252", orders(K1=(1, "2026.50"), K2=(1, "-10.00"))),
        (GERMAN, "utf-16", orders(K1=(1, "2026.50"), K2=(1, "-10.00"))),
        (f"sep=;\n{GERMAN}", "utf-8-sig", orders(K1=(1, "2026.50"), K2=(1, "-10.00"))),
        (NO_HEADER, "utf-8", orders(c1=(2, "4.50"), c2=(1, "10.00"))),
    ],
    ids=["windows", "utf-16", "sep", "no header"],
)
def test_what_spreadsheets_write_is_drafted_so_that_it_is_read(
    text: str, encoding: str, right: Any, spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "input/orders.csv").write_bytes(text.encode(encoding))
    draft = Drafted(spark, tmp_path)
    draft.draft()
    assert accepted(spark, draft.config) == right


def test_a_draft_that_rejects_every_row_is_not_said_to_be_good(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "input").mkdir()
    lines = "customer,invoice,day,total\n" + "c1,i1,1970-03-01 10:00:00,1.00\n" * 3
    (tmp_path / "input/orders.csv").write_text(lines)
    draft = Drafted(spark, tmp_path)
    with pytest.raises(DataError, match=r"is written, but does not pass its check: .*3 rows"):
        draft.draft()
    assert draft.config.sources.transactions.columns["customer_id"] == "customer"


def test_a_draft_that_does_not_pass_its_check_is_written_and_said_to_be_wrong(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ConfigError("columns.amount: told so")

    monkeypatch.setattr(check_config, "run", fail)
    draft, _ = drafted(spark, "one_customer", tmp_path)
    with pytest.raises(ConfigError, match=r"is written, but does not pass its check: columns.amou"):
        draft.draft()
    assert "customer_id: customer" in draft.text
