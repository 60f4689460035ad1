"""write_report: one page of HTML that says what the tables of a date hold and how good they are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

import crm_spark
from crm_spark.config import Config
from crm_spark.features.orders import MINOR_UNITS
from crm_spark.features.tables import (
    CUSTOMER_ORDERS,
    CUSTOMER_SNAPSHOT,
    PRODUCT_INTERACTIONS,
    PRODUCT_PRICES,
)
from crm_spark.jobs.feature_checks import FEATURE_CHECKS, FEATURES_MODEL
from crm_spark.lake.contract import Table
from crm_spark.lake.hadoop import HadoopFile
from crm_spark.lake.lock import local_path
from crm_spark.models.churn.section import latest_closed
from crm_spark.models.tracking import Tracker
from crm_spark.pipeline.lifecycle import Run, job_run
from crm_spark.report.blocks import render
from crm_spark.report.content.inputs import ReportInputs
from crm_spark.report.content.page import build_page
from crm_spark.runtime.progress import log, stage
from crm_spark.runtime.run import RunSummary
from crm_spark.tables.core import PRODUCTS, SOURCE_TABLES
from crm_spark.tables.ops import CHECKS, JOB_RUNS, METRICS, MODEL_DECISIONS, REJECTIONS
from crm_spark.tables.scores import (
    CUSTOMER_CHURN,
    CUSTOMER_RFM,
    CUSTOMER_SEGMENTS,
    PRODUCT_RECOMMENDATIONS,
    SEGMENT_PROFILES,
)

DESCRIPTION = "Write the report of the date: one page of HTML, also kept in MLflow."
NEEDS_AS_OF = True

N_FIRST = 10
N_LISTED = 5
N_REASONS = 20
LEVELS = ("error", "warning", "advice")
MODEL_JOBS = ("train_churn", "train_segments", "train_recommender")

Values = Mapping[str, Any]


def run(spark: SparkSession, config: Config, as_of: date | None) -> RunSummary:
    """Write the page to report.path, or into the lake; what a run did not make is left out."""
    with job_run(spark, config, "write_report", as_of) as job:
        day = job.day()
        job.require_dates(CUSTOMER_SNAPSHOT, "build_features", [day])
        with stage(spark, "report"):
            page = render(build_page(collect(job, day)))
            path = _path(job, day)
            HadoopFile(spark, path).write_text(page)
        Tracker(config.tracking, lake_root=job.lake.root).log_report(page, as_of=day.isoformat())
        log.info("report: %s", path)
        return job.summary


def _path(job: Run, day: date) -> str:
    given = job.config.report.path
    if given is None:
        return f"{job.lake.root}/reports/{day.isoformat()}.html"
    return str(local_path(given) or given)


def collect(job: Run, day: date) -> ReportInputs:
    """Collect everything that the report speaks of: aggregates, and a few example rows."""
    metrics = _metrics(job, day)
    return ReportInputs(
        title=job.config.report.title,
        currency=job.config.report.currency,
        as_of=day,
        time_zone=job.config.time_zone,
        package_version=crm_spark.__version__,
        base=_base(job, day),
        months=_months(job, day),
        rfm_cells=_rfm(job, day, "recency_score", "frequency_score"),
        rfm_segments=sorted(_rfm(job, day, "rfm_segment"), key=lambda row: -row["spend"]),
        churn=_churn(job, day),
        churn_first=_churn_first(job, day),
        churn_metrics=[row for row in metrics if row["job"] == "train_churn"],
        walk_forward=_walk_forward(job, day),
        champions=_champions(job, day),
        segments=_rows(job, SEGMENT_PROFILES, day, "segment_id"),
        segment_metrics=[row for row in metrics if row["job"] == "train_segments"],
        recommendations=_recommendations(job, day),
        recommendation_metrics=[row for row in metrics if row["job"] == "train_recommender"],
        examples=_examples(job, day),
        sources=_sources(job),
        rejected=_rejected(job),
        unusual_prices=_unusual_prices(job, day),
        checks=_checks(job, day),
        runs=_runs(job, day),
    )


def _of_date(job: Run, table: Table, day: date) -> DataFrame | None:
    """Give a table's rows of the date, or None where it has none."""
    if not job.lake.exists(table):
        return None
    rows = job.lake.read_date(table, day)
    return None if rows.isEmpty() else rows


