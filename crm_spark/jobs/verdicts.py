"""The usability verdict: whether the data carry a model, written to ops.checks before training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.errors import DataError, listed
from crm_spark.features.orders import changed_later, orders_as_of
from crm_spark.features.tables import CUSTOMER_ORDERS, PRODUCT_PRICES
from crm_spark.jobs.feature_checks import FEATURE_CHECKS
from crm_spark.jobs.model_runs import check_row, write_checks
from crm_spark.models.churn.labels import LABEL
from crm_spark.models.usability.churn import ChurnClasses
from crm_spark.models.usability.data_facts import (
    customer_shares,
    customers_by_class,
    orders_per_day,
    rejected_by_kind,
    unusual_prices,
)
from crm_spark.models.usability.facts import (
    DataFacts,
    IngestFacts,
    OrderDay,
    PriceFacts,
    Verdict,
)
from crm_spark.pipeline.lifecycle import Run
from crm_spark.runtime.progress import log, stage
from crm_spark.tables.core import TRANSACTIONS, rejected


def require_usable(
    job: Run, model: str, day: date, judge: Callable[[DataFacts], Sequence[Verdict]]
) -> None:
    """Judge the data known on the date for one model, and leave the verdicts in ops.checks.

    Raises DataError that lists every error, once all verdicts are written.
    """
    with stage(job.spark, f"checks of the data for {model}"):
        verdicts = judge(data_facts(job, day))
        _write(job, day, verdicts)
    for verdict in verdicts:
        if verdict.level == "warning":
            log.warning("%s, %s: %s", model, verdict.check, verdict.message)
        elif verdict.level == "advice":
            log.info("%s, %s (advice): %s", model, verdict.check, verdict.message)
    errors = [verdict.message for verdict in verdicts if verdict.level == "error"]
    if errors:
        raise DataError(listed(f"{model} cannot be trained as of {day}", errors))


def _write(job: Run, day: date, verdicts: Sequence[Verdict]) -> None:
    """Replace the verdicts that this job left for the date; its checks of features stay."""
    rows = [
        check_row(
            job,
            day,
            held.check,
            held.subject,
            found=held.found,
            needed=held.needed,
            level=held.level,
            message=held.message,
        )
        for held in verdicts
    ]
    write_checks(job, day, rows, but=FEATURE_CHECKS)


def data_facts(job: Run, day: date) -> DataFacts:
    """Count what was known of the orders before the midnight of the date.

    Of rejected rows all count that core holds: they have no date that could be read.
    """
    orders, lines = job.lake.read(CUSTOMER_ORDERS), job.lake.read(TRANSACTIONS)
    n_changed = changed_later(orders, dates=[day]).count()
    known = orders_as_of(orders, lines, dates=[day], n_changed=n_changed)
    days = orders_per_day(known).orderBy("order_date").collect()  # a row a day
    shares = customer_shares(known).collect()[0]
    return DataFacts(
        as_of=day,
        days=tuple(OrderDay(row["order_date"], row["n_orders"]) for row in days),
        n_customers=shares["n_customers"],
        n_lines=shares["n_lines"],
        n_lines_of_biggest=shares["n_lines_of_biggest"],
        ingest=_ingest_facts(job),
        prices=_price_facts(job, day),
    )


def _ingest_facts(job: Run) -> IngestFacts | None:
    """Count the rows that came in, and of them those that could not be used."""
    kept = rejected(TRANSACTIONS)
    if not job.lake.exists(kept):
        return None
    unusable = job.lake.read(kept).where(F.col("replay_run_id").isNull())
    kinds = rejected_by_kind(unusable).collect()[0]
    n_rows = job.lake.read(TRANSACTIONS).count() + unusable.where("row IS NOT NULL").count()
    return IngestFacts(n_rows=n_rows, **kinds.asDict())


def _price_facts(job: Run, day: date) -> PriceFacts | None:
    """Sum up the prices of products before the date."""
    if not job.lake.exists(PRODUCT_PRICES):
        return None
    prices = job.lake.read_date(PRODUCT_PRICES, day)
    return PriceFacts(**unusual_prices(prices).collect()[0].asDict())


def churn_classes(labelled: DataFrame, *, test: date) -> ChurnClasses:
    """Count the customers who churned and who stayed."""
    counted = customers_by_class(labelled, label=LABEL, test=test).collect()  # two rows
    n = {row[LABEL]: (row["n_customers"], row["n_at_test"]) for row in counted}
    churned, stayed = n.get(1.0, (0, 0)), n.get(0.0, (0, 0))
    return ChurnClasses(churned[0], stayed[0], churned[1], stayed[1])
