"""Forecasts of `statsforecast` of the same series, each model in its own loop over them.

python -m benchmarks.demand_statsforecast FILE MODEL
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from statsforecast import models

from benchmarks.demand_ours import mean_error, origins
from benchmarks.weekly_series import N_AHEAD
from crm_spark.models.demand.series import begun


def main(file: str, name: str) -> None:
    """Print the seconds of all forecasts, and their mean scaled error."""
    values = np.load(file)
    start = time.perf_counter()
    errors = []
    for origin in origins(values):
        history = begun(values[:, :origin])
        found = np.zeros((len(values), N_AHEAD))
        for place, row in enumerate(history):
            known = row[~np.isnan(row)]
            model = models.AutoETS(season_length=1) if name == "AutoETS" else _simple(name)
            found[place] = model.forecast(known, N_AHEAD)["mean"]
        errors.append(mean_error(np.maximum(found, 0.0), values, origin))
    seconds = time.perf_counter() - start
    sys.stdout.write(json.dumps({"seconds": seconds, "mase": float(np.mean(errors))}) + "\n")


def _simple(name: str) -> object:
    if name == "TSB":
        return models.TSB(alpha_d=0.2, alpha_p=0.2)
    return getattr(models, name)()


if __name__ == "__main__":
    main(*sys.argv[1:])
