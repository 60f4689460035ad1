"""From a user's columns to ours: mapping expressions, and reasons for rejection."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.lake.contract import Column as TableColumn
from crm_spark.lake.contract import Table
from crm_spark.tables.core import MONEY, SOURCE_FILE, TRANSACTIONS

CORRUPT_RECORD = "_corrupt_record"
REASONS = "_reasons"
SOURCE_ROW = "_row"

# How a rejected row is written, so that it can be read again as it was.
ROW_JSON = {
    "ignoreNullFields": "false",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}

# A mapping that says by itself when it gives null is not at fault when it does.
_GIVES_NULL_ON_PURPOSE = re.compile(r"\b(nullif|case|if|iff|try_\w+|coalesce|nvl|get)\b", re.I)


@contextmanager
def lenient_analysis(spark: SparkSession, time_zone: str) -> Iterator[None]:
    """Analyse the mapping expressions of one source: ANSI off, zoneless stamps in its time zone.

    Spark binds both settings into an expression when it is analysed, which select() does at once,
    so nothing outside this block is touched.
    """
    settings = {"spark.sql.ansi.enabled": "false", "spark.sql.session.timeZone": time_zone}
    before = {key: spark.conf.get(key) for key in settings}
    try:
        for key, value in settings.items():
            spark.conf.set(key, value)
        yield
    finally:
        for key, former in before.items():
            if former is not None:
                spark.conf.set(key, former)


def mapping_faults(
    df: DataFrame,
    mapping: Mapping[str, str],
    *,
    where: str | None,
    time_zone: str,
    table: Table | None = None,
) -> list[str]:
    """Say everything that is wrong with the expressions over `df`, without running anything.

    With `table` the expressions must also fit the types of its columns.
    """
    types = {column.name: column.type for column in table.columns} if table else {}
    faults = []
    expressions = {f"columns.{name}": text for name, text in mapping.items()}
    if where:
        expressions["where"] = where
    with lenient_analysis(df.sparkSession, time_zone):
        for key, text in expressions.items():
            try:
                if key == "where":
                    df.where(text)
                    continue
                value = F.expr(text)
                wanted = types.get(key.removeprefix("columns."))
                if not _is_one_value_a_row(df, df.select(value)):
                    faults.append(f"{key}: {text!r}: is not one value for each row")
                elif wanted is not None:
                    df.select(value.cast(wanted))
            except (AnalysisException, ParseException) as error:
                faults.append(f"{key}: {text!r}: {_short(error)}")
    return faults


_CUT_TO_WHOLE = re.compile(r"cast\((.+?)#\d+L? as (?:tinyint|smallint|int|bigint)\)")
CUT_DECIMALS = "[CUT_DECIMALS]"


def _is_one_value_a_row(df: DataFrame, selected: DataFrame) -> bool:
    """Whether a select only projects: aggregates, generators and windows add a node."""
    plan = selected._jdf.queryExecution().analyzed()
    source = df._jdf.queryExecution().analyzed()
    return bool(
        plan.nodeName() == "Project" and plan.children().head().nodeName() == source.nodeName()
    )


def widen_whole_numbers(df: DataFrame) -> DataFrame:
    """Turn small whole numbers into BIGINT: with ANSI off `n * n` of an INT wraps silently."""
    small = (T.ByteType, T.ShortType, T.IntegerType)
    widened = {
        field.name: F.col(_quoted(field.name)).cast(T.LongType())
        for field in df.schema.fields
        if isinstance(field.dataType, small)
    }
    return df.withColumns(widened) if widened else df


def refuse_cut_decimals(df: DataFrame, expressions: Iterable[str], *, time_zone: str) -> DataFrame:
    """Fail on the first row whose text Spark would silently cut to a whole number.

    Comparing text with a whole number, Spark reads the text as one: in `UnitPrice > 0` a price of
    '0.85' becomes 0, and the row is lost. Columns whose values are whole numbers pass unharmed.
    """
    text = {field.name for field in df.schema.fields if isinstance(field.dataType, T.StringType)}
    cut: dict[str, str] = {}
    with lenient_analysis(df.sparkSession, time_zone):
        for expression in expressions:
            plan = df.select(F.expr(expression))._jdf.queryExecution().analyzed().toString()
            for name in set(_CUT_TO_WHOLE.findall(plan)) & text:
                own_cast = re.compile(rf"cast\s*\(\s*`?{re.escape(name)}`?\s+as", re.IGNORECASE)
                if not own_cast.search(expression):
                    cut[name] = expression
        for name, expression in cut.items():
            column = F.col(_quoted(name))
            as_number, as_whole = column.cast("double"), column.cast("bigint")
            is_cut = as_number.isNotNull() & ~as_number.eqNullSafe(as_whole.cast("double"))
            message = (
                f"{CUT_DECIMALS} {expression!r} compares the text column {name} with a whole "
                f"number, which would cut the decimals of its values off: write "
                f"cast({name} as double)"
            )
            df = df.where(F.when(is_cut, F.raise_error(message).cast("boolean")).otherwise(True))
    return df


def keep_where(df: DataFrame, where: str, *, time_zone: str) -> DataFrame:
    """Keep the source's rows for which the user's condition holds."""
    with lenient_analysis(df.sparkSession, time_zone):
        condition = F.expr(where)
        if CORRUPT_RECORD in df.columns:
            # A broken row has no values to filter by: it is kept, to be rejected with its reason.
            condition = condition | F.col(CORRUPT_RECORD).isNotNull()
        return df.where(condition)


def _short(error: Exception) -> str:
    """Give the first line of a Spark error without its plan and its code."""
    text = next((line for line in str(error).splitlines() if line.strip()), "")
    text = re.sub(r"^\[[A-Z_.]+\]\s*", "", text)
    return re.sub(r"\s*SQLSTATE: \w+.*$", "", text).strip()


def map_source(
    df: DataFrame,
    table: Table,
    mapping: Mapping[str, str],
    *,
    time_zone: str,
    source_file: Column,
    keep_row: bool,
    keep: Mapping[str, Column] | None = None,
    missing: Mapping[str, str] | None = None,
) -> DataFrame:
    """Give the source's rows in the columns of `table`, each with its reasons for rejection.

    Reads the source's columns; gives every mappable column of `table` (null where not mapped),
    source_file and _reasons (empty for a row that can be used), the columns in `keep`, and with
    `keep_row` the row as it came, as JSON. `missing` gives constants in place of missing values, by
    column, and adds is_filled(column), whether it was. A value that an expression or the column's
    type cannot turn becomes null, and is a reason. Raises AnalysisException for an expression that
    does not fit the source.
    """
    spark = df.sparkSession
    df = widen_whole_numbers(df)
    needed_of_deletions = {*table.key, "customer_id", "order_id"}
    row_columns = [name for name in df.columns if name != CORRUPT_RECORD]
    columns: list[Column] = [column.alias(name) for name, column in (keep or {}).items()]
    reasons: list[Column] = []
    with lenient_analysis(spark, time_zone):
        for column in table.columns:
            if column.mapping is None:
                continue
            text = mapping.get(column.name)
            if text is None:
                columns.append(F.lit(None).cast(column.type).alias(column.name))
                continue
            value = _typed(F.expr(text), column)
            sources = _referenced_columns(df, text)
            if constant := (missing or {}).get(column.name):
                is_missing = ~_has_source(sources)
                columns.append(is_missing.alias(is_filled(column.name)))
                value = F.when(is_missing, _typed(F.lit(constant), column)).otherwise(value)
            columns.append(value.alias(column.name))
            if isinstance(column.type, T.DecimalType):
                # A tenth of a cent is rounded to zero, but is none.
                columns.append((F.expr(text).cast("double") == 0).alias(_is_zero(column.name)))
            is_key = column.name in table.key and not column.nullable
            is_required = column.mapping == "required" or is_key
            found = _reasons_of(column, text, value, sources, is_required=is_required)
            if "is_deleted" in mapping and column.name not in needed_of_deletions:
                # Who says that a line is void need not say what was in it.
                is_kept = ~F.coalesce(F.expr(mapping["is_deleted"]).cast("boolean"), F.lit(False))
                found = [F.when(is_kept, reason) for reason in found]
            reasons += found
        all_reasons = F.array_compact(F.array(*reasons)) if reasons else _no_reasons()
        if CORRUPT_RECORD in df.columns:
            all_reasons = F.when(F.col(CORRUPT_RECORD).isNull(), all_reasons).otherwise(
                F.array(F.lit("the row does not fit the file's header or format"))
            )
        columns += [source_file.alias(SOURCE_FILE), all_reasons.alias(REASONS)]
        if keep_row:
            row = F.to_json(F.struct(*[F.col(_quoted(name)) for name in row_columns]), ROW_JSON)
            if CORRUPT_RECORD in df.columns:
                row = F.coalesce(F.col(CORRUPT_RECORD), row)
            columns.append(row.alias(SOURCE_ROW))
        return df.select(*columns)


def is_filled(name: str) -> str:
    """Name the column that says whether a constant stands for a missing value of another."""
    return f"_is_filled_{name}"


def _is_zero(name: str) -> str:
    return f"_is_zero_{name}"


def _no_reasons() -> Column:
    return F.array().cast(T.ArrayType(T.StringType()))


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _typed(value: Column, column: TableColumn) -> Column:
    """Cast to the column's type; text is trimmed and the empty text is null."""
    typed = value.cast(column.type)
    if isinstance(column.type, T.StringType):
        typed = F.trim(typed)
        return F.when(typed != "", typed)
    return typed


