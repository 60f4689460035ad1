"""Whether families of users can be computed: told by Spark on no rows, before it writes any."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql.types import StructType

from crm_spark.errors import ConfigError, listed
from crm_spark.features.families import FAMILIES
from crm_spark.features.families.family import Family, Feature, Inputs, TableOf
from crm_spark.features.orders import orders_known
from crm_spark.features.own_families import KEY
from crm_spark.features.snapshot import (
    SNAPSHOT_GRAIN,
    one_row_each,
    orders_of_families,
    summed_and_derived,
    tables_of,
)
from crm_spark.features.tables import CUSTOMER_ORDERS
from crm_spark.features.targets import FeatureSettings
from crm_spark.lake.contract import Table
from crm_spark.lake.delta import Lake
from crm_spark.tables.core import CAMPAIGN_CONTACTS, EVENTS, FEEDBACK, TRANSACTIONS

# Any day: there are no rows.
_DAY = date(2000, 1, 2)


def require_computable(spark: SparkSession, settings: FeatureSettings) -> None:
    """Refuse families of the user that cannot be computed. Raises ConfigError with every fault."""
    if faults := family_faults(spark, settings):
        raise ConfigError(listed(KEY, faults))


def family_faults(spark: SparkSession, settings: FeatureSettings) -> list[str]:
    """Give what Spark cannot compute of the user's families, and which columns they would replace.

    All is planned on frames without rows: nothing is read.
    """
    return _Planning(spark, settings).faults() if settings.own_families else []


def require_same_types(lake: Lake, snapshot: Table, settings: FeatureSettings) -> None:
    """Refuse a feature of the user that the lake has of another type. Raises ConfigError."""
    if not settings.own_families or not lake.exists(snapshot):
        return
    there = dict(lake.read(snapshot).dtypes)
    faults = [
        f"{own.module}: {feature.name} is {_type(feature)}, and {snapshot.name} in {lake.root} has "
        f"it as {there[feature.name]} of an earlier run: give it another name"
        for own in settings.own_families
        for feature in own.features
        if there.get(feature.name, _type(feature)) != _type(feature)
    ]
    if faults:
        raise ConfigError(listed(KEY, faults))


_CLOCK = re.compile(r"current_(date|timestamp)|localtimestamp|\bnow\(")
_SEVERAL_ROWS = re.compile(r"^[ :+-]*(Window|Generate|Aggregate)\b", re.MULTILINE)


class _UnfitError(Exception):
    """What Spark could compute, and the engine cannot use."""


@dataclass(frozen=True)
class _Owned:
    """A family and the module that it is of."""

    module: str
    family: Family


class _Planning:
    """The user's families planned in the engine's order; what cannot be is noted and left out."""

    def __init__(self, spark: SparkSession, settings: FeatureSettings) -> None:
        self._horizon_days = settings.horizon_days
        self._owned = [
            _Owned(own.module, family) for own in settings.own_families for family in own.families
        ]
        self._known, self._inputs = _no_rows(spark, settings)
        self._customers = self._of(FAMILIES)
        # By name in small letters: to Spark, names that differ in case are one.
        self._owners: dict[str, _Owned | None] = dict.fromkeys(
            name.lower() for name in self._customers.columns
        )
        self._faults: list[str] = []
        # Features that a fault was noted of already, and families of which none can be told.
        self._noted: set[str] = set()
        self._unknown: list[_Owned] = []

    def faults(self) -> list[str]:
        """Give the faults of all families."""
        self._customers = self._of((*FAMILIES, *map(self._summing, self._owned)))
        for one in self._owned:
            self._derive(one)
        self._join_tables()
        types = dict(self._customers.dtypes)
        for one in self._owned:
            if not any(one is unknown for unknown in self._unknown):
                for feature in one.family.features:
                    self._check_feature(one, feature, types.get(feature.name))
        return self._faults

    def _of(self, families: tuple[Family, ...]) -> DataFrame:
        customers = summed_and_derived(
            self._known, families, dates=[_DAY], horizon_days=self._horizon_days
        )
        return _empty(customers.sparkSession, customers.schema)

    def _summing(self, one: _Owned) -> Family:
        """Give a family with nothing but those of its sums that can be computed."""
        orders = self._inputs.orders.groupBy(*SNAPSHOT_GRAIN)
        sums = self._plannable(
            one,
            "sums",
            self._columns(one, "sums", one.family.sums),
            lambda columns: _repeatable(
                orders.agg(*[column.alias(name) for name, column in columns.items()])
            ),
        )
        return replace(one.family, sums=lambda: sums, derived=lambda _: {})

    def _derive(self, one: _Owned) -> None:
        columns = self._plannable(
            one,
            "derived",
            self._columns(one, "derived", lambda: one.family.derived(self._horizon_days)),
            self._row_by_row,
        )
        if columns:
            self._customers = self._customers.withColumns(columns)

    def _row_by_row(self, columns: dict[str, Column]) -> DataFrame:
        """Give customers with columns; raises _UnfitError where these are not of each row alone."""
        planned = _repeatable(self._customers.withColumns(columns))
        if _n_of_rows(planned) > _n_of_rows(self._customers):
            raise _UnfitError(
                "it reads other rows, as those of later dates, or gives several: a window or an "
                "explode; derive from the row alone"
            )
        return planned

    def _columns(
        self, one: _Owned, field: str, make: Callable[[], Mapping[str, object]]
    ) -> dict[str, Column]:
        """Give the columns of a family that are columns, and nobody else's."""
        try:
            made = dict(make())
        except Exception as error:  # noqa: BLE001 - a user's function may raise anything
            self._note(one, f"{field} cannot be called: {_in_words(error)}")
            self._unknown.append(one)
            return {}
        columns = {}
        for name, column in made.items():
            if not isinstance(column, Column):
                kind = type(column).__name__
                self._note(one, f"{field} gives {name!r} as {kind}, expected a Column", name)
            elif self._is_free(one, f"{field} gives {name}", name):
                columns[name] = column
        return columns

    def _plannable(
        self,
        one: _Owned,
        field: str,
        columns: dict[str, Column],
        plan: Callable[[dict[str, Column]], DataFrame],
    ) -> dict[str, Column]:
        """Give the columns that Spark can plan: all of them, else each tried alone."""
        try:
            if columns:
                plan(columns)
            return columns
        except Exception:  # noqa: BLE001 - which of them it is is found below
            found = {}
        for name, column in columns.items():
            try:
                plan({name: column})
                found[name] = column
            except Exception as error:  # noqa: BLE001 - Spark's errors are of many kinds
                self._note(one, f"{field} cannot compute {name}: {_in_words(error)}", name)
        return found

    def _join_tables(self) -> None:
        """Join the tables of families; a family without its table has null features."""
        families = [one.family for one in self._owned]
        for make in tables_of(families):
            sharing = [one for one in self._owned if one.family.table is make]
            if not self._is_joined(sharing[0], make):
                self._unknown += sharing

    def _is_joined(self, one: _Owned, make: TableOf) -> bool:
        made: Callable[[Inputs], object] = make
        try:
            table = made(self._inputs)
        except Exception as error:  # noqa: BLE001 - a user's function may raise anything
            self._note(one, f"table cannot be made: {_in_words(error)}")
            return False
        if table is None:
            return False
        if not isinstance(table, DataFrame):
            self._note(one, f"table gives a {type(table).__name__}, expected a DataFrame or None")
            return False
        lacking = [name for name in SNAPSHOT_GRAIN if name not in table.columns]
        if lacking:
            self._note(one, f"table gives no {' and no '.join(lacking)}")
            return False
        types = dict(table.dtypes)
        wanted = {name: dict(self._customers.dtypes)[name] for name in SNAPSHOT_GRAIN}
        if wrong := [name for name in SNAPSHOT_GRAIN if types[name] != wanted[name]]:
            found = " and ".join(f"{name} is {types[name]}, not {wanted[name]}" for name in wrong)
            self._note(one, f"table: {found}")
            return False
        others = [name for name in table.columns if name not in SNAPSHOT_GRAIN]
        free = [name for name in others if self._is_free(one, f"table gives {name}", name)]
        try:
            joined = one_row_each(make, table.select(*SNAPSHOT_GRAIN, *free))
            assert joined is not None
            self._customers = self._customers.join(joined, list(SNAPSHOT_GRAIN), "left")
        except Exception as error:  # noqa: BLE001 - Spark's errors are of many kinds
            self._note(one, f"table cannot be joined: {_in_words(error)}")
            return False
        return True

    def _is_free(self, one: _Owned, what: str, name: str) -> bool:
        """Whether a column would replace none of another family; it is this family's then."""
        owner = self._owners.get(name.lower(), one)
        if owner is one:
            self._owners[name.lower()] = one
            return True
        whose = owner.module if owner else "crm_spark"
        self._note(one, f"{what}, which is a column of {whose}: give it another name", name)
        return False

    def _check_feature(self, one: _Owned, feature: Feature, found: str | None) -> None:
        name, expected = feature.name, _type(feature)
        if found is None and name not in self._noted:
            self._note(
                one,
                f"{name} is computed by nothing: give it in sums, derived or table, or take it "
                "out of features",
            )
        elif found not in (None, expected):
            self._note(
                one,
                f"{name} is {found}, expected {expected}: cast it, or declare it otherwise "
                "(count_feature() is bigint, Feature() is double)",
            )

    def _note(self, one: _Owned, fault: str, name: str = "") -> None:
        self._faults.append(f"{one.module}: {fault}")
        self._noted.add(name)


