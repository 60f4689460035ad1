"""What an ingest and its features say of exports that are read otherwise than they are meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from system.exports import Export

from crm_spark.errors import DataError

CONFIG = """
storage: {root: lake}
tracking: {uri: "sqlite:///mlflow.db"}
sources:
  transactions:
    path: input
    format: csv
    options: {OPTIONS}
    where: WHERE
    columns:
      customer_id: who
      order_id: nr
      product_id: sku
      ordered_at: to_timestamp(day, 'dd/MM/yyyy')
      amount: amount
"""


def export_of(
    spark: SparkSession,
    folder: Path,
    lines: list[str],
    *,
    options: str = "",
    where: str = "nr is not null",
) -> Export:
    """Give an export of one file."""
    (folder / "input").mkdir()
    text = CONFIG.replace("{OPTIONS}", f"{{header: true{options}}}").replace("WHERE", where)
    (folder / "config.yml").write_text(text)
    deliver(folder, "a.csv", lines)
    return Export(spark, folder)


def deliver(folder: Path, name: str, lines: list[str]) -> None:
    """Put a file where the export is read."""
    content = "\n".join(["who,nr,day,sku,amount", *lines]) + "\n"
    (folder / "input" / name).write_text(content)


def said(export: Export) -> dict[str, tuple[str, str]]:
    """Give level and message of what the newest ingest left, by check."""
    return {row.check: (row.level, row.message) for row in export.checks()}


def test_rows_that_are_lost_are_told_with_reasons_values_and_remedies(
    spark: SparkSession, tmp_path: Path
) -> None:
    lines = [
        "ann@x.org,1,12/31/2024,TEE,1.00",
        "bob@x.org,2,11/28/2024,TEE,2.00",
        "bob@x.org,3,11/10/2024,,2.00",
        "cem@x.org,4,10/10/2024,GIFTCARD,2.00",
        "cem@x.org,5,01/02/2024,CAP,n/a",
        *[f"dan@x.org,{nr},05/06/2024,CAP,2.00" for nr in range(6, 10)],
    ]
    export = export_of(spark, tmp_path, lines, where="sku <> 'GIFTCARD'")
    export.ingest()
    assert said(export) == {
        "rejected_rows": (
            "warning",
            "transactions: 43 % of 7 rows are rejected: 2 ordered_at cannot be read as timestamp "
            "from day, such as '11/28/2024'; 1 amount cannot be read as decimal(18,2) from amount, "
            "such as 'n/a'; the dates may be month first: with 'MM/dd/yyyy' all 2 of these rows "
            "can be read. They are kept in core.transactions_rejected: mend the mapping, the "
            "options or the files, and ingest again",
        ),
        "undecided_rows": (
            "warning",
            "transactions: where is neither true nor false for 1 of 9 rows, since sku is empty "
            "there: they are left out. Write coalesce(sku <> 'GIFTCARD', true) to keep them, or "
            "coalesce(sku <> 'GIFTCARD', false) if they are not wanted",
        ),
    }
    # A later delivery is judged by its own rows.
    lines = [f"eve@x.org,{nr},05/06/2024,CAP,2.00" for nr in range(20, 23)]
    deliver(tmp_path, "b.csv", [*lines, "eve@x.org,30,05/06/2024,CAP,$2.00"])
    export.ingest()
    ((check, (level, message)),) = said(export).items()
    assert (check, level) == ("rejected_rows", "warning")
    assert "25 % of 4 rows are rejected: 1 amount cannot" in message
    assert "such as '$2.00'. They" in message


def test_a_source_without_a_usable_row_is_refused_with_values_and_remedies(
    spark: SparkSession, tmp_path: Path
) -> None:
    lines = ["ann@x.org,1,12/31/2024,TEE,1.00", "bob@x.org,2,11/28/2024,TEE,2.00"]
    with pytest.raises(DataError) as refused:
        export_of(spark, tmp_path, lines).ingest()
    assert str(refused.value).splitlines()[1:] == [
        "  - 2 rows: ordered_at cannot be read as timestamp from day, such as '11/28/2024'",
        "  - the dates may be month first: with 'MM/dd/yyyy' all 2 of these rows can be read",
    ]