def _dicts(rows: list[Row]) -> list[Values]:
    return [row.asDict(recursive=True) for row in rows]


def _rows(job: Run, table: Table, day: date, *order: str) -> list[Values]:
    rows = _of_date(job, table, day)
    return [] if rows is None else _dicts(rows.orderBy(*order).collect())  # a small table


def _base(job: Run, day: date) -> Values:
    active_days = job.config.churn.active_days
    row = (
        job.lake.read_date(CUSTOMER_SNAPSHOT, day)
        .agg(
            F.count(F.lit(1)).alias("n_customers"),
            F.count_if(F.col("days_since_last_order") < active_days).alias("n_active"),
            F.sum("n_orders").alias("n_orders"),
            F.sum("spend_amount").alias("spend"),
            F.sum("returned_amount").alias("returned"),
            F.date_sub(F.lit(day), F.max("tenure_days").cast("int")).alias("first_day"),
            F.date_sub(F.lit(day), (F.min("days_since_last_order") + 1).cast("int")).alias(
                "last_day"
            ),
        )
        .collect()[0]
    )
    return {**row.asDict(), "active_days": active_days}


def _months(job: Run, day: date) -> list[Values]:
    known = job.lake.read(CUSTOMER_ORDERS).where(
        F.col("is_counted") & (F.col("order_date") < F.lit(day))
    )
    rows = (
        known.groupBy(F.date_format("order_date", "yyyy-MM").alias("month"))
        .agg(
            F.count(F.lit(1)).alias("n_orders"),
            F.countDistinct("customer_id").alias("n_customers"),
            (F.sum("spend_amount_minor") / MINOR_UNITS).alias("spend"),
        )
        .orderBy(F.desc("month"))
        .limit(36)
        .collect()
    )
    return _dicts(rows[::-1])


def _rfm(job: Run, day: date, *by: str) -> list[Values]:
    rows = _of_date(job, CUSTOMER_RFM, day)
    if rows is None:
        return []
    counted = rows.groupBy(*by).agg(
        F.count(F.lit(1)).alias("n"), F.sum("spend_amount").alias("spend")
    )
    return _dicts(counted.collect())  # at most 25 cells


def _churn(job: Run, day: date) -> Values | None:
    rows = _of_date(job, CUSTOMER_CHURN, day)
    if rows is None:
        return None
    p, is_top = F.col("churn_probability"), F.col("churn_decile") == 1
    row = rows.agg(
        F.count(F.lit(1)).alias("n"),
        F.sum(p).alias("expected"),
        F.max("horizon_days").alias("horizon_days"),
        F.avg(F.when(is_top, p)).alias("top"),
        F.count_if(is_top).alias("n_top"),
        *[
            F.count_if(F.least(F.floor(p * 10), F.lit(9)) == place).alias(f"bin_{place}")
            for place in range(10)
        ],
    ).collect()[0]
    return {**row.asDict(), "histogram": [row[f"bin_{place}"] for place in range(10)]}


def _churn_first(job: Run, day: date) -> list[Values]:
    """Give the customers with most at risk: probability times recent spend."""
    rows = _of_date(job, CUSTOMER_CHURN, day)
    if rows is None:
        return []
    spend = job.lake.read_date(CUSTOMER_SNAPSHOT, day).select(
        "customer_id", F.col("spend_amount_84d").alias("spend")
    )
    at_risk = F.col("churn_probability") * F.col("spend")
    first = rows.join(spend, "customer_id").orderBy(F.desc(at_risk), "customer_id").limit(N_FIRST)
    return _dicts(first.select("customer_id", "churn_probability", "spend", "reasons").collect())