def _referenced_columns(df: DataFrame, text: str) -> list[str]:
    """Give the source columns that an expression reads."""
    analyzed = df.select(F.expr(text))._jdf.queryExecution().analyzed()
    read = analyzed.references().iterator()
    names = set()
    while read.hasNext():
        names.add(read.next().name())
    # Spark resolves without regard to case, but keeps the spelling of the expression.
    spelled = {name.lower() for name in names}
    return sorted(name for name in df.columns if name.lower() in spelled)


def _reasons_of(
    column: TableColumn, text: str, value: Column, sources: list[str], *, is_required: bool
) -> list[Column]:
    """Give the reasons this column can have: missing, or there but not readable."""
    if not is_required and _GIVES_NULL_ON_PURPOSE.search(text):
        return []
    if not sources:
        missing = F.lit(f"{column.name} is missing: {text} is null")
        return [F.when(value.isNull(), missing)] if is_required else []
    has_source = _has_source(sources)
    wanted = column.type.simpleString()
    unreadable = F.lit(f"{column.name} cannot be read as {wanted} from {', '.join(sources)}")
    reason = F.when(value.isNull() & has_source, unreadable)
    if is_required:
        missing = F.lit(f"{column.name} is missing ({', '.join(sources)})")
        reason = reason.when(value.isNull(), missing)
    return [reason, *_out_of_range(column, value)]


