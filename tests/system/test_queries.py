"""Sources that are a query over inputs: joined files, items within orders; title lines, UTF-16."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from system.exports import Export, orders

from crm_spark.errors import ConfigError, DataError
from crm_spark.jobs import replay_rejected
from crm_spark.runtime.run import TableCounts

OLIST = """
storage: {root: lake}
sources:
  transactions:
    inputs:
      orders: {path: input/orders.csv, format: csv, options: {header: true}}
      items: {path: input/order_items*.csv, format: csv, options: {header: true}}
      customers: {path: input/customers.csv, format: csv, options: {header: true}}
    query: |
      SELECT o.order_id, i.order_item_id, c.customer_unique_id, i.product_id,
             to_timestamp(o.order_purchase_timestamp) AS ordered_at, i.price, o.order_status
      FROM items i JOIN orders o USING (order_id) JOIN customers c USING (customer_id)
    where: order_status <> 'canceled'
    columns:
      customer_id: customer_unique_id
      order_id: order_id
      line_id: concat(order_id, '/', order_item_id)
      ordered_at: ordered_at
      product_id: product_id
      amount: price
"""


def olist(spark: SparkSession, folder: Path, config: str = OLIST) -> Export:
    """Give the three files of a marketplace, under a configuration that joins them."""
    export = Export.of(spark, "olist_three_files", folder)
    (export.folder / "joined.yml").write_text(config, encoding="utf-8")
    return export.with_config("joined.yml")


def test_files_of_several_tables_are_joined_and_load_again_when_one_of_them_is_new(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = olist(spark, tmp_path)
    export.check()
    counts = export.ingest()
    assert (counts.rows_read, counts.rows_written, counts.rows_filtered) == (4, 3, 1)
    assert export.customers() == orders(u1=(2, "267.39"))
    again = export.ingest()
    assert again.version == counts.version
    # A line that does not fit its file reaches no query, and is kept.
    more = export.folder / "input" / "order_items_2.csv"
    more.write_text("order_id,order_item_id,product_id,price,freight_value\no1,2,p9,1.00,0\no9\n")
    counts = export.ingest()
    assert export.customers() == orders(u1=(2, "268.39"))
    assert (counts.rows_read, counts.rows_rejected) == (6, 1)
    (reason,) = export.reasons()
    assert reason.startswith("the row does not fit the file's header: 5 columns, but 1 field")
    # A copy of a file would double every row that is joined with its rows.
    (export.folder / "input" / "order_items_3.csv").write_bytes(more.read_bytes())
    export.ingest()
    assert export.customers() == orders(u1=(2, "268.39"))


def test_rows_of_a_query_that_are_rejected_are_taken_back(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = olist(spark, tmp_path)
    items = export.folder / "input" / "order_items.csv"
    items.write_text(items.read_text().replace("29.99", "29.99 R$"))
    assert export.ingest().rows_rejected == 1
    text = (export.folder / "joined.yml").read_text()
    (export.folder / "joined.yml").write_text(
        text.replace("amount: price", "amount: replace(price, ' R$', '')")
    )
    replay_rejected.run(spark, export.config, None)
    assert export.customers() == orders(u1=(2, "267.39"))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("JOIN customers c", "JOIN clients c", "it can read the inputs orders, items, customers"),
        ("i.price,", "i.prize,", "`prize`"),
        ("SELECT o.order_id,", "SELECT FROM", "query:"),
    ],
)
def test_a_query_that_does_not_fit_its_inputs_is_a_fault_of_the_configuration(
    spark: SparkSession, tmp_path: Path, before: str, after: str, words: str
) -> None:
    export = olist(spark, tmp_path, OLIST.replace(before, after))
    with pytest.raises(ConfigError) as told:
        export.check()
    with pytest.raises(ConfigError) as happened:
        export.ingest()
    assert str(told.value) == str(happened.value)
    assert words in str(told.value)
    assert "sources.transactions.query" in str(told.value)


def test_without_one_file_of_its_inputs_a_query_does_not_run(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = olist(spark, tmp_path)
    (export.folder / "input" / "order_items_2.csv.gz").write_bytes(b"no gzip")
    joined = export.folder / "joined.yml"
    joined.write_text(joined.read_text().replace("order_items*.csv", "order_items*"))
    with pytest.raises(DataError, match="a query needs all files of its inputs"):
        export.ingest()


ITEMS = [
    {
        "id": f"o{number}",
        "customer": {"email": f"c{number % 2}@example.org"},
        "created_at": f"2024-03-0{number}T10:00:00Z",
        "line_items": [
            {"sku": "a", "quantity": 2, "price": "3.50"},
            {"sku": "b", "quantity": 1, "price": "1.00"},
        ],
    }
    for number in (1, 2, 3)
]


def test_items_within_orders_become_lines(spark: SparkSession, tmp_path: Path) -> None:
    folder = tmp_path / "input"
    folder.mkdir()
    (folder / "orders.json").write_text("\n".join(json.dumps(order) for order in ITEMS))
    text = f"""
storage: {{root: lake}}
sources:
  transactions:
    inputs: {{orders: {{path: {folder}, format: json}}}}
    query: |
      SELECT id, customer.email, created_at, item.*
      FROM (SELECT *, explode(line_items) AS item FROM orders)
    columns:
      customer_id: email
      order_id: id
      ordered_at: created_at
      product_id: sku
      quantity: quantity
      amount: quantity * price
