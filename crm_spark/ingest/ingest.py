"""The ingest of all sources: look, plan, and load what is new of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

from pyspark.sql import functions as F

from crm_spark.errors import ConfigError, CrmSparkError, DataError, listed
from crm_spark.ingest.check import check_sources, require_files
from crm_spark.ingest.loading.delivery import Delivery, require_usable
from crm_spark.ingest.loading.load import load_source
from crm_spark.ingest.mapping.columns import is_usable
from crm_spark.ingest.mapping.trial import explained
from crm_spark.ingest.planning.content import items_of
from crm_spark.ingest.planning.differences import found_schemas, schema_changes
from crm_spark.ingest.planning.found import Found, look_at, look_into
from crm_spark.ingest.planning.plan import plan_source
from crm_spark.ingest.planning.source_files import LoadedItem, SourceFiles
from crm_spark.ingest.reading.broken import broken_file, without_broken_files
from crm_spark.ingest.rejections import write_rejections
from crm_spark.ingest.settings import IngestSettings, Source
from crm_spark.ingest.verdicts import log_verdicts
from crm_spark.ingest.versions.facts import LineDates
from crm_spark.lake.run import LakeRun
from crm_spark.runtime.session import quick_for_few_rows
from crm_spark.tables.checks import Verdict
from crm_spark.tables.core import TRANSACTIONS


def ingest_sources(
    run: LakeRun, settings: IngestSettings, *, rebuild: bool = False, first_day: date | None = None
) -> None:
    """Load what is new of every source; nothing is written before all mappings are known to fit.

    With `first_day`, an as-of date, sources without an order before it are refused, too.
    """
    files = SourceFiles(run)
    look = partial(_look, run, files, rebuild=rebuild)
    there = {found.source.name: found for found in check_sources(settings.given(), look)}
    verdicts: list[Verdict] = []
    for wave in settings.waves():
        of_wave = [there[source.name] for source in wave]
        deliveries = [_planned(run, files, found, rebuild=rebuild) for found in of_wave]
        _require_loadable(deliveries, first_day)
        for delivery in deliveries:
            load = partial(_load, delivery, files, verdicts)
            _do(delivery, load)
    write_rejections(run)
    log_verdicts(verdicts)


def _load(delivery: Delivery, files: SourceFiles, verdicts: list[Verdict]) -> None:
    verdicts += load_source(delivery, files)


def _look(
    run: LakeRun, files: SourceFiles, source: Source, *, rebuild: bool
) -> tuple[Found, list[str]]:
    """Look into the files of a source that are new, as the lake stands now."""
    found = look_at(run.spark, source)
    delivery, faults = _with_plan(run, files, found, rebuild=rebuild)
    return delivery.found, faults


def _planned(run: LakeRun, files: SourceFiles, found: Found, *, rebuild: bool) -> Delivery:
    """Put right what a run that was cut off left of a source, and plan what to load of it.

    Raises ConfigError where more is to be loaded than at first, and the mapping does not fit it.
    """
    source = found.source
    if not rebuild:
        run.settle(source.table, source.rejected)
    delivery, faults = _with_plan(run, files, found, rebuild=rebuild)
    if faults:
        named = [f"sources.{source.name}.{fault}" for fault in faults]
        raise ConfigError(listed("the mapping does not fit the sources", named))
    return delivery


def _with_plan(
    run: LakeRun, files: SourceFiles, found: Found, *, rebuild: bool
) -> tuple[Delivery, list[str]]:
    """Plan what to load of a source, and give what of its mapping does not fit that."""
    source, spark = found.source, run.spark
    loaded = files.loaded(source)
    items = items_of(spark, found, loaded)
    plan = plan_source(spark, run.state, source, items, loaded, rebuild=rebuild)
    if plan.mode == "unchanged":
        return Delivery(run, found, plan), []
    known = () if plan.is_anew else [item.schema for item in loaded]
    n_before = len(found.layouts)
    faults = look_into(spark, found, [*plan.read, *plan.copies], known)
    _require_known_files(found, loaded)
    if len(found.layouts) > n_before:
        schemas = [item.schema.fields for item in loaded if item.schema.ddl]
        found.changed[:] = schema_changes(found_schemas(found), schemas)
        require_files(spark, found)
    return Delivery(run, found, plan), faults


def _require_known_files(found: Found, loaded: Sequence[LoadedItem]) -> None:
    """Refuse to let go of a file that was loaded and cannot be used any more."""
    lost = [item.item for item in loaded if item.item in found.broken]
    if lost:
        faults = [f"{file}: {found.broken[file]}" for file in lost]
        start = f"sources.{found.source.name}: files that were loaded cannot be used any more"
        raise DataError(listed(start, faults))


def _require_loadable(deliveries: Sequence[Delivery], first_day: date | None) -> None:
    """Refuse sources without a usable row, and transactions without one before a date."""
    for delivery in deliveries:
        if delivery.plan.is_anew:
            _do(delivery, partial(require_usable, delivery))
        if first_day is not None and delivery.source.table is TRANSACTIONS:
            _do(delivery, partial(_require_order_before, delivery, first_day))


def _do(delivery: Delivery, action: Callable[[], None]) -> None:
    """Do something with the rows of a delivery, without the files that cannot be read.

    Raises ConfigError where an expression of the mapping fails on a row, DataError where a file
    fails after something was written, or where it has to stop the run.
    """
    rules = delivery.source.section.cleaning

    def once() -> None:
        try:
            action()
        except Exception as error:
            failed = broken_file(error)
            has_to_stop = rules.broken_files == "stop" or delivery.source.inputs
            if failed and (delivery.is_written or has_to_stop):
                text = f"sources.{delivery.source.name}: {failed[0]}: {failed[1]}: run again"
                raise DataError(text) from error
            raise

    try:
        with quick_for_few_rows(delivery.run.spark, delivery.n_rows_roughly):
            without_broken_files(delivery.broken, delivery.found.layouts, once)
    except CrmSparkError:
        raise
    except Exception as error:
        if reason := explained(error, delivery.source, delivery.frames):
            raise reason from error
        raise


def _require_order_before(delivery: Delivery, day: date) -> None:
    """Refuse an as-of date before any data; reads no more than a first row that is early enough."""
    plan = delivery.plan
    cut = F.lit(day).cast("timestamp")
    known = LineDates.of_facts(plan.row.facts).first_order if plan.row else None
    if not plan.is_anew and known is not None and known < day:
        return
    if not delivery.has_rows:
        first = known
    else:
        rows = delivery.mapped().where(is_usable())
        if not rows.where(F.col("ordered_at") < cut).isEmpty():
            return
        first = rows.agg(F.to_date(F.min("ordered_at"))).collect()[0][0]
    raise DataError(f"as_of {day} is before any data: the first order is of {first}")
