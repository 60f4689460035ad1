"""Whether our snapshot and DuckDB's table say the same of each customer who returned nothing.

python -m benchmarks.agreement LAKE DAY TABLE

Ours nets what came back against what was bought, which the 28 columns do not: customers with a
return are left out. Counts and sums have to be equal, shares and means to nine digits.
"""

from __future__ import annotations

import json
import sys
from datetime import date

from pyspark.sql import functions as F

from crm_spark.features.families import FEATURES
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.lake.delta import Lake
from crm_spark.lake.storage import StorageSection
from crm_spark.runtime.session import open_session


def main(root: str, day: str, table: str) -> None:
    """Print how many customers were compared; raise AssertionError where any differs."""
    with open_session("agreement") as spark:
        ours = Lake(spark, StorageSection(root=root), "agreement").read_date(
            CUSTOMER_SNAPSHOT, date.fromisoformat(day)
        )
        theirs = spark.read.parquet(table)
        names = {feature.name for feature in FEATURES} & set(theirs.columns)
        both = ours.alias("ours").join(theirs.alias("theirs"), "customer_id", "full_outer")
        is_missing = F.col("ours.n_orders").isNull() | F.col("theirs.n_orders").isNull()
        returned = F.greatest("ours.returned_amount", "theirs.returned_amount")
        compared = both.where(returned == 0)
        differing = [
            F.count_if(
                ~F.round(f"ours.{name}", 9).eqNullSafe(
                    F.round(F.col(f"theirs.{name}").cast("double"), 9)
                )
            ).alias(name)
            for name in sorted(names)
        ]
        counts = (F.count(F.lit(1)).alias("n"), F.count_if(is_missing).alias("missing"))
        found = compared.agg(*counts, *differing).collect()[0].asDict()
    n_customers = found.pop("n")
    faults = {name: n for name, n in found.items() if n}
    assert n_customers, "there is no customer to compare"
    assert len(names) == len(theirs.columns) - 1, "a column of theirs is none of our features"
    assert not faults, f"customers differ: {faults}"
    sys.stdout.write(json.dumps({"seconds": 0.0, "n_customers": n_customers}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
