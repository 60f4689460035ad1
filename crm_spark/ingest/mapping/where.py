"""The user's condition on rows: whether it keeps a row, and whether it can be judged at all."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.ingest.mapping.expressions import Expression
from crm_spark.ingest.reading.csv_options import CORRUPT_RECORD
from crm_spark.ingest.reading.schema import quoted

# Whether the condition keeps a row; what it leaves out is counted.
IS_WANTED = "_is_wanted"
# Where it is neither true nor false: the columns that it reads and that are null.
UNDECIDED_BY = "_undecided_by"


def is_wanted(df: DataFrame, where: Expression | None) -> Column:
    """Whether the user's condition holds; a broken row has no values to filter by, and is kept."""
    if where is None:
        return F.lit(True)
    return F.coalesce(F.expr(where.text).cast("boolean"), F.lit(False)) | _is_broken(df)


def undecided_by(df: DataFrame, where: Expression | None) -> Column:
    """Give the columns that leave the user's condition undecided; null where it is decided."""
    kind = T.ArrayType(T.StringType())
    if where is None:
        return F.lit(None).cast(kind)
    is_undecided = F.expr(where.text).cast("boolean").isNull() & ~_is_broken(df)
    names = [F.when(F.col(quoted(name)).isNull(), F.lit(name)) for name in where.sources]
    return F.when(is_undecided, F.array_compact(F.array(*names).cast(kind)))


def _is_broken(df: DataFrame) -> Column:
    return F.col(CORRUPT_RECORD).isNotNull() if CORRUPT_RECORD in df.columns else F.lit(False)
