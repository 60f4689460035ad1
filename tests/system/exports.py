"""Exports as people have them, in folders of their own: input, configuration, right values."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from crm_spark.config import Config, load_config
from crm_spark.errors import CrmSparkError
from crm_spark.jobs import check_config, ingest_sources
from crm_spark.lake.contract import content_checksum
from crm_spark.lake.delta import Lake
from crm_spark.runtime.run import TableCounts
from crm_spark.tables.checks import CheckRow, read_checks_of_run
from crm_spark.tables.core import TRANSACTIONS, rejected

SAMPLE_ROWS = 1000  # what check_config reads of a file by default
CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"


@dataclass
class Export:
    """A copy of a case's folder, with a lake of its own."""

    spark: SparkSession
    folder: Path
    config_name: str = "config.yml"
    lake_name: str = "lake"
    checked: TableCounts | None = None
    overrides: Sequence[str] = ()

    @classmethod
    def of(cls, spark: SparkSession, case: str, folder: Path) -> Export:
        """Copy a case, whose files may be read-only."""
        copy = folder / case
        shutil.copytree(CASES / case, copy)
        for path in [copy, *copy.rglob("*")]:
            path.chmod(0o755)
        return cls(spark, copy)

    @property
    def config(self) -> Config:
        """The case's configuration, as if it were run in its folder."""
        text = (self.folder / self.config_name).read_text(encoding="utf-8")
        text = re.sub(r"(?<=path: )input", str(self.folder / "input"), text)
        text = re.sub(r"(?<!/)input/(?=\w+\.csv[,\]])", f"{self.folder}/input/", text)
        root = f"storage.root={self.folder / self.lake_name}"
        return load_config(text, name=self.config_name, overrides=[root, *self.overrides])

    def with_config(self, name: str) -> Export:
        """Give the same files under another of the case's configurations, with another lake."""
        return Export(self.spark, self.folder, name, f"lake_of_{name}")

    def check(self) -> TableCounts:
        """Run check_config, and give its counts of order lines: the next load has to agree."""
        summary = check_config.run(self.spark, self.config, None)
        self.checked = summary.tables[TRANSACTIONS.name]
        return self.checked

    def ingest(self, *, rebuild: bool = False) -> TableCounts:
        """Run ingest_sources, and give what became of the order lines."""
        summary = ingest_sources.run(self.spark, self.config, None, rebuild=rebuild)
        self.run_id = summary.run_id
        counts, told = summary.tables[TRANSACTIONS.name], self.checked
        if told is not None:
            names = ["files_rejected", "files_skipped"]
            if told.rows_read < SAMPLE_ROWS:  # else only the first rows of a file may be checked
                names += ["rows_rejected", "rows_filtered"]
            loaded, said = ({n: getattr(one, n) for n in names} for one in (counts, told))
            assert loaded == said, f"check_config said {said}, and ingest_sources did {loaded}"
            self.checked = None
        return counts

    def refused(self, kind: type[CrmSparkError]) -> str:
        """Assert that check and ingest refuse the export for the same reason, and give it."""
        with pytest.raises(kind) as told:
            self.check()
        with pytest.raises(kind) as happened:
            self.ingest()
        assert str(told.value) == str(happened.value)
        return str(happened.value)

    def deliver(self, *names: str, source: str = "later") -> None:
        """Put files of another folder where the source is read; all of it without names."""
        for path in sorted((self.folder / source).rglob("*")):
            place = self.folder / "input" / path.relative_to(self.folder / source)
            if path.is_file() and (not names or path.name in names):
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)

    def hold_back(self) -> list[str]:
        """Move all files of the input to where deliver(source="held") finds them."""
        (self.folder / "input").rename(self.folder / "held")
        (self.folder / "input").mkdir()
        return sorted(path.name for path in (self.folder / "held").iterdir())

    @property
    def lines(self) -> DataFrame:
        """core.transactions."""
        return Lake(self.spark, self.config.storage, "test").read(TRANSACTIONS)

    def rows(self, *columns: str) -> list[Row]:
        """Give columns of core.transactions, by order."""
        return self.lines.orderBy("order_id", "product_id").selectExpr(*columns).collect()

    def customers(self) -> dict[str, tuple[int, Decimal]]:
        """Give each customer's orders and the sum of the amounts."""
        rows = self.lines.groupBy("customer_id").agg(
            F.countDistinct("order_id").alias("n"), F.sum("amount").alias("amount")
        )
        return {row["customer_id"]: (row["n"], row["amount"]) for row in rows.collect()}

    def reasons(self) -> list[str]:
        """Give all reasons of rejected rows, in order."""
        lake = Lake(self.spark, self.config.storage, "test")
        rows = lake.read(rejected(TRANSACTIONS)).collect()
        return sorted(reason for row in rows for reason in row["reasons"])

    def checks(self) -> list[CheckRow]:
        """Give what the newest ingest left in ops.checks."""
        lake = Lake(self.spark, self.config.storage, "test")
        return read_checks_of_run(lake, self.run_id)

    def checks_by_name(self) -> dict[str, tuple[str, str]]:
        """Give level and message of what the newest ingest left, by check."""
        return {row.check: (row.level, row.message) for row in self.checks()}

    def checksums(self) -> tuple[str, str]:
        """Give the checksums of order lines and of rejected rows."""
        lake = Lake(self.spark, self.config.storage, "test")
        tables = (TRANSACTIONS, rejected(TRANSACTIONS))
        first, second = (content_checksum(lake.read(table), table) for table in tables)
        return first, second


def orders(**of_customers: tuple[int, str]) -> dict[str, tuple[int, Decimal]]:
    """Give customers with their orders and amounts, as Export.customers does."""
    return {name: (n, Decimal(amount)) for name, (n, amount) in of_customers.items()}


def values(rows: Sequence[Row], column: str) -> list[Any]:
    """Give a column of rows."""
    return [row[column] for row in rows]
