"""What analysts read the tables with besides Spark: deltalake, on which Polars rests, too."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from deltalake import DeltaTable
from pyspark.sql import SparkSession

from crm_spark.config import Config, load_config
from crm_spark.features.rfm_tables import CUSTOMER_RFM
from crm_spark.features.tables import CUSTOMER_ORDERS, CUSTOMER_SNAPSHOT
from crm_spark.jobs import build_features, ingest_sources, score_rfm
from crm_spark.lake.delta import Lake
from crm_spark.tables.core import TRANSACTIONS

DAY = date(2024, 3, 1)
LINES = "line,customer,order,day,total,known\n"
FIRST = (
    "1,ann,o1,2024-01-05,10.00,2024-01-05\n"
    "2,ann,o2,2024-02-05,20.00,2024-02-05\n"
    "3,bob,o3,2024-02-07,30.00,2024-02-07\n"
    "4,cid,o4,2024-02-08,40.00,2024-02-08\n"
)
# A line of ann is corrected: it is closed where it stands, her orders and her snapshot change.
SECOND = "2,ann,o2,2024-02-05,25.00,2024-02-10\n"


def config_of(folder: Path) -> Config:
    return load_config(
        f"""
storage: {{root: {folder / "lake"}, deletion_vectors: false}}
tracking: {{uri: "sqlite:///{folder / "mlflow.db"}", experiment: test}}
time_zone: UTC
models: [segments]
sources:
  transactions:
    path: {folder / "lines"}
    format: csv
    options: {{header: true}}
    columns:
      line_id: line
      customer_id: customer
      order_id: order
      ordered_at: to_timestamp(day)
      arrived_at: to_timestamp(known)
      amount: total
""",
        name="tools.yml",
    )


def test_without_deletion_vectors_deltalake_reads_what_spark_reads_after_a_correction(
    spark: SparkSession, tmp_path: Path
) -> None:
    config = config_of(tmp_path)
    (tmp_path / "lines").mkdir()
    for name, rows in (("first.csv", FIRST), ("second.csv", SECOND)):
        (tmp_path / "lines" / name).write_text(LINES + rows)
        ingest_sources.run(spark, config, None)
        build_features.run(spark, config, DAY)
        score_rfm.run(spark, config, DAY)
    lake = Lake(spark, config.storage, "test")
    columns = {
        TRANSACTIONS: ["customer_id", "line_id", "amount", "arrived_at"],
        CUSTOMER_ORDERS: ["customer_id", "order_id", "spend_amount_minor"],
        CUSTOMER_SNAPSHOT: ["customer_id", "as_of_date", "spend_amount"],
        CUSTOMER_RFM: ["customer_id", "as_of_date", "monetary_score"],
    }
    for table, names in columns.items():
        theirs = DeltaTable(lake.path(table)).to_pyarrow_table(columns=names)
        ours = lake.read(table).select(names).toArrow()
        assert sorted(map(str, theirs.to_pylist())) == sorted(
            map(str, ours.cast(theirs.schema).to_pylist())
        )
    spend = {
        row["customer_id"]: row["spend_amount"] for row in lake.read(CUSTOMER_SNAPSHOT).collect()
    }
    assert spend == {"ann": 35.0, "bob": 30.0, "cid": 40.0}
