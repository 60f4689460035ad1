"""Which features a model may use, decided on training cut-offs alone, and why not the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from crm_spark.models.feature_health import FeatureHealth, MeasuredFeatures, Strength

# A single feature that ranks better than this is a leak until proved otherwise.
LEAK_AUC = 0.9
# With fewer of one class an AUC says too little to suspect anybody.
FEWEST_OF_A_CLASS = 10
# Spearman's coefficient from which two features say the same.
SAME_CORRELATION = 0.98

Reason = Literal["never known", "constant", "suspected leak", "redundant"]


@dataclass(frozen=True)
class Suspicion:
    """An AUC that is too good: on one cut-off, or (None) on all training cut-offs together."""

    feature: str
    auc: float
    cutoff: date | None


@dataclass(frozen=True)
class Dropped:
    """Why a feature is not used: the figure that decided, and the feature that says the same."""

    feature: str
    reason: Reason
    figure: float | None = None
    same_as: str | None = None


@dataclass(frozen=True)
class Selection:
    """The features to use, in the catalogue's order, and why the others are not.

    `trusted` holds suspicions that the user has cleared: those features are used.
    """

    kept: tuple[str, ...]
    dropped: Mapping[str, Dropped]
    suspicions: tuple[Suspicion, ...]
    trusted: tuple[Suspicion, ...]


def select_features(measured: MeasuredFeatures, *, trusted: Collection[str] = ()) -> Selection:
    """Drop what is never known, constant, a suspected leak, or says the same as a stronger feature.

    Figures of the test cut-off have no part in it: a test that had chosen the features would
    flatter them. Unstable features are kept, since windows and calendars drift by season.
    """
    dropped: dict[str, Dropped] = {}
    suspicions = []
    for health in measured.health:
        if not health.values.tells_customers_apart:
            reason: Reason = "constant" if health.values.n_known else "never known"
            dropped[health.feature] = Dropped(health.feature, reason)
        elif found := suspicion(health, measured.training):
            suspicions.append(found)
            if health.feature not in trusted:
                dropped[health.feature] = Dropped(health.feature, "suspected leak", found.auc)
    dropped |= _redundant(measured, without=dropped)
    return Selection(
        kept=tuple(health.feature for health in measured.health if health.feature not in dropped),
        dropped=dropped,
        suspicions=tuple(suspect for suspect in suspicions if suspect.feature not in trusted),
        trusted=tuple(suspect for suspect in suspicions if suspect.feature in trusted),
    )


def suspicion(health: FeatureHealth, cutoffs: Sequence[date]) -> Suspicion | None:
    """Suspect a feature whose AUC is above the limit over all training rows.

    Or on a single one of `cutoffs` by the whole of its interval: history is often rewritten in part
    only, and on a few rows a good feature passes the limit by chance.
    """
    overall = health.strength
    if overall.auc is not None and overall.auc > LEAK_AUC and _is_measurable(overall):
        return Suspicion(health.feature, overall.auc, None)
    for day in sorted(cutoffs, reverse=True):
        if found := suspicion_at(health, day):
            return found
    return None


def suspicion_at(health: FeatureHealth, cutoff: date) -> Suspicion | None:
    """Suspect a feature whose AUC is above the limit on one cut-off, by the whole interval."""
    found = health.strength_by_cutoff.get(cutoff)
    if found is None or found.auc is None or found.low is None or not _is_measurable(found):
        return None
    return Suspicion(health.feature, found.auc, cutoff) if found.low > LEAK_AUC else None


def _is_measurable(strength: Strength) -> bool:
    return strength.n_rarer >= FEWEST_OF_A_CLASS


def _redundant(measured: MeasuredFeatures, *, without: Collection[str]) -> dict[str, Dropped]:
    """Go through the features, the strongest first; drop what says the same as one kept before.

    Ties of strength go by the catalogue's order.
    """
    places = {health.feature: place for place, health in enumerate(measured.health)}
    strongest = sorted(
        (health for health in measured.health if health.feature not in without),
        key=lambda health: (-round(health.strength.auc or 0.0, 9), places[health.feature]),
    )
    kept: list[str] = []
    dropped = {}
    for health in strongest:
        alike = measured.correlation[places[health.feature], [places[name] for name in kept]]
        if kept and np.abs(alike).max() > SAME_CORRELATION:
            nearest = int(np.argmax(np.abs(alike)))
            dropped[health.feature] = Dropped(
                health.feature, "redundant", float(alike[nearest]), kept[nearest]
            )
        else:
            kept.append(health.feature)
    return dropped
