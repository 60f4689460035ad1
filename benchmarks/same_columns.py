"""Whether two peers say the same of every customer, column by column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

# Of shares and means, relative: a sum that is divided may be rounded once more or less.
RELATIVE_ERROR = 1e-12
_INEXACT = ("_per_order", "_share")


def require_same_columns(one: Path, other: Path) -> None:
    """Raise AssertionError where tables of customers differ: counts and sums in any digit."""
    left, right = (
        pd.read_parquet(path).set_index("customer_id").sort_index() for path in (one, other)
    )
    assert len(left), "there is no customer to compare"
    assert left.index.equals(right.index), "the customers are others"
    assert list(left.columns) == list(right.columns), "the columns are others"
    faults = {name: n for name in left if (n := _n_differing(left[name], right[name]))}
    assert not faults, f"customers differ: {faults}"


def _n_differing(left: pd.Series, right: pd.Series) -> int:
    is_inexact = str(left.name).endswith(_INEXACT)
    values = (series.to_numpy(dtype="float64", na_value=np.nan) for series in (left, right))
    error = RELATIVE_ERROR if is_inexact else 0.0
    return int((~np.isclose(*values, rtol=error, atol=0.0, equal_nan=True)).sum())
