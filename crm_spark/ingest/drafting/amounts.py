"""What was paid for a line: its total, or quantity and price; an order's total is no line's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from crm_spark.ingest.drafting.column import Column
from crm_spark.ingest.drafting.entry import Entry
from crm_spark.ingest.drafting.names import squeezed
from crm_spark.ingest.drafting.roles import Choice, Choices

_CLOSE = 0.02
# "Lineitem price", "item.price": the export says by itself that it is of a line.
_OF_A_LINE = ("lineitem", "lineitems", "item")
_OF_AN_ORDER = re.compile(r"^(base)?(order|grand|invoice|basket)|^totalpaid")
_PIECES = ("unitprice", "priceeach", "lineitemprice", "priceunit", "einzelpreis", "prixunitaire")
# Amazon's price of an item is that of all its pieces.
_LINE_PRICES = {"itemprice": "amazonorderid"}


def amount_entry(choices: Choices, columns: Sequence[Column]) -> Entry:
    """Give the amount of a line."""
    order = choices["order_id"].column if "order_id" in choices else None
    has_items = any(column.is_item for column in columns)
    totals: list[Column] = []
    of_orders: list[Column] = []
    for column in _all(choices.get("amount")):
        is_of_order = (has_items and not column.is_item) or _is_of_order(column, order)
        (of_orders if is_of_order else totals).append(column)
    price, quantity = choices.get("unit_price"), choices.get("quantity")
    is_line_price = price is not None and _says_line(price.column)
    if price and (not totals or (is_line_price and not _says_line(totals[0]))):
        return _asked_of_refunds(_of_price(price.column, choices, columns, of_orders), choices)
    if totals:
        asked = choices["amount"].questions("amount")
        return _asked_of_refunds(_of_total(totals, price, quantity, asked), choices)
    return _missing(of_orders)


def _asked_of_refunds(entry: Entry, choices: Choices) -> Entry:
    """Ask whether money that was given back stands in a column of its own."""
    refunded = choices.get("refunded_amount")
    if refunded is None or not any(refunded.column.floats):
        return entry
    text = f"coalesce({number_sql(refunded.column)}, 0)"
    question = f"amount: is what came back to go off? amount: {entry.expression} - {text}"
    return replace(entry, questions=(*entry.questions, question))


def _all(choice: Choice | None) -> list[Column]:
    return [choice.column, *choice.others] if choice else []


def _says_line(column: Column) -> bool:
    return column.is_item or squeezed(column.name).startswith(_OF_A_LINE)


def _is_of_order(column: Column, order: Column | None) -> bool:
    """Whether a total is the order's: in its first line alone, or the same in all of them."""
    if order is None:
        return False
    of_order: dict[str, list[str | None]] = {}
    for one, value in zip(order.values, column.values, strict=True):
        if one:
            of_order.setdefault(one, []).append(value)
    several = [values for values in of_order.values() if len(values) > 1]
    if several and all(values[0] and not any(values[1:]) for values in several):
        return True
    # Lines may cost the same by chance: the more so, the less the name says.
    fewest = 1 if _OF_AN_ORDER.match(squeezed(column.name)) else 5
    totals = {values[0] for values in several}
    is_constant = all(values[0] and len(set(values)) == 1 for values in several)
    return is_constant and len(several) >= fewest and len(totals) > fewest // 2


def _of_total(
    totals: list[Column], price: Choice | None, quantity: Choice | None, asked: list[str]
) -> Entry:
    total = totals[0]
    questions = [*asked, *number_questions(total)]
    if len(totals) > 1 and not asked:
        others = ", ".join(column.sql for column in totals[1:])
        questions.append(
            f"amount: {total.sql} it is, or rather {others}? After discount, with tax?"
        )
    if price and quantity:
        questions += _compared(total, price.column, quantity.column)
    return Entry("amount", number_sql(total), (total,), tuple(questions))


