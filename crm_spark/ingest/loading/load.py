"""The load of one source, and what is noted of it."""

from __future__ import annotations

from crm_spark.ingest.loading.comments import comment_verdict
from crm_spark.ingest.loading.counts import RowCounts, fill_summary, log_summary
from crm_spark.ingest.loading.delivery import Delivery
from crm_spark.ingest.loading.finish import N_REJECTED, finish_load, leave_unchanged
from crm_spark.ingest.loading.increment import load_increment
from crm_spark.ingest.loading.loaded import row_of_rejected
from crm_spark.ingest.loading.lost import lost_verdicts
from crm_spark.ingest.loading.noticed import Noticed
from crm_spark.ingest.loading.rejected import N_BROKEN_FILES
from crm_spark.ingest.loading.whole import load_whole
from crm_spark.ingest.planning.source_files import LoadedItem, SourceFiles
from crm_spark.ingest.reading.broken import comparable, is_broken
from crm_spark.ingest.reading.schema import SourceSchema
from crm_spark.ingest.verdicts import file_verdicts, name_files, row_verdicts
from crm_spark.runtime.progress import log
from crm_spark.tables.checks import Verdict, write_checks


def load_source(delivery: Delivery, files: SourceFiles) -> list[Verdict]:
    """Load what the plan says of one source, and give what is to be said of it.

    It counts from the last step, the note, on.
    """
    run, source = delivery.run, delivery.source
    verdicts: list[Verdict] = []
    if delivery.plan.mode == "unchanged":
        leave_unchanged(run, source)
        log.info("%s: nothing new", source.name)
        row = delivery.plan.row
        currencies = Noticed().with_currencies_of(row.facts if row else {})
        verdicts += row_verdicts(source, Noticed(), currencies)
    else:
        log.info("%s: %s", source.name, delivery.intent)
        delivery.name_broken_copies()
        verdicts += _load(delivery, files)
    name_files(run.summary.table(source.table.name), delivery.found)
    verdicts = [*file_verdicts(delivery.found), *verdicts]
    write_checks(run, None, verdicts)
    return verdicts


def _load(delivery: Delivery, files: SourceFiles) -> list[Verdict]:
    run, source, plan = delivery.run, delivery.source, delivery.plan
    # Before the first write: it reads files, and what fails after a write is not begun again.
    n_of_copies = _n_rows_of_copies(delivery)
    loaded = load_whole(delivery) if plan.is_anew else load_increment(delivery)
    known = plan.row.facts if plan.row and not plan.is_anew else {}
    currencies = loaded.counts.noticed.with_currencies_of(known)
    finish_load(
        run,
        files,
        source,
        loaded.stored,
        loaded.rejected,
        _loaded_items(delivery),
        n_rejected=_n_rejected(delivery, loaded.counts),
        added_to=None if plan.is_anew else plan.row,
        currencies=currencies,
    )
    counts = run.summary.table(source.table.name)
    fill_summary(
        counts, loaded.counts, n_broken_files=len(delivery.broken), n_of_copies=n_of_copies
    )
    log_summary(source.table.name, counts)
    noticed = row_verdicts(source, loaded.counts.noticed, currencies)
    lost = [*lost_verdicts(delivery, loaded.counts), *comment_verdict(delivery)]
    return [*lost, *noticed]


def _n_rejected(delivery: Delivery, counts: RowCounts) -> int:
    """Count what stands as rejected of the source after this load."""
    n_now = counts.n_rejected + len(delivery.broken)
    row, of_rejected = delivery.plan.row, row_of_rejected(delivery)
    if delivery.plan.is_anew or row is None or of_rejected is None:
        return n_now
    n_before = int(row.facts.get(N_REJECTED, 0))
    return n_before - int(of_rejected.facts.get(N_BROKEN_FILES, 0)) + n_now


def _loaded_items(delivery: Delivery) -> list[LoadedItem]:
    schemas = _schemas(delivery)
    return [
        LoadedItem(
            item.item,
            item.content,
            item.n_bytes,
            item.modified_at,
            schemas.get(item.content, SourceSchema()),
            "rejected" if item.item in delivery.broken else "loaded",
        )
        for item in delivery.plan.items
    ]


def _n_rows_of_copies(delivery: Delivery) -> int:
    """Count the rows of files whose content had been given before."""
    return sum(
        times * part.rows.count()
        for uri, times in delivery.plan.copies.items()
        for part in delivery.found.parts(delivery.run.spark, [uri])
    )


def _schemas(delivery: Delivery) -> dict[str | None, SourceSchema]:
    """Give the columns of each content that was read."""
    found, plan = delivery.found, delivery.plan
    if found.source.inputs:
        schema = found.schemas[found.layouts[found.source.description]]
        return {item.content: schema for item in plan.items}
    read = plan.read if found.source.is_files else [found.source.description]
    by_item = {
        comparable(place): found.schemas[found.layouts[place]]
        for place in read
        if found.layouts.get(place) in found.schemas and not is_broken(place, found.broken)
    }
    return {item.content: by_item[item.item] for item in plan.items if item.item in by_item}
