"""Cleaning: what a row by itself, or its file, shows to be unusable; every rule in configuration.

What needs other rows (medians, outliers) is no business of the ingest: a statistic over all rows
would change with every delivery, and would tell a snapshot of the past about the future.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pyspark.sql import Column
from pyspark.sql import functions as F

from crm_spark.ingest.mapping.columns import is_filled
from crm_spark.lake.contract import Table

# What a decoder puts where bytes are none of its encoding.
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


# What programs and people write where a sale has no customer.
PLACEHOLDERS = (
    *("-1", "nan", "null", "none", "nil", "\\N", "n/a", "#n/a", "na", "<na>", "undefined"),
    *("(null)", "[null]", "<null>", "(none)", "(not set)", "not set"),
    *("#nv", "#ref!", "#value!", "#name?", "#num!", "#null!"),
    *("unknown", "guest", "anonymous", "-", "?"),
)
# May stand for no customer, but some number theirs from 0 on: kept, and told.
DOUBTFUL = "0"


class CleaningSection(BaseModel):
    """The rules of one source; a row that breaks one is rejected with its reason.

    `duplicates`: whether rows without a mapped id that are the same in every mapped column count
    each, or once. `earliest_date` and `latest_date`: local days outside which a time is not
    believed. `ahead_days`: by how much a row may lie after its own arrival, or after its file was
    written where no arrival is mapped; null: any. `negative_amounts`: whether a line below zero is
    a return, an adjustment to keep, or unusable. `zero_amounts`: whether they are kept, flagged.
    `test_customers`: regular expressions that a whole customer_id matches. `placeholders`: what
    stands in place of a customer_id where there is none, whatever the case of its letters.
    `missing`: constants in place of missing values, by column. `broken_text`: whether ids with
    characters that could not be decoded are kept. `broken_files`: whether a file that cannot be
    used is rejected whole, or ends the run before anything is written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    duplicates: Literal["keep", "exact_line"] = "keep"
    earliest_date: date = date(1990, 1, 1)
    latest_date: date | None = None
    ahead_days: int | None = Field(default=1, ge=0)
    negative_amounts: Literal["return", "keep", "reject"] = "return"
    zero_amounts: Literal["keep", "reject"] = "keep"
    test_customers: tuple[str, ...] = ()
    placeholders: tuple[str, ...] = PLACEHOLDERS
    missing: Mapping[str, str] = {}
    broken_text: Literal["keep", "reject"] = "reject"
    broken_files: Literal["reject", "stop"] = "reject"

    @field_validator("test_customers")
    @classmethod
    def _patterns_are_regular(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        return value


def cleaning_reasons(table: Table, rules: CleaningSection, *, known_by: Column) -> list[Column]:
    """Give the reasons that the rules find in a row, null where there is none.

    Reads the mapped columns of `table`; `known_by` is when the row was there at the latest.
    """
    columns = {column.name for column in table.columns if column.mapping}
    reasons = [*_ids(columns, rules)]
    if table.event_time is not None:
        reasons += _times(table.event_time, rules, known_by)
    if table.name == "core.transactions":
        reasons += _amounts(rules)
    return reasons


def cleaning_effects(
    table: Table, rules: CleaningSection, mapped: Container[str]
) -> dict[str, Column]:
    """Give, for each rule that changes or marks rows and keeps them, whether it did so with a row.

    `mapped` are the columns that the source gives. Reads what map_source and complete_versions add.
    """
    effects = {f"{name} filled in": F.col(is_filled(name)) for name in rules.missing}
    if table.name == "core.transactions":
        if "is_return" not in mapped and rules.negative_amounts == "return":
            effects["taken as returns"] = F.col("is_return")
        if rules.zero_amounts == "keep":
            effects["amount of zero"] = F.col("is_zero_amount")
    return effects


def _ids(columns: set[str], rules: CleaningSection) -> list[Column]:
    reasons = []
    if rules.broken_text == "reject":
        for name in sorted(column for column in columns if column.endswith("_id")):
            message = f"{name} holds characters that could not be decoded: is the encoding right?"
            reasons.append(F.when(F.contains(F.col(name), F.lit(REPLACEMENT)), F.lit(message)))
    if "customer_id" in columns:
        if rules.placeholders:
            own = rules.missing.get("customer_id", "").lower()
            others = [text.lower() for text in rules.placeholders if text.lower() != own]
            named = F.lower("customer_id").isin(others)
            start, end = "customer_id is missing: ", " stands for none (cleaning.placeholders)"
            reason = F.concat(F.lit(start), F.col("customer_id"), F.lit(end))
            reasons.append(F.when(named, reason))
        for pattern in rules.test_customers:
            message = f"customer_id is of a test account ({pattern})"
            reasons.append(F.when(F.col("customer_id").rlike(f"^(?:{pattern})$"), F.lit(message)))
    return reasons


def _times(event_time: str, rules: CleaningSection, known_by: Column) -> list[Column]:
    event = F.col(event_time)
    day = F.to_date(event)
    shown = F.concat(F.lit(f"{event_time} is "), day.cast("string"))
    earliest = rules.earliest_date.isoformat()
    # Moments are compared: to find the local day of each line takes longer than all else here.
    begins = F.lit(rules.earliest_date).cast("timestamp")
    message = F.concat(shown, F.lit(f", before earliest_date {earliest}"))
    reasons = [F.when(event < begins, message)]
    if rules.latest_date is not None:
        latest = rules.latest_date.isoformat()
        message = F.concat(shown, F.lit(f", after latest_date {latest}"))
        ends = F.date_add(F.lit(rules.latest_date), 1).cast("timestamp")
        reasons.append(F.when(event >= ends, message))
    if rules.ahead_days is not None:
        limit = F.date_add(F.to_date(known_by), rules.ahead_days)
        message = F.concat(
            shown,
            F.lit(", in the future of "),
            F.to_date(known_by).cast("string"),
            F.lit(", when it was known"),
        )
        reasons.append(F.when((event > known_by) & (day > limit), message))
    return reasons


def _amounts(rules: CleaningSection) -> list[Column]:
    amount = F.col("amount")
    shown = amount.cast("string")
    reasons = []
    if rules.negative_amounts == "reject":
        message = F.concat(F.lit("amount is "), shown, F.lit(", below zero"))
        reasons.append(F.when(amount < 0, message))
    if rules.zero_amounts == "reject":
        reasons.append(F.when(amount == 0, F.lit("amount is zero")))
    return reasons
