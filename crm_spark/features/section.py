"""The features section: families of users' own, and which features other sections may name."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, ValidationInfo

from crm_spark.errors import nearest
from crm_spark.features.families import FEATURES

# Where a validation says which features there are; None: it is not known, and any may be named.
KNOWN_FEATURES = "known_features"


class FeaturesSection(BaseModel):
    """Features beside ours: modules that give families, by their names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    families: tuple[str, ...] = ()


def unknown_features(names: Iterable[str], info: ValidationInfo) -> list[str]:
    """Give a fault for each name that is no feature, of ours or of the families of the user."""
    ours = [feature.name for feature in FEATURES]
    known = (info.context or {}).get(KNOWN_FEATURES, ours)
    if known is None:
        return []
    return [
        f"unknown feature {name!r}{nearest(name, known)}" for name in names if name not in known
    ]
