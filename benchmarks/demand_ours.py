"""Our forecasts of a file of weekly series, four weeks from each of four origins on.

python -m benchmarks.demand_ours FILE KIND
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from benchmarks.weekly_series import N_AHEAD, N_ORIGINS
from crm_spark.models.demand.candidates import CANDIDATES
from crm_spark.models.demand.metrics import series_errors
from crm_spark.models.demand.section import DemandSection
from crm_spark.models.demand.series import PRODUCT, TOTAL, Floats, Sales, Tree, begun


def mean_error(forecasts: Floats, values: Floats, origin: int) -> float:
    """Give the mean scaled error of the products, the rows after the first."""
    history, actual = begun(values[:, :origin]), values[:, origin : origin + N_AHEAD]
    absolute, _ = series_errors(forecasts[1:], actual[1:], history[1:], 52)
    return float(np.nanmean(absolute))


def origins(values: Floats) -> list[int]:
    """Give how many weeks were known at each origin."""
    return [values.shape[1] - N_AHEAD * back for back in range(N_ORIGINS, 0, -1)]


def main(file: str, kind: str) -> None:
    """Print the seconds of all forecasts, and their mean scaled error."""
    values = np.load(file)
    n = len(values)
    names = np.array([None, *map(str, range(1, n))], object)
    tree = Tree(
        np.array([TOTAL] + [PRODUCT] * (n - 1), object),
        np.full(n, None, object),
        names,
        np.array([-1] + [0] * (n - 1), np.int64),
    )
    candidate = next(one for one in CANDIDATES if one.name == kind)
    start = time.perf_counter()
    errors = []
    for origin in origins(values):
        history = begun(values[:, :origin])
        sales = Sales(history, np.full(history.shape, np.nan))
        forecaster = candidate.fit(sales, tree, DemandSection())
        errors.append(mean_error(forecaster.forecast(sales, tree, N_AHEAD), values, origin))
    seconds = time.perf_counter() - start
    sys.stdout.write(json.dumps({"seconds": seconds, "mase": float(np.mean(errors))}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
