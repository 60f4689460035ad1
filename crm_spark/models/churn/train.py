"""Fit, calibrate and test every candidate on one step of walking forward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.families.family import Feature
from crm_spark.models.binary_metrics import (
    Metric,
    ScoreCounts,
    all_metrics,
    best_f1_threshold,
    calibration_bins,
    count_scores,
    roc_auc,
    wilson_interval,
)
from crm_spark.models.calibration import PlattCalibration, fit_platt
from crm_spark.models.churn.candidates import CANDIDATES, ChurnCandidate, usable_features
from crm_spark.models.churn.labels import LABEL
from crm_spark.models.churn.model import PROBABILITY, ChurnModel, score
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.results import Measured
from crm_spark.models.rows import sampled_customers

N_EXPLAINED = 8
# Of more customers than these a sample by hash says what is usual.
MEDIAN_ROWS = 100_000
_SHUFFLED = "_shuffled_"
# Which input a copy of a row has shuffled; no feature can be called so.
_COPY_OF = "_copy_of"


@dataclass(frozen=True)
class Fitted:
    """A candidate after one step: the model, its metrics on the test cut-off, and the counts."""

    model: ChurnModel
    metrics: tuple[Metric, ...]
    counts: ScoreCounts

    @property
    def name(self) -> str:
        """The candidate: forest, or the rule it is."""
        return self.model.kind

    def value(self, metric: str) -> float | None:
        """Give one metric's value."""
        return next(measured.value for measured in self.metrics if measured.name == metric)


@dataclass(frozen=True)
class Importance:
    """What the test AUC loses when one feature's values are shuffled among customers."""

    feature: str
    auc_loss: float


def candidate_names() -> tuple[str, ...]:
    """Give all candidates, the trivial rules first."""
    return tuple(candidate.name for candidate in CANDIDATES)


def fit_candidate(
    name: str,
    frame: DataFrame,
    cutoffs: Cutoffs,
    params: ChurnSection,
    *,
    features: Sequence[Feature] | None = None,
) -> Fitted:
    """Fit one candidate on the training cut-offs and test it on the later one."""
    candidate = next(candidate for candidate in CANDIDATES if candidate.name == name)
    model = fit_model(candidate, frame, cutoffs, params, features=features)
    return measure(model, frame, cutoffs, params)


def fit_model(
    candidate: ChurnCandidate,
    frame: DataFrame,
    cutoffs: Cutoffs,
    params: ChurnSection,
    *,
    features: Sequence[Feature] | None = None,
) -> ChurnModel:
    """Fit and calibrate one candidate on the training cut-offs.

    `features` are those that it may use; by default ours that tell customers apart. `frame` holds
    labelled snapshot rows of all the cut-offs. The model learns from all training cut-offs but the
    latest, and its calibration map from the latest, which it has not seen. It is not fitted again
    with the latest one added: it would then know part of what the map corrects, and a rise in churn
    would be made up for twice. With a single training cut-off there is nothing later to calibrate
    on, and none is done.
    """
    training = frame.where(F.col("as_of_date").isin(list(cutoffs.training)))
    threshold = params.threshold or 0.5
    if len(cutoffs.training) == 1:
        return replace(_fit(candidate, training, params, features), threshold=threshold)
    earlier = training.where(F.col("as_of_date") != cutoffs.calibration)
    model = _fit(candidate, earlier, params, features)
    raw = _count(model, training.where(F.col("as_of_date") == cutoffs.calibration))
    calibration = fit_platt(raw)
    threshold = params.threshold or _calibrated_threshold(calibration, raw)
    return replace(model, calibration=calibration, threshold=threshold)


def measure(model: ChurnModel, frame: DataFrame, cutoffs: Cutoffs, params: ChurnSection) -> Fitted:
    """Measure a model on the test cut-off, which is used for testing alone."""
    counts = _count(model, frame.where(F.col("as_of_date") == cutoffs.test))
    metrics = all_metrics(counts, threshold=model.threshold, seed=params.seed)
    return Fitted(model, tuple(metrics), counts)


def figures(fitted: Fitted) -> list[Measured]:
    """Give the metrics of a tested candidate, and how its probabilities came true.

    For each of ten groups of equal size, 1 the most at risk: bin.01.predicted (mean probability)
    and bin.01.observed (share that churned, with its Wilson interval).
    """
    found = [
        Measured(metric.name, metric.value, fitted.counts.rows, metric.low, metric.high)
        for metric in fitted.metrics
    ]
    for place, (predicted, observed, n) in enumerate(calibration_bins(fitted.counts), start=1):
        low, high = wilson_interval(observed, n)
        found.append(Measured(f"bin.{place:02d}.predicted", predicted, n))
        found.append(Measured(f"bin.{place:02d}.observed", observed, n, low, high))
    return found


