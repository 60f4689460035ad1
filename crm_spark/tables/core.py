"""Core: what the sources hold, cleaned, typed and under one set of names.

Transactions, events, feedback and campaign contacts are bitemporal: a row is one version of a line,
known from arrived_at until superseded_at. A correction closes the version before it and adds its
own; a deletion is a row with is_deleted that closes it and is itself never visible.
"""

from __future__ import annotations

from typing import Final

from pyspark.sql import types as T

from crm_spark.lake.contract import Column, Mapped, Table

MONEY = T.DecimalType(18, 2)
QUANTITY = T.DecimalType(18, 3)
TEXT = T.StringType()
STAMP = T.TimestampType()
SOURCE_FILE = "source_file"


def _mapped(
    name: str,
    data_type: T.DataType,
    comment: str,
    mapping: Mapped = "optional",
    *,
    nullable: bool | None = None,
    between: tuple[float | None, float | None] = (None, None),
) -> Column:
    may_be_null = mapping != "required" if nullable is None else nullable
    low, high = between
    return Column(
        name, data_type, comment, nullable=may_be_null, mapping=mapping, minimum=low, maximum=high
    )


_PROVENANCE = (
    Column(SOURCE_FILE, TEXT, "File or table the row came from", provenance=True),
    Column("run_id", TEXT, "Run that added the row", provenance=True),
)


def _versions(noun: str, happened: str) -> tuple[Column, ...]:
    """Give the columns that make the rows of a table versions of a line."""
    return (
        _mapped(
            "arrived_at",
            STAMP,
            f"When we knew of the {noun} (UTC); {happened}, where not mapped",
            nullable=False,
        ),
        Column(
            "superseded_at", STAMP, "When a correction or deletion replaced the row; null: never"
        ),
        _mapped(
            "is_deleted",
            T.BooleanType(),
            f"The row says that the {noun} is void from arrived_at on; it is never visible itself",
            nullable=False,
        ),
        Column(
            "closing_run_id",
            TEXT,
            "Run that last set superseded_at; null: none did",
            provenance=True,
        ),
    )


def _history(noun: str) -> tuple[Column, ...]:
    """Give the columns that make the rows of a table versions of what changes."""
    return (
        _mapped(
            "valid_from",
            STAMP,
            f"From when on the version holds (UTC): mapped, or the time of the file that changed "
            f"the {noun}; null: the first known, which holds for all earlier dates, too",
        ),
        Column("valid_to", STAMP, "When the next version took its place (UTC); null: it holds yet"),
    )


def _id(name: str, noun: str) -> Column:
    comment = f"{noun}: mapped, or hash of the content and ordinal among identical rows"
    return _mapped(name, TEXT, comment, nullable=False)


