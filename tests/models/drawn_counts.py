"""Counts of raw scores as Hypothesis draws them: of edges, of many customers and of few."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from crm_spark.models.binary_metrics import ScoreCounts, from_arrays
from crm_spark.models.calibration import EDGE


def drawn_counts(most: int) -> st.SearchStrategy[ScoreCounts]:
    """Draw customers, and those with the outcome, at up to so many raw scores."""
    scores = st.one_of(
        st.sampled_from([0.0, 1e-6, EDGE, 0.5, 1 - EDGE, 1.0]),
        st.integers(0, 10**6).map(lambda n: n / 10**6),
    )
    customers = st.integers(0, 2000)
    rows = st.tuples(scores, customers, customers).filter(lambda row: row[1] + row[2] > 0)
    return st.lists(rows, min_size=1, max_size=most, unique_by=lambda row: row[0]).map(
        lambda rows: from_arrays(
            np.array([p for p, _, _ in rows]),
            np.array([float(others + hits) for _, others, hits in rows]),
            np.array([float(hits) for _, _, hits in rows]),
        )
    )
