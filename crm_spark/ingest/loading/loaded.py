"""Both tables of a source after its rows went into them, and the step that rejects."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame

from crm_spark.ingest.loading.counts import RowCounts
from crm_spark.ingest.loading.delivery import Delivery
from crm_spark.ingest.loading.rejected import StoredRejected, rejected_rows, store_rejected
from crm_spark.ingest.loading.store import Stored
from crm_spark.ingest.mapping.where import IS_WANTED
from crm_spark.ingest.targets import rejected_target
from crm_spark.ingest.versions.resolve import conflicting
from crm_spark.lake.state import OutputRow


@dataclass(frozen=True)
class Loaded:
    """A core table and its rejected rows as a load leaves them, and what became of each row."""

    stored: Stored
    rejected: StoredRejected
    counts: RowCounts


def with_rejected(
    delivery: Delivery,
    stored: Stored,
    counts: RowCounts,
    parts: list[DataFrame],
) -> Loaded:
    """Write the rejected rows, after the accepted ones."""
    rejected = store_rejected(
        delivery.run,
        delivery.source,
        parts,
        n_wanted=counts.n_rejected + len(delivery.broken),
        broken=delivery.broken,
        row=None if delivery.plan.is_anew else row_of_rejected(delivery),
    )
    return Loaded(stored, rejected, counts)


def rejected_of_delivery(delivery: Delivery, counts: RowCounts, winners: DataFrame) -> DataFrame:
    """Read the delivery once more, and give the rows that are rejected as they came.

    `winners` are the rows of the table, with their content hashes, that contradict others.
    """
    mapped = delivery.mapped(keep_row=True).where(IS_WANTED)
    if counts.n_conflicts:
        mapped = conflicting(mapped, winners, delivery.source.identity)
    return rejected_rows(mapped)


def row_of_rejected(delivery: Delivery) -> OutputRow | None:
    """Give what the state says of the source's rejected rows."""
    return delivery.run.state.newest(rejected_target(delivery.source).output)
