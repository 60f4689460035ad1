"""Versions: what a delivery adds to the rows of a table, and which of them it closes.

A bitemporal table is a function of the set of rows ever delivered, whatever the order and grouping
of the deliveries, but for the numbers of order lines: identical rows are told apart, of one id the
smallest content hash stays, and a row is superseded when the next closing row of its unit arrived.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.lake.contract import Table, row_hash
from crm_spark.tables.core import SOURCE_FILE, TRANSACTIONS
from crm_spark.tables.history import VALID_FROM

STATUS = "_status"
KEPT, DUPLICATE, CONFLICT = "kept", "duplicate", "conflict"
IS_STORED = "_is_stored"
# Whether a new row, without an id of its own, is kept and the same as a row of another file.
IS_REPEATED = "_is_repeated"
_CONTENT_HASH = "_content_hash"
_SECOND_HASH = "_second_hash"


@dataclass(frozen=True)
class Identity:
    """How the rows of one source are told apart, and which rows can close another.

    `has_id`: the user maps the table's id, so a later row of it is a correction. `can_close`: rows
    can close others at all. `keeps_identical`: identical rows without an id count each. `is_dated`:
    the user maps from when on a row of a history is valid.
    """

    table: Table
    has_id: bool
    can_close: bool
    keeps_identical: bool = True
    is_dated: bool = False

    @property
    def id_column(self) -> str:
        """The column that names a row across its versions."""
        return self.table.id_column

    @property
    def same(self) -> tuple[str, ...]:
        """The columns by which a source says that two rows are one, where it has an id."""
        return (self.id_column, "arrived_at") if self.table.event_time else self.table.key

    @property
    def is_numbered(self) -> bool:
        """Whether rows are named by their number in their unit, not by what they say."""
        return not self.has_id and self.table.row_id is not None

    @property
    def unit(self) -> tuple[str, ...]:
        """The columns whose rows a correction or deletion replaces together."""
        if self.has_id or self.table is not TRANSACTIONS:
            return (self.id_column,)
        return ("customer_id", "order_id")

    @property
    def neighbours(self) -> tuple[str, ...]:
        """The columns by which a new row finds the stored rows that it can touch."""
        if self.has_id or self.table is TRANSACTIONS or self.table.event_time is None:
            return self.unit
        return ("customer_id", self.table.event_time)


def _said_columns(table: Table) -> tuple[str, ...]:
    """The mapped columns besides the id: what a row says."""
    own_id = table.id_column
    return tuple(c.name for c in table.columns if c.mapping is not None and c.name != own_id)


def add_content_hashes(df: DataFrame, table: Table) -> DataFrame:
    """Add two 64-bit hashes of what a row says; two, so that a collision is as good as impossible.

    Call it when everything is filled in, so that a stored row and a new one can be compared.
    """
    names = _said_columns(table)
    first = row_hash(names)
    return df.withColumns(
        {_CONTENT_HASH: first, _SECOND_HASH: F.xxhash64(F.lit("crm_spark"), first, *names)}
    )


def resolve(new: DataFrame, stored: DataFrame | None, identity: Identity) -> DataFrame:
    """Name each row and tell which are kept, which repeat another and which contradict one.

    Reads usable rows of `new` (with their content hashes) and the rows of the table that share
    their neighbours; gives both, with the id, _is_stored, _status and _is_repeated. Stored rows
    come before new ones among identical rows, so that nothing stored is renamed.
    """
    columns = [name for name in new.columns if name not in (IS_STORED, STATUS, IS_REPEATED)]
    rows = new.withColumn(IS_STORED, F.lit(False))
    if stored is not None:
        rehashed = add_content_hashes(stored, identity.table)
        rows = rows.unionByName(
            rehashed.withColumn(IS_STORED, F.lit(True)), allowMissingColumns=True
        ).select(*columns, IS_STORED)
    if identity.has_id:
        return _resolve_named(rows, identity)
    return _resolve_unnamed(rows, identity, has_stored=stored is not None)


def _resolve_named(rows: DataFrame, identity: Identity) -> DataFrame:
    """Of rows with one id and one arrival the smallest hash stays."""
    order = [F.col(_CONTENT_HASH), F.col(_SECOND_HASH), F.col(IS_STORED).desc(), F.col(SOURCE_FILE)]
    same = Window.partitionBy(*identity.same).orderBy(*order)
    whole = same.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    is_same = (F.col(_CONTENT_HASH) == F.first(_CONTENT_HASH).over(whole)) & (
        F.col(_SECOND_HASH) == F.first(_SECOND_HASH).over(whole)
    )
    status = (
        F.when(F.row_number().over(same) == 1, F.lit(KEPT))
        .when(is_same, F.lit(DUPLICATE))
        .otherwise(F.lit(CONFLICT))
    )
    return rows.withColumns({STATUS: status, IS_REPEATED: F.lit(False)})


def _resolve_unnamed(rows: DataFrame, identity: Identity, *, has_stored: bool) -> DataFrame:
    """Name rows that have no id; identical ones are legal, unless the user says otherwise.

    All windows part rows by their customer first: rows that lie together by customer need no other
    shuffle, and where nothing is stored one order serves all of them.
    """
    content = (*identity.neighbours, _CONTENT_HASH, _SECOND_HASH)
    stored_first = [F.col(IS_STORED).desc()] if has_stored else []
    alike = Window.partitionBy(*content).orderBy(*stored_first, SOURCE_FILE)
    ordinal = F.row_number().over(alike)
    is_kept = F.lit(True) if identity.keeps_identical else ordinal == 1
    is_repeated = (
        is_kept & ~F.col(IS_STORED) & (F.col(SOURCE_FILE) != F.first(SOURCE_FILE).over(alike))
    )
    if identity.is_numbered:
        name = _number(identity, has_stored=has_stored).cast("string")
    else:
        hashes = F.concat(F.lower(F.hex(_CONTENT_HASH)), F.lower(F.hex(_SECOND_HASH)))
        made = F.concat_ws("-", hashes, ordinal.cast("string"))
        name = F.when(F.col(IS_STORED), F.col(identity.id_column)).otherwise(made)
    return rows.withColumns(
        {
            identity.id_column: name,
            STATUS: F.when(is_kept, F.lit(KEPT)).otherwise(F.lit(DUPLICATE)),
            IS_REPEATED: is_repeated,
        }
    )


def _number(identity: Identity, *, has_stored: bool) -> Column:
    """Number the rows of each unit: those stored keep their number, new ones follow by content."""
    by_content = (_CONTENT_HASH, _SECOND_HASH, SOURCE_FILE)
    unit = Window.partitionBy(*identity.unit)
    if not has_stored:
        return F.row_number().over(unit.orderBy(*by_content))
    of_stored = F.when(F.col(IS_STORED), F.col(identity.id_column).cast("int"))
    of_unit = Window.partitionBy(*identity.unit, IS_STORED).orderBy(*by_content)
    last = F.coalesce(F.max(of_stored).over(unit), F.lit(0))
    return F.coalesce(of_stored, last + F.row_number().over(of_unit))


def close_versions(
    rows: DataFrame, identity: Identity, *, is_kept: Column | None = None
) -> DataFrame:
    """Give every row the superseded_at that the kept rows of its unit say.

    Reads all rows of each unit, of which those count that are kept (without `is_kept`: all);
    replaces superseded_at. A row that closes others does so at its arrival, to those that arrived
    before it; a deletion closes itself, too.
    """
    if not identity.can_close:
        return rows.withColumn("superseded_at", F.lit(None).cast(T.TimestampType()))
    is_closing = F.lit(True) if identity.has_id else F.col("is_deleted") | F.col("replaces_order")
    if is_kept is not None:
        is_closing = is_closing & is_kept
    later = (
        Window.partitionBy(*identity.unit)
        .orderBy(F.unix_micros("arrived_at"))
        .rangeBetween(1, Window.unboundedFollowing)
    )
    closed_at = F.min(F.when(is_closing, F.col("arrived_at"))).over(later)
    own = F.when(F.col("is_deleted"), F.col("arrived_at"))
    return rows.withColumn("superseded_at", F.coalesce(own, closed_at))


def conflicting(rows: DataFrame, table_now: DataFrame, identity: Identity) -> DataFrame:
    """Append a reason to the usable rows whose key the table holds with other content.

    Reads _reasons, the key and the content hashes of both; leaves all other rows as they are.
    """
    key = identity.same
    named = ", ".join(name for name in key if name != VALID_FROM or identity.is_dated)
    reason = F.array(F.lit(f"another row has the same {named} and other content"))
    is_same_key = F.lit(True)
    for name in key:
        is_same_key = is_same_key & F.col(name).eqNullSafe(F.col(f"_winning_{name}"))
    winners = table_now.select(
        *[F.col(name).alias(f"_winning_{name}") for name in key],
        F.col(_CONTENT_HASH).alias("_winning_hash"),
        F.col(_SECOND_HASH).alias("_second_winning_hash"),
    )
    is_other = ~(
        F.col(_CONTENT_HASH).eqNullSafe(F.col("_winning_hash"))
        & F.col(_SECOND_HASH).eqNullSafe(F.col("_second_winning_hash"))
    )
    is_found = F.col("_winning_hash").isNotNull() & (F.size("_reasons") == 0)
    return (
        rows.join(winners, is_same_key, "left")
        .withColumn("_reasons", F.when(is_found & is_other, reason).otherwise(F.col("_reasons")))
        .drop("_winning_hash", "_second_winning_hash", *[f"_winning_{name}" for name in key])
    )
