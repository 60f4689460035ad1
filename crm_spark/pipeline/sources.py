"""Where the sources stand: what of them is loaded, against what is there now."""

from __future__ import annotations

from crm_spark.pipeline.graph import Standing
from crm_spark.pipeline.lifecycle import Run


def source_standings(run: Run) -> list[Standing]:
    """Give where each source's core table stands."""
    del run
    return []
