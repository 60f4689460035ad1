"""What an ingest and its features say of exports that are read otherwise than they are meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from system.exports import Export

from crm_spark.errors import DataError
from crm_spark.features.build_orders import bring_orders_up_to_date
from crm_spark.lake.delta import Lake
from crm_spark.pipeline.lifecycle import job_run
from crm_spark.pipeline.settings import feature_settings
from crm_spark.tables.checks import read_checks_of_run

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
        "#em@x.org,4,10/10/2024,TEE,2.00",
        "# of 2024",
        "cem@x.org,5,01/02/2024,CAP,n/a",
        *[f"dan@x.org,{nr},05/06/2024,CAP,2.00" for nr in range(6, 10)],
    ]
    options = ", comment: '#'"
    export = export_of(spark, tmp_path, lines, options=options, where="sku <> 'GIFTCARD'")
    export.ingest()
    assert said(export) == {
        "comment_lines": (
            "warning",
            "transactions: of 12 lines, 1 below the header begin with # and look like rows: they "
            "are not read (options.comment), and are in no count. If they are rows, leave the "
            "option out, and name the number of notes above the header in skip_lines",
        ),
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


def test_fields_that_take_in_lines_are_rejected_and_amounts_that_may_be_thousands_are_told(
    spark: SparkSession, tmp_path: Path
) -> None:
    lines = [
        '1,o1,01/01/2024,"24 inch,1.355',
        "2,o2,01/01/2024,Bowl,40",
        '3,o3,01/01/2024,"12 inch,50',
        *[f"{nr},o{nr},01/01/2024,TEE,{nr}.500" for nr in range(4, 9)],
        "9,o9,01/01/2024,TEE,9",
    ]
    export = export_of(spark, tmp_path, lines, options=", multiLine: true")
    counts = export.ingest()
    assert (counts.rows_read, counts.rows_written, counts.rows_rejected) == (7, 6, 1)
    assert export.reasons() == [
        "the row does not fit the file's header: a quote that is not closed took in 3 lines: where "
        "quotes quote nothing, give options: {quote: ''}"
    ]
    found = said(export)
    assert set(found) == {"rejected_rows", "three_decimals"}
    assert found["three_decimals"] == (
        "warning",
        "transactions: 5 of 5 amounts with a point have three decimals, such as 8.500, and are "
        "rounded to two. If the point parts thousands, take it out: replace(amount, '.', '')",
    )


def test_totals_and_spellings_are_told_of_all_orders_and_of_those_that_a_delivery_changed(
    spark: SparkSession, tmp_path: Path
) -> None:
    lines = [f"ann{nr % 2},o{nr},01/0{nr}/2024,{sku},{nr}0" for nr in range(1, 5) for sku in "ab"]
    export = export_of(spark, tmp_path, lines)
    export.ingest()
    assert of_orders(export) == {"repeated_order_totals"}
    deliver(tmp_path, "b.csv", ["Ann1,o9,01/09/2024,a,5", "Ann1,o9,01/09/2024,b,7"])
    export.ingest()
    # Of the new customer's orders none repeats its total; his spelling is one of all customers'.
    assert of_orders(export) == {"customer_id_spellings"}
    table = spark.read.format("delta").load(f"{tmp_path}/lake/features/customer_orders")
    assert [name for name in table.columns if name.startswith("_")] == []


def of_orders(export: Export) -> set[str]:
    """Give the checks that are told as orders are brought up to date."""
    with job_run(export.spark, export.config, "a_test", None) as job:
        bring_orders_up_to_date(job, feature_settings(export.config))
        lake = Lake(export.spark, export.config.storage, "test")
        return {row.check for row in read_checks_of_run(lake, job.summary.run_id)}
