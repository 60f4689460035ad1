"""A small search for a learner's settings, by what is learnt from alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.features.families.family import Feature
from crm_spark.models.binary_metrics import count_arrays, roc_auc
from crm_spark.models.classifiers.arrays import LEARNT_ROWS
from crm_spark.models.classifiers.classifier import LABEL, RAW_SCORE, score
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.settings import LearnerSettings
from crm_spark.models.rows import sampled_customers
from crm_spark.runtime.progress import log

# AUCs that differ by less are the same.
_DECIMALS = 4


@dataclass(frozen=True)
class Tried:
    """Settings with the AUC that they gave on the cut-off that was kept back from them."""

    settings: LearnerSettings
    auc: float | None


def settings_to_try(learner: Learner, settings: LearnerSettings) -> tuple[LearnerSettings, ...]:
    """Give the settings as they are, then those of the learner's grid, `search` in all."""
    wanted = [settings, *(with_changes(settings, changes) for changes in learner.grid)]
    return tuple(dict.fromkeys(wanted))[: settings.search]


def with_changes(settings: LearnerSettings, changes: Mapping[str, Any]) -> LearnerSettings:
    """Give settings of which some keys of their sections, or of their own, are others."""
    updated = {}
    for key, change in changes.items():
        before = getattr(settings, key)
        is_section = isinstance(change, Mapping)
        updated[key] = before.model_copy(update=dict(change)) if is_section else change
    return settings.model_copy(update=updated)


def folds(learnt_dates: Sequence[date], closes_after: timedelta) -> tuple[list[date], date] | None:
    """Give the cut-offs to learn from and the latest one, to try on; None where there are none.

    A label is known `closes_after` its cut-off: those that the latest could not know are left out.
    """
    if not learnt_dates:
        return None
    latest = max(learnt_dates)
    closed = sorted(
        day for day in set(learnt_dates) if day < latest and day + closes_after <= latest
    )
    return (closed, latest) if closed else None


def searched(
    learner: Learner,
    learnt: DataFrame,
    features: Sequence[Feature],
    settings: LearnerSettings,
    *,
    closes_after: timedelta,
) -> tuple[LearnerSettings, tuple[Tried, ...]]:
    """Give the settings that rank best on the latest cut-off of `learnt`, and all that were tried.

    They learn from the cut-offs before it. Ties go to the simpler settings, then to the first.
    Nothing is tried where `search` is off, there is nothing but one setting, or one cut-off.
    """
    candidates = settings_to_try(learner, settings)
    if learner.fit is None or len(candidates) < 2:
        return settings, ()
    days = [row["as_of_date"] for row in learnt.select("as_of_date").distinct().collect()]
    split = folds(days, closes_after)
    if split is None:
        log.info(
            "%s: no settings are searched, as there is no closed cut-off before the latest to "
            "learn from: those configured stand",
            learner.name,
        )
        return settings, ()
    earlier, latest = split
    kept_back = learnt.where(F.col("as_of_date") == latest)
    kept_back = sampled_customers(kept_back, n_rows=kept_back.count(), most=LEARNT_ROWS)
    tried = []
    for one in candidates:
        classifier = learner.fit(learnt.where(F.col("as_of_date").isin(earlier)), features, one)
        found = score(classifier, kept_back, keep=[LABEL]).select(LABEL, RAW_SCORE).toPandas()
        counts = count_arrays(found[RAW_SCORE].to_numpy(float), found[LABEL].to_numpy() == 1)
        tried.append(Tried(one, roc_auc(counts)))
    chosen = best_of(tried, learner)
    told = ", ".join(f"{key} {value}" for key, value in learner.settings(chosen.settings).items())
    auc = "unknown" if chosen.auc is None else f"{chosen.auc:.4f}"
    log.info(
        "%s: of %d settings the best on %s: %s (AUC %s)",
        learner.name,
        len(tried),
        latest,
        told,
        auc,
    )
    return chosen.settings, tuple(tried)


def best_of(tried: Sequence[Tried], learner: Learner) -> Tried:
    """Give the one of the highest AUC, ties to the simpler, then to the first.

    Where nothing could be measured that is what was configured.
    """
    if all(one.auc is None for one in tried):
        return tried[0]

    def place(one: Tried) -> tuple[float, tuple[float, ...]]:
        return -round(one.auc or 0.0, _DECIMALS), learner.complexity(one.settings)

    return min(tried, key=place)
