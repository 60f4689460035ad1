"""Histories of products and customers: what a whole delivery adds to the versions known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.window import WindowSpec

from crm_spark.lake.contract import Table
from crm_spark.tables.history import VALID_FROM, VALID_TO

IS_NEW = "_is_new"
_IS_KNOWN = "_is_known"
_BEGIN = "_begin"  # microseconds; of a version without valid_from the smallest number
_EARLIEST = -(2**63)


@dataclass(frozen=True)
class HistoryRules:
    """How a delivery is taken.

    `is_dated`: the user maps valid_from. `is_remapped`: the mapping is another than that of the
    versions known. What is delivered without a time holds from `loaded_at` on.
    """

    is_dated: bool
    is_remapped: bool
    loaded_at: datetime


def updated_history(
    known: DataFrame | None, delivered: DataFrame, table: Table, rules: HistoryRules
) -> DataFrame:
    """Give all versions as they are after a delivery, each with whether it is new (_is_new).

    `delivered` are usable rows, one of each key, with valid_from: as it is mapped, else the time of
    the row's file, null where that is not known. What is known and not delivered stays.
    """
    if rules.is_dated:
        versions = _dated(None if rules.is_remapped else known, delivered, table)
    elif known is None:
        versions = _first(delivered, table, rules)
    elif rules.is_remapped:
        versions = _rewritten(known, delivered, table, rules)
    else:
        versions = _continued(known, delivered, table, rules)
    following = F.lead(VALID_FROM).over(_in_time(table))
    return versions.withColumn(VALID_TO, following).drop(_IS_KNOWN, _BEGIN)


def _dated(known: DataFrame | None, delivered: DataFrame, table: Table) -> DataFrame:
    """The user says when each version began; of one key and beginning the delivered row holds."""
    rows = _together(known, delivered, table)
    same = Window.partitionBy(*table.key)
    whole = same.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    is_repeated = F.min(_content(table)).over(whole).eqNullSafe(F.max(_content(table)).over(whole))
    is_alone = F.count(F.lit(1)).over(same) == 1
    is_changed = ~F.col(_IS_KNOWN) & (is_alone | ~is_repeated)
    place = F.row_number().over(
        # Of rows that say the same the known one stays.
        same.orderBy(F.when(is_repeated, ~F.col(_IS_KNOWN)).otherwise(F.col(_IS_KNOWN)))
    )
    chosen = rows.withColumns({IS_NEW: is_changed, "_place": place}).where("_place = 1")
    return chosen.drop("_place")


def _first(delivered: DataFrame, table: Table, rules: HistoryRules) -> DataFrame:
    """Nothing is known: the first version of each holds for all earlier dates, too."""
    rows = _together(None, _timed(delivered, rules), table)
    is_first = F.row_number().over(_in_time(table)) == 1
    rows = rows.withColumn(IS_NEW, _differs_from_before(table)).where(IS_NEW)
    return _begun(rows.withColumn(VALID_FROM, F.when(~is_first, F.col(VALID_FROM))))


def _continued(
    known: DataFrame, delivered: DataFrame, table: Table, rules: HistoryRules
) -> DataFrame:
    """What was delivered after a version began, and says something else, is the next version.

    Where all that is delivered is older than the version known and its newest row says something
    else, an older file was put back: that holds from the load on.
    """
    rows = _together(known, _timed(delivered, rules), table)
    of_key = Window.partitionBy(table.key[0])
    newest_known = F.max(F.when(F.col(_IS_KNOWN), F.col(_BEGIN))).over(of_key)
    newest_delivered = F.max(F.when(~F.col(_IS_KNOWN), F.col(_BEGIN))).over(of_key)
    rows = rows.withColumns({"_known_from": newest_known, "_last": newest_delivered})
    is_later = F.col("_known_from").isNull() | (F.col(_BEGIN) > F.col("_known_from"))
    is_put_back = (F.col(_BEGIN) == F.col("_last")) & ~is_later
    loaded = F.greatest(F.unix_micros(F.lit(rules.loaded_at)), F.col("_known_from") + 1)
    begin = F.when(~F.col(_IS_KNOWN) & is_put_back, loaded).otherwise(F.col(_BEGIN))
    kept = rows.where(F.col(_IS_KNOWN) | is_later | is_put_back).withColumn(_BEGIN, begin)
    is_known_null = F.col(_IS_KNOWN) & F.col(VALID_FROM).isNull()
    timed = kept.withColumn(
        VALID_FROM, F.when(~is_known_null, F.timestamp_micros(F.col(_BEGIN)))
    ).drop("_known_from", "_last")
    is_new = ~F.col(_IS_KNOWN) & _differs_from_before(table)
    return timed.withColumn(IS_NEW, is_new).where(F.col(_IS_KNOWN) | F.col(IS_NEW))


def _rewritten(
    known: DataFrame, delivered: DataFrame, table: Table, rules: HistoryRules
) -> DataFrame:
    """The same things by another mapping: what is valid now is written anew, at its own time."""
    rows = _together(known, _timed(delivered, rules), table)
    of_key = Window.partitionBy(table.key[0])
    is_current = F.col(_IS_KNOWN) & F.col(VALID_TO).isNull()
    newest = F.max(F.when(~F.col(_IS_KNOWN), F.col(_BEGIN))).over(of_key)
    rows = rows.withColumns(
        {
            "_current": F.max(F.when(is_current, _content(table))).over(of_key),
            "_current_from": F.max(F.when(is_current, F.col(VALID_FROM))).over(of_key),
            "_is_here": F.max(is_current).over(of_key),
            "_newest": newest,
        }
    )
    is_same = F.col("_current").eqNullSafe(_content(table))
    is_newest = ~F.col(_IS_KNOWN) & (F.col(_BEGIN) == F.col("_newest"))
    is_new = is_newest & ~(F.col("_is_here") & is_same)
    is_replaced = is_current & F.max(is_new).over(of_key)
    begin = F.when(F.col("_is_here"), F.col("_current_from")).otherwise(F.col(VALID_FROM))
    kept = (
        rows.withColumns({IS_NEW: is_new, "_is_replaced": is_replaced})
        .where((F.col(_IS_KNOWN) & ~F.col("_is_replaced")) | F.col(IS_NEW))
        .withColumn(VALID_FROM, F.when(F.col(_IS_KNOWN), F.col(VALID_FROM)).otherwise(begin))
    )
    return _begun(kept).drop("_current", "_current_from", "_is_here", "_newest", "_is_replaced")


def _together(known: DataFrame | None, delivered: DataFrame, table: Table) -> DataFrame:
    names = table.schema.names
    rows = delivered.withColumn(VALID_TO, F.lit(None).cast("timestamp")).select(*names)
    rows = rows.withColumn(_IS_KNOWN, F.lit(False))
    if known is not None:
        rows = known.select(*names).withColumn(_IS_KNOWN, F.lit(True)).unionByName(rows)
    return _begun(rows)


def _begun(rows: DataFrame) -> DataFrame:
    return rows.withColumn(_BEGIN, _beginning())


def _beginning() -> Column:
    return F.coalesce(F.unix_micros(VALID_FROM), F.lit(_EARLIEST))


def _timed(delivered: DataFrame, rules: HistoryRules) -> DataFrame:
    loaded_at = F.lit(rules.loaded_at)
    return delivered.withColumn(VALID_FROM, F.coalesce(F.col(VALID_FROM), loaded_at))


def _in_time(table: Table) -> WindowSpec:
    return Window.partitionBy(table.key[0]).orderBy(_beginning())


def _content(table: Table) -> Column:
    names = [c.name for c in table.columns if c.mapping is not None and c.name not in table.key]
    return F.struct(*names)


def _differs_from_before(table: Table) -> Column:
    in_time = Window.partitionBy(table.key[0]).orderBy(_BEGIN, F.desc(_IS_KNOWN))
    is_first = F.row_number().over(in_time) == 1
    return is_first | ~F.lag(_content(table)).over(in_time).eqNullSafe(_content(table))
