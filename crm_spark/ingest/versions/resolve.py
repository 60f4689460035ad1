"""Versions: what a delivery adds to the rows of a table, and which of them it closes.

A bitemporal table is a function of the set of rows ever delivered, whatever the order and grouping
of the deliveries: identical rows are numbered, of one key the smallest content hash stays, and a
row is superseded when the next closing row of its unit arrived.
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
        return self.table.key[0]

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
    return tuple(c.name for c in table.columns if c.mapping is not None and c.name != table.key[0])


def add_content_hashes(df: DataFrame, table: Table) -> DataFrame:
    """Add two 64-bit hashes of what a row says; two, so that a collision is as good as impossible.

    Call it when everything is filled in, so that a stored row and a new one can be compared.
    """
    names = _said_columns(table)
    first = row_hash(names)
    return df.withColumns(
        {_CONTENT_HASH: first, _SECOND_HASH: F.xxhash64(F.lit("crm_spark"), first, *names)}
    )


def _base_id() -> Column:
    hashes = F.concat(F.lower(F.hex(_CONTENT_HASH)), F.lower(F.hex(_SECOND_HASH)))
    return F.when(F.col(_CONTENT_HASH).isNotNull(), hashes)


def resolve(new: DataFrame, stored: DataFrame | None, identity: Identity) -> DataFrame:
    """Name each row and tell which are kept, which repeat another and which contradict one.

    Reads usable rows of `new` (with their content hashes) and the rows of the table that share
    their neighbours; gives both, with the id, _is_stored, _status and _is_repeated. Stored rows
    come before new ones among identical rows, so that nothing stored is renamed.
    """
    columns = [name for name in new.columns if name not in (IS_STORED, STATUS, IS_REPEATED)]
    rows = new.withColumn(IS_STORED, F.lit(False))
    if stored is not None:
        # A stored row without an id of its own carries its hashes in its name.
        rehashed = add_content_hashes(stored, identity.table) if identity.has_id else stored
        rows = rows.unionByName(
            rehashed.withColumn(IS_STORED, F.lit(True)), allowMissingColumns=True
        ).select(*columns, IS_STORED)
    if identity.has_id:
        return _resolve_named(rows, identity)
    return _resolve_unnamed(rows, identity)


def _resolve_named(rows: DataFrame, identity: Identity) -> DataFrame:
    """Of rows with one id and one arrival the smallest hash stays."""
    order = [F.col(_CONTENT_HASH), F.col(_SECOND_HASH), F.col(IS_STORED).desc(), F.col(SOURCE_FILE)]
    same = Window.partitionBy(*identity.table.key).orderBy(*order)
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


def _resolve_unnamed(rows: DataFrame, identity: Identity) -> DataFrame:
    """Name rows by hash and ordinal among identical ones: legal, unless the user says otherwise."""
    base = F.coalesce(F.substring_index(identity.id_column, "-", 1), _base_id())
    alike = Window.partitionBy("_base_id").orderBy(F.col(IS_STORED).desc(), F.col(SOURCE_FILE))
    ordinal = F.row_number().over(alike)
    is_kept = F.lit(True) if identity.keeps_identical else ordinal == 1
    is_repeated = (
        is_kept & ~F.col(IS_STORED) & (F.col(SOURCE_FILE) != F.first(SOURCE_FILE).over(alike))
    )
    name = F.concat_ws("-", "_base_id", ordinal.cast("string"))
    return (
        rows.withColumn("_base_id", base)
        .withColumns(
            {
                identity.id_column: name,
                STATUS: F.when(is_kept, F.lit(KEPT)).otherwise(F.lit(DUPLICATE)),
                IS_REPEATED: is_repeated,
            }
        )
        .drop("_base_id")
    )


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
    key = identity.table.key
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
