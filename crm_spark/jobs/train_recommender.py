"""train_recommender: fit ALS, test every rung beside the trivial ones, choose the ladders."""

from __future__ import annotations

import json
from datetime import date
from functools import partial

from pyspark.sql import SparkSession

from crm_spark.config import Config, fingerprint
from crm_spark.errors import DataError
from crm_spark.features.interactions import bought_between
from crm_spark.features.tables import PRODUCT_INTERACTIONS
from crm_spark.jobs.model_runs import (
    conclude_training,
    input_versions,
    metric_row,
    reuse,
    rows_hash,
    write_metrics,
)
from crm_spark.jobs.verdicts import require_usable
from crm_spark.models.recommender.train import (
    LADDER,
    Choice,
    RecommenderModel,
    choose_ladders,
    fit_catalogue,
)
from crm_spark.models.tracking import Tracker
from crm_spark.models.usability.recommendations import RECOMMENDATIONS, recommendations_verdicts
from crm_spark.pipeline.lifecycle import Run, job_run
from crm_spark.runtime.progress import log, stage
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.core import TRANSACTIONS

DESCRIPTION = "Fit recommendations, test them beside popularity and buying again, choose the best."
NEEDS_AS_OF = True

MODEL_NAME = "crm_spark_recommender"
FACTORS_FILE = "product_factors.parquet"

# Raise it with every change of training that can change a model: it is part of the version's key.
TRAINING_VERSION = 1


def lacks(config: Config) -> str | None:
    """Tell what the configuration lacks for recommendations, if anything."""
    if "product_id" in config.sources.transactions.columns:
        return None
    return "recommendations need product_id: map it in sources.transactions.columns"


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Test on the purchases after the latest closed cut-off, then fit on all before the date."""
    with job_run(spark, config, "train_recommender", as_of) as job:
        if problem := lacks(config):
            raise DataError(problem)
        day = job.day()
        params = config.recommendations
        judge = partial(recommendations_verdicts, params=params)
        require_usable(job, RECOMMENDATIONS, day, judge)
        test = params.test_cutoff(day)
        job.require_dates(PRODUCT_INTERACTIONS, "build_features", [day, test])
        key = _version_key(job, day, test)
        tracker = Tracker(config.tracking, lake_root=job.lake.root)
        if not reuse(job, tracker, key, day):
            choice = _test(job, day, test)
            _fit_and_register(job, tracker, key, day, test, choice)
        return job.summary


def _version_key(job: Run, day: date, test: date) -> str:
    """Hash all that the model depends on: both dates' interactions, the purchases, the section."""
    columns = PRODUCT_INTERACTIONS.content_columns
    hashes = [
        rows_hash(job.lake.read_date(PRODUCT_INTERACTIONS, held), *columns) for held in (day, test)
    ]
    section = job.config.recommendations.model_dump(mode="json", exclude={"policy", "n"})
    return fingerprint([TRAINING_VERSION, day, hashes, section])


def _test(job: Run, day: date, test: date) -> Choice:
    params = job.config.recommendations
    interactions = job.lake.read_date(PRODUCT_INTERACTIONS, test).persist()
    after = bought_between(job.lake.read(TRANSACTIONS), start=test, end=day, known_before=day)
    try:
        with stage(job.spark, f"fit recommendations on what was known on {test}"):
            catalogue, _ = fit_catalogue(interactions, params)
        with stage(job.spark, f"test them on the purchases from {test}"):
            choice = choose_ladders(interactions, catalogue, after, params)
    finally:
        interactions.unpersist()
    log.info("%s", choice.why)
    rows = [
        metric_row(
            job,
            day,
            test,
            one.name,
            f"{one.metric.name}.{one.policy}",
            one.metric.value,
            low=one.metric.low,
            high=one.metric.high,
            n=one.metric.n,
        )
        for one in choice.tested
    ]
    write_metrics(job, day, rows)
    return choice


def _fit_and_register(
    job: Run, tracker: Tracker, key: str, day: date, test: date, choice: Choice
) -> None:
    params = job.config.recommendations
    factors = None
    if any("als" in ladder.rungs for ladder in choice.ladders.values()):
        interactions = job.lake.read_date(PRODUCT_INTERACTIONS, day).persist()
        with stage(job.spark, f"fit recommendations on what was known on {day}"):
            _, factors = fit_catalogue(interactions, params)
        interactions.unpersist()
    model = RecommenderModel(choice.ladders, params.weight, params, fitted_on=day)
    with stage(job.spark, f"register {MODEL_NAME}"):
        version = tracker.register(
            MODEL_NAME,
            kind=LADDER,
            fingerprint=key,
            spec_json=json.dumps(model.spec(), indent=1, sort_keys=True),
            params={
                **params.model_dump(mode="json", exclude={"als", "policy", "n"}),
                **params.als.model_dump(mode="json"),
                "test_cutoff": test.isoformat(),
                **{
                    f"ladder.{policy}": " > ".join(ladder.rungs)
                    for policy, ladder in choice.ladders.items()
                },
            },
            metrics={
                f"{one.policy}.{one.name}.{one.metric.name}": one.metric.value
                for one in choice.tested
            },
            inputs=input_versions(job, PRODUCT_INTERACTIONS),
            frames={} if factors is None else {FACTORS_FILE: factors},
        )
    conclude_training(
        job, tracker, key, day, versions={LADDER: version}, champion=LADDER, why=choice.why
    )
