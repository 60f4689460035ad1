"""The drafted mapping of a table: an entry for each column of ours that it has something for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from crm_spark.ingest.drafting.amounts import (
    amount_entry,
    discount_sql,
    discounts,
    is_rate,
    number_questions,
    number_sql,
)
from crm_spark.ingest.drafting.column import Column
from crm_spark.ingest.drafting.entry import Entry
from crm_spark.ingest.drafting.roles import Choice, Choices
from crm_spark.ingest.drafting.sql import literal
from crm_spark.ingest.drafting.times import ordered_at_entry
from crm_spark.ingest.mapping.cleaning import PLACEHOLDERS

_BLANKS_TOLD = 0.05
_CANCELLED = ("cancel", "storn", "void", "refund", "return", "fail", "unpaid", "draft", "pending")


def entries_of(columns: Sequence[Column], choices: Choices) -> list[Entry]:
    """Give the mapping of a table's columns, in the order in which it is written."""
    ordered_at = ordered_at_entry(choices.get("ordered_at"), columns)
    entries = [
        _id_entry("customer_id", choices.get("customer_id")),
        _order_entry(choices, ordered_at),
        ordered_at,
        _plain("product_id", choices.get("product_id")),
        _quantity(choices.get("quantity")),
        amount_entry(choices, columns),
        _discount(choices),
        _line_entry(choices),
        _currency(choices.get("currency")),
        _plain("store_id", choices.get("store_id")),
        _plain("channel", choices.get("channel")),
        _plain("is_return", choices.get("is_return")),
        _refund_entry(choices),
    ]
    return [entry for entry in entries if entry is not None]


def where_questions(choices: Choices) -> list[str]:
    """Ask which rows are no purchases: of a status such as cancelled, or other events."""
    questions = []
    if status := choices.get("status"):
        column = status.column
        voided = [
            text for text in column.distinct if any(word in text.lower() for word in _CANCELLED)
        ]
        seen = ", ".join(repr(text) for text in list(column.distinct)[:8])
        if voided:
            listed = ", ".join(literal(text) for text in voided)
            condition = f"coalesce({column.sql}, '') not in ({listed})"
            questions.append(f"{column.sql} is {seen}: do all count? If not: where: {condition}")
    if event := choices.get("event"):
        questions += _event_question(event.column, choices.get("order_id"))
    return questions


def _event_question(event: Column, order: Choice | None) -> list[str]:
    """Ask whether only events of one kind are purchases: those that have an order."""
    if order is None or order.column.blank_share < _BLANKS_TOLD:
        return []
    rows = zip(event.values, order.column.values, strict=True)
    kinds = {kind for kind, one in rows if one and kind}
    if not kinds or kinds == set(event.distinct):
        return []
    listed = ", ".join(literal(kind) for kind in sorted(kinds))
    condition = f"{event.sql} in ({listed})" if len(kinds) > 1 else f"{event.sql} = {listed}"
    return [
        f"only rows of {event.sql} {listed} have an order: are the others none? where: {condition}"
    ]


def _id_entry(key: str, choice: Choice | None) -> Entry:
    if choice is None:
        text = f"{key}: no column is named like it: which one is it?"
        return Entry(key, None, questions=(text,))
    column = choice.column
    questions = choice.questions(key)
    if column.given and column.blank_share > _BLANKS_TOLD:
        share = f"{100 * column.blank_share:.0f} %"
        text = f"{key}: {share} of the rows looked at have none, and are rejected: is that right?"
        if key == "order_id":
            text += " If it stands in an order's first row alone, let the export fill it in"
        questions.append(text)
    if _is_name_of_person(column):
        questions.append(f"{key}: names are shared and misspelt: is there no number, or e-mail?")
    expression = f"lower({column.sql})" if column.is_email else column.sql
    return Entry(key, expression, (column,), tuple(questions))


def _is_name_of_person(column: Column) -> bool:
    n = sum(re.match(r"^[^\W\d]+\.? [^\W\d]+", text) is not None for text in column.distinct)
    return n > 0.5 * len(column.distinct)


