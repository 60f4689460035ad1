"""Core: what the sources hold, cleaned, typed and under one set of names."""

from __future__ import annotations

from pyspark.sql import types as T

from crm_spark.contracts import Column, Mapped, Table

MONEY = T.DecimalType(18, 2)
QUANTITY = T.DecimalType(18, 3)


def _mapped(name: str, data_type: T.DataType, comment: str, mapping: Mapped = "optional") -> Column:
    return Column(name, data_type, comment, nullable=mapping != "required", mapping=mapping)


_PROVENANCE = (
    Column("source_file", T.StringType(), "File or table the row came from", provenance=True),
    Column("run_id", T.StringType(), "Run that wrote the row", provenance=True),
)

TRANSACTIONS = Table(
    name="core.transactions",
    comment="Order lines: what each customer bought and returned, when, and for how much.",
    key=("line_id",),
    columns=(
        _mapped("customer_id", T.StringType(), "Customer who ordered", "required"),
        _mapped("order_id", T.StringType(), "Order, basket or invoice", "required"),
        Column(
            "line_id",
            T.StringType(),
            "Line: mapped, or hash of the content and ordinal among identical lines",
            nullable=False,
            mapping="optional",
        ),
        _mapped("product_id", T.StringType(), "Product; null when not mapped"),
        _mapped("ordered_at", T.TimestampType(), "When the line was ordered (UTC)", "required"),
        Column(
            "arrived_at",
            T.TimestampType(),
            "When we knew of the line (UTC); when it was ordered, where not mapped",
            nullable=False,
            mapping="optional",
        ),
        Column(
            "superseded_at", T.TimestampType(), "When a correction replaced the line; null: never"
        ),
        _mapped("quantity", QUANTITY, "Items; negative for what came back; null when not mapped"),
        _mapped(
            "amount", MONEY, "Money the customer paid for the line, in currency units", "required"
        ),
        _mapped("discount_amount", MONEY, "Money taken off the line's price; null when not mapped"),
        Column(
            "is_return",
            T.BooleanType(),
            "Line takes something back; where not mapped: quantity or amount is negative",
            nullable=False,
            mapping="optional",
        ),
        _mapped("store_id", T.StringType(), "Store or channel of the sale; null when not mapped"),
        Column(
            "is_zero_amount",
            T.BooleanType(),
            "amount is 0 in the source, not only when rounded",
            nullable=False,
        ),
        Column(
            "is_zero_quantity",
            T.BooleanType(),
            "quantity is 0 in the source, not only when rounded",
            nullable=False,
        ),
        *_PROVENANCE,
    ),
)

PRODUCTS = Table(
    name="core.products",
    comment="Products with the groups they belong to.",
    key=("product_id",),
    columns=(
        _mapped("product_id", T.StringType(), "Product", "required"),
        _mapped("product_name", T.StringType(), "Name a person would recognise"),
        _mapped("department", T.StringType(), "Widest product group"),
        _mapped("category", T.StringType(), "Group within the department"),
        _mapped("brand", T.StringType(), "Brand or maker"),
        _mapped("package_size", T.StringType(), "Size of the package, as written"),
        *_PROVENANCE,
    ),
)

CUSTOMERS = Table(
    name="core.customers",
    comment="What is known of customers besides their purchases.",
    key=("customer_id",),
    columns=(
        _mapped("customer_id", T.StringType(), "Customer", "required"),
        _mapped("signed_up_at", T.TimestampType(), "When the customer signed up (UTC)"),
        _mapped("country", T.StringType(), "Country"),
        _mapped("region", T.StringType(), "Region within the country"),
        _mapped("age_group", T.StringType(), "Age group, as written"),
        _mapped("income_group", T.StringType(), "Income group, as written"),
        _mapped("household_size", T.StringType(), "People in the household, as written"),
        _mapped("household_type", T.StringType(), "Make-up of the household, as written"),
        *_PROVENANCE,
    ),
)

# The tables users map, by the name of their config section.
SOURCE_TABLES: dict[str, Table] = {
    "transactions": TRANSACTIONS,
    "products": PRODUCTS,
    "customers": CUSTOMERS,
}


def rejected(table: Table) -> Table:
    """Give the table that keeps the rows of `table` that cannot be used."""
    return Table(
        name=f"{table.name}_rejected",
        comment=f"Rows that cannot be used in {table.name}, as they came, with all reasons.",
        key=(),
        columns=(
            Column("row", T.StringType(), "The row as it came, as JSON; null for a whole file"),
            Column("reasons", T.ArrayType(T.StringType()), "Every reason why it cannot be used"),
            *_PROVENANCE,
        ),
    )
