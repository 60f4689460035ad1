"""Online Retail by YAML alone, with the usual recipe and without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from system.runs import REPOSITORY, Ended, Lake

from crm_spark.config import Config, load_config
from crm_spark.features.tables import CUSTOMER_ORDERS, CUSTOMER_SNAPSHOT
from crm_spark.jobs import build_features, ingest_sources
from crm_spark.tables.core import TRANSACTIONS, rejected

pytestmark = pytest.mark.real_data


def _built(spark: SparkSession, folder: Path, data: Path, example: str) -> Lake:
    """Give the lake that holds the file and its features, and the run that ingested it."""
    overrides = [
        f"storage.root={folder / 'lake'}",
        f"tracking.uri=sqlite:///{folder / 'mlflow.db'}",
        f"sources.transactions.path={data / 'online_retail.csv.gz'}",
        # Looked at is one date: fewer snapshots of earlier ones.
        "churn.n_training_cutoffs=1",
    ]
    text = (REPOSITORY / "conf" / "examples" / example).read_text(encoding="utf-8")
    config = load_config(text, name=example, overrides=overrides)
    with settings_of_large_tables(spark, config):
        summary = ingest_sources.run(spark, config, None)
        build_features.run(spark, config, date(2011, 12, 10))
    return Lake(folder / "lake", "", Ended(0, summary.as_dict(), ""))


@contextmanager
def settings_of_large_tables(spark: SparkSession, config: Config) -> Iterator[None]:
    """Have the configuration's clock, and compile what runs over many rows, as jobs do."""
    settings = {
        "spark.sql.session.timeZone": config.time_zone,
        "spark.sql.codegen.wholeStage": "true",
        "spark.sql.codegen.factoryMode": "FALLBACK",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.shuffle.partitions": "2",
    }
    before = {key: spark.conf.get(key) for key in settings}
    for key, value in settings.items():
        spark.conf.set(key, value)
    yield
    for key, value in before.items():
        spark.conf.set(key, value)


@pytest.fixture(scope="module")
def recipe(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, online_retail: Path
) -> Lake:
    """Give the lake with the usual recipe as `where`."""
    return _built(spark, tmp_path_factory.mktemp("recipe"), online_retail, "online_retail.yml")


@pytest.fixture(scope="module")
def whole(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, online_retail: Path
) -> Lake:
    """Give the lake with every row, without `where`, and the run that ingested it."""
    return _built(spark, tmp_path_factory.mktemp("whole"), online_retail, "online_retail_whole.yml")


def test_the_usual_recipe_gives_the_published_figures(spark: SparkSession, recipe: Lake) -> None:
    counts = recipe.run.summary["tables"]["core.transactions"]
    assert counts["rows_read"] == 541_909
    assert counts["rows_written"] == 397_884
    snapshot = recipe.read(spark, CUSTOMER_SNAPSHOT).where("as_of_date = '2011-12-10'")
    row = snapshot.agg(
        F.count(F.lit(1)).alias("customers"),
        F.round(F.sum("spend_amount"), 2).alias("spend"),
        F.round(F.avg("days_since_last_order"), 2).alias("mean_days"),
        F.round(F.avg("n_orders"), 3).alias("mean_orders"),
        F.max("n_orders").alias("most_orders"),
    ).collect()[0]
    assert row.asDict() == {
        "customers": 4_338,
        "spend": 8_911_407.90,
        "mean_days": 92.06,
        "mean_orders": 4.272,
        "most_orders": 209,
    }


# --- every row ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows(online_retail: Path) -> pd.DataFrame:
    """Give the file as text, with what a person would say of each row."""
    rows = pd.read_csv(online_retail / "online_retail.csv.gz", dtype=str)
    rows["is_rejected"] = rows["CustomerID"].isna()
    rows["is_repeated"] = rows.duplicated() & ~rows["is_rejected"]
    rows["is_cancelled"] = rows["InvoiceNo"].str.startswith("C")
    pence = zip(rows["Quantity"], rows["UnitPrice"], strict=True)
    rows["pence"] = [
        int((Decimal(repr(float(n) * float(price))) * 100).quantize(Decimal(1), ROUND_HALF_UP))
        for n, price in pence
    ]
    return rows


@dataclass
class Netted:
    """What returns leave, worked out with a stack; money in pence."""

    kept: Counter[str] = field(default_factory=Counter)
    orphaned: Counter[str] = field(default_factory=Counter)
    kept_of_invoice: Counter[str] = field(default_factory=Counter)
    explained: Counter[str] = field(default_factory=Counter)


@pytest.fixture(scope="module")
def netted(rows: pd.DataFrame) -> Netted:
    """Take each cancelled line from the newest purchases of its customer and product."""
    result = Netted()
    used = rows[~rows["is_rejected"] & ~rows["is_repeated"]]
    in_time = used.sort_values(["InvoiceDate", "is_cancelled"], kind="stable")
    for (customer, _), lines in in_time.groupby(["CustomerID", "StockCode"], sort=False):
        bought: list[list[Any]] = []
        name = customer.removesuffix(".0")
        columns = ("InvoiceNo", "is_cancelled", "pence")
        for invoice, is_cancelled, pence in lines[list(columns)].itertuples(index=False):
            if not is_cancelled:
                bought.append([invoice, pence])
                continue
            left = -pence
            while left and bought:
                taken = min(left, bought[-1][1])
                bought[-1][1] -= taken
                left -= taken
                if not bought[-1][1]:
                    bought.pop()
            result.orphaned[name] += left
            result.explained["whole" if not left else "part" if left < -pence else "none"] += 1
        for invoice, pence in bought:
            result.kept[name] += pence
            result.kept_of_invoice[invoice] += pence
    return result


