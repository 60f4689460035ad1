"""Whether anything of a source is still to be loaded, told without reading a row of it."""

from __future__ import annotations

from crm_spark.errors import DataError
from crm_spark.ingest.planning.content import items_of
from crm_spark.ingest.planning.found import look_at
from crm_spark.ingest.planning.plan import Plan, plan_source
from crm_spark.ingest.planning.source_files import SourceFiles
from crm_spark.ingest.settings import IngestSettings, Source
from crm_spark.lake.run import LakeRun
from crm_spark.words import counted


def sources_due(run: LakeRun, settings: IngestSettings) -> dict[str, str]:
    """Give the sources of which something is to be loaded, each with the reason.

    Lists files and asks tables for their version or watermark; an expression that no longer fits
    shows when the source is loaded.
    """
    files = SourceFiles(run)
    reasons = ((source.name, why_due(run, files, source)) for source in settings.given())
    return {name: reason for name, reason in reasons if reason is not None}


def why_due(run: LakeRun, files: SourceFiles, source: Source) -> str | None:
    """Tell why a source is to be loaded; None where core has all of it."""
    try:
        there = look_at(run.spark, source)
        loaded = files.loaded(source)
        found = items_of(run.spark, there, loaded)
        plan = plan_source(run.spark, run.state, source, found, loaded, rebuild=False)
    except DataError as error:
        return str(error)
    return _reason(source, plan)


def _reason(source: Source, plan: Plan) -> str | None:
    if plan.mode == "unchanged":
        return None
    if plan.is_anew:
        return plan.why
    n_files = len(plan.items)
    return counted(n_files, "new file") if source.is_files else f"rows above {plan.after}"
