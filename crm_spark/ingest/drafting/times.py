"""When a line was ordered: stamps of any form, numbers that count, a date and a time apart."""

from __future__ import annotations

from collections.abc import Sequence

from crm_spark.ingest.drafting.amounts import number_sql
from crm_spark.ingest.drafting.clock import time_pattern
from crm_spark.ingest.drafting.column import Column
from crm_spark.ingest.drafting.entry import Entry
from crm_spark.ingest.drafting.epochs import excel_sql
from crm_spark.ingest.drafting.names import rank, squeezed
from crm_spark.ingest.drafting.roles import Choice
from crm_spark.ingest.drafting.sql import literal
from crm_spark.ingest.drafting.stamps import StampForm

_KEY = "ordered_at"


def ordered_at_entry(choice: Choice | None, columns: Sequence[Column]) -> Entry:
    """Give when a line was ordered."""
    if choice is None:
        return _missing(columns)
    column = choice.column
    questions = choice.questions(_KEY)
    if column.n == 0:
        return Entry(_KEY, f"to_timestamp({column.sql})", (column,), tuple(questions))
    entry = _of_numbers(column) or _of_text(column, columns)
    return Entry(_KEY, entry.expression, entry.columns, (*questions, *entry.questions))


def _missing(columns: Sequence[Column]) -> Entry:
    """Ask for dates; days that are counted become some, once it is known from when on."""
    named = [one for one in columns if rank(_KEY, one.name) is not None and one.given]
    if not named:
        text = f"{_KEY}: no column holds dates: when was it ordered? A query can bring them"
        return Entry(_KEY, None, questions=(text,))
    column = named[0]
    text = f"{_KEY}: {column.sql} holds no dates, as {column.examples}"
    if not (column.number and column.number.is_whole):
        return Entry(_KEY, None, (column,), (text,))
    made = f"date_add(date'2000-01-01', cast({column.sql} as int))"
    text += ": if these are days, from which day are they counted?"
    return Entry(_KEY, None, (column,), (text,), suggestion=made)


def has_no_zone(choice: Choice | None) -> bool:
    """Whether the time zone is for the user to tell: the stamps say none."""
    if choice is None or choice.column.epoch:
        return False
    stamp = choice.column.stamp
    return stamp is None or not stamp.has_zone


def _of_numbers(column: Column) -> Entry | None:
    stamp = column.stamp
    is_compact = stamp is not None and stamp.share > 0.5
    if column.type in ("timestamp", "timestamp_ntz", "date") or is_compact:
        return None
    if unit := column.epoch:
        text = f"timestamp_{unit}(cast({column.sql} as bigint))"
        return Entry(_KEY, text, (column,))
    if column.is_excel_day:
        text = f"{_KEY}: taken as days as spreadsheets count them, 45000 being 2023-03-15: is it?"
        return Entry(_KEY, excel_sql(number_sql(column)), (column,), (text,))
    return None


def _of_text(column: Column, columns: Sequence[Column]) -> Entry:
    if column.type in ("timestamp", "timestamp_ntz", "date"):
        return Entry(_KEY, column.sql, (column,))
    stamp = column.stamp
    assert stamp is not None
    questions = _form_questions(column, stamp)
    time = None if stamp.has_time else _time_beside(column, columns)
    if time is None:
        sql = column.sql if column.type == "string" else f"cast({column.sql} as string)"
        return Entry(_KEY, stamp.as_sql(sql), (column,), tuple(questions))
    pattern = f"{stamp.patterns[0] if stamp.patterns else 'yyyy-M-d'} {time_pattern(time.given[0])}"
    text = f"to_timestamp(concat({column.sql}, ' ', {time.sql}), {literal(pattern)})"
    return Entry(_KEY, text, (column, time), tuple(questions))


def _form_questions(column: Column, stamp: StampForm) -> list[str]:
    questions = []
    if stamp.is_doubtful:
        text = next(one for one in column.distinct if one[:1].isdigit())
        first = "day" if stamp.patterns[0].startswith("d") else "month"
        questions.append(
            f"{_KEY}: no value tells days from months: is the first number of {text!r} the {first}?"
        )
    if stamp.zone_names:
        names = ", ".join(stamp.zone_names)
        questions.append(
            f"{_KEY}: does Spark read the zone {names} as you mean it? Such names are ambiguous"
        )
    return questions


def _time_beside(day: Column, columns: Sequence[Column]) -> Column | None:
    """Give the column of the times that belong to a column of days."""
    times = [one for one in columns if one.given and one.is_time_alone]
    of_that_name = squeezed(day.name).replace("date", "time")
    named = [one for one in times if squeezed(one.name) in (of_that_name, "time", "zeit", "hora")]
    return named[0] if named else times[0] if len(times) == 1 else None
