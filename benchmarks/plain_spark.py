"""What plain Spark does with order lines: read them, sort them by customer, write them as Delta.

python -m benchmarks.plain_spark FOLDER FORMAT TARGET
"""

from __future__ import annotations

import json
import sys
import time

from crm_spark.runtime.session import open_session


def main(folder: str, files: str, target: str) -> None:
    """Print seconds and rows; the start of Spark is left out."""
    with open_session("plain") as spark:
        start = time.perf_counter()
        rows = spark.read.format(files).options(header=True).load(folder)
        rows.sort("customer_id").write.format("delta").save(target)
        seconds = time.perf_counter() - start
        n_rows = spark.read.format("delta").load(target).count()
    sys.stdout.write(json.dumps({"seconds": seconds, "n_rows": n_rows}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
