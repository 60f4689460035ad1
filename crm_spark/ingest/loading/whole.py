"""All of a source: read, map, clean, resolve versions, write, reject; both tables are replaced."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.ingest.loading.counts import STATUSES, count_aggregates, row_counts
from crm_spark.ingest.loading.delivery import Delivery, require_usable, usable_rows
from crm_spark.ingest.loading.loaded import Loaded, rejected_of_delivery, with_rejected
from crm_spark.ingest.loading.store import Stored, store_history, store_whole
from crm_spark.ingest.settings import Source
from crm_spark.ingest.targets import source_target
from crm_spark.ingest.versions.history import HistoryRules
from crm_spark.ingest.versions.resolve import (
    DUPLICATE,
    IS_REPEATED,
    KEPT,
    STATUS,
    add_content_hashes,
    close_versions,
    resolve,
)
from crm_spark.lake.state import why_made_otherwise
from crm_spark.runtime.observed import ObservedCounts
from crm_spark.runtime.progress import stage
from crm_spark.tables.history import VALID_FROM, is_history

# A customer's rows lie together: so files are small, and an increment finds them in few places.
_CUSTOMER = "customer_id"


def load_whole(delivery: Delivery) -> Loaded:
    """Load all of a source. Counts are taken in passing: it is read once."""
    run, source = delivery.run, delivery.source
    if delivery.broken:
        require_usable(delivery)  # what is left may be nothing
    mapped = ObservedCounts(delivery.mapped(), *count_aggregates(source))
    usable = usable_rows(run, mapped.rows)
    if _lies_together(source):
        usable = usable.repartition(_CUSTOMER)
    resolved = ObservedCounts(
        resolve(usable, None, source.identity),
        *[F.count_if(F.col(STATUS) == status).alias(status) for status in STATUSES],
        F.count_if(IS_REPEATED).alias(IS_REPEATED),
    )
    kept = resolved.rows.where(F.col(STATUS) == KEPT).drop(IS_REPEATED)
    with stage(run.spark, f"read {source.name}"):
        stored = _store(delivery, kept)
    n_by_status = resolved.exact()
    # What a delivery repeats of a history is a duplicate of what is known.
    n_by_status[DUPLICATE] += n_by_status[KEPT] - stored.n_written
    counts = row_counts(
        source,
        mapped.exact(),
        n_by_status={status: n_by_status[status] for status in STATUSES},
        n_repeated=n_by_status[IS_REPEATED],
    )
    parts = []
    if counts.n_rejected:
        is_kept_apart = is_history(source.table)
        winners = kept if is_kept_apart else run.lake.read(source.table)
        winners = add_content_hashes(winners, source.table)
        parts = [rejected_of_delivery(delivery, counts, winners)]
    return with_rejected(delivery, stored, counts, parts)


def _store(delivery: Delivery, kept: DataFrame) -> Stored:
    """Write the core table: as a whole, or what is new of a history."""
    run, source, row = delivery.run, delivery.source, delivery.plan.row
    if not is_history(source.table):
        return store_whole(run, source.table, _closed(delivery, kept))
    target = source_target(source)
    is_known = not delivery.plan.is_rebuild and run.state.is_whole(target.output)
    rules = HistoryRules(
        is_dated=VALID_FROM in source.section.columns,
        is_remapped=row is not None and why_made_otherwise(row, target) is not None,
        loaded_at=run.summary.started_at,
    )
    return store_history(run, source.table, kept, rules, row if is_known else None)


def _closed(delivery: Delivery, kept: DataFrame) -> DataFrame:
    """Add to each row when it was superseded, and by a row of which run; lay rows out."""
    source = delivery.source
    if not source.table.event_time:
        return kept
    closing_run = F.when(F.col("superseded_at").isNotNull(), F.lit(delivery.run.summary.run_id))
    closed = close_versions(kept, source.identity).withColumn("closing_run_id", closing_run)
    if _lies_together(source):
        return closed
    # Ids of rows say nothing of customers: this is a shuffle of its own.
    return closed.repartition(_CUSTOMER).sortWithinPartitions(_CUSTOMER, source.table.event_time)


def _lies_together(source: Source) -> bool:
    """Whether rows that can be one have one customer: resolving them needs no other layout."""
    return source.table.event_time is not None and not source.identity.has_id
