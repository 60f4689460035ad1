"""Every Delta table, in the order of the way of the data."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from crm_spark.features import rfm_tables
from crm_spark.features import tables as feature_tables
from crm_spark.features.families import FEATURES
from crm_spark.features.families.family import Feature
from crm_spark.features.tables import CUSTOMER_SNAPSHOT, snapshot_table
from crm_spark.lake.contract import Table
from crm_spark.lake.outputs import OUTPUTS
from crm_spark.models.contract import Model
from crm_spark.models.registry import MODELS
from crm_spark.tables import core, ops


def tables_with(
    models: Sequence[Model[Any, Any, Any]], features: Sequence[Feature] = FEATURES
) -> tuple[Table, ...]:
    """Give the tables of core, features, these models and ops, the snapshot with these features."""
    rejected = [core.rejected(table) for table in core.SOURCE_TABLES.values()]
    of_models = [table for model in models for table in (*model.tables, *model.tables_after)]
    declared = [
        *_declared(core),
        *_declared(feature_tables),
        *_declared(rfm_tables),
        *of_models,
        *_declared(ops),
        OUTPUTS,
        *rejected,
    ]
    snapshot = snapshot_table(features)
    return tuple(
        snapshot if table is CUSTOMER_SNAPSHOT else table for table in dict.fromkeys(declared)
    )


def _declared(module: ModuleType) -> list[Table]:
    return [value for value in vars(module).values() if isinstance(value, Table)]


ALL_TABLES = tables_with(MODELS)