TRANSACTIONS = Table(
    name="core.transactions",
    comment="Order lines: what each customer bought and returned, when, and for how much.",
    key=("customer_id", "order_id", "line_id", "arrived_at"),
    version=2,
    event_time="ordered_at",
    row_id="line_id",
    columns=(
        _mapped("customer_id", TEXT, "Customer who ordered", "required"),
        _mapped("order_id", TEXT, "Order, basket or invoice", "required"),
        _mapped(
            "line_id",
            TEXT,
            "Line: mapped, or its number in the order; what was loaded later has higher ones",
            nullable=False,
        ),
        _mapped("product_id", TEXT, "Product; null when not mapped"),
        _mapped("ordered_at", STAMP, "When the line was ordered (UTC)", "required"),
        *_versions("line", "when it was ordered"),
        _mapped(
            "replaces_order",
            T.BooleanType(),
            "The row is of a delivery that replaces its whole order as it arrived before; only "
            "without a mapped line_id",
            nullable=False,
        ),
        _mapped("quantity", QUANTITY, "Items; negative for what came back; null when not mapped"),
        _mapped(
            "amount", MONEY, "Money the customer paid for the line, in currency units", "required"
        ),
        _mapped(
            "discount_amount",
            MONEY,
            "Money taken off the line's price, without a sign; null when not mapped",
        ),
        _mapped(
            "is_return",
            T.BooleanType(),
            "Line takes something back; where not mapped: quantity or amount is negative",
            nullable=False,
        ),
        _mapped(
            "refund_of_order_id",
            TEXT,
            "Order of the same customer that the line gives money back for; null: it names none",
        ),
        _mapped("currency", TEXT, "Currency the amounts came in; null when not mapped"),
        _mapped("store_id", TEXT, "Store of the sale; null when not mapped"),
        _mapped("channel", TEXT, "Channel of the sale; null when not mapped"),
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

EVENTS = Table(
    name="core.events",
    comment="What customers did besides buying: visits with their duration, page and channel.",
    key=("event_id", "arrived_at"),
    event_time="occurred_at",
    columns=(
        _mapped("customer_id", TEXT, "Customer", "required"),
        _id("event_id", "Event"),
        _mapped("occurred_at", STAMP, "When it began (UTC)", "required"),
        *_versions("event", "when it occurred"),
        _mapped("event_type", TEXT, "What it was, as written; null when not mapped: a visit"),
        _mapped(
            "duration_seconds", T.DoubleType(), "How long it took; null: unknown", between=(0, None)
        ),
        _mapped("page", TEXT, "Page or screen; null when not mapped"),
        _mapped("channel", TEXT, "Channel (web, app, store, ...); null when not mapped"),
        _mapped("product_id", TEXT, "Product looked at; null when not mapped"),
        *_PROVENANCE,
    ),
)

FEEDBACK = Table(
    name="core.feedback",
    comment="What customers said: text, ratings, NPS and CSAT, complaints.",
    key=("feedback_id", "arrived_at"),
    event_time="given_at",
    columns=(
        _mapped("customer_id", TEXT, "Customer", "required"),
        _id("feedback_id", "Feedback"),
        _mapped("given_at", STAMP, "When it was given (UTC)", "required"),
        *_versions("feedback", "when it was given"),
        _mapped("text", TEXT, "What was written; null: nothing"),
        _mapped("rating", T.DoubleType(), "Rating, on the source's own scale; null: none"),
        _mapped(
            "nps_score",
            T.IntegerType(),
            "How likely to recommend, 0 to 10; null: not asked",
            between=(0, 10),
        ),
        _mapped(
            "csat_score", T.IntegerType(), "Satisfaction, 1 to 5; null: not asked", between=(1, 5)
        ),
        _mapped("is_complaint", T.BooleanType(), "It is a complaint; null: unknown"),
        _mapped("channel", TEXT, "Channel (survey, call, review, ...); null when not mapped"),
        _mapped("order_id", TEXT, "Order it is about; null when not mapped"),
        _mapped("product_id", TEXT, "Product it is about; null when not mapped"),
        *_PROVENANCE,
    ),
)

CAMPAIGN_CONTACTS = Table(
    name="core.campaign_contacts",
    comment="Which customer was contacted in which campaign and arm, and what came of it.",
    key=("contact_id", "arrived_at"),
    event_time="sent_at",
    columns=(
        _mapped("customer_id", TEXT, "Customer", "required"),
        _id("contact_id", "Contact"),
        _mapped("campaign_id", TEXT, "Campaign", "required"),
        _mapped(
            "sent_at", STAMP, "When it was sent, or would have been to a control (UTC)", "required"
        ),
        *_versions("contact", "when it was sent"),
        _mapped("campaign_type", TEXT, "Kind of campaign; null when not mapped"),
        _mapped("arm", TEXT, "Arm: treatment, control, ...; null when not mapped"),
        _mapped("channel", TEXT, "Channel (mail, e-mail, app, ...); null when not mapped"),
        _mapped("opened_at", STAMP, "When it was opened (UTC); null: not, or not known"),
        _mapped("clicked_at", STAMP, "When it was clicked (UTC); null: not, or not known"),
        _mapped("converted_at", STAMP, "When it led to what it was sent for (UTC); null: not"),
        _mapped(
            "cost_amount", MONEY, "What the contact cost, in currency units", between=(0, None)
        ),
        *_PROVENANCE,
    ),
)

PRODUCTS = Table(
    name="core.products",
    comment="Products with the groups they belong to, a row a version.",
    key=("product_id", "valid_from"),
    version=2,
    columns=(
        _mapped("product_id", TEXT, "Product", "required"),
        *_history("product"),
        _mapped("product_name", TEXT, "Name a person would recognise"),
        _mapped("department", TEXT, "Widest product group"),
        _mapped("category", TEXT, "Group within the department"),
        _mapped("brand", TEXT, "Brand or maker"),
        _mapped("package_size", TEXT, "Size of the package, as written"),
        *_PROVENANCE,
    ),
)

CUSTOMERS = Table(
    name="core.customers",
    comment="What is known of customers besides their purchases, a row a version.",
    key=("customer_id", "valid_from"),
    version=2,
    columns=(
        _mapped("customer_id", TEXT, "Customer", "required"),
        *_history("customer"),
        _mapped("signed_up_at", STAMP, "When the customer signed up (UTC)"),
        _mapped("country", TEXT, "Country"),
        _mapped("region", TEXT, "Region within the country"),
        _mapped("age_group", TEXT, "Age group, as written"),
        _mapped("income_group", TEXT, "Income group, as written"),
        _mapped("household_size", TEXT, "People in the household, as written"),
        _mapped("household_type", TEXT, "Make-up of the household, as written"),
        *_PROVENANCE,
    ),
)

EXCHANGE_RATES = Table(
    name="core.exchange_rates",
    comment="What one unit of a currency was worth in the reporting currency, by day.",
    key=("currency", "rate_date"),
    columns=(
        _mapped("currency", TEXT, "Currency, as transactions write it", "required"),
        _mapped("rate_date", T.DateType(), "Day from which the rate holds", "required"),
        _mapped(
            "rate",
            T.DecimalType(18, 8),
            "Reporting currency for one unit",
            "required",
            between=(1e-8, None),
        ),
        *_PROVENANCE,
    ),
)

NUMBERS: Final = "numbers"
CATEGORIES: Final = "categories"


def _attributes(value: T.DataType) -> T.ArrayType:
    """Give the type of attributes of any names, in the order of these.

    No map: Spark hashes none, and checksums are made of hashes.
    """
    name = T.StructField("name", T.StringType())
    return T.ArrayType(T.StructType([name, T.StructField("value", value)]))


CONTRACTS = Table(
    name="core.contracts",
    comment="Contract customers as they stood when loaded, and who of them is known to have left.",
    key=("customer_id",),
    columns=(
        _mapped("customer_id", TEXT, "Customer", "required"),
        _mapped("has_left", T.BooleanType(), "The customer has left; null: not known"),
        _mapped(
            NUMBERS,
            _attributes(T.DoubleType()),
            "Attributes that are numbers, by name; a null value: not known",
            "gathered",
        ),
        _mapped(
            CATEGORIES,
            _attributes(TEXT),
            "Attributes that are categories, by name; a null value: not known",
            "gathered",
        ),
        *_PROVENANCE,
    ),
)

# The tables users map, by the name of their config section.
SOURCE_TABLES: dict[str, Table] = {
    "transactions": TRANSACTIONS,
    "products": PRODUCTS,
    "customers": CUSTOMERS,
    "events": EVENTS,
    "feedback": FEEDBACK,
    "campaign_contacts": CAMPAIGN_CONTACTS,
    "exchange_rates": EXCHANGE_RATES,
    "contracts": CONTRACTS,
}


def rejected(table: Table) -> Table:
    """Give the table that keeps the rows of `table` that cannot be used."""
    return Table(
        name=f"{table.name}_rejected",
        comment=f"Rows that cannot be used in {table.name}, as they came, with all reasons.",
        key=(),
        columns=(
            Column("row", TEXT, "The row as it came, as JSON; null for a whole file"),
            Column("reasons", T.ArrayType(TEXT), "Every reason why it cannot be used"),
            Column(
                "replay_run_id",
                TEXT,
                "Run of replay_rejected that took the row back; null: none",
                provenance=True,
            ),
            *_PROVENANCE,
        ),
    )
