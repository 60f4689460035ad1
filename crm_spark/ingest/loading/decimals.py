"""Decimals of amounts as the source writes them: what rounding to cents takes from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pyspark.sql import Column
from pyspark.sql import functions as F

from crm_spark.ingest.mapping.columns import AMOUNT_TEXT, is_usable

_N_OF_THOUSANDS = 3


@dataclass(frozen=True)
class Decimals:
    """Usable rows whose amount is text with a point, with three decimals, and rounded to cents.

    `of_three` is one of three decimals.
    """

    n_with_point: int = 0
    n_of_three: int = 0
    n_rounded: int = 0
    of_three: str | None = None

    @classmethod
    def of(cls, aggregates: Mapping[str, Any]) -> Self:
        """Read what decimal_aggregates gave."""
        n_with_point, n_of_three, n_rounded = (
            aggregates.get(name, 0) for name in ("n_with_point", "n_of_three", "n_rounded")
        )
        return cls(n_with_point, n_of_three, n_rounded, aggregates.get("of_three"))

    def may_be_thousands(self, n_usable: int) -> bool:
        """Whether the point may part thousands: most amounts that have one have three decimals.

        An export that writes three decimals always has a point, and nothing behind the second.
        """
        is_most = 2 * self.n_of_three > self.n_with_point
        return is_most and (self.n_rounded > 0 or self.n_with_point < n_usable)


def decimal_aggregates() -> list[Column]:
    """Aggregates over mapped rows; a number that is no text was made by the source or mapping."""
    text = F.when(is_usable() & F.contains(AMOUNT_TEXT, F.lit(".")), F.col(AMOUNT_TEXT))
    behind = F.substring_index(text, ".", -1)
    # Few have more than two: the others are not looked into.
    is_long = F.length(behind) > 2
    has_three = is_long & behind.rlike(f"^[0-9]{{{_N_OF_THOUSANDS}}}$")
    return [
        F.count(text).alias("n_with_point"),
        F.count_if(has_three).alias("n_of_three"),
        F.count_if(is_long & behind.rlike("^[0-9]{2}[0-9]*[1-9][0-9]*$")).alias("n_rounded"),
        F.max(F.when(has_three, text)).alias("of_three"),
    ]
