"""Where the sources stand: what of them is loaded, against what is there now."""

from __future__ import annotations

from crm_spark.ingest.due import why_due
from crm_spark.ingest.planning.source_files import SourceFiles
from crm_spark.ingest.targets import source_target
from crm_spark.pipeline.graph import Standing
from crm_spark.pipeline.lifecycle import Run
from crm_spark.pipeline.settings import ingest_settings


def source_standings(run: Run) -> list[Standing]:
    """Give where each source's core table stands."""
    files = SourceFiles(run)
    found = []
    for source in ingest_settings(run.config).given():
        target = source_target(source)
        is_whole = run.state.is_whole(target.output)
        found.append(Standing("ingest_sources", target, is_whole, why_due(run, files, source)))
    return found
