"""ops.outputs on disk: read once a process, appended to as outputs are finished."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pyspark.sql import types as T

from crm_spark.errors import DataError
from crm_spark.lake.contract import Column, Table
from crm_spark.lake.delta import Lake
from crm_spark.lake.hadoop import HadoopFile
from crm_spark.lake.state import InputVersion, Output, OutputRow
from crm_spark.runtime.progress import redact

_INPUT = T.StructType(
    [
        T.StructField("output", T.StringType()),
        T.StructField("as_of_date", T.DateType()),
        T.StructField("version", T.LongType()),
        T.StructField("content_checksum", T.StringType()),
    ]
)

OUTPUTS = Table(
    name="ops.outputs",
    comment=(
        "Append-only: the state. An output is whole when its newest commit has a row here, and "
        "current when, besides, nothing that it read has since changed in a way its date can see."
    ),
    key=("output", "as_of_date", "sequence"),
    columns=(
        Column("sequence", T.LongType(), "Order of the rows; later ones hold", nullable=False),
        Column("output", T.StringType(), "Table, model or report", nullable=False),
        Column("as_of_date", T.DateType(), "Its date; null where it has none"),
        Column(
            "status",
            T.StringType(),
            "written, dropped, erased, torn (cut off while it was "
            "written) or unavailable (cannot be had, see reason)",
            nullable=False,
        ),
        Column("job", T.StringType(), "Job that made it", nullable=False),
        Column("version", T.LongType(), "Version of the Delta table, or of the model; null: none"),
        Column("content_checksum", T.StringType(), "Checksum of its content; null: no table"),
        Column("inputs", T.ArrayType(_INPUT), "What it was made of; version null: absent"),
        Column("settings", T.StringType(), "What the user set that it depends on, as JSON"),
        Column("settings_fingerprint", T.StringType(), "Hash of these settings"),
        Column("generation", T.IntegerType(), "Generation of the code that computed it"),
        Column(
            "changed_from",
            T.TimestampType(),
            "Earliest moment that the change against the row before touches (UTC); null: all of it",
        ),
        Column(
            "replaces_all",
            T.BooleanType(),
            "Written as a whole: runs do not tell which rows changed",
        ),
        Column("facts", T.StringType(), "What others need to know of it unread, as JSON"),
        Column("reason", T.StringType(), "Why it cannot be had, was dropped or carried over"),
        Column("finished_at", T.TimestampType(), "When it was whole (UTC)"),
        Column("run_id", T.StringType(), "Run", provenance=True),
    ),
)

# Tables that only lakes of versions before ops.outputs have.
_OLD_TABLES = ("ops/source_ledger", "ops/feature_ledger")


class OutputLog:
    """The rows of ops.outputs of one lake."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def read(self) -> list[OutputRow]:
        """Give all rows, in any order. Raises DataError for a lake that has no state."""
        if not self._lake.exists(OUTPUTS):
            self._refuse_old_lake()
            return []
        return [_row_of(row) for row in self._lake.rows(OUTPUTS)]  # some 20,000 after a year

    def append(self, rows: Sequence[OutputRow]) -> None:
        """Append rows in one commit."""
        self._lake.append_rows(OUTPUTS, [_values_of(row) for row in rows])

    def _refuse_old_lake(self) -> None:
        for path in _OLD_TABLES:
            if HadoopFile(self._lake.spark, f"{self._lake.root}/{path}").is_directory():
                raise DataError(
                    f"{self._lake.root} was written by a version of crm_spark that kept no "
                    "ops.outputs: use another storage.root, or empty this one, and ingest again"
                )


def _output_of(row: dict[str, Any]) -> Output:
    return Output(row["output"], row["as_of_date"])


def _row_of(row: dict[str, Any]) -> OutputRow:
    return OutputRow(
        sequence=row["sequence"],
        output=_output_of(row),
        status=row["status"],
        job=row["job"],
        run_id=row["run_id"],
        version=row["version"],
        checksum=row["content_checksum"],
        inputs=tuple(
            InputVersion(
                Output(read["output"], read["as_of_date"]),
                read["version"],
                read["content_checksum"],
            )
            for read in row["inputs"] or ()
        ),
        settings=row["settings"] or "{}",
        fingerprint=row["settings_fingerprint"] or "",
        generation=row["generation"] or 1,
        changed_from=row["changed_from"],
        replaces_all=bool(row["replaces_all"]),
        facts=json.loads(row["facts"] or "{}"),
        reason=row["reason"],
        finished_at=row["finished_at"],
    )


def _values_of(row: OutputRow) -> dict[str, Any]:
    return {
        "sequence": row.sequence,
        "output": row.output.name,
        "as_of_date": row.output.as_of_date,
        "status": row.status,
        "job": row.job,
        "version": row.version,
        "content_checksum": row.checksum,
        "inputs": [
            {
                "output": read.output.name,
                "as_of_date": read.output.as_of_date,
                "version": read.version,
                "content_checksum": read.checksum,
            }
            for read in row.inputs
        ],
        "settings": redact(row.settings),
        "settings_fingerprint": row.fingerprint,
        "generation": row.generation,
        "changed_from": row.changed_from,
        "replaces_all": row.replaces_all,
        "facts": json.dumps(dict(row.facts), sort_keys=True),
        "reason": row.reason,
        "finished_at": row.finished_at,
        "run_id": row.run_id,
    }
