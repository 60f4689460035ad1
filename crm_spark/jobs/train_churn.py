"""train_churn: fit forest and trivial rules, test them on a later date, choose who scores."""

from __future__ import annotations

import json
from datetime import date
from functools import partial

from pyspark.sql import DataFrame, SparkSession

from crm_spark.config import Config, fingerprint
from crm_spark.features.tables import CUSTOMER_ORDERS, CUSTOMER_SNAPSHOT
from crm_spark.jobs.feature_checks import (
    FEATURE_CHECKS,
    feature_checks,
    feature_metrics,
    measured_features,
    require_features,
    selected_features,
)
from crm_spark.jobs.model_runs import (
    conclude_training,
    input_versions,
    metric_row,
    reuse,
    rows_hash,
    write_checks,
    write_metrics,
)
from crm_spark.jobs.verdicts import churn_classes, require_usable
from crm_spark.lake.contract import content_checksum
from crm_spark.models.churn.candidates import FOREST
from crm_spark.models.churn.inputs import (
    MODEL_NAME,
    candidate_metrics,
    labelled,
)
from crm_spark.models.churn.model import RAW_SCORE, assembled
from crm_spark.models.churn.section import Cutoffs, cutoffs_for_test, latest_closed
from crm_spark.models.churn.train import (
    Fitted,
    Importance,
    candidate_names,
    decide,
    fit_candidate,
    permutation_importance,
    with_reasons,
)
from crm_spark.models.tracking import LoggedPipeline, ModelVersion, Tracker
from crm_spark.models.usability.churn import CHURN, churn_verdicts
from crm_spark.pipeline.lifecycle import Run, job_run
from crm_spark.runtime.progress import log, stage
from crm_spark.runtime.run import RunSummary

DESCRIPTION = "Train the churn forest, test it beside trivial rules, and name the champion."
NEEDS_AS_OF = True

# Raise it with every change of training that can change a model: it is part of the version's key.
TRAINING_VERSION = 3


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Train on cut-offs closed before the test cut-off, which is the latest closed one."""
    with job_run(spark, config, "train_churn", as_of) as job:
        day = job.day()
        first, _ = job.order_dates()
        params = config.churn
        cutoffs = cutoffs_for_test(params, latest_closed(params, day), first)
        judge = partial(churn_verdicts, params=params, cutoffs=cutoffs)
        if not cutoffs.training:
            # An error for sure, and one that names whatever else is wrong.
            require_usable(job, CHURN, day, partial(judge, classes=None))
        job.require_current(CUSTOMER_ORDERS, "build_features")
        job.require_dates(CUSTOMER_SNAPSHOT, "build_features", cutoffs.all)
        frame = labelled(job, job.lake.read(CUSTOMER_SNAPSHOT), cutoffs.all).persist()
        try:
            with stage(spark, f"labels of {len(cutoffs.all)} cut-offs"):
                classes = churn_classes(frame, test=cutoffs.test)
                key = _version_key(config, frame, cutoffs)
            require_usable(job, CHURN, day, partial(judge, classes=classes))
            tracker = Tracker(config.tracking, lake_root=job.lake.root)
            if not reuse(job, tracker, key, day):
                _train(job, tracker, key, day, frame, cutoffs)
        finally:
            frame.unpersist()
        return job.summary


def _version_key(config: Config, frame: DataFrame, cutoffs: Cutoffs) -> str:
    """Hash all that the model depends on: the labelled rows themselves, the section, our version.

    The rows' content rather than table versions: a table rewritten with the same rows must not make
    a second model version.
    """
    features = content_checksum(frame, CUSTOMER_SNAPSHOT)
    labels = rows_hash(frame, "customer_id", "as_of_date", "label")
    days = [day.isoformat() for day in cutoffs.all]
    section = config.churn.model_dump(mode="json", exclude={"backtest_cutoffs", "n_reasons"})
    return fingerprint([TRAINING_VERSION, features, labels, days, section])


def _train(
    job: Run, tracker: Tracker, key: str, day: date, frame: DataFrame, cutoffs: Cutoffs
) -> None:
    params = job.config.churn
    log.info(
        "test cut-off %s, training cut-offs %s",
        cutoffs.test,
        ", ".join(day.isoformat() for day in cutoffs.training),
    )
    with stage(job.spark, "feature health"):
        measured = measured_features(frame, cutoffs)
        selection = selected_features(measured, params.trusted_features)
        checks = feature_checks(job, day, measured, selection)
        write_checks(job, day, checks, checks=FEATURE_CHECKS)
        require_features(selection)
    candidates: list[Fitted] = []
    importances: list[Importance] = []
    for name in candidate_names():
        with stage(job.spark, f"fit and test {name}"):
            fitted = fit_candidate(name, frame, cutoffs, params, features=selection.kept)
            candidates.append(fitted)
    for index, fitted in enumerate(candidates):
        with stage(job.spark, f"importance of the inputs of {fitted.name}"):
            losses = permutation_importance(fitted, frame, cutoffs, params)
            candidates[index] = with_reasons(fitted, losses, frame, cutoffs)
        if fitted.name == FOREST:
            importances = losses
    decision = decide(candidates)
    log.info("%s", decision.why)
    n = candidates[0].counts.rows
    metrics = candidate_metrics(job, day, cutoffs.test, candidates)
    metrics += [
        metric_row(job, day, cutoffs.test, FOREST, f"importance.{held.feature}", held.auc_loss, n=n)
        for held in importances
    ]
    metrics += feature_metrics(job, day, measured)
    write_metrics(job, day, metrics)
    challenger = next(held for held in candidates if held.name == FOREST)
    versions = {}
    for fitted in {held.name: held for held in (decision.best_rule, challenger)}.values():
        with stage(job.spark, f"register {fitted.name}"):
            versions[fitted.name] = _register(
                job, tracker, key, fitted, frame, cutoffs, importances
            )
    conclude_training(
        job,
        tracker,
        key,
        day,
        versions=versions,
        champion=decision.champion.name,
        why=decision.why,
    )


def _register(
    job: Run,
    tracker: Tracker,
    key: str,
    fitted: Fitted,
    frame: DataFrame,
    cutoffs: Cutoffs,
    importances: list[Importance],
) -> ModelVersion:
    params = job.config.churn
    model = fitted.model
    texts = {}
    if fitted.name == FOREST:
        texts["importance.json"] = json.dumps(
            [{"feature": held.feature, "auc_loss": held.auc_loss} for held in importances], indent=1
        )
    return tracker.register(
        MODEL_NAME,
        kind=fitted.name,
        fingerprint=key,
        pipeline=LoggedPipeline(
            model.pipeline, assembled(frame, model.inputs, keep=[]), (RAW_SCORE,)
        ),
        spec_json=model.spec_json(),
        params={
            "kind": fitted.name,
            "test_cutoff": cutoffs.test.isoformat(),
            "training_cutoffs": ",".join(day.isoformat() for day in cutoffs.training),
            "horizon_days": params.horizon_days,
            "active_days": params.active_days,
            "grace_days": params.grace_days,
            "seed": params.seed,
            "n_inputs": len(model.inputs),
            **(params.forest.model_dump() if fitted.name == FOREST else {}),
        },
        metrics={held.name: held.value for held in fitted.metrics if held.value is not None},
        inputs=input_versions(job, CUSTOMER_SNAPSHOT, CUSTOMER_ORDERS),
        texts=texts,
    )