"""
    (tmp_path / "config.yml").write_text(text)
    export = Export(spark, tmp_path)
    export.check()
    export.ingest()
    assert {name: n for name, (n, _) in export.customers().items()} == {
        "c0@example.org": 1,
        "c1@example.org": 2,
    }
    assert sum(row["amount"] for row in export.rows("amount")) == 24


# --- what stands above the rows, and how they are encoded ----------------------------------------

COLUMNS = """
    columns: {customer_id: customer, order_id: order, ordered_at: to_timestamp(day), amount: total}
"""
ROWS = "customer,order,day,total\nc1,1,2024-01-01,1.50\n\nc2,2,2024-01-02,2.50\nc2,3,2024-01-03,4\n"
RIGHT = orders(c1=(1, "1.50"), c2=(2, "6.50"))


def export_of(spark: SparkSession, folder: Path, content: bytes, keys: str) -> Export:
    """Give an export of one file, read by these keys."""
    (folder / "input").mkdir()
    (folder / "input" / "sales.csv").write_bytes(content)
    place = f"path: {folder}/input\n    format: csv\n    {keys}\n{COLUMNS}"
    text = f"storage: {{root: lake}}\nsources:\n  transactions:\n    {place}"
    (folder / "config.yml").write_text(text)
    return Export(spark, folder)


def loaded(export: Export) -> TableCounts:
    """Check and ingest."""
    export.check()
    return export.ingest()


@pytest.mark.parametrize("is_whole", [False, True])
def test_lines_above_the_header_are_skipped_in_every_file(
    spark: SparkSession, tmp_path: Path, is_whole: bool
) -> None:
    title = "Sales report January\n\nall shops,in EUR,net,of taxes\n"
    whole = ", multiLine: true" if is_whole else ""
    keys = f"skip_lines: 3\n    options: {{header: true{whole}}}"
    export = export_of(spark, tmp_path, (title + ROWS).encode(), keys)
    second = "Sales report February\n\nall shops\n" + ROWS.replace("2024-01", "2024-02")
    (tmp_path / "input" / "second.csv").write_text(second.replace(",1,", ",11,"))
    counts = loaded(export)
    assert (counts.rows_read, counts.rows_rejected) == (6, 0)
    assert export.customers() == orders(c1=(2, "3.00"), c2=(2, "13.00"))


WORKBOOK = "PK\x03\x04\x14\x00\x06,\x08\n"


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (f"Sales report\n\n{ROWS}", "{header: true}", "skip_lines: 2"),
        (f"Sales, all\n{ROWS.replace(',', ';')}", "{header: true}", "skip_lines: 1"),
        (f"Sales, all\n{ROWS.replace(',', ';')}", "{header: true}", "{sep: ';'}"),
        (ROWS.replace(",", ";"), "{header: true}", "options: {sep: ';'}"),
        (ROWS.replace(",", "\t"), "{header: true}", 'options: {sep: "\\t"}'),
        (ROWS, "{}", "options: {header: true}"),
        (f"sep=;\n{ROWS.replace(',', ';')}", "{header: true}", "options: {sep: ';'}"),
        (WORKBOOK + ROWS, "{header: true}", "a workbook of Excel"),
        (ROWS.replace("total", "totals"), "{header: true}", "`totals`"),
    ],
)
def test_where_the_header_holds_no_mapped_name_the_option_that_helps_is_named(
    spark: SparkSession, tmp_path: Path, content: str, options: str, words: str
) -> None:
    export = export_of(spark, tmp_path, content.encode(), f"options: {options}")
    for action in (export.check, export.ingest):
        with pytest.raises((ConfigError, DataError)) as refused:
            action()
        assert words in str(refused.value)
        assert "_corrupt_record" not in str(refused.value)


def test_the_line_by_which_excel_names_its_separator_is_no_header(
    spark: SparkSession, tmp_path: Path
) -> None:
    content = f"sep=;\n{ROWS.replace(',', ';')}".encode()
    export = export_of(spark, tmp_path, content, "options: {header: true, sep: ';'}")
    counts = loaded(export)
    assert (counts.rows_read, counts.rows_rejected) == (3, 0)
    assert export.customers() == RIGHT


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_encodings_with_their_mark_are_read(
    spark: SparkSession, tmp_path: Path, encoding: str
) -> None:
    content = ROWS.replace("c1", "Łódź-1").encode(encoding)
    option = {"utf-16": "UTF-16", "utf-16-le": "UTF-16LE"}.get(encoding)
    options = f"{{header: true, encoding: {option}}}" if option else "{header: true}"
    export = export_of(spark, tmp_path, content, f"options: {options}")
    counts = loaded(export)
    assert (counts.rows_read, counts.rows_rejected) == (3, 0)
    assert export.customers() == orders(**{"Łódź-1": (1, "1.50"), "c2": (2, "6.50")})


def test_wide_characters_read_as_others_are_refused_with_the_encoding(
    spark: SparkSession, tmp_path: Path
) -> None:
    export = export_of(spark, tmp_path, ROWS.encode("utf-16"), "options: {header: true}")
    for action in (export.check, export.ingest):
        with pytest.raises(DataError, match="encoding: UTF-16"):
            action()
