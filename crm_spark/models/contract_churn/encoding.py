"""From attributes of any names to numbers that learners read: learnt on training rows alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F

from crm_spark.features.families.family import Feature
from crm_spark.models.contract_churn.attributes import Attribute
from crm_spark.tables.core import CATEGORIES, NUMBERS

_OTHER, _UNKNOWN = "is another", "is unknown"


@dataclass(frozen=True)
class EncodedNumber:
    """A number: what stands for it where it is not known, and whether that is an input, too."""

    name: str
    median: float
    has_unknown: bool

    @property
    def attribute(self) -> Attribute:
        """The attribute."""
        return Attribute(self.name, NUMBERS)

    @property
    def says(self) -> tuple[str, ...]:
        """What each of its inputs says; nothing but the value: an empty text."""
        return ("", _UNKNOWN) if self.has_unknown else ("",)

    def columns(self) -> list[Column]:
        """Give its inputs."""
        value = self.attribute.value
        filled = F.coalesce(value, F.lit(self.median))
        return [filled, _flag(value.isNull())] if self.has_unknown else [filled]


@dataclass(frozen=True)
class EncodedCategory:
    """A category: its levels, each an input, and whether rare ones and unknown ones are, too.

    A level that no training row had is one of the others, where there are any.
    """

    name: str
    levels: tuple[str, ...]
    has_other: bool
    has_unknown: bool

    @property
    def attribute(self) -> Attribute:
        """The attribute."""
        return Attribute(self.name, CATEGORIES)

    @property
    def says(self) -> tuple[str, ...]:
        """What each of its inputs says."""
        rest = (*([_OTHER] if self.has_other else []), *([_UNKNOWN] if self.has_unknown else []))
        return (*(f"is {level}" for level in self.levels), *rest)

    def columns(self) -> list[Column]:
        """Give its inputs."""
        value = self.attribute.value
        found = [_flag(value == level) for level in self.levels]
        if self.has_other:
            found.append(_flag(~value.isin(list(self.levels))))
        if self.has_unknown:
            found.append(_flag(value.isNull()))
        return found


def _flag(condition: Column) -> Column:
    return F.coalesce(condition, F.lit(False)).cast("double")


@dataclass(frozen=True)
class Encoding:
    """How attributes become inputs; an input is never null."""

    numbers: tuple[EncodedNumber, ...]
    categories: tuple[EncodedCategory, ...]

    @property
    def _all(self) -> tuple[EncodedNumber | EncodedCategory, ...]:
        return (*self.numbers, *self.categories)

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """The attributes that it reads."""
        return tuple(one.attribute for one in self._all)

    @cached_property
    def inputs(self) -> Mapping[str, tuple[Attribute, str]]:
        """The inputs by the names of their columns: of which attribute, and what they say of it.

        A name holds nothing that Spark would take for more than a name, and none differ in the case
        of letters alone.
        """
        found: dict[str, tuple[Attribute, str]] = {}
        for one in self._all:
            for says in one.says:
                plain = re.sub(r"\W+", "_", f"attribute_{one.name} {says}".strip(), flags=re.ASCII)
                name, n = plain, 1
                while name.lower() in {known.lower() for known in found}:
                    n += 1
                    name = f"{plain}_{n}"
                found[name] = (one.attribute, says)
        return found

    def columns(self) -> list[Column]:
        """Give the inputs of rows that with_attributes() gives."""
        values = [value for one in self._all for value in one.columns()]
        return [value.alias(name) for value, name in zip(values, self.inputs, strict=True)]

    @property
    def features(self) -> tuple[Feature, ...]:
        """The inputs as learners ask for them."""
        return tuple(
            Feature(name, f"{attribute.name} {says}".strip(), "as written")
            for name, (attribute, says) in self.inputs.items()
        )

    def inputs_of(self, attribute: Attribute) -> tuple[str, ...]:
        """Give the names of an attribute's inputs."""
        return tuple(name for name, (of, _) in self.inputs.items() if of == attribute)

    def spec(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> Encoding:
        """Put it together again."""
        return cls(
            tuple(EncodedNumber(**one) for one in spec["numbers"]),
            tuple(
                EncodedCategory(**{**one, "levels": tuple(one["levels"])})
                for one in spec["categories"]
            ),
        )


def learn_encoding(
    rows: pd.DataFrame, attributes: Sequence[Attribute], *, most_levels: int, fewest_of_level: int
) -> Encoding:
    """Learn how attributes become inputs from training rows, a column an attribute by its name.

    A number that is not known stands at the median. Of a category the `most_levels` commonest have
    an input of their own, where `fewest_of_level` rows have them; ties by name.
    """
    numbers, categories = [], []
    for attribute in attributes:
        values = rows[attribute.name]
        has_unknown = bool(values.isna().any())
        if attribute.is_number:
            median = float(values.median()) if values.notna().any() else 0.0
            numbers.append(EncodedNumber(attribute.name, median, has_unknown))
            continue
        counts = values.value_counts()
        ranked = sorted(counts.items(), key=lambda one: (-one[1], str(one[0])))
        levels = tuple(str(level) for level, n in ranked if n >= fewest_of_level)[:most_levels]
        has_other = len(levels) < len(ranked)
        categories.append(EncodedCategory(attribute.name, levels, has_other, has_unknown))
    return Encoding(tuple(numbers), tuple(categories))