def _metrics(job: Run, day: date) -> list[Values]:
    if not job.lake.exists(METRICS):
        return []
    rows = job.lake.read(METRICS).where(
        (F.col("as_of_date") == F.lit(day))
        & F.col("job").isin(*MODEL_JOBS)
        & (F.col("model_name") != FEATURES_MODEL)
    )
    return _dicts(rows.orderBy("job", "model_name", "metric").collect())  # a few hundred


def _walk_forward(job: Run, day: date) -> list[Values]:
    """Give the AUC of each model on every tested cut-off whose outcome was known on the date.

    A cut-off tested more than once counts with its newest test.
    """
    if not job.lake.exists(METRICS):
        return []
    rows = job.lake.read(METRICS).where(
        (F.col("metric") == "auc")
        & F.col("job").isin("train_churn", "backtest_churn")
        & (F.col("cutoff_date") <= F.lit(latest_closed(job.config.churn, day)))
    )
    newest = rows.groupBy("model_name", "cutoff_date").agg(
        F.max_by("value", F.struct("as_of_date", "job")).alias("value"),
        F.lit("auc").alias("metric"),
    )
    return _dicts(newest.orderBy("cutoff_date", "model_name").collect())


def _champions(job: Run, day: date) -> dict[str, Values]:
    if not job.lake.exists(MODEL_DECISIONS):
        return {}
    rows = (
        job.lake.read(MODEL_DECISIONS)
        .where(F.col("is_champion") & (F.col("as_of_date") <= F.lit(day)))
        .groupBy("model_name")
        .agg(
            F.max_by(
                F.struct("kind", "why", F.col("model_version").alias("version")),
                F.struct("as_of_date", F.col("model_version").cast("int")),
            ).alias("held")
        )
        .collect()  # a row a model
    )
    return {row["model_name"]: row["held"].asDict() for row in rows}


def _recommendations(job: Run, day: date) -> Values | None:
    rows = _of_date(job, PRODUCT_RECOMMENDATIONS, day)
    if rows is None:
        return None
    counted = rows.groupBy("source").agg(F.count(F.lit(1)).alias("n")).collect()
    n_customers = rows.agg(F.countDistinct("customer_id")).collect()[0][0]
    sources = {row["source"]: row["n"] for row in counted}
    return {
        "n_customers": n_customers,
        "n_offers": sum(sources.values()),
        "sources": sources,
        "policy": job.config.recommendations.policy,
    }


def _examples(job: Run, day: date) -> list[Values]:
    """Give a few customers with what they bought and what they are offered.

    Of each segment the customer nearest its centre, the segments that spend most first.
    """
    offers = _of_date(job, PRODUCT_RECOMMENDATIONS, day)
    bought = _of_date(job, PRODUCT_INTERACTIONS, day)
    n = job.config.report.example_customers
    if offers is None or bought is None or n == 0:
        return []
    segments = _of_date(job, CUSTOMER_SEGMENTS, day)
    snapshot = job.lake.read_date(CUSTOMER_SNAPSHOT, day).select(
        "customer_id", "n_orders", "spend_amount", "days_since_last_order"
    )
    if segments is None:
        chosen = snapshot.orderBy(F.xxhash64("customer_id"), "customer_id").limit(n)
    else:
        nearest = segments.groupBy("segment_id", "segment_name").agg(
            F.min_by("customer_id", F.struct("distance_to_center", "customer_id")).alias(
                "customer_id"
            )
        )
        chosen = nearest.join(snapshot, "customer_id").orderBy("segment_id").limit(n)
    rows = _dicts(chosen.collect())  # example_customers
    ids = [row["customer_id"] for row in rows]
    bought_by = _listed(
        job,
        bought.where(F.col("customer_id").isin(ids)),
        "n_orders",
        [F.desc("n_orders"), F.asc("days_since_last_order"), F.asc("product_id")],
    )
    offered_to = _listed(
        job, offers.where(F.col("customer_id").isin(ids)), "source", [F.asc("rank")]
    )
    return [
        {
            **row,
            "bought": bought_by.get(row["customer_id"], []),
            "offered": offered_to.get(row["customer_id"], []),
        }
        for row in rows
    ]


