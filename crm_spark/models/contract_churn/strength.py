"""What each attribute tells by itself, and which look too good to be true."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from crm_spark.models.binary_metrics import Floats
from crm_spark.models.contract_churn.attributes import Attribute
from crm_spark.models.contract_churn.encoding import Encoding
from crm_spark.models.feature_health import Strength, single_feature_strength
from crm_spark.models.feature_selection import FEWEST_OF_A_CLASS, LEAK_AUC

Reason = Literal["never known", "constant", "suspected leak"]


@dataclass(frozen=True)
class AttributeStrength:
    """An attribute with its AUC as the only score, and why it is not used; None: it is."""

    attribute: Attribute
    strength: Strength
    dropped: Reason | None = None
    is_trusted: bool = False

    @property
    def is_suspected(self) -> bool:
        """Whether it tells more than an attribute should, as the outcome in disguise would."""
        return is_suspected(self.strength)


def is_suspected(strength: Strength) -> bool:
    """Whether an AUC is above the limit, and there are customers enough to say so."""
    auc = strength.auc
    return auc is not None and auc > LEAK_AUC and strength.n_rarer >= FEWEST_OF_A_CLASS


def strengths_of(
    values: pd.DataFrame, labels: Floats, encoding: Encoding, *, trusted: Collection[str] = ()
) -> list[AttributeStrength]:
    """Give what each attribute tells by itself on training rows, those that are dropped, too.

    A number ranks by itself, whichever way round; a category by the share who left at each level,
    rare ones taken together. What is not known is a level, and of a number the median, or beyond
    all that are, where that tells more: what only those have who left must not pass unseen.
    """
    levels = {one.name: one.levels for one in encoding.categories}
    medians = {one.name: one.median for one in encoding.numbers}
    found = []
    for attribute in encoding.attributes:
        of_attribute = values[attribute.name]
        if attribute.is_number:
            strength = _strength_of_number(of_attribute, medians[attribute.name], labels)
        else:
            shares = _shares(of_attribute, levels[attribute.name], labels)
            strength = single_feature_strength(shares, labels)
        is_trusted = attribute.name in trusted
        dropped: Reason | None = None
        if of_attribute.notna().sum() == 0:
            dropped = "never known"
        elif of_attribute.nunique(dropna=False) < 2:
            dropped = "constant"
        elif is_suspected(strength) and not is_trusted:
            dropped = "suspected leak"
        found.append(AttributeStrength(attribute, strength, dropped, is_trusted))
    return found


def _strength_of_number(values: pd.Series[float], median: float, labels: Floats) -> Strength:
    fills = [median]
    if values.isna().any() and values.notna().any():
        fills += [float(values.min()) - 1, float(values.max()) + 1]
    filled = [np.asarray(values.fillna(fill), np.float64) for fill in fills]
    found = [single_feature_strength(one, labels) for one in filled]
    return max(found, key=lambda one: one.auc or 0.0)


def _shares(values: pd.Series[str], levels: Sequence[str], labels: Floats) -> Floats:
    """Give the share who left among the customers with each one's level."""
    level = values.where(values.isin(list(levels)) | values.isna(), "\0another").fillna("\0unknown")
    _, place = np.unique(level.to_numpy(str), return_inverse=True)
    n = np.bincount(place)
    return np.asarray((np.bincount(place, weights=labels) / n)[place], np.float64)


def strongest(
    strengths: Sequence[AttributeStrength], *, is_number: bool
) -> AttributeStrength | None:
    """Give the attribute of a kind that tells most by itself, ties by name; None without any.

    No suspected leak. One that is the same for all customers, as it may be in a fold, tells nothing
    and is one yet.
    """
    of_kind = [
        one
        for one in strengths
        if one.attribute.is_number == is_number and one.dropped != "suspected leak"
    ]
    return min(
        of_kind,
        key=lambda one: (-round(one.strength.auc or 0.5, 9), one.attribute.name),
        default=None,
    )
