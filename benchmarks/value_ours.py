"""Our BG/NBD on a file of histories in days.

python -m benchmarks.value_ours FILE
"""

from __future__ import annotations

import json
import sys
import time

from benchmarks.made_purchases import DAY
from crm_spark.models.purchases import BG_NBD, PARAMETERS, fit
from crm_spark.models.value.cells import history_cells
from crm_spark.runtime.session import open_session


def main(file: str) -> None:
    """Print the seconds from the file to the parameters; the start of Spark is left out."""
    with open_session("value") as spark:
        start = time.perf_counter()
        cells = history_cells(spark.read.parquet(file), DAY)
        counted = time.perf_counter() - start
        model = fit(BG_NBD, cells)
        seconds = time.perf_counter() - start
    found = dict(zip(PARAMETERS, model.parameters, strict=True))
    said = {"seconds": seconds, "counted": counted, "cells": len(cells.n), "parameters": found}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