def _listed(
    job: Run, rows: DataFrame, said: str, order: list[Any]
) -> dict[str, list[tuple[str, Any]]]:
    """Give the first few products of each customer, by name where one is known."""
    found: dict[str, list[tuple[str, Any]]] = {}
    ordered = _named(job, rows).orderBy(*order)
    for row in ordered.select("customer_id", "name", said).collect():
        held = found.setdefault(row["customer_id"], [])
        if len(held) < N_LISTED:
            held.append((row["name"], row[said]))
    return found


def _named(job: Run, rows: DataFrame) -> DataFrame:
    """Add what each product is called, its id where no name is known."""
    products = job.config.sources.products
    if products is None or "product_name" not in products.columns:
        return rows.withColumn("name", F.col("product_id"))
    names = job.lake.read(PRODUCTS).select("product_id", "product_name", "package_size")
    called = F.concat_ws(", ", F.initcap(F.lower("product_name")), F.lower("package_size"))
    return rows.join(names, "product_id", "left").withColumn(
        "name", F.when(F.col("product_name").isNotNull(), called).otherwise(F.col("product_id"))
    )


def _unusual_prices(job: Run, day: date) -> list[Values]:
    """Give the products with most money at prices far from their usual one."""
    prices = _of_date(job, PRODUCT_PRICES, day)
    if prices is None:
        return []
    first = (
        prices.where("n_unusual_lines > 0")
        .orderBy(F.desc("unusual_amount"), "product_id")
        .limit(N_FIRST)
    )
    ordered = _named(job, first).orderBy(F.desc("unusual_amount"), "product_id")
    return _dicts(ordered.collect())


def _sources(job: Run) -> list[Values]:
    newest = (
        job.succeeded_runs("ingest_sources").orderBy(F.desc("started_at")).select("tables").limit(1)
    )
    names = [table.name for table in SOURCE_TABLES.values()]
    counts = [held.asDict() for row in newest.collect() for held in row["tables"]]
    return [held for held in counts if held["name"] in names]


def _rejected(job: Run) -> list[Values]:
    """Give the rows still rejected of each table and reason, the most frequent first."""
    if not job.lake.exists(REJECTIONS):
        return []
    reasons = (
        job.lake.read(REJECTIONS)
        .groupBy(F.col("table_name").alias("table"), "reason")
        .agg(
            (F.sum("n_rows") - F.sum("n_taken_back")).alias("n"),
            F.sum("n_taken_back").alias("n_taken_back"),
            F.max("rejected_on").alias("newest"),
        )
        .orderBy(F.desc("n"), "table", "reason")
        .limit(N_REASONS)
    )
    return _dicts(reasons.collect())


def _checks(job: Run, day: date) -> list[Values]:
    """Give the verdicts on the data of the date that are not plainly good, the gravest first.

    Advice on single features stays in ops.checks: there is some on every run.
    """
    rows = _of_date(job, CHECKS, day)
    if rows is None:
        return []
    gravity = F.array_position(F.array(*[F.lit(level) for level in LEVELS]), F.col("level"))
    of_features = F.col("check").isin(*FEATURE_CHECKS) & (F.col("level") == "advice")
    told = rows.where(F.col("level").isin(*LEVELS) & ~of_features).orderBy(
        gravity, "job", "check", "subject"
    )
    return _dicts(told.select("job", "level", "check", "message").limit(N_REASONS).collect())


def _runs(job: Run, day: date) -> list[Values]:
    """Give the cost of the newest succeeded run of each job that the date rests on."""
    figures = [
        "started_at",
        "seconds",
        "core_seconds",
        "peak_memory_bytes",
        "shuffle_bytes",
        "spill_bytes",
    ]
    newest = (
        job.lake.read(JOB_RUNS)
        .where(F.col("status") == "succeeded")
        .where((F.col("as_of_date") == F.lit(day)) | (F.col("job") == "ingest_sources"))
        .where(~F.col("job").isin("run_pipeline", "write_report"))
        .groupBy("job")
        .agg(F.max_by(F.struct(*figures), "started_at").alias("held"))
    )
    return _dicts(newest.select("job", "held.*").orderBy("started_at").collect())  # a row a job
