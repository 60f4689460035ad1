"""What a job collects for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

Values = Mapping[str, Any]


@dataclass(frozen=True)
class ReportInputs:
    """All that the report speaks of; what a run did not make is empty."""

    title: str
    currency: str
    as_of: date
    time_zone: str
    package_version: str
    base: Values
    months: Sequence[Values] = ()
    rfm_cells: Sequence[Values] = ()
    rfm_segments: Sequence[Values] = ()
    churn: Values | None = None
    churn_first: Sequence[Values] = ()
    churn_metrics: Sequence[Values] = ()
    walk_forward: Sequence[Values] = ()
    champions: Mapping[str, Values] = field(default_factory=dict)
    segments: Sequence[Values] = ()
    segment_metrics: Sequence[Values] = ()
    recommendations: Values | None = None
    recommendation_metrics: Sequence[Values] = ()
    examples: Sequence[Values] = ()
    sources: Sequence[Values] = ()
    rejected: Sequence[Values] = ()
    unusual_prices: Sequence[Values] = ()
    checks: Sequence[Values] = ()
    runs: Sequence[Values] = ()
