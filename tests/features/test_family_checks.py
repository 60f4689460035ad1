"""What Spark tells of families that the configuration names, before a row is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.errors import ConfigError
from crm_spark.features.families import FAMILIES, FEATURES
from crm_spark.features.families.family import Family, Feature, Inputs, count_feature, money
from crm_spark.features.family_checks import (
    family_faults,
    require_computable,
    require_same_types,
)
from crm_spark.features.own_families import OwnFamilies
from crm_spark.features.snapshot import SNAPSHOT_GRAIN, customer_snapshot
from crm_spark.features.tables import snapshot_table
from crm_spark.features.targets import FeatureSettings
from crm_spark.lake.delta import Lake
from crm_spark.lake.storage import StorageSection
from tests.features.as_stored import known_orders
from tests.features.oracle import Line, as_frame

DAY = date(2024, 2, 1)


def feature(name: str) -> Feature:
    return Feature(name, f"some {name}", "share")


HASH = "of a source"


def settings(*own: OwnFamilies, sources: Sequence[str] = ()) -> FeatureSettings:
    return FeatureSettings(
        time_zone="UTC",
        horizon_days=28,
        sources=frozenset(sources),
        has_products=True,
        has_departments=False,
        has_channels=False,
        own_families=own,
    )


def sums_of(**columns: Column) -> Mapping[str, Column]:
    return columns


def good_family() -> Family:
    return Family(
        (feature("luck"), count_feature("n_lucky_orders", "lucky orders", "orders")),
        sums=lambda: sums_of(
            _lucky_minor=F.max("spend_amount_minor"), n_lucky_orders=F.count_if("is_counted")
        ),
        derived=lambda h: sums_of(
            luck=money(F.col("_lucky_minor")) / F.col("spend_amount") * h / float(h)
        ),
    )


def test_families_that_can_be_computed_have_no_fault(spark: SparkSession) -> None:
    of_table = Family((feature("charm"),), table=lambda inputs: charming(inputs.lines))
    own = [
        OwnFamilies("my.luck", (good_family(),), HASH),
        OwnFamilies("my.charm", (of_table,), HASH),
    ]
    assert family_faults(spark, settings(*own)) == []
    assert family_faults(spark, settings()) == []


def charming(rows: DataFrame) -> DataFrame:
    dated = rows.select("customer_id", F.lit(DAY).alias("as_of_date"))
    return dated.groupBy("customer_id", "as_of_date").agg(F.lit(0.5).alias("charm"))


def test_every_fault_of_every_family_is_listed_with_its_module(spark: SparkSession) -> None:
    def raising(*_: object) -> Mapping[str, Column]:
        raise NameError("name 'orderz' is not defined")

    first = OwnFamilies(
        "my.first",
        (
            good_family(),
            Family((feature("promised"),)),
            Family((feature("counted"),), sums=lambda: sums_of(counted=F.count("order_id"))),
            Family((feature("unsummed"),), sums=lambda: sums_of(unsummed=F.col("n_lines"))),
            Family((feature("raised"),), sums=raising),
            Family((feature("text"),), sums=lambda: {"text": "max(n_lines)"}),  # type: ignore[dict-item]
        ),
        HASH,
    )
    second = OwnFamilies(
        "my.second",
        (
            Family((feature("free"),), sums=lambda: sums_of(_lucky_minor=F.max("n_lines"))),
            Family((), sums=lambda: sums_of(_n_lines=F.max("n_lines"))),
            Family((), derived=lambda _: sums_of(n_orders=F.lit(7))),
            Family((), derived=lambda _: sums_of(_gaps=F.lit(7))),
            Family(
                (feature("fine"), feature("derived_badly")),
                derived=lambda _: sums_of(
                    fine=F.lit(1.0), derived_badly=F.col("no_such_column") / 2
                ),
            ),
            Family((feature("of_nothing"),), derived=raising),
            Family((feature("of_table"),), table=lambda inputs: inputs.lines.select("customer_id")),
            Family((), table=lambda inputs: inputs.lines.select("no_such_line")),
            Family((), table=lambda inputs: "lines"),  # type: ignore[arg-type,return-value]
            Family((), table=taking_ours),
            Family((feature("of_feedback"),), table=lambda inputs: inputs.feedback),
        ),
        HASH,
    )
    with pytest.raises(ConfigError) as raised:
        require_computable(spark, settings(first, second))
    head, *faults = str(raised.value).splitlines()
    says = [
        "my.first: sums cannot compute unsummed: [MISSING_AGGREGATION",
        "my.first: sums cannot be called: NameError: name 'orderz' is not defined",
        "my.first: sums gives 'text' as str, expected a Column",
        "my.second: sums gives _lucky_minor, which is a column of my.first: give it another name",
        "my.second: sums gives _n_lines, which is a column of crm_spark: give it another name",
        "my.second: derived gives n_orders, which is a column of crm_spark",
        "my.second: derived gives _gaps, which is a column of crm_spark",
        "my.second: derived cannot compute derived_badly: [UNRESOLVED_COLUMN",
        "my.second: derived cannot be called: NameError",
        "my.second: table gives no as_of_date",
        "my.second: table cannot be made: [UNRESOLVED_COLUMN",
        "my.second: table gives a str, expected a DataFrame or None",
        "my.second: table gives spend_amount, which is a column of crm_spark",
        "my.first: promised is computed by nothing: give it in sums, derived or table",
        "my.first: counted is bigint, expected double: cast it",
        "my.second: free is computed by nothing",
    ]
    assert [expected for expected in says if expected not in str(raised.value)] == []
    assert len(faults) == len(says)
    assert head == f"features.families: {len(says)} faults"
    assert not any("SQLSTATE" in fault for fault in faults)


def taking_ours(inputs: Inputs) -> DataFrame:
    return inputs.orders.groupBy("customer_id", "as_of_date").agg(F.lit(1.0).alias("spend_amount"))


def test_a_column_that_only_a_mapped_source_gives_is_null_where_it_is_not_mapped(
    spark: SparkSession,
) -> None:
    def of_feedback(inputs: Inputs) -> DataFrame | None:
        rows = inputs.feedback
        return None if rows is None else rows.select("customer_id", "no_such_column")

    own = OwnFamilies("my.mood", (Family((feature("mood"),), table=of_feedback),), HASH)
    assert family_faults(spark, settings(own)) == []
    (fault,) = family_faults(spark, settings(own, sources=["feedback"]))
    assert "my.mood: table cannot be made: [UNRESOLVED_COLUMN" in fault


def sum_of_latest(column: str) -> Family:
    return Family((), sums=lambda: sums_of(**{f"_{column}_late": F.max(column)}))


LATE_COLUMNS = ("has_refund", "last_change_at", "first_returned_at")
UNFIT = [
    *[
        (sum_of_latest(column), f"sums cannot compute _{column}_late: [UNRESOLVED_COLUMN")
        for column in LATE_COLUMNS
    ],
    (
        Family((), derived=lambda _: sums_of(_of_all=F.max("n_orders").over(Window.partitionBy()))),
        "derived cannot compute _of_all: it reads other rows, as those of later dates, or gives",
    ),
    (
        Family((), derived=lambda _: sums_of(_gap=F.explode("_gaps"))),
        "derived cannot compute _gap: it reads other rows, as those of later dates, or gives",
    ),
    (
        Family((), derived=lambda _: sums_of(_chance=F.expr("rand()"))),
        "derived cannot compute _chance: another run gives another value",
    ),
    (
        Family(
            (), sums=lambda: sums_of(_ages=F.max(F.expr("datediff(current_date(), order_date)")))
        ),
        "sums cannot compute _ages: another run gives another value",
    ),
    (
        Family((), derived=lambda _: sums_of(_age=F.expr("datediff(current_date(), as_of_date)"))),
        "derived cannot compute _age: another run gives another value",
    ),
    (
        Family((), sums=lambda: sums_of(N_ORDERS=F.max("n_lines"))),
        "sums gives N_ORDERS, which is a column of crm_spark",
    ),
    (
        Family(
            (feature("luck"),),
            table=lambda inputs: (
                inputs.orders.groupBy(*SNAPSHOT_GRAIN)
                .agg(F.max("n_lines").cast("double").alias("luck"))
                .withColumn("customer_id", F.lit(7))
            ),
        ),
        "table: customer_id is int, not string",
    ),
    (
        Family(
            (feature("charm"),),
            table=lambda inputs: inputs.orders.alias("one").join(
                inputs.orders.alias("other"), F.expr("one.order_id = other.order_id")
            ),
        ),
        "table cannot be joined: [AMBIGUOUS_REFERENCE",
    ),
]


@pytest.fixture(scope="module")
def unfit_faults(spark: SparkSession) -> list[str]:
    """Give the faults of all UNFIT families, each of a module of its own, planned at once."""
    own = [OwnFamilies(f"my.own_{n}", (family,), HASH) for n, (family, _) in enumerate(UNFIT)]
    return family_faults(spark, settings(*own))


@pytest.mark.parametrize("number", range(len(UNFIT)))
def test_what_is_not_of_the_row_alone_or_not_known_of_the_date_is_refused(
    unfit_faults: list[str], number: int
) -> None:
    module, says = f"my.own_{number}: ", UNFIT[number][1]
    (fault,) = [fault for fault in unfit_faults if fault.startswith(module)]
    assert fault.startswith(module + says)


def snapshot_with(spark: SparkSession, family: Family) -> DataFrame:
    at = datetime(2024, 1, 10, 15, tzinfo=UTC)
    later = datetime(2024, 2, 2, 15, tzinfo=UTC)
    lines = [
        Line("c", "o1", at, at, product_id="p", amount=Decimal(6)),
        Line("c", "o2", at, at, product_id="p", amount=Decimal(2)),
        Line("c", "o3", later, later, product_id="p", amount=Decimal(92)),
    ]
    frame = as_frame(spark, lines)
    return customer_snapshot(
        known_orders(frame, [DAY]),
        frame,
        None,
        dates=[DAY],
        horizon_days=28,
        families=(*FAMILIES, family),
    )


def test_its_values_are_those_of_orders_known_before_the_date(spark: SparkSession) -> None:
    (row,) = snapshot_with(spark, good_family()).collect()
    assert (row["luck"], row["n_lucky_orders"]) == (0.75, 2)
    assert row["n_orders"] == 2
    assert list(row.asDict())[-2:] == ["luck", "n_lucky_orders"]
    assert len(row) == len(FEATURES) + 4


def test_a_table_with_one_row_of_a_customer_is_joined_and_one_with_several_is_refused(
    spark: SparkSession,
) -> None:
    whole = Family((feature("charm"),), table=lambda inputs: charming(inputs.lines))
    (row,) = snapshot_with(spark, whole).collect()
    assert row["charm"] == 0.5
    several = Family((feature("charm"),), table=lambda inputs: _several(inputs.lines))
    with pytest.raises(PySparkException, match=r"several rows of a customer_id and as_of_date"):
        snapshot_with(spark, several).collect()


def _several(rows: DataFrame) -> DataFrame:
    return rows.select("customer_id", F.lit(DAY).alias("as_of_date"), F.lit(0.5).alias("charm"))


# --- the lake -------------------------------------------------------------------------------------

OURS = FEATURES[:2]
LUCKY = count_feature("n_lucky_orders", "lucky orders", "orders")


def rows_with(spark: SparkSession, features: Sequence[Feature], day: date, n: int) -> DataFrame:
    schema = T.StructType(
        [T.StructField(column.name, column.type) for column in snapshot_table(features).columns]
    )
    return spark.createDataFrame([("c", day, *[n] * len(features), "run")], schema)


def test_a_table_that_was_made_with_a_family_is_written_without_it(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(spark, StorageSection(root=str(tmp_path / "lake")), "run")
    made_with, without = snapshot_table([*OURS, LUCKY]), snapshot_table(OURS)
    later = date(2024, 3, 1)
    both = rows_with(spark, [*OURS, LUCKY], DAY, 1).unionByName(
        rows_with(spark, [*OURS, LUCKY], later, 1)
    )
    lake.replace_dates(made_with, both, [DAY, later])  # Delta checks that counts are not below 0
    lake.replace_dates(without, rows_with(spark, OURS, DAY, 2), [DAY])
    rows = rows_with(spark, OURS, later, 3).withColumn("customer_id", F.lit("d"))
    lake.merge(without, rows, rows.limit(0), unless_same=without.content_columns, dates=[later])
    found = {(row["as_of_date"], row["customer_id"]): row for row in lake.read(without).collect()}
    values = {key: (row["n_orders"], row["n_lucky_orders"]) for key, row in found.items()}
    assert values == {(DAY, "c"): (2, None), (later, "c"): (1, 1), (later, "d"): (3, None)}
    lake.replace_dates(made_with, rows_with(spark, [*OURS, LUCKY], DAY, 4), [DAY])
    assert lake.read_date(made_with, DAY).collect()[0]["n_lucky_orders"] == 4


def test_a_feature_that_the_lake_has_of_another_type_is_refused(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake = Lake(spark, StorageSection(root=str(tmp_path / "lake")), "run")
    with_it = snapshot_table([*OURS, LUCKY])
    same = settings(OwnFamilies("my.luck", (Family((LUCKY,)),), HASH))
    other = settings(OwnFamilies("my.luck", (Family((feature(LUCKY.name),)),), HASH))
    require_same_types(lake, with_it, other)  # there is no table yet
    lake.replace_dates(with_it, rows_with(spark, [*OURS, LUCKY], DAY, 1), [DAY])
    require_same_types(lake, with_it, same)
    with pytest.raises(ConfigError, match=r"my.luck: n_lucky_orders is double, .*as bigint"):
        require_same_types(lake, snapshot_table(other.features), other)
