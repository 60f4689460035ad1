"""What was paid for a line: its total, or quantity and price; an order's total is no line's."""

from __future__ import annotations

from collections.abc import Sequence

from crm_spark.ingest.drafting.column import Column
from crm_spark.ingest.drafting.entry import Entry
from crm_spark.ingest.drafting.names import squeezed
from crm_spark.ingest.drafting.roles import Choice, Choices

_CLOSE = 0.02
# "Lineitem price", "item.price": the export says by itself that it is of a line.
_OF_A_LINE = ("lineitem", "lineitems", "item")
_OF_AN_ORDER = ("order", "grand", "invoice", "basket", "totalpaid")


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
        return _of_price(price.column, quantity.column if quantity else None, choices, of_orders)
    if totals:
        return _of_total(totals, price, quantity)
    return _missing(of_orders)


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
    fewest = 2 if squeezed(column.name).startswith(_OF_AN_ORDER) else 5
    totals = {values[0] for values in several}
    is_constant = all(values[0] and len(set(values)) == 1 for values in several)
    return is_constant and len(several) >= fewest and len(totals) > fewest // 2


def _of_total(totals: list[Column], price: Choice | None, quantity: Choice | None) -> Entry:
    total = totals[0]
    questions = [*number_questions(total)]
    if len(totals) > 1:
        others = ", ".join(column.sql for column in totals[1:])
        questions.append(
            f"amount: {total.sql} it is, or rather {others}? After discount, with tax?"
        )
    if price and quantity and _is_price(total, price.column, quantity.column):
        text = f"{total.sql} is the price of one piece, like {price.column.sql}: times quantity?"
        questions.append(text)
    return Entry("amount", number_sql(total), (total,), tuple(questions))


def _is_price(total: Column, price: Column, quantity: Column) -> bool:
    rows = zip(total.floats, price.floats, quantity.floats, strict=True)
    told = [(a, b) for a, b, n in rows if a and b and n and abs(n) > 1]
    return bool(told) and sum(abs(a - b) <= _CLOSE for a, b in told) > 0.9 * len(told)


def _of_price(
    price: Column, quantity: Column | None, choices: Choices, of_orders: Sequence[Column]
) -> Entry:
    questions = [*number_questions(price)]
    if of_orders:
        names = ", ".join(column.sql for column in of_orders)
        questions.append(f"amount: {names} is of whole orders, so lines are reckoned from prices")
    if quantity is None:
        questions.append(
            f"amount: there is no quantity: is {price.sql} all that was paid of a line?"
        )
        return Entry("amount", number_sql(price), (price,), tuple(questions))
    text, read = f"{number_sql(quantity)} * {number_sql(price)}", [quantity, price]
    if not squeezed(price.name).endswith(("unitprice", "priceeach", "lineitemprice")):
        questions.append(
            f"amount: is {price.sql} of one piece? If it is of the whole line: amount: "
            f"{number_sql(price)}"
        )
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
    text = f"amount: {names} is of whole orders, and would count once a line: what was paid of one?"
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
    some = [value for value in column.floats if value]
    return bool(some) and max(map(abs, some)) <= 1 and len(some) > 1


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
