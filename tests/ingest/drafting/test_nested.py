"""Fields within fields: structs as columns, items of an array as rows."""

from __future__ import annotations

from typing import Any

from pyspark.sql import types as T

from crm_spark.ingest.drafting.draft import draft_of
from crm_spark.ingest.drafting.find import Seen
from crm_spark.ingest.drafting.nested import flatten
from crm_spark.ingest.drafting.table import Reading, Sample

TEXT, NUMBER = T.StringType(), T.LongType()


def struct(**fields: T.DataType) -> T.StructType:
    return T.StructType([T.StructField(name, kind) for name, kind in fields.items()])


ITEM = struct(sku=TEXT, price=TEXT, quantity=NUMBER)
ORDER = struct(id=TEXT, customer=struct(id=TEXT), created_at=TEXT, line_items=T.ArrayType(ITEM))
ROWS: list[dict[str, Any]] = [
    {
        "id": "o1",
        "customer": {"id": "c1"},
        "created_at": "2019-01-02T10:11:12-05:00",
        "line_items": [
            {"sku": "a", "price": "10.00", "quantity": 2},
            {"sku": "b", "price": "5.50", "quantity": 1},
        ],
    },
    {"id": "o2", "customer": None, "created_at": None, "line_items": []},
]


def test_structs_are_columns_and_no_query_is_needed() -> None:
    schema = struct(id=TEXT, customer=struct(id=TEXT, mail=TEXT))
    rows = [{"id": "o1", "customer": {"id": "c1", "mail": "m"}}, {"id": "o2", "customer": None}]
    found = flatten("orders", schema, rows)
    assert found.query is None
    assert {column.sql: column.values for column in found.columns} == {
        "id": ("o1", "o2"),
        "customer.id": ("c1", None),
        "customer.mail": ("m", None),
    }


def test_items_are_rows_with_the_fields_of_their_order_and_an_order_without_is_one() -> None:
    found = flatten("orders", ORDER, ROWS)
    values = {column.sql: column.values for column in found.columns}
    assert values["id"] == ("o1", "o1", "o2")
    assert values["customer_id"] == ("c1", "c1", None)
    assert values["item_quantity"] == ("2", "1", None)
    assert {column.sql for column in found.columns if column.is_item} == {
        "item_sku",
        "item_price",
        "item_quantity",
    }
    assert found.query is not None
    assert found.query.start == "orders LATERAL VIEW OUTER explode(line_items) AS item"


def test_a_document_that_holds_all_orders_is_opened_first() -> None:
    schema = struct(orders=T.ArrayType(ORDER), count=NUMBER)
    found = flatten("export", schema, [{"orders": ROWS, "count": 2}])
    assert found.query is not None
    assert found.query.start == (
        "export LATERAL VIEW OUTER explode(orders) AS record "
        "LATERAL VIEW OUTER explode(record.line_items) AS item"
    )
    assert found.query.origins["customer.id"] == "record.customer.id"
    assert found.query.origins["item.sku"] == "item.sku"


def test_an_array_of_what_is_no_line_is_left_alone() -> None:
    schema = struct(id=TEXT, notes=T.ArrayType(struct(text=TEXT)), tags=T.ArrayType(TEXT))
    found = flatten("orders", schema, [{"id": "o1", "notes": [{"text": "x"}], "tags": ["y"]}])
    assert found.query is None
    assert [column.name for column in found.columns] == ["id"]


def test_totals_of_the_order_are_none_of_its_items() -> None:
    schema = struct(
        id=TEXT,
        customer_id=TEXT,
        created_at=TEXT,
        total=TEXT,
        line_items=T.ArrayType(struct(sku=TEXT, total=TEXT, quantity=NUMBER)),
    )
    row = {
        "id": "o1",
        "customer_id": "c1",
        "created_at": "2019-01-02",
        "total": "15.00",
        "line_items": [{"sku": "a", "total": "10.00", "quantity": 1}],
    }
    flat = flatten("orders", schema, [row])
    reading = Reading(("orders.json",), format="json")
    sample = Sample("orders", {"orders": reading}, flat.columns, query=flat.query)
    text = draft_of(Seen((sample,)), "orders.json").text
    assert "      amount: item_total   # 10.00" in text.splitlines()
    assert "        item.total AS item_total" in text