def _fit(
    candidate: ChurnCandidate,
    frame: DataFrame,
    params: ChurnSection,
    features: Sequence[Feature] | None,
) -> ChurnModel:
    used = usable_features(frame) if features is None else features
    return candidate.fit(frame, used, params)


def _count(model: ChurnModel, labelled: DataFrame) -> ScoreCounts:
    return count_scores(score(model, labelled, keep=[LABEL]), probability=PROBABILITY, label=LABEL)


def _calibrated_threshold(calibration: PlattCalibration, raw: ScoreCounts) -> float:
    """Give the threshold of the highest F1 on the calibration cut-off, as a probability."""
    best = np.clip(best_f1_threshold(raw), 1e-4, 1 - 1e-4)
    logit = np.log(best / (1 - best))
    return float(1 / (1 + np.exp(-(logit * calibration.slope + calibration.intercept))))


def permutation_importance(
    model: ChurnModel, frame: DataFrame, cutoffs: Cutoffs, params: ChurnSection
) -> list[Importance]:
    """Give each input's importance on the test cut-off, the largest first. Breiman (2001).

    All shuffled copies are scored in one Spark job, on at most `importance_rows` customers drawn by
    hash. Losses below the noise of shuffling can be negative. The driver holds these customers
    twice, as they are and with each input shuffled; the copies, a whole one for each input, are
    made where they are scored.
    """
    test = frame.where(F.col("as_of_date") == cutoffs.test)
    columns = [feature.name for feature in model.inputs]
    order = F.xxhash64("customer_id", F.lit(params.seed))
    sample = (
        test.select("customer_id", LABEL, *[F.col(name).cast(T.DoubleType()) for name in columns])
        .orderBy(order, "customer_id")
        .limit(params.importance_rows)
        .toPandas()  # at most importance_rows
    )
    random = np.random.default_rng(params.seed)
    shuffled = {
        f"{_SHUFFLED}{name}": sample[name].to_numpy()[random.permutation(len(sample))]
        for name in columns
    }
    both = pa.Table.from_pandas(
        pd.concat([sample.drop(columns="customer_id"), pd.DataFrame(shuffled)], axis=1),
        schema=pa.schema([(name, pa.float64()) for name in (LABEL, *columns, *shuffled)]),
        preserve_index=False,
    )
    copies = _shuffled_copies(frame.sparkSession.createDataFrame(both), columns)
    scored = score(model, copies, keep=[_COPY_OF, LABEL])
    counted = (
        scored.groupBy(_COPY_OF, F.round(PROBABILITY, 6).alias("p"))
        .agg(F.count(F.lit(1)).alias("n"), F.sum(LABEL).alias("n_positive"))
        .toPandas()  # at most importance_rows for each input
    )
    auc = {name: _auc(group) for name, group in counted.groupby(_COPY_OF)}
    losses = [Importance(name, (auc[""] or 0.0) - (auc[name] or 0.0)) for name in columns]
    return sorted(losses, key=lambda loss: (-loss.auc_loss, loss.feature))


def _shuffled_copies(rows: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Give the rows as they are, _copy_of being empty, and once more for each input shuffled."""
    copies = rows.withColumn(_COPY_OF, F.explode(F.array(*map(F.lit, ("", *columns)))))
    taken = [
        F.when(F.col(_COPY_OF) == name, F.col(f"{_SHUFFLED}{name}"))
        .otherwise(F.col(name))
        .alias(name)
        for name in columns
    ]
    return copies.select(_COPY_OF, LABEL, *taken)


def _auc(group: pd.DataFrame) -> float | None:
    ordered = group.sort_values("p", ascending=False)
    return roc_auc(
        ScoreCounts(
            ordered["p"].to_numpy(float),
            ordered["n"].to_numpy(float),
            ordered["n_positive"].to_numpy(float),
        )
    )


def with_reasons(
    model: ChurnModel, importances: Sequence[Importance], frame: DataFrame, cutoffs: Cutoffs
) -> ChurnModel:
    """Have the model explain itself by its most telling inputs, against the base's medians.

    The median of a feature is exact, of all customers of the latest training cut-off or of a sample
    by hash of at most about MEDIAN_ROWS: an exact percentile holds every distinct value at once.
    """
    telling = [importance.feature for importance in importances if importance.auc_loss > 0][
        :N_EXPLAINED
    ]
    newest = frame.where(F.col("as_of_date") == cutoffs.calibration)
    sample = sampled_customers(newest, n_rows=newest.count(), most=MEDIAN_ROWS)
    row = sample.agg(
        *[F.percentile(name, F.lit(0.5)).alias(name) for name in telling] or [F.lit(0)]
    ).collect()[0]
    inputs = tuple(
        replace(feature, median=row[feature.name]) if feature.name in telling else feature
        for feature in model.inputs
    )
    return replace(model, inputs=inputs, explained=tuple(telling))
