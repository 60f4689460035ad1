"""A customer's orders in order of time, as of a date: their days, gaps and amounts, as arrays.

The orders of a customer are read once, for all dates: each date has arrays of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.orders import STANDS_AFTER, STANDS_UNTIL, stands_on

_ARRAYS = ("_days", "_amounts", "_logs")


def by_customer(orders: DataFrame) -> DataFrame:
    """Lay orders out as what follows reads them: those of a customer one after another."""
    return orders.repartition("customer_id").sortWithinPartitions("customer_id")


def order_histories(orders: DataFrame, dates: Sequence[date]) -> DataFrame:
    """Collect the counted orders of each customer into arrays, sorted, for each date.

    Grain: customer_id. Reads orders_known() of these dates, best as by_customer() lays them out;
    gives what with_history() reads.
    """
    minor = F.col("spend_amount_minor")
    # Nine decimals: no machine's last bit shows.
    values = (F.col("order_date"), F.when(minor > 0, minor), F.round(F.log(minor), 9))
    columns = {}
    for index, day in enumerate(sorted(set(dates))):
        stands = stands_on(F.lit(day), F.col(STANDS_AFTER), F.col(STANDS_UNTIL))
        for name, value in zip(_ARRAYS, values, strict=True):
            columns[f"{name}_{index}"] = F.when(stands, value)
    # Columns first: an aggregate that collects a list interprets what it is given.
    counted = orders.where("is_counted").select(
        "customer_id", *[column.alias(name) for name, column in columns.items()]
    )
    # Nulls, of other dates and of amounts that are none, are not collected.
    lists = [F.sort_array(F.collect_list(name)).alias(name) for name in columns]
    return counted.groupBy("customer_id").agg(*lists)


def with_history(customers: DataFrame, dates: Sequence[date]) -> DataFrame:
    """Add what families may derive from: the orders of each row's customer as of its date.

    Reads customer_id, as_of_date and the arrays of order_histories(). Adds _days, the distinct
    order days; _gaps, the days between neighbours; _sorted_gaps; _amounts, those above 0 in minor
    units, sorted; and of their logarithms _log_centre, the median, _log_distances from it, sorted,
    and _log_spread, the median of these (MAD); null where that is 0.
    """
    days = dict(enumerate(sorted(set(dates))))

    def of_date(name: str) -> Column:
        arrays = [
            F.when(F.col("as_of_date") == day, F.col(f"{name}_{at}")) for at, day in days.items()
        ]
        return F.coalesce(*arrays)

    of_all_dates = [f"{name}_{at}" for name in _ARRAYS for at in days]
    customers = customers.withColumns({name: of_date(name) for name in _ARRAYS})
    customers = customers.drop(*of_all_dates)
    steps = [
        {"_days": F.array_distinct("_days"), "_log_centre": middle("_logs")},
        {
            "_gaps": _gaps(F.col("_days")),
            "_log_distances": F.sort_array(
                F.transform(unpacked("_logs"), lambda log: F.abs(log - F.col("_log_centre")))
            ),
        },
        {
            "_sorted_gaps": F.sort_array("_gaps"),
            "_log_spread": F.nullif(middle("_log_distances"), F.lit(0.0)),
        },
    ]
    for columns in steps:
        customers = customers.withColumns(columns)
    return customers.drop("_logs")


def unpacked(array: str) -> Column:
    """Give a sorted array as a function of its elements (`filter`, `transform`) best reads it.

    Spark 4.2.0 looks at its whole configuration for each element of an array that is packed into a
    row; one that was sorted just before is not packed.
    """
    return F.sort_array(array)


def middle(ordered: str) -> Column:
    """Give the median of a sorted array, null of an empty one."""
    n = F.size(ordered)
    upper = F.get(ordered, F.floor(n / 2).cast(T.IntegerType()))
    return (upper + F.get(ordered, F.floor((n - 1) / 2).cast(T.IntegerType()))) / 2.0


def _gaps(days: Column) -> Column:
    """Give the days between neighbours in a sorted array of distinct dates."""
    n = F.greatest(F.size(days) - 1, F.lit(0))
    later, earlier = F.slice(days, F.lit(2), n), F.slice(days, F.lit(1), n)
    return F.zip_with(earlier, later, lambda left, right: F.datediff(right, left))