def _repeatable(planned: DataFrame) -> DataFrame:
    """Give what was planned; raises _UnfitError where another run would give another value."""
    plan = planned._jdf.queryExecution().analyzed()
    # Of the step itself, each expression as a whole: a plan shows the first 25 columns of a step.
    if not plan.deterministic() or _CLOCK.search(plan.expressions().mkString(" ")):
        raise _UnfitError("another run gives another value: no rand(), no clock; as_of_date is D")
    return planned


def _n_of_rows(planned: DataFrame) -> int:
    """Count the steps of a plan that look at several rows, or give several."""
    return len(_SEVERAL_ROWS.findall(planned._jdf.queryExecution().analyzed().toString()))


def _no_rows(spark: SparkSession, settings: FeatureSettings) -> tuple[DataFrame, Inputs]:
    """Give orders and inputs of families as there are under these settings, without rows."""

    def empty(table: Table) -> DataFrame:
        return _empty(spark, table.schema)

    besides = settings.besides()
    lines = empty(TRANSACTIONS)
    known = _empty(spark, orders_known(empty(CUSTOMER_ORDERS), lines, dates=[_DAY]).schema)
    orders = _empty(spark, orders_of_families(known, [_DAY]).schema)
    departments = spark.createDataFrame([], "product_id string, department string, as_of_date date")
    return known, Inputs(
        (_DAY,),
        orders,
        lines,
        departments if settings.has_departments else None,
        empty(EVENTS) if EVENTS in besides else None,
        empty(FEEDBACK) if FEEDBACK in besides else None,
        empty(CAMPAIGN_CONTACTS) if CAMPAIGN_CONTACTS in besides else None,
        with_channels=settings.has_channels,
    )


def _empty(spark: SparkSession, schema: StructType) -> DataFrame:
    """Give no rows of a schema: Spark plans each step on all that lies below it, time and again."""
    return spark.createDataFrame([], schema)


def _type(feature: Feature) -> str:
    return feature.type.simpleString()


def _in_words(error: Exception) -> str:
    """Give the first line of an error: of Spark's the rest is the plan."""
    first = (str(error).splitlines() or [""])[0]
    text = first.split(" SQLSTATE:")[0].rstrip(". ")
    is_plain = text.startswith("[") or isinstance(error, _UnfitError)
    return text if is_plain else f"{type(error).__name__}: {text}"
