"""Which column is what: by name, where the values do not speak against it."""

from __future__ import annotations

from drafts import column

from crm_spark.ingest.drafting.column import Column
from crm_spark.ingest.drafting.roles import choose


def chosen(*columns: Column) -> dict[str, str]:
    return {role: choice.column.name for role, choice in choose(columns).items()}


def test_a_column_has_one_role() -> None:
    assert chosen(column("customer.id", "7", "8"), column("day", "2019-01-02", "2019-01-03")) == {
        "customer_id": "customer.id",
        "ordered_at": "day",
    }


def test_values_that_are_no_dates_or_numbers_refuse_the_name() -> None:
    assert chosen(column("date", "a", "b"), column("total", "x", "y")) == {}


def test_a_column_without_values_is_passed_over_for_one_with() -> None:
    found = chosen(column("customer_id", None, None), column("email", "a@b.de", "c@d.de"))
    assert found == {"customer_id": "email"}
    mostly = [None] * 19
    found = chosen(column("customer_id", "1", *mostly), column("client", "1", *["2"] * 19))
    assert found == {"customer_id": "client"}


def test_of_a_table_without_rows_names_are_all_there_is() -> None:
    assert chosen(column("customer"), column("total")) == {
        "customer_id": "customer",
        "amount": "total",
    }


def test_dates_and_addresses_speak_for_themselves_and_are_marked_so() -> None:
    found = choose([column("x", "2019-01-02 10:00"), column("y", "a@b.de"), column("z", "$5.00")])
    assert {role: choice.column.name for role, choice in found.items()} == {
        "ordered_at": "x",
        "customer_id": "y",
        "amount": "z",
    }
    assert all(choice.is_by_values for choice in found.values())


def test_a_day_of_delivery_is_no_day_of_order() -> None:
    assert chosen(column("shipped_on", "2019-01-02 10:00")) == {}


def test_floating_point_ids_are_ids_and_prices_are_none() -> None:
    assert chosen(column("customer", "17850.0", "nan")) == {"customer_id": "customer"}
    assert chosen(column("customer", "1.25", "2.50")) == {}


def test_a_general_name_is_an_order_where_its_values_are_numbers_of_some_kind() -> None:
    assert chosen(column("name", "#1001", "#1002")) == {"order_id": "name"}
    assert chosen(column("name", "Ann A", "Bob B")) == {}
