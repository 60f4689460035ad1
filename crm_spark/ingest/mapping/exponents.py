"""Whole numbers that were written with an exponent: 1.785E4 by Java, 1.78500E+04 by Excel."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

# Beyond it a double does not tell neighbouring whole numbers apart.
LARGEST_EXACT = 2**53
# Java writes as few digits as tell a double from all others: those that are left out are zeros.
_SHORTEST = r"^-?[0-9]\.[0-9]+E[0-9]+$"
# Spreadsheets and formats of C write as many as they were told: those left out may be any.
_ROUNDED = r"^-?[0-9](?:[.,][0-9]+)?[Ee]\+[0-9]+$|^-?[0-9],[0-9]+E[0-9]+$"


def written_out(text: Column) -> Column:
    """Give the digits of an exact whole number that has an exponent; all other text stays."""
    number = _number(text)
    is_exact = ~has_lost_digits(text) & (number == F.floor(number))
    digits = number.cast("decimal(38,0)").cast("string")
    return F.when(_is_scientific(text), F.when(is_exact, digits).otherwise(text)).otherwise(text)


def has_lost_digits(text: Column) -> Column:
    """Whether text is a whole number with fewer digits than it had; null where text is null."""
    number = _number(text)
    n_decimals = F.length(F.regexp_extract(text, r"[.,]([0-9]+)[Ee]", 1))
    exponent = F.substring_index(F.upper(text), "E", -1).cast("int")
    is_inexact = (number == F.floor(number)) & (F.abs(number) > LARGEST_EXACT)
    is_cut = text.rlike(_ROUNDED) & (n_decimals < exponent)
    # Null is a number too large for a decimal.
    return F.when(_is_scientific(text), F.coalesce(is_inexact | is_cut, F.lit(True))).otherwise(
        F.lit(False)
    )


def _is_scientific(text: Column) -> Column:
    # Most text is told apart without a regular expression.
    has_exponent = F.contains(text, F.lit("E")) | F.contains(text, F.lit("e+"))
    return has_exponent & text.rlike(f"{_SHORTEST}|{_ROUNDED}")


def _number(text: Column) -> Column:
    return F.replace(text, F.lit(","), F.lit(".")).cast("decimal(38,10)")
