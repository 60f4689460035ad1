"""The ingest of all sources: look, plan, and load what is new of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial

from pyspark.sql import functions as F

from crm_spark.errors import DataError
from crm_spark.ingest.loading.delivery import Delivery, require_usable
from crm_spark.ingest.loading.load import load_source
from crm_spark.ingest.mapping.expressions import REASONS
from crm_spark.ingest.planning.check import Checked, check_sources
from crm_spark.ingest.planning.content import items_of
from crm_spark.ingest.planning.plan import plan_source
from crm_spark.ingest.planning.source_files import SourceFiles
from crm_spark.ingest.reading.files import without_broken_files
from crm_spark.ingest.rejections import write_rejections
from crm_spark.ingest.settings import IngestSettings
from crm_spark.ingest.versions.facts import LineDates
from crm_spark.lake.run import LakeRun
from crm_spark.tables.core import TRANSACTIONS


def ingest_sources(
    run: LakeRun, settings: IngestSettings, *, rebuild: bool = False, first_day: date | None = None
) -> None:
    """Load what is new of every source; nothing is written before all mappings are known to fit.

    With `first_day`, an as-of date, sources without an order before it are refused, too.
    """
    files = SourceFiles(run)
    checked = {one.source.name: one for one in check_sources(run.spark, settings.given())}
    for wave in settings.waves():
        of_wave = [checked[source.name] for source in wave]
        deliveries = [_planned(run, files, one, rebuild=rebuild) for one in of_wave]
        _require_loadable(deliveries, first_day)
        for delivery in deliveries:
            load = partial(load_source, delivery, files)
            without_broken_files(delivery.broken, load, delivery.inspect)
    write_rejections(run)


def _planned(run: LakeRun, files: SourceFiles, checked: Checked, *, rebuild: bool) -> Delivery:
    """Put right what a run that was cut off left of a source, and plan what to load of it."""
    source = checked.source
    if not rebuild:
        run.settle(source.table, source.rejected)
    loaded = files.loaded(source)
    found = items_of(run.spark, checked, loaded)
    plan = plan_source(run.spark, run.state, source, found, loaded, rebuild=rebuild)
    return Delivery(run, checked, plan)


def _require_loadable(deliveries: Sequence[Delivery], first_day: date | None) -> None:
    """Refuse sources without a usable row, and transactions without one before a date."""
    for delivery in deliveries:
        if delivery.plan.is_anew:
            check = partial(require_usable, delivery)
            without_broken_files(delivery.broken, check, delivery.inspect)
        if first_day is not None and delivery.source.table is TRANSACTIONS:
            check = partial(_require_order_before, delivery, first_day)
            without_broken_files(delivery.broken, check, delivery.inspect)


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
        rows = delivery.mapped(delivery.rows()).where(F.size(REASONS) == 0)
        if not rows.where(F.col("ordered_at") < cut).isEmpty():
            return
        first = rows.agg(F.to_date(F.min("ordered_at"))).collect()[0][0]
    raise DataError(f"as_of {day} is before any data: the first order is of {first}")
