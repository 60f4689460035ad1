"""Amounts that cannot be read: what they look like, and the expression that reads them."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from crm_spark.ingest.mapping.blanks import BLANKS
from crm_spark.ingest.mapping.expressions import as_sql

_SIGNS = "$€£¥"
_PLAIN = r"[0-9]+(?:\.[0-9]+)?"
# One group of three digits alone may be decimals: it says nothing.
_COMMAS = r"[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+|[0-9]{1,3}(?:,[0-9]{3}){2,}"
_DOTS = r"[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+|[0-9]{1,3}(?:\.[0-9]{3}){2,}"
_GROUPS = r"[0-9]{1,3}(?:['\u2019\s\u00a0\u2009\u202f][0-9]{3})+"


@dataclass(frozen=True)
class _Look:
    """How an amount is written, without its currency sign, and what reads it.

    The pattern is of all of it but blanks at the ends. In `remedy` {c} is the column, {signs} the
    currency signs, where there are any.
    """

    pattern: str
    what: str
    remedy: str


_LOOKS = (
    _Look(
        rf"\((?:{_PLAIN}|{_COMMAS})\)",
        "parentheses stand for a minus",
        "translate({c}, '(),{signs}', '-')",
    ),
    _Look(
        rf"(?:{_PLAIN}|{_COMMAS})-",
        "the minus stands behind",
        r"regexp_replace(translate({c}, ',{signs}', ''), '^(.*)-$', '-$1')",
    ),
    _Look(
        r"[+-]?[0-9]+(?:[.,][0-9]+)?\s?%",
        "it is a percentage and no amount",
        "the price times translate({c}, '%', '') / 100",
    ),
    _Look(rf"[+-]?(?:{_COMMAS})", "commas part thousands", "translate({c}, ',{signs}', '')"),
    _Look(
        rf"[+-]?(?:{_DOTS})",
        "points part thousands, a comma the decimals",
        "translate({c}, ',.{signs}', '.')",
    ),
    _Look(
        r"[+-]?[0-9]+,[0-9]{1,2}",
        "a comma parts the decimals",
        "translate({c}, ',{signs}', '.')",
    ),
    _Look(
        rf"[+-]?{_GROUPS}(?:\.[0-9]+)?",
        "blanks or apostrophes part thousands",
        "regexp_replace({c}, '[^0-9.-]', '')",
    ),
    _Look(
        rf"[+-]?{_GROUPS},[0-9]+",
        "blanks or apostrophes part thousands, a comma the decimals",
        "translate(regexp_replace({c}, '[^0-9,-]', ''), ',', '.')",
    ),
    _Look(
        rf"[\u2212\u2013]{_PLAIN}",
        "the minus is another sign than -",
        "translate({c}, '\u2212\u2013', '--')",
    ),
    _Look(rf"[+-]?{_PLAIN}", "it holds a currency sign", "translate({c}, '{signs}', '')"),
)


def amount_hint(text: Column, name: str) -> Column:
    """Give what a text in a column of this name looks like and what to write.

    Null where it cannot be told. One constant text for each look, so that rows of the same fault
    have the same reason.
    """
    has_sign = text.rlike(f"[{_SIGNS}]")
    bare = F.translate(text, _SIGNS, "")
    # A dollar sign tells what the commas are.
    is_dollars = text.rlike(r"^\s*[+-]?\$[0-9]{1,3}(?:,[0-9]{3})+\s*$")
    found = F.when(is_dollars, F.lit(_hint(_LOOKS[3], name, _SIGNS)))
    for look in _LOOKS:
        plain, signed = F.lit(_hint(look, name, "")), F.lit(_hint(look, name, _SIGNS))
        is_look = bare.rlike(f"^(?:{BLANKS})?(?:{look.pattern})(?:{BLANKS})?$")
        found = found.when(is_look, F.when(has_sign, signed).otherwise(plain))
    return found


def _hint(look: _Look, name: str, signs: str) -> str:
    return f"{look.what}: write {look.remedy.format(c=as_sql(name), signs=signs)}"