def _has_source(sources: list[str]) -> Column:
    """Whether every column that an expression reads holds something."""
    has_source = F.lit(True)
    for name in sources:
        column = F.col(_quoted(name))
        has_source = has_source & column.isNotNull() & (F.trim(column.cast("string")) != "")
    return has_source


def _out_of_range(column: TableColumn, value: Column) -> list[Column]:
    """Give the reason of a value below the column's minimum or above its maximum."""
    low, high = column.minimum, column.maximum
    if low is None and high is None:
        return []
    wanted = " ".join(
        [
            *([f"from {low:g}"] if low is not None else []),
            *([f"to {high:g}"] if high is not None else []),
        ]
    )
    is_outside = F.lit(False)
    if low is not None:
        is_outside = is_outside | (value < low)
    if high is not None:
        is_outside = is_outside | (value > high)
    message = F.concat(
        F.lit(f"{column.name} is "), value.cast("string"), F.lit(f", expected {wanted}")
    )
    return [F.when(is_outside, message)]


def complete_versions(df: DataFrame, table: Table, *, negative_is_return: bool = True) -> DataFrame:
    """Fill in what users need not map of a bitemporal table.

    arrived_at falls back on the time of the event, and of a deletion that time on arrived_at;
    is_deleted is false where it is not said; adds superseded_at and closing_run_id, still null.
    """
    assert table.event_time is not None
    happened = F.col(table.event_time)
    is_deleted = F.coalesce("is_deleted", F.lit(False))
    completed = df.withColumns(
        {
            "arrived_at": F.coalesce("arrived_at", happened),
            table.event_time: F.coalesce(happened, F.when(is_deleted, F.col("arrived_at"))),
            "is_deleted": is_deleted,
            "superseded_at": F.lit(None).cast(T.TimestampType()),
            "closing_run_id": F.lit(None).cast(T.StringType()),
        }
    )
    if table is not TRANSACTIONS:
        return completed
    return _complete_lines(completed, negative_is_return=negative_is_return)


def _complete_lines(df: DataFrame, *, negative_is_return: bool) -> DataFrame:
    """Fill in is_return by the signs of quantity and amount, and flag zeros."""

    def is_zero(name: str) -> Column:
        unrounded = _is_zero(name)
        zero = F.col(unrounded) if unrounded in df.columns else F.col(name) == 0
        return F.coalesce(zero, F.lit(False))

    negative = (F.coalesce(F.col("quantity"), F.lit(0)) < 0) | (F.col("amount") < 0)
    if not negative_is_return:
        negative = F.lit(False)
    void = F.when(F.col("is_deleted"), F.lit(0).cast(MONEY))
    return df.withColumns(
        {
            "amount": F.coalesce("amount", void),
            "is_return": F.coalesce(F.col("is_return"), negative, F.lit(False)),
            "replaces_order": F.coalesce("replaces_order", F.lit(False)),
            "is_zero_amount": is_zero("amount"),
            "is_zero_quantity": is_zero("quantity"),
        }
    )
