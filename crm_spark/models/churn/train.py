"""One step of walking forward: which rows of churn teach, calibrate and test."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.features.families import FEATURES
from crm_spark.features.families.family import Feature
from crm_spark.models.churn.candidates import candidate_named
from crm_spark.models.churn.season import Season
from crm_spark.models.churn.section import ChurnSection, closed_after
from crm_spark.models.churn.subgroups import FEATURES_OF_GROUPS, Group, attribute, groups_of
from crm_spark.models.classifiers.step import CALIBRATION, TEST, USE, Fitted, Step
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.feature_health import value_ranges


def usable_features(
    frame: DataFrame, features: Sequence[Feature] = FEATURES
) -> tuple[Feature, ...]:
    """Give the features with at least two different values on the training rows."""
    ranges = value_ranges(frame, features)
    return tuple(feature for feature in features if ranges[feature.name].tells_customers_apart)


def fit_candidate(
    name: str,
    frame: DataFrame,
    cutoffs: Cutoffs,
    params: ChurnSection,
    *,
    features: Sequence[Feature] | None = None,
) -> Fitted:
    """Fit one candidate on the training cut-offs and test it on the later one."""
    if features is None:
        features = usable_features(learnt_rows(frame, cutoffs, closed_after(params)))
    return step_of(frame, cutoffs, params, features).fitted(candidate_named(name))


def learnt_dates(cutoffs: Cutoffs, closes_after: timedelta) -> list[date]:
    """Give the training cut-offs to learn from, in order: those that had closed to calibrate on.

    A later one shares days with the outcomes on which probabilities are calibrated: they would look
    better there than they are. Where none had closed all but that to calibrate on are learnt from,
    and a single one is learnt from itself.
    """
    earlier = sorted(cutoffs.training)[:-1]
    closed = [day for day in earlier if day + closes_after <= cutoffs.calibration]
    return closed or earlier or list(cutoffs.training)


def learnt_rows(frame: DataFrame, cutoffs: Cutoffs, closes_after: timedelta) -> DataFrame:
    """Give the rows of the cut-offs that are learnt from."""
    return frame.where(F.col("as_of_date").isin(learnt_dates(cutoffs, closes_after)))


def step_of(
    frame: DataFrame,
    cutoffs: Cutoffs,
    params: ChurnSection,
    features: Sequence[Feature],
    season: Season | None = None,
) -> Step:
    """Give a step of walking forward: it learns from the training cut-offs closed by the latest.

    That calibrates, and a season moves the level from there to the test. With a single training
    cut-off there is nothing later to calibrate on.
    """
    wait, day = closed_after(params), F.col("as_of_date")
    use = F.when(day == cutoffs.test, TEST)
    if len(cutoffs.training) > 1:
        use = use.when(day == cutoffs.calibration, CALIBRATION)
    days = ", ".join(day.isoformat() for day in learnt_dates(cutoffs, wait))
    return Step(
        learnt_rows(frame, cutoffs, wait),
        frame.withColumn(USE, use).where(F.col(USE).isNotNull()),
        params,
        features,
        closes_after=wait,
        shift=season.shift(cutoffs.test) if season else 0.0,
        keep=[*FEATURES_OF_GROUPS, *map(attribute, params.subgroups)],
        lacking=(
            f"churn cannot be trained: no customer was active on {days}",
            f"churn cannot be tested: no customer was active on {cutoffs.test}",
        ),
    )


def tested_groups(fitted: Fitted) -> list[Group]:
    """Give the groups of the test's customers, and how a candidate did on each."""
    outcomes = fitted.outcomes
    return groups_of(
        {name: outcomes.kept[name].astype(float) for name in FEATURES_OF_GROUPS},
        outcomes.is_positive,
        outcomes.probability,
        {
            name.removeprefix(attribute("")): values
            for name, values in outcomes.kept.items()
            if name.startswith(attribute(""))
        },
    )