def _compared(total: Column, price: Column, quantity: Column) -> list[str]:
    """Ask what a total is that is not quantity times price."""
    rows = zip(total.floats, price.floats, quantity.floats, strict=True)
    several = [(a, b, n) for a, b, n in rows if a and b and n and abs(n) > 1]
    if sum(abs(a - b) <= _CLOSE for a, b, _ in several) > 0.9 * len(several) > 0:
        return [f"amount: {total.sql} is the price of one piece, like {price.sql}: times quantity?"]
    n_equal = sum(abs(a - b * n) <= _CLOSE for a, b, n in several)
    if n_equal < 0.5 * len(several):
        text = f"amount: {total.sql} is not {quantity.sql} times {price.sql}: with shipping or tax?"
        return [text]
    return []


def _of_price(
    price: Column, choices: Choices, columns: Sequence[Column], of_orders: Sequence[Column]
) -> Entry:
    questions = [*number_questions(price)]
    if of_orders:
        names = ", ".join(column.sql for column in of_orders)
        questions.append(f"amount: whole orders have {names}, so that of lines is made of prices")
    text, read = number_sql(price), [price]
    is_of_line = _LINE_PRICES.get(squeezed(price.name)) in {squeezed(one.name) for one in columns}
    quantity = choices.get("quantity")
    if quantity is None:
        questions.append(f"amount: there is no quantity: is {price.sql} all that was paid?")
    elif not is_of_line:
        if not squeezed(price.name).endswith(_PIECES):
            start = f"amount: is {price.sql} of one piece? If it is of the whole line"
            questions.append(f"{start}: amount: {text}")
        text, read = f"{number_sql(quantity.column)} * {text}", [quantity.column, price]
    for discount in discounts(choices):
        if _says_line(discount):
            text += f" - {discount_sql(discount)}"
            read.append(discount)
        else:
            questions.append(f"amount: is {discount.sql} taken off {price.sql} already?")
    return Entry("amount", text, tuple(read), tuple(questions))


def _missing(of_orders: Sequence[Column]) -> Entry:
    if not of_orders:
        text = "amount: no column is a line's total, or a price: which one says what was paid?"
        return Entry("amount", None, questions=(text,))
    names = ", ".join(column.sql for column in of_orders)
    text = f"amount: whole orders have {names}, to count once a line: what was paid of a line?"
    return Entry("amount", None, tuple(of_orders), (text,))


def number_sql(column: Column) -> str:
    """Give a column's numbers as SQL reads them."""
    return column.number.as_sql(column.sql) if column.number else column.sql


def number_questions(column: Column) -> list[str]:
    """Ask what the marks in a column's numbers mean, where they may mean two things."""
    number = column.number
    if number is None or not number.is_doubtful:
        return []
    example = next(text for text in column.distinct if "." in text or "," in text)
    mark = "," if "," in example else "."
    is_decimal = mark == number.decimal
    meaning = "the decimal mark" if is_decimal else "that of thousands"
    return [f"is {mark!r} in {example!r} {meaning} of {column.sql}, as the draft takes it?"]


def is_rate(column: Column) -> bool:
    """Whether a discount is a share of the price and no money."""
    some = [abs(value) for value in column.floats if value]
    says_money = squeezed(column.name).endswith(("amount", "disc"))
    is_adorned = column.number is not None and bool(column.number.drop)
    return bool(some) and max(some) < 1 and not says_money and not is_adorned


def discount_sql(column: Column) -> str:
    """Give what was taken off, as money without a sign, 0 where nothing was."""
    is_negative = any(value is not None and value < 0 for value in column.floats)
    text = number_sql(column)
    text = f"abs({text})" if is_negative else text
    return f"coalesce({text}, 0)" if column.blank_share or column.type == "string" else text


def discounts(choices: Choices) -> list[Column]:
    """Give the columns of money taken off a line: one, or several of different reasons."""
    order = choices["order_id"].column if "order_id" in choices else None
    money = [
        column
        for column in _all(choices.get("discount_amount"))
        if not is_rate(column) and not _is_of_order(column, order)
    ]
    kinds = [column for column in money if squeezed(column.name).endswith("disc")]
    return kinds if len(kinds) > 1 else money[:1]
