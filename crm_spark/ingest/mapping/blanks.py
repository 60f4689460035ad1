"""Blanks: what counts as nothing written, the same for every column."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

# Blanks of any kind, and characters that nobody sees: no-break spaces, zero-width ones, marks.
BLANKS = r"[\s\p{Z}\p{Cc}\p{Cf}]+"
_ASCII_BLANKS = "".join(map(chr, range(33))) + "\x7f"


def without_blanks(text: Column) -> Column:
    """Take blanks of any kind and invisible characters off both ends."""
    is_ascii = F.octet_length(text) == F.char_length(text)
    plain = F.btrim(text, F.lit(_ASCII_BLANKS))
    other = F.regexp_replace(text, f"^{BLANKS}|{BLANKS}$", "")
    return F.when(is_ascii, plain).otherwise(other)
