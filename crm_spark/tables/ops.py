"""Ops: what the system says of itself, its runs, the checks it made and how good its models are."""

from __future__ import annotations

from pyspark.sql import types as T

from crm_spark.lake.contract import Column, Table

_CLEANED = T.StructType(
    [T.StructField("effect", T.StringType()), T.StructField("n_rows", T.LongType())]
)

_COUNTS = T.StructType(
    [
        T.StructField("name", T.StringType()),
        T.StructField("rows_read", T.LongType()),
        T.StructField("rows_written", T.LongType()),
        T.StructField("rows_rejected", T.LongType()),
        T.StructField("rows_filtered", T.LongType()),
        T.StructField("rows_duplicate", T.LongType()),
        T.StructField("version", T.LongType()),
        T.StructField("content_checksum", T.StringType()),
        T.StructField("cleaned", T.ArrayType(_CLEANED)),
    ]
)

_MODEL = T.StructType(
    [T.StructField("name", T.StringType()), T.StructField("version", T.StringType())]
)

JOB_RUNS = Table(
    name="ops.job_runs",
    comment="One row for each ended run; a succeeded row is the commit of its run.",
    key=("run_id",),
    columns=(
        Column("run_id", T.StringType(), "Run", nullable=False),
        Column("pipeline_run_id", T.StringType(), "Pipeline run that it was a part of; null: none"),
        Column("job", T.StringType(), "Job", nullable=False),
        Column("status", T.StringType(), "succeeded or failed", nullable=False),
        Column("as_of_date", T.DateType(), "Date the job ran for; null where it needs none"),
        Column("config_fingerprint", T.StringType(), "Hash of the configuration, secrets left out"),
        Column("started_at", T.TimestampType(), "When the run began (UTC)"),
        Column("seconds", T.DoubleType(), "How long it took"),
        Column("rows_per_second", T.DoubleType(), "Rows read (else written) in a second"),
        Column("peak_memory_bytes", T.LongType(), "Peak memory of the process tree; null: unknown"),
        Column("shuffle_bytes", T.LongType(), "Bytes written to shuffles; null: unknown"),
        Column("spill_bytes", T.LongType(), "Bytes spilled to disk; null: unknown"),
        Column("core_seconds", T.DoubleType(), "Seconds of all tasks together; null: unknown"),
        Column("tables", T.ArrayType(_COUNTS), "Counts and versions of the tables it touched"),
        Column("models", T.ArrayType(_MODEL), "Model versions it made or used"),
        Column("error", T.StringType(), "Why it failed; null: it did not"),
        Column("package_version", T.StringType(), "Version of crm_spark"),
    ),
)

CHECKS = Table(
    name="ops.checks",
    comment="Append-only: verdicts on data and models, found against needed, in plain words.",
    key=("run_id", "check", "subject"),
    version=2,
    columns=(
        Column("job", T.StringType(), "Job that checked", nullable=False),
        Column("as_of_date", T.DateType(), "Date of the run"),
        Column("check", T.StringType(), "What was checked", nullable=False),
        Column("subject", T.StringType(), "Table, column or model", nullable=False),
        Column("found", T.StringType(), "What was found"),
        Column("needed", T.StringType(), "What would do"),
        Column("level", T.StringType(), "error, warning, advice or ok", nullable=False),
        Column("message", T.StringType(), "The verdict in plain words"),
        Column("recorded_at", T.TimestampType(), "When the run began (UTC)", provenance=True),
        Column("run_id", T.StringType(), "Run", provenance=True),
    ),
)