def test_every_row_of_the_file_is_where_the_page_says(
    spark: SparkSession, whole: Lake, rows: pd.DataFrame
) -> None:
    counts = whole.run.summary["tables"]["core.transactions"]
    assert {key: counts[key] for key in counts if key.startswith("rows_")} == {
        "rows_read": 541_909,
        "rows_written": 401_604,
        "rows_rejected": 135_080,
        "rows_filtered": 0,
        "rows_duplicate": 5_225,
    }
    names = ["InvoiceNo", "StockCode", "Quantity"]
    kept = whole.read(spark, rejected(TRANSACTIONS))
    of_row = [F.get_json_object("row", f"$.{name}") for name in names]
    held = Counter(map(tuple, kept.select(*of_row, F.concat_ws("; ", "reasons")).collect()))
    reason = "customer_id is missing (CustomerID)"
    expected = rows.loc[rows["is_rejected"], names].itertuples(index=False)
    assert held == Counter((*row, reason) for row in expected)

    lines = whole.read(spark, TRANSACTIONS).select(
        "customer_id",
        "order_id",
        "product_id",
        F.col("quantity").cast("int"),
        "is_return",
        (F.col("amount") * 100).cast("int"),
    )
    loaded = rows[~rows["is_rejected"] & ~rows["is_repeated"]]
    expected_lines = Counter(
        (
            row.CustomerID.removesuffix(".0"),
            row.InvoiceNo,
            row.StockCode,
            int(row.Quantity),
            row.is_cancelled,
            row.pence,
        )
        for row in loaded.itertuples(index=False)
    )
    assert Counter(map(tuple, lines.toPandas().itertuples(index=False))) == expected_lines


def test_no_cancelled_line_counts_twice_and_none_takes_more_than_there_was(
    spark: SparkSession, whole: Lake, netted: Netted
) -> None:
    by_customer = (
        whole.read(spark, CUSTOMER_ORDERS)
        .groupBy("customer_id")
        .agg(
            *[
                F.sum(f"{name}_amount_minor").alias(name)
                for name in ("spend", "returned", "kept", "orphan_returned")
            ]
        )
        .toPandas()
    )
    found = by_customer.set_index("customer_id")
    assert dict(found["kept"]) == {name: netted.kept[name] for name in found.index}
    assert dict(found["orphan_returned"]) == {name: netted.orphaned[name] for name in found.index}
    explained = found["returned"] - found["orphan_returned"]
    assert (found["spend"] - explained == found["kept"]).all()
    assert (found["kept"] >= 0).all()
    assert found.loc["16446", "kept"] == 290
    snapshot = whole.read(spark, CUSTOMER_SNAPSHOT).where("as_of_date = '2011-12-10'")
    net = {
        row["customer_id"]: row["net_spend_amount"]
        for row in snapshot.select("customer_id", "net_spend_amount").collect()
    }
    assert net["16446"] == 2.90
    assert "12346" not in net


def test_the_page_says_what_the_file_holds(rows: pd.DataFrame, netted: Netted) -> None:
    used = rows[~rows["is_rejected"] & ~rows["is_repeated"]]
    rejects = rows[rows["is_rejected"]]
    bought = used[~used["is_cancelled"]]
    is_below = rejects["Quantity"].astype(int) < 0
    paid = bought.groupby("InvoiceNo")["pence"].sum()
    counts = {
        "without a customer": len(rejects),
        "exact repeats": int(rows.drop(columns="is_repeated").duplicated().sum()),
        "exact repeats that are loaded once": int(rows["is_repeated"].sum()),
        "loaded": len(used),
        "bought": len(bought),
        "cancelled": int(used["is_cancelled"].sum()),
        "cancelled without a customer": int(rejects["is_cancelled"].sum()),
        "written off": int((is_below & ~rejects["is_cancelled"]).sum()),
        "free without a customer": int((rejects["UnitPrice"].astype(float) == 0).sum()),
        "free": int((used["UnitPrice"].astype(float) == 0).sum()),
        "explained whole": netted.explained["whole"],
        "explained in part": netted.explained["part"],
        "not explained": netted.explained["none"],
        "invoices": bought["InvoiceNo"].nunique(),
        "invoices taken back": sum(
            held > 0 and netted.kept_of_invoice[invoice] == 0 for invoice, held in paid.items()
        ),
    }
    total, cancelled = sum(bought["pence"]), -sum(used.loc[used["is_cancelled"], "pence"])
    orphaned, kept = sum(netted.orphaned.values()), sum(netted.kept.values())
    amounts = {
        "bought": total,
        "cancelled": cancelled,
        "orphaned": orphaned,
        "kept": kept,
        "explained": cancelled - orphaned,
    }
    page = (REPOSITORY / "docs" / "online_retail.md").read_text(encoding="utf-8")
    told = {f"{name}: {n:,}" for name, n in counts.items() if f"{n:,}" not in page}
    told |= {
        f"{name}: {n / 100:,.2f}" for name, n in amounts.items() if f"{n / 100:,.2f}" not in page
    }
    assert told == set()
