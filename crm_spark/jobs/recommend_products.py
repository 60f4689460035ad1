"""recommend_products: the products to offer every customer of one date."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config
from crm_spark.errors import DataError
from crm_spark.features.orders import midnight
from crm_spark.features.tables import CUSTOMER_SNAPSHOT, PRODUCT_INTERACTIONS
from crm_spark.jobs.model_runs import champion_of
from crm_spark.jobs.train_recommender import FACTORS_FILE, MODEL_NAME, lacks
from crm_spark.models.recommender.catalogue import Catalogue, product_catalogue
from crm_spark.models.recommender.ladder import customer_histories, rank_products
from crm_spark.models.recommender.train import RecommenderModel, load_recommender_model
from crm_spark.models.tracking import Tracker
from crm_spark.pipeline.lifecycle import Run, job_run
from crm_spark.runtime.progress import log, stage
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.core import CUSTOMERS
from crm_spark.tables.scores import PRODUCT_RECOMMENDATIONS

DESCRIPTION = "Recommend products to every customer of the date, rung by rung of the ladder."
NEEDS_AS_OF = True


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write scores.product_recommendations of the date."""
    with job_run(spark, config, "recommend_products", as_of) as job:
        if problem := lacks(config):
            raise DataError(problem)
        day = job.day()
        job.require_dates(CUSTOMER_SNAPSHOT, "build_features", [day])
        job.require_dates(PRODUCT_INTERACTIONS, "build_features", [day])
        tracker = Tracker(config.tracking, lake_root=job.lake.root)
        champion = champion_of(job, tracker, MODEL_NAME, day, trained_by="train_recommender")
        model = load_recommender_model(tracker.load_spec(MODEL_NAME, champion.version))
        ladder = model.ladders[config.recommendations.policy]
        log.info("policy %s: %s", ladder.policy, " > ".join(ladder.rungs))
        interactions = job.lake.read_date(PRODUCT_INTERACTIONS, day)
        catalogue = _catalogue(tracker, champion.version, interactions, model)
        histories = customer_histories(
            _customers(job, day), interactions, catalogue, weight=model.weight
        )
        offers = rank_products(
            histories, catalogue, {"": ladder}, model.params.als, n=config.recommendations.n
        )
        rows = offers.drop("list").withColumns(
            {"as_of_date": F.lit(day), **champion.provenance(job)}
        )
        with stage(spark, "recommendations"):
            job.replace_dates(PRODUCT_RECOMMENDATIONS, rows, [day])
        return job.summary


def _catalogue(
    tracker: Tracker, version: str, interactions: DataFrame, model: RecommenderModel
) -> Catalogue:
    """Give the products of the date with the factors that the model was registered with."""
    catalogue = product_catalogue(interactions, model.params)
    if not any("als" in ladder.rungs for ladder in model.ladders.values()):
        return catalogue
    return catalogue.with_factors(tracker.load_frame(MODEL_NAME, version, FACTORS_FILE))


def _customers(job: Run, day: date) -> DataFrame:
    """Give everyone to offer something to: with an order before the date, or known by then."""
    ordered = job.lake.read_date(CUSTOMER_SNAPSHOT, day).select("customer_id")
    if job.config.sources.customers is None:
        return ordered
    signed_up = F.col("signed_up_at")
    known = job.lake.read(CUSTOMERS).where(signed_up.isNull() | (signed_up < midnight(F.lit(day))))
    return ordered.union(known.select("customer_id")).distinct()
