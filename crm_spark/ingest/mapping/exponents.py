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
# What stands for the digits of a number that has lost some.
LOST = ""


def written_out(text: Column) -> Column:
    """Give the digits of a whole number with an exponent, LOST where it had more than it shows.

    A number with decimals stays as it is written; null is all text that has no exponent.
    """
    number = F.replace(text, F.lit(","), F.lit(".")).cast("decimal(38,10)")
    is_whole = number == F.floor(number)
    n_decimals = F.length(F.regexp_extract(text, r"[.,]([0-9]+)[Ee]", 1))
    exponent = F.substring_index(F.upper(text), "E", -1).cast("int")
    is_inexact = is_whole & (F.abs(number) > LARGEST_EXACT)
    is_cut = text.rlike(_ROUNDED) & (n_decimals < exponent)
    # Null is a number too large for a decimal.
    has_lost = F.coalesce(is_inexact | is_cut, F.lit(True))
    digits = F.when(is_whole, number.cast("decimal(38,0)").cast("string")).otherwise(text)
    return F.when(_is_scientific(text), F.when(has_lost, F.lit(LOST)).otherwise(digits))


def _is_scientific(text: Column) -> Column:
    # Most text is told apart without a regular expression.
    has_exponent = F.contains(text, F.lit("E")) | F.contains(text, F.lit("e+"))
    return has_exponent & text.rlike(f"{_SHORTEST}|{_ROUNDED}")