def _order_entry(choices: Choices, ordered_at: Entry) -> Entry:
    """Map the order's number; where there is none, offer a customer's day."""
    entry = _id_entry("order_id", choices.get("order_id"))
    customer = choices.get("customer_id")
    if entry.expression or not (customer and ordered_at.expression):
        return entry
    made = f"concat_ws('-', {customer.column.sql}, to_date({ordered_at.expression}))"
    text = "order_id: no column numbers the orders. If a customer has one order a day at most, take"
    return Entry("order_id", None, questions=(text,), suggestion=made)


def _plain(key: str, choice: Choice | None) -> Entry | None:
    if choice is None or choice.is_by_values:
        return None
    return Entry(key, choice.column.sql, (choice.column,))


def _quantity(choice: Choice | None) -> Entry | None:
    if choice is None:
        return None
    column = choice.column
    questions = (*choice.questions("quantity"), *number_questions(column))
    return Entry("quantity", number_sql(column), (column,), questions)


def _discount(choices: Choices) -> Entry | None:
    choice, columns = choices.get("discount_amount"), discounts(choices)
    if choice is None:
        return None
    if not columns:
        name = choice.column.sql
        what = "a share of the price" if is_rate(choice.column) else "of the whole order"
        text = f"discount_amount: {name} is {what}: what was taken off a line, in money?"
        return Entry("discount_amount", None, (choice.column,), (text,))
    if len(columns) == 1:
        column = columns[0]
        is_signed = any(value is not None and value < 0 for value in column.floats)
        expression = f"abs({number_sql(column)})" if is_signed else number_sql(column)
        return Entry("discount_amount", expression, (column,))
    text = " + ".join(discount_sql(column) for column in columns)
    return Entry("discount_amount", text, tuple(columns))


def _line_entry(choices: Choices) -> Entry | None:
    """Map an id of the line where it names one row; a number within the order needs the order's."""
    choice, order = choices.get("line_id"), choices.get("order_id")
    if choice is None or not choice.column.given:
        return None
    column = choice.column
    if column.is_unique:
        text = f"line_id: is {column.sql} never used again? Rows that share one are one line"
        return Entry("line_id", column.sql, (column,), (text,))
    if order is None:
        return None
    pairs = list(zip(order.column.values, column.values, strict=True))
    if len(set(pairs)) < len(pairs) or any(None in pair for pair in pairs):
        return None
    return Entry("line_id", f"concat_ws('-', {order.column.sql}, {column.sql})", (column,))


def _refund_entry(choices: Choices) -> Entry | None:
    """Map which order a line gives money back for, where it names some that are there."""
    choice, order = choices.get("refund_of_order_id"), choices.get("order_id")
    if choice is None or order is None or not choice.column.given:
        return None
    column = choice.column
    if not set(column.distinct) & set(order.column.distinct):
        return None
    text = f"refund_of_order_id: does {column.sql} name the order that money is given back for?"
    return Entry("refund_of_order_id", column.sql, (column,), (text,))


def _currency(choice: Choice | None) -> Entry | None:
    if choice is None:
        return None
    column = choice.column
    questions = []
    if len(column.distinct) > 1:
        found = " and ".join(sorted(column.distinct))
        questions.append(
            f"currency: amounts are in {found}: give currencies: {{reporting: ...}} and "
            "sources.exchange_rates, or keep one of them by where (docs/loading.md, Currencies)"
        )
    is_upper = all(text.isupper() for text in column.distinct)
    expression = column.sql if is_upper else f"upper({column.sql})"
    return Entry("currency", expression, (column,), tuple(questions))


def placeholder_note(column: Column) -> str | None:
    """Tell which values stand for no customer."""
    texts = {text.strip().lower() for text in column.values if text}
    found = sorted(texts & {text.lower() for text in PLACEHOLDERS})
    return f"stands for no customer, and is rejected: {', '.join(found)}" if found else None
