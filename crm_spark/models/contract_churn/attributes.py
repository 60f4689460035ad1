"""Attributes of contracts: which there are, and their values as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from crm_spark.tables.core import CATEGORIES, NUMBERS

Kind = Literal["numbers", "categories"]


@dataclass(frozen=True)
class Attribute:
    """One attribute of core.contracts, a number or a category."""

    name: str
    kind: Kind

    @property
    def is_number(self) -> bool:
        """Whether it is a number."""
        return self.kind == NUMBERS

    @property
    def value(self) -> Column:
        """Give its value of rows with_attributes() gives; null where it is not known."""
        return F.try_element_at(F.col(f"_{self.kind}"), F.lit(self.name))


def attributes_of(contracts: DataFrame) -> tuple[Attribute, ...]:
    """Give the attributes of the rows of core.contracts, numbers first, by name."""
    kinds: tuple[Kind, ...] = (NUMBERS, CATEGORIES)
    names = [
        F.array_distinct(F.flatten(F.collect_set(F.transform(kind, lambda one: one["name"]))))
        for kind in kinds
    ]
    found = contracts.agg(*[name.alias(kind) for name, kind in zip(names, kinds, strict=True)])
    row = found.collect()[0]
    return tuple(Attribute(name, kind) for kind in kinds for name in sorted(row[kind]))


def with_attributes(contracts: DataFrame, *keep: str) -> DataFrame:
    """Give `keep` of rows of core.contracts, and their attributes as Attribute.value reads them."""
    maps = [F.map_from_entries(kind).alias(f"_{kind}") for kind in (NUMBERS, CATEGORIES)]
    return contracts.select(*keep, *maps)


def shown_values(attributes: Sequence[Attribute]) -> Column:
    """Give the values of attributes as they are shown, in this order; null where not known."""
    return F.array(*[one.value.cast("string") for one in attributes])