METRICS = Table(
    name="ops.metrics",
    comment="Append-only: how good each model and each trivial rule is, on each cut-off.",
    key=("run_id", "model_name", "cutoff_date", "metric"),
    version=2,
    columns=(
        Column("job", T.StringType(), "Job that measured", nullable=False),
        Column("as_of_date", T.DateType(), "Date of the run", nullable=False),
        Column("model_name", T.StringType(), "Model or trivial rule", nullable=False),
        Column("cutoff_date", T.DateType(), "Cut-off it was tested on", nullable=False),
        Column("metric", T.StringType(), "Metric", nullable=False),
        Column("value", T.DoubleType(), "Value"),
        Column("low", T.DoubleType(), "Lower end of the 95 % interval; null: not computed"),
        Column("high", T.DoubleType(), "Upper end of the 95 % interval; null: not computed"),
        Column("n", T.LongType(), "Rows it was measured on"),
        Column("recorded_at", T.TimestampType(), "When the run began (UTC)", provenance=True),
        Column("run_id", T.StringType(), "Run", provenance=True),
    ),
)

MODEL_DECISIONS = Table(
    name="ops.model_decisions",
    comment="Append-only: which model version became champion as of which date, and why.",
    key=("decision_id",),
    version=2,
    columns=(
        Column(
            "decision_id",
            T.StringType(),
            "Decision: run, model and kind",
            nullable=False,
            provenance=True,
        ),
        Column("model_name", T.StringType(), "Registered model", nullable=False),
        Column("model_version", T.StringType(), "Version", nullable=False),
        Column("kind", T.StringType(), "Candidate that the version is, a trivial rule perhaps"),
        Column("as_of_date", T.DateType(), "Date from which it holds", nullable=False),
        Column("is_champion", T.BooleanType(), "Whether this version scores", nullable=False),
        Column("why", T.StringType(), "The figures that decided"),
        Column(
            "chose_itself",
            T.BooleanType(),
            "Whether the figures that are quoted decided, too, for want of an earlier cut-off",
        ),
        Column(
            "training_key",
            T.StringType(),
            "Hash of all that the version depends on: the rows it learnt from, settings, code",
        ),
        Column(
            "training_run_id",
            T.StringType(),
            "Run that trained it, whose figures ops.metrics has; a later run may decide for it "
            "again",
            provenance=True,
        ),
        Column("decided_at", T.TimestampType(), "When (UTC)", provenance=True),
        Column("run_id", T.StringType(), "Run that decided", provenance=True),
    ),
)

SOURCE_FILES = Table(
    name="ops.source_files",
    comment=(
        "Append-only: what each run loaded of each source. A row counts once the run has a row of "
        "the source's table in ops.outputs."
    ),
    key=("source", "item", "run_id"),
    columns=(
        Column("source", T.StringType(), "Source, as the section calls it", nullable=False),
        Column("item", T.StringType(), "File, table or query", nullable=False),
        Column(
            "content",
            T.StringType(),
            "SHA-256 of a file, id and version of a Delta table, or the highest watermark read; "
            "null: nothing tells what of it is new, it is read whole each time",
        ),
        Column("n_bytes", T.LongType(), "Length of the file; null: no file"),
        Column("modified_at", T.LongType(), "When the file was changed, milliseconds since 1970"),
        Column("row_schema", T.StringType(), "Columns of its rows, as DDL; null: none was read"),
        Column("status", T.StringType(), "loaded, or rejected where it could not be read"),
        Column("run_id", T.StringType(), "Run that loaded it", provenance=True),
    ),
)

REJECTIONS = Table(
    name="ops.rejections",
    comment="How many rows could not be used, by table, day and reason; a row may have several.",
    key=("table_name", "rejected_on", "reason"),
    columns=(
        Column("table_name", T.StringType(), "Core table that lacks the rows", nullable=False),
        Column("rejected_on", T.DateType(), "Local day of the ingest", provenance=True),
        Column("reason", T.StringType(), "Why, with # for each figure", nullable=False),
        Column("n_rows", T.LongType(), "Rows with that reason", nullable=False),
        Column("n_taken_back", T.LongType(), "Those that replay_rejected took back since"),
        Column("run_id", T.StringType(), "Run that counted", provenance=True),
    ),
)
