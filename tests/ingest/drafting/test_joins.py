"""Several tables as one: what joins them, and the query that the draft gives."""

from __future__ import annotations

from drafts import draft_of, questions, samples, source

from crm_spark.ingest.drafting.draft import Draft
from crm_spark.ingest.drafting.find import Seen
from crm_spark.ingest.drafting.joins import links, shared_columns
from crm_spark.ingest.drafting.query import used_parts
from crm_spark.ingest.drafting.table import Query

OLIST = {
    "customers.csv": "customer_id,customer_unique_id,customer_state\n"
    "k1,u1,SP\nk2,u1,SP\nk3,u2,RJ\n",
    "orders.csv": "order_id,customer_id,order_status,order_purchase_timestamp\n"
    "o1,k1,delivered,2017-10-02 10:56:33\no2,k2,delivered,2018-01-05 20:41:37\n"
    "o3,k3,canceled,2018-01-06 08:38:49\n",
    "order_items.csv": "order_id,order_item_id,product_id,price,freight_value\n"
    "o1,1,p1,29.99,8.72\no2,1,p2,118.70,22.76\no2,2,p2,118.70,22.76\no3,1,p1,29.99,8.72\n",
}


def drafted(files: dict[str, str]) -> Draft:
    return draft_of(Seen(samples(files)), "d")


def test_the_lines_are_joined_to_their_orders_and_these_to_their_customers() -> None:
    found = drafted(OLIST)
    section = source(found)
    assert found.missing == ()
    assert set(section["inputs"]) == {"order_items", "orders", "customers"}
    assert section["inputs"]["orders"] == {
        "path": "d/orders.csv",
        "format": "csv",
        "options": {"header": True},
    }
    assert section["query"].splitlines()[-3:] == [
        "FROM order_items",
        "LEFT JOIN orders ON order_items.order_id = orders.order_id",
        "LEFT JOIN customers ON orders.customer_id = customers.customer_id",
    ]
    assert section["columns"]["customer_id"] == "customer_unique_id"
    assert section["columns"]["line_id"] == "concat_ws('-', order_id, order_item_id)"
    assert "path" not in section
    assert any("order_status is 'delivered', 'canceled'" in text for text in questions(found))


def test_a_table_that_gives_nothing_is_not_joined() -> None:
    files = {**OLIST, "customers.csv": "customer_id,customer_state\nk1,SP\nk2,SP\nk3,RJ\n"}
    section = source(drafted(files))
    assert set(section["inputs"]) == {"order_items", "orders"}
    assert section["columns"]["customer_id"] == "customer_id"


def test_a_key_that_repeats_joins_nothing_and_what_is_missing_is_told() -> None:
    repeated = OLIST["orders.csv"] + "o1,k1,delivered,2017-10-02 10:56:33\n"
    found = drafted({**OLIST, "orders.csv": repeated})
    assert found.missing
    assert "order_id is in orders, order_items" in " ".join(found.found)


def test_the_number_of_a_table_is_known_by_its_name_elsewhere() -> None:
    files = {
        "orders.csv": "id,customer_id,created_at\n1,7,2019-01-02\n2,8,2019-01-03\n",
        "lines.csv": "id,order_id,sku,quantity,price\n"
        "10,1,a,2,5.00\n11,1,b,1,6.00\n12,2,a,1,5.00\n",
    }
    section = source(drafted(files))
    assert "LEFT JOIN orders ON lines.order_id = orders.id" in section["query"]
    assert section["columns"]["customer_id"] == "customer_id"
    assert section["columns"]["order_id"] == "order_id"


def test_a_key_of_its_own_name_joins_where_it_has_the_values() -> None:
    files = {
        "orders.csv": "entity_id,increment_id,customer_email,created_at\n"
        "1,000000101,a@b.de,2024-05-01 21:30:00\n2,000000102,c@d.de,2024-05-02 08:00:00\n",
        "items.csv": "item_id,order_id,sku,qty_ordered,row_total\n11,1,S,1,30.00\n12,2,C,1,10.00\n",
    }
    section = source(drafted(files))
    assert "LEFT JOIN orders ON items.order_id = orders.entity_id" in section["query"]
    assert section["columns"]["amount"] == "row_total"
    others = {
        **files,
        "items.csv": files["items.csv"].replace(",1,S", ",7,S").replace(",2,C", ",8,C"),
    }
    assert drafted(others).missing


def test_a_table_between_is_joined_though_no_column_of_it_is_used() -> None:
    query = Query(
        "items",
        {},
        parts={"orders": "JOIN orders", "customers": "JOIN customers"},
        part_of={"name": "customers", "day": "orders"},
        stands_on={"customers": "orders", "orders": "items"},
    )
    assert used_parts(query, ["name", "price"]) == ["orders", "customers"]
    assert used_parts(query, ["day"]) == ["orders"]
    assert used_parts(query, ["price"]) == []


def test_links_reach_over_other_tables() -> None:
    tables = {table.name: table for table in samples(OLIST)}
    found = links(tables["order_items"], list(tables.values()))
    assert [(link.on, link.table.name) for link in found] == [
        ("order_items", "orders"),
        ("orders", "customers"),
    ]


def test_a_table_that_has_all_is_taken_alone() -> None:
    files = {
        "orders.csv": "customer,invoice,day,total\nc1,i1,2019-01-02,5.00\n",
        "products.csv": "sku,title,brand\na,Mug,X\nb,Spoon,Y\n",
    }
    section = source(drafted(files))
    assert section["path"] == "d/orders.csv"
    assert "query" not in section


def test_shared_columns_are_named_once_with_all_their_tables() -> None:
    assert shared_columns(samples(OLIST)) == [
        "customer_id is in customers, orders",
        "order_id is in orders, order_items",
    ]
