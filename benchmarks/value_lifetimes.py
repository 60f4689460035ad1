"""BG/NBD of `lifetimes` on a file of histories in days, taken as weeks.

python -m benchmarks.value_lifetimes FILE
"""

from __future__ import annotations

import json
import sys
import time

import pandas as pd
from lifetimes import BetaGeoFitter

from crm_spark.models.purchases import PARAMETERS
from crm_spark.models.value.histories import REPEATS, SPAN, TENURE


def main(file: str) -> None:
    """Print the seconds from the file to the parameters."""
    start = time.perf_counter()
    rows = pd.read_parquet(file, columns=[REPEATS, SPAN, TENURE])
    fitter = BetaGeoFitter()
    fitter.fit(rows[REPEATS].astype(float), rows[SPAN] / 7, rows[TENURE] / 7)
    seconds = time.perf_counter() - start
    found = {name: float(fitter.params_[name]) for name in PARAMETERS}
    sys.stdout.write(json.dumps({"seconds": seconds, "parameters": found}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
