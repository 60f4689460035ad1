"""The families of docs/adding_features.md as they stand there, added to a lake and removed."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from shop import shop_text, write_shop

from crm_spark.config import Config, load_config
from crm_spark.errors import ConfigError
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.jobs import (
    build_features,
    check_config,
    ingest_sources,
    run_pipeline,
    score_churn,
    train_churn,
)
from crm_spark.lake.contract import content_checksum
from crm_spark.lake.delta import Lake

pytestmark = pytest.mark.long

PAGE = Path(__file__).resolve().parents[2] / "docs" / "adding_features.md"
AS_OF = date(2024, 7, 1)
OWN = ("n_orders_from_10", "orders_from_10_share")
SETTINGS = ("segments.k=3", "segments.n_starts=1")


def of_the_page(mark: str, language: str) -> str:
    """Give the block of the page below a mark."""
    text = PAGE.read_text(encoding="utf-8")
    (found,) = re.findall(rf"<!-- {re.escape(mark)} -->\n```{language}\n(.*?)```", text, re.DOTALL)
    return str(found)


@dataclass(frozen=True)
class Shop:
    """A shop with the page's module beside its configuration."""

    folder: Path

    def config(self, *overrides: str, is_with: bool) -> Config:
        text = shop_text(self.folder, "lake")
        if is_with:
            text += of_the_page("config", "yaml")
        return load_config(text, name="shop.yml", overrides=(*SETTINGS, *overrides))

    def lake(self, spark: SparkSession) -> Lake:
        return Lake(spark, self.config(is_with=False).storage, "test")

    def snapshot(self, spark: SparkSession, day: date = AS_OF) -> DataFrame:
        """Give the rows of a date with all columns that the lake has."""
        return self.lake(spark).read_date(CUSTOMER_SNAPSHOT, day)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "my_families.py").write_text(
        of_the_page("file: my_families.py", "python"), encoding="utf-8"
    )
    write_shop(folder / "shop.csv")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(folder))
        yield Shop(folder)


def by_hand(shop: Shop, day: date) -> dict[str, tuple[int, float]]:
    """Give the features of the page by plain Python: a line is a piece at its price."""
    amounts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    with (shop.folder / "shop.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if datetime.fromisoformat(line["at"]).date() < day:
                amounts[line["customer"]][line["order"]] += float(line["price"])
    found = {}
    for customer, orders in amounts.items():
        n = sum(round(amount, 2) >= 10 for amount in orders.values())
        found[customer] = (n, n / len(orders))
    return found


def test_families_are_added_to_a_lake_and_removed_again(spark: SparkSession, shop: Shop) -> None:
    without, with_own = shop.config(is_with=False), shop.config(is_with=True)
    check_config.run(spark, with_own, None)
    ingest_sources.run(spark, without, None)
    build_features.run(spark, without, AS_OF)
    before = content_checksum(shop.snapshot(spark), CUSTOMER_SNAPSHOT)
    assert not {*OWN} & {*shop.snapshot(spark).columns}

    # Added: the dates that are asked for have its columns, the values those of plain Python.
    build_features.run(spark, with_own, AS_OF)
    snapshot = shop.snapshot(spark)
    assert content_checksum(snapshot, CUSTOMER_SNAPSHOT) == before
    expected = by_hand(shop, AS_OF)
    rows = {row["customer_id"]: (row[OWN[0]], row[OWN[1]]) for row in snapshot.collect()}
    assert rows == {name: (n, pytest.approx(share)) for name, (n, share) in expected.items()}
    assert sum(n for n, _ in expected.values()) > 0
    comment = snapshot.schema[OWN[0]].metadata["comment"]
    assert comment == "orders of 10 or more [orders; never null]"
    (earlier,) = [day for day in shop.lake(spark).dates(CUSTOMER_SNAPSHOT) if day != AS_OF][:1]
    assert not shop.snapshot(spark, earlier).where(F.col(OWN[0]) > 0).isEmpty()

    # The model and the health checks know it.
    train_churn.run(spark, with_own, AS_OF)
    metrics = {
        row["metric"]: row["value"]
        for row in spark.read.format("delta").load(f"{shop.folder}/lake/ops/metrics").collect()
    }
    assert f"feature.{OWN[0]}.training_auc" in metrics
    assert f"importance.{OWN[0]}" in metrics
    score_churn.run(spark, with_own, AS_OF)

    # Removed: what it left is null, and the model is trained without it.
    again = build_features.run(spark, without, AS_OF)
    assert again.tables[CUSTOMER_SNAPSHOT.name].rows_written
    assert content_checksum(shop.snapshot(spark), CUSTOMER_SNAPSHOT) == before
    assert shop.snapshot(spark).where(F.coalesce(*OWN).isNotNull()).isEmpty()
    train_churn.run(spark, without, AS_OF)
    score_churn.run(spark, without, AS_OF)
    unchanged = build_features.run(spark, without, AS_OF)
    assert not unchanged.tables[CUSTOMER_SNAPSHOT.name].rows_written


def test_families_that_cannot_be_computed_end_every_job_before_it_writes(
    spark: SparkSession, shop: Shop
) -> None:
    (shop.folder / "bad_families.py").write_text(
        "from pyspark.sql import functions as F\n"
        "from crm_spark.features.families.family import Family, Feature\n"
        "FAMILY = Family((Feature('luck', 'how lucky', 'share'),),\n"
        "    derived=lambda horizon_days: {'luck': F.col('fortune') / 2})\n",
        encoding="utf-8",
    )
    bad = shop.config("features.families=[bad_families]", "storage.root=bad_lake", is_with=False)
    for job in (check_config, run_pipeline):
        with pytest.raises(ConfigError, match=r"bad_families: derived .* luck.*fortune"):
            job.run(spark, bad, None)
    assert not Path("bad_lake/core").exists()
    both = shop.config(
        "features.families=[bad_families]",
        "sources.transactions.columns.amount=no_such_column",
        is_with=False,
    )
    with pytest.raises(ConfigError, match=r"(?s)no_such_column.*bad_families: derived cannot"):
        check_config.run(spark, both, None)
