"""Which column of a table is what: by its name, where its values do not speak against that."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from crm_spark.ingest.drafting.column import Column
from crm_spark.ingest.drafting.names import rank, squeezed

# A name is believed where so many values fit: exports are dirty.
_SMALLEST_SHARE = 0.2
_MOSTLY_BLANK = 0.9
_GENERAL_NAMES = ("name", "id", "reference")
_NO_ORDER_DATE = re.compile(r"ship|deliver|birth|updat|modif|expir|cancel|return|end|due|liefer")


@dataclass(frozen=True)
class Choice:
    """The column of a role; `others` might be it, too. `is_by_values`: its name says nothing."""

    column: Column
    others: tuple[Column, ...] = ()
    is_by_values: bool = False

    def questions(self, key: str) -> list[str]:
        """Ask whether a column is what its values alone say."""
        if not self.is_by_values:
            return []
        others = ", ".join(column.sql for column in self.others)
        instead = f", or rather {others}" if others else ""
        text = f"{key}: taken from the values of {self.column.sql} alone: is it that{instead}?"
        return [text]


Choices = dict[str, Choice]


def choose(columns: Sequence[Column], *, has_header: bool = True) -> Choices:
    """Give the column of each role that has one."""
    choices: Choices = {}
    for role, fits in _FITS.items():
        taken = _taken(choices)
        free = [column for column in columns if column not in taken]
        if found := _by_name(role, free, fits):
            choices[role] = found
    for role, is_it in (_SPEAKING if has_header else {**_SPEAKING, **_NAMELESS}).items():
        free = [column for column in columns if column not in _taken(choices)]
        is_known = role in choices or (role == "amount" and "unit_price" in choices)
        if not is_known and (fitting := [one for one in free if is_it(one)]):
            choices[role] = Choice(fitting[0], tuple(fitting[1:]), is_by_values=True)
    if not has_header:
        choices |= _nested_ids([one for one in columns if one not in _taken(choices)])
    return choices


def _taken(choices: Choices) -> list[Column]:
    return [choice.column for choice in choices.values()]


def _by_name(role: str, columns: Iterable[Column], fits: Callable[[Column], bool]) -> Choice | None:
    ranked = [
        (column.blank_share > _MOSTLY_BLANK, place, column)
        for column in columns
        if (place := rank(role, column.name)) is not None and _may_be(column, fits)
    ]
    ranked.sort(key=lambda one: one[:2])
    found = [column for _, _, column in ranked]
    return _renamed(found) if found else None


def _renamed(found: Sequence[Column]) -> Choice:
    """Take columns that no file has both of for one, which was renamed."""
    first, others = found[0], []
    for column in found[1:]:
        if first.files and column.files and not first.files & column.files:
            either = tuple(a or b for a, b in zip(first.values, column.values, strict=True))
            first = replace(
                first,
                name=f"{first.name} or {column.name}",
                sql=f"coalesce({first.sql}, {column.sql})",
                values=either,
                files=first.files | column.files,
            )
        else:
            others.append(column)
    return Choice(first, tuple(others))


def _may_be(column: Column, fits: Callable[[Column], bool]) -> bool:
    """Whether the values allow a role; of a table without rows they say nothing."""
    return column.n == 0 or (bool(column.given) and fits(column))


def _is_id(column: Column) -> bool:
    if column.type in ("timestamp", "timestamp_ntz", "date", "boolean"):
        return False
    stamp = column.stamp
    if stamp is not None and stamp.share > 0.9 and not column.is_number:
        return False
    return not column.has_decimals


def _is_order_id(column: Column) -> bool:
    if squeezed(re.split(r"[./]", column.name)[-1]) in _GENERAL_NAMES:
        n = sum(re.fullmatch(r"\S*\d\S*", text.strip()) is not None for text in column.given)
        return n > 0.9 * len(column.given) and _is_id(column) and "item" not in column.name.lower()
    return _is_id(column)


def _is_product(column: Column) -> bool:
    return _is_id(column) and not (column.is_item and squeezed(column.name) == "itemid")


def is_stamp(column: Column) -> bool:
    """Whether a column that is named like a date holds some, however they are written."""
    if column.is_time_alone:
        return False
    stamp = column.stamp
    has_stamps = stamp is not None and stamp.share >= _SMALLEST_SHARE
    return has_stamps or column.epoch is not None or column.is_excel_day


def _is_some_number(column: Column) -> bool:
    return column.number is not None and column.number.share >= _SMALLEST_SHARE


def _has_few_values(column: Column) -> bool:
    return len(column.distinct) <= 40


# In the order in which they choose: a column has one role.
_FITS: dict[str, Callable[[Column], bool]] = {
    "ordered_at": is_stamp,
    "customer_id": _is_id,
    "order_id": _is_order_id,
    "line_id": _is_id,
    "amount": _is_some_number,
    "unit_price": _is_some_number,
    "quantity": _is_some_number,
    "product_id": _is_product,
    "discount_amount": _is_some_number,
    "currency": lambda column: column.is_currency,
    "store_id": _is_id,
    "channel": lambda column: _has_few_values(column) and _is_id(column),
    "is_return": lambda column: column.is_boolean,
    "refund_of_order_id": _is_id,
    "refunded_amount": _is_some_number,
    "status": _has_few_values,
    "event": _has_few_values,
}


def _is_only_stamp(column: Column) -> bool:
    stamp = column.stamp
    is_told = stamp is not None and stamp.share > 0.9 and not column.is_number
    return is_told and not _NO_ORDER_DATE.search(column.name.lower())


def _has_currency_sign(column: Column) -> bool:
    number = column.number
    return number is not None and any(mark in "$€£¥₹" for mark in number.drop)


# What values say whatever the name is.
_SPEAKING: dict[str, Callable[[Column], bool]] = {
    "ordered_at": _is_only_stamp,
    "customer_id": lambda column: column.is_email,
    "amount": _has_currency_sign,
}


def _is_money(column: Column) -> bool:
    return column.is_number and (column.has_decimals or _has_currency_sign(column))


def _is_small_whole(column: Column) -> bool:
    is_whole = column.number is not None and column.number.is_whole
    is_text = any(text.startswith("0") and len(text) > 1 for text in column.distinct)
    return column.is_number and is_whole and not is_text and column.largest < 1000


# What values say where there are no names at all.
_NAMELESS: dict[str, Callable[[Column], bool]] = {
    "ordered_at": lambda column: column.stamp is not None and column.stamp.share > 0.9,
    "amount": _is_money,
    "quantity": _is_small_whole,
}


def _nested_ids(columns: Sequence[Column]) -> Choices:
    """Tell orders from customers: an order has one customer, a customer has several orders."""
    ids = [one for one in columns if one.given and _is_id(one) and len(one.distinct) > 1]
    pairs = [
        (order, customer)
        for order in ids
        for customer in ids
        if order is not customer and _is_within(order, customer)
    ]
    if pairs:
        order, customer = max(pairs, key=lambda pair: len(pair[0].distinct))
        return {
            "order_id": Choice(order, is_by_values=True),
            "customer_id": Choice(customer, is_by_values=True),
        }
    repeated = [one for one in ids if not one.is_unique]
    if not repeated:
        return {}
    return {"customer_id": Choice(repeated[0], tuple(repeated[1:]), is_by_values=True)}


def _is_within(order: Column, customer: Column) -> bool:
    of_order: dict[str, set[str | None]] = {}
    for one, other in zip(order.values, customer.values, strict=True):
        if one:
            of_order.setdefault(one, set()).add(other)
    has_one = all(len(found) == 1 for found in of_order.values())
    return has_one and len(order.distinct) > len(customer.distinct)
