"""The short summary that a pipeline run ends with: what was found, and how far to trust it."""

from __future__ import annotations

from datetime import date

from pyspark.sql import functions as F

from crm_spark.config import Config
from crm_spark.features.tables import CUSTOMER_ORDERS
from crm_spark.jobs.feature_checks import FEATURES_MODEL
from crm_spark.lake.delta import Lake
from crm_spark.models.churn.inputs import MODEL_NAME
from crm_spark.runtime.progress import log
from crm_spark.tables.core import TRANSACTIONS, rejected
from crm_spark.tables.ops import METRICS, MODEL_DECISIONS
from crm_spark.tables.scores import (
    CUSTOMER_CHURN,
    CUSTOMER_RFM,
    PRODUCT_RECOMMENDATIONS,
    SEGMENT_PROFILES,
)


def log_results(lake: Lake, config: Config, day: date) -> None:
    """Log the summary of one date, read from the tables it left."""
    lines = [
        "",
        f"Results as of {day}",
        *_base(lake),
        *_segments(lake, day),
        *_churn(lake, day),
        *_quality(lake, day),
        *_kmeans(lake, day),
        *_recommendations(lake, day),
        f"Tables: {lake.root}/<layer>/<table>   Models: {config.tracking.uri}",
    ]
    for line in lines:
        log.info("%s", line)


def _base(lake: Lake) -> list[str]:
    row = (
        lake.read(CUSTOMER_ORDERS)
        .agg(
            F.count_if("is_counted").alias("orders"),
            F.countDistinct("customer_id").alias("customers"),
            (F.sum("spend_amount_minor") / 100).alias("spend"),
            F.sum("n_lines").alias("lines"),
            F.sum("n_return_lines").alias("returned"),
        )
        .collect()[0]
    )
    bad = lake.read(rejected(TRANSACTIONS)).count()
    return [
        f"  {row['lines'] + row['returned']:,} order lines ({row['returned']:,} of them returns), "
        f"{bad:,} rejected",
        f"  {row['orders']:,} orders of {row['customers']:,} customers, {row['spend']:,.2f} bought",
    ]


def _segments(lake: Lake, day: date) -> list[str]:
    rows = (
        lake.read_date(CUSTOMER_RFM, day)
        .groupBy("rfm_segment")
        .agg(F.count(F.lit(1)).alias("n"), F.sum("spend_amount").alias("spend"))
        .orderBy(F.desc("spend"))
        .collect()
    )
    customers, spend = sum(row["n"] for row in rows), sum(row["spend"] for row in rows) or 1.0
    return [
        "RFM segments (scores.customer_rfm)",
        *[
            f"  {row['rfm_segment']:<22}{row['n']:>9,} customers {row['n'] / customers:>6.1%}"
            f"   {row['spend'] / spend:>6.1%} of spend"
            for row in rows
        ],
    ]


def _kmeans(lake: Lake, day: date) -> list[str]:
    if not lake.exists(SEGMENT_PROFILES):
        return []
    rows = lake.read_date(SEGMENT_PROFILES, day).orderBy("segment_id").collect()
    return [
        "Segments of alike customers (scores.customer_segments)",
        *[
            f"  {row['segment_id']:>2} {row['segment_name']:<44}{row['n_customers']:>9,} customers"
            f"{row['customer_share']:>7.1%}   {row['spend_share'] or 0:>6.1%} of spend"
            for row in rows
        ],
    ]


def _recommendations(lake: Lake, day: date) -> list[str]:
    """Show what each way to recommend comes to, on purchases that none of them had seen."""
    if not lake.exists(PRODUCT_RECOMMENDATIONS) or not lake.exists(METRICS):
        return []
    rows = (
        lake.read(METRICS)
        .where((F.col("as_of_date") == F.lit(day)) & (F.col("job") == "train_recommender"))
        .where(F.col("metric").startswith("ndcg_at_10."))
        .collect()
    )
    if not rows:
        return []
    value = {(row["model_name"], row["metric"]): row["value"] for row in rows}
    titles = {"all": "all products", "new_only": "new to the customer"}
    lines = [
        "Recommendations (scores.product_recommendations): nDCG at 10 of what was bought from "
        f"{rows[0]['cutoff_date']}",
        "  " + " " * 26 + "".join(f"{title:>22}" for title in titles.values()),
    ]
    for model in ("popular", "buy_again", "als", "ladder"):
        cells = [value.get((model, f"ndcg_at_10.{policy}")) for policy in titles]
        shown = "".join(f"{cell:>22.4f}" if cell is not None else " " * 22 for cell in cells)
        lines.append(f"  {model:<26}{shown}".rstrip())
    return lines


def _churn(lake: Lake, day: date) -> list[str]:
    if not lake.exists(CUSTOMER_CHURN):
        return []
    row = (
        lake.read_date(CUSTOMER_CHURN, day)
        .agg(
            F.count(F.lit(1)).alias("n"),
            F.sum("churn_probability").alias("expected"),
            F.max("horizon_days").alias("horizon"),
            F.avg(F.when(F.col("churn_decile") == 1, F.col("churn_probability"))).alias("top"),
            F.max("model_version").alias("version"),
        )
        .collect()[0]
    )
    if not row["n"]:
        return []
    return [
        "Churn (scores.customer_churn)",
        f"  of {row['n']:,} active customers {row['expected']:,.0f} are expected to place no order "
        f"in the next {row['horizon']} days",
        f"  the tenth most at risk: {row['top']:.0%} on average   "
        f"(model {MODEL_NAME} version {row['version']})",
    ]


def _quality(lake: Lake, day: date) -> list[str]:
    """Show each model beside its trivial rules, on the rows none of them learnt from."""
    if not lake.exists(METRICS):
        return []
    rows = (
        lake.read(METRICS)
        .where((F.col("as_of_date") == F.lit(day)) & (F.col("job") == "train_churn"))
        .where(~F.col("metric").startswith("importance."))
        .where(F.col("model_name") != FEATURES_MODEL)
        .collect()
    )
    if not rows:
        return []
    models = sorted({row["model_name"] for row in rows})
    value = {(row["model_name"], row["metric"]): row["value"] for row in rows}
    cutoff, n = rows[0]["cutoff_date"], rows[0]["n"]
    shown = ("auc", "average_precision", "brier", "calibration_error", "lift_at_10_percent")
    titles = ("AUC", "avg precision", "Brier", "calib. error", "lift at 10 %")
    lines = [
        f"How good churn is: {n:,} customers on {cutoff}, which no model had seen",
        "  " + " " * 26 + "".join(f"{title:>14}" for title in titles),
    ]
    for model in models:
        figures = "".join(
            f"{value[model, metric]:>14.4f}" if value.get((model, metric)) is not None else " " * 14
            for metric in shown
        )
        lines.append(f"  {model:<26}{figures}")
    why = (
        lake.read(MODEL_DECISIONS)
        .where((F.col("as_of_date") == F.lit(day)) & F.col("is_champion"))
        .where(F.col("model_name") == MODEL_NAME)
        .orderBy(F.desc(F.col("model_version").cast("int")))
        .limit(1)
        .collect()
    )
    return lines + [f"  champion: {row['kind']} ({row['why'].split(':')[0]})" for row in why]
