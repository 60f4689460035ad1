"""Every Delta table, a file a layer."""

from __future__ import annotations

from crm_spark.features import tables as features
from crm_spark.lake.contract import Table
from crm_spark.tables import core, ops, scores


def _tables() -> tuple[Table, ...]:
    """Collect the tables that the layers declare, in the order of the way of the data."""
    declared = [
        value
        for layer in (core, features, scores, ops)
        for value in vars(layer).values()
        if isinstance(value, Table)
    ]
    quarantines = [core.rejected(table) for table in core.SOURCE_TABLES.values()]
    return tuple(dict.fromkeys([*declared, *quarantines]))


ALL_TABLES = _tables()
