"""backtest_churn: how good churn would have been on past dates, had it been trained before each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from pyspark.sql import DataFrame, SparkSession

from crm_spark.config import Config
from crm_spark.errors import DataError
from crm_spark.features.tables import CUSTOMER_ORDERS
from crm_spark.jobs.build_features import snapshots
from crm_spark.jobs.feature_checks import measured_features, require_features, selected_features
from crm_spark.jobs.model_runs import MetricRow, write_metrics
from crm_spark.models.churn.inputs import candidate_metrics, labelled, require_both_classes
from crm_spark.models.churn.section import (
    ChurnSection,
    Cutoffs,
    backtest_dates,
    closed_after,
    cutoffs_for_test,
)
from crm_spark.models.churn.train import Fitted, candidate_names, fit_candidate
from crm_spark.pipeline.lifecycle import Run, job_run
from crm_spark.runtime.progress import log, stage
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Walk over past cut-offs: train before each, test on it, report the mean over all."
NEEDS_AS_OF = True

SHOWN = ("auc", "average_precision", "brier", "calibration_error", "lift_at_10_percent", "f1")


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write ops.metrics of each candidate on each cut-off, and log the table of them."""
    with job_run(spark, config, "backtest_churn", as_of) as job:
        job.require_current(CUSTOMER_ORDERS, "build_features")
        day = job.day()
        folds = _folds(job, day)
        dates = sorted({cutoff for fold in folds for cutoff in fold.all})
        snapshot = snapshots(job, dates)
        frame = labelled(job, snapshot, dates).persist()
        rows: list[MetricRow] = []
        tested: list[tuple[date, list[Fitted]]] = []
        try:
            with stage(spark, f"labelled snapshots of {len(dates)} cut-offs"):
                require_both_classes(frame, dates)
            for fold in folds:
                with stage(spark, f"walk to {fold.test}"):
                    held = _fit_all(frame, fold, config.churn)
                tested.append((fold.test, held))
                rows += candidate_metrics(job, day, fold.test, held)
        finally:
            frame.unpersist()
        write_metrics(job, day, rows)
        for line in backtest_table(tested):
            log.info("%s", line)
        return job.summary


def _fit_all(frame: DataFrame, fold: Cutoffs, params: ChurnSection) -> list[Fitted]:
    """Fit all candidates on the features that train_churn would have chosen before this test."""
    selection = selected_features(measured_features(frame, fold), params.trusted_features)
    require_features(selection)
    return [
        fit_candidate(name, frame, fold, params, features=selection.kept)
        for name in candidate_names()
    ]


def _folds(job: Run, day: date) -> list[Cutoffs]:
    """Give the steps to walk. Raises DataError for a cut-off not closed, or without a past."""
    params = job.config.churn
    first, newest = job.order_dates()
    folds = [cutoffs_for_test(params, test, first) for test in backtest_dates(params, day, first)]
    faults = [f"{fold.test} has no closed cut-off before it" for fold in folds if not fold.training]
    known_to = min(day, newest + timedelta(days=1))
    faults += [
        f"{fold.test} closes on {fold.test + closed_after(params)}, after {known_to}"
        for fold in folds
        if fold.test + closed_after(params) > known_to
    ]
    if faults or not folds:
        told = "; ".join(faults) or f"the first order is of {first}: too little history"
        raise DataError(f"churn cannot be backtested as of {day}: {told}")
    return folds


def backtest_table(tested: Sequence[tuple[date, Sequence[Fitted]]]) -> list[str]:
    """Lay out every candidate's metrics on every cut-off, and their means."""
    names = [fitted.name for fitted in tested[0][1]]
    head = f"{'cut-off':<12}{'model':<28}" + "".join(f"{metric[:12]:>14}" for metric in SHOWN)
    lines = [head]
    sums: dict[tuple[str, str], list[float]] = {}
    for cutoff, candidates in tested:
        for fitted in candidates:
            values = [fitted.value(metric) for metric in SHOWN]
            for metric, value in zip(SHOWN, values, strict=True):
                if value is not None:
                    sums.setdefault((fitted.name, metric), []).append(value)
            lines.append(
                f"{cutoff!s:<12}{fitted.name:<28}" + "".join(_cell(value) for value in values)
            )
    for name in names:
        means = [sums.get((name, metric)) for metric in SHOWN]
        cells = "".join(_cell(sum(held) / len(held) if held else None) for held in means)
        lines.append(f"{'mean':<12}{name:<28}{cells}")
    return lines


def _cell(value: float | None) -> str:
    return f"{value:>14.4f}" if value is not None else f"{'-':>14}"
