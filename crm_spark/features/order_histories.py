"""A customer's orders in order of time, as of a date: their days, gaps and amounts, as arrays.

Orders are collected once a customer. What was known on a date is looked up in each of its rows, so
that many dates take one pass.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.orders import STANDS_AFTER, STANDS_UNTIL, stands_on

_HISTORY = "_history"


def order_histories(orders: DataFrame) -> DataFrame:
    """Collect the counted orders of each customer, each with the dates that it stands for.

    Grain: customer_id. Reads orders_known(); gives _history.
    """
    amount = F.when(F.col("spend_amount_minor") > 0, F.col("spend_amount_minor"))
    order = F.struct(
        F.col("order_date").alias("day"),
        amount.alias("amount"),
        # Nine decimals: no machine's last bit shows.
        F.round(F.log(amount), 9).alias("log_amount"),
        STANDS_AFTER,
        STANDS_UNTIL,
    )
    counted = orders.where("is_counted")
    return counted.groupBy("customer_id").agg(F.collect_list(order).alias(_HISTORY))


def with_history(customers: DataFrame) -> DataFrame:
    """Add what families may derive from: the orders of each row's customer as of its date.

    Reads customer_id, as_of_date and _history. Adds _days, the distinct order days; _gaps, the days
    between neighbours; _sorted_gaps; _amounts, those above 0 in minor units, sorted; and of their
    logarithms _log_centre, the median, _log_distances from it, sorted, and _log_spread, the median
    of these (MAD); null where that is 0.
    """
    known = F.filter(
        _HISTORY,
        lambda order: stands_on(F.col("as_of_date"), order[STANDS_AFTER], order[STANDS_UNTIL]),
    )
    steps = [
        {"_known": known},
        {
            "_days": F.array_distinct(F.sort_array(F.transform("_known", lambda one: one["day"]))),
            "_amounts": _sorted("_known", "amount"),
            "_logs": _sorted("_known", "log_amount"),
        },
        {"_gaps": _gaps(F.col("_days")), "_log_centre": middle("_logs")},
        {
            "_sorted_gaps": F.sort_array("_gaps"),
            "_log_distances": F.sort_array(
                F.transform("_logs", lambda log: F.abs(log - F.col("_log_centre")))
            ),
        },
        {"_log_spread": F.nullif(middle("_log_distances"), F.lit(0.0))},
    ]
    for columns in steps:
        customers = customers.withColumns(columns)
    return customers.drop(_HISTORY, "_known", "_logs")


def middle(ordered: str) -> Column:
    """Give the median of a sorted array, null of an empty one."""
    n = F.size(ordered)
    upper = F.get(ordered, F.floor(n / 2).cast(T.IntegerType()))
    return (upper + F.get(ordered, F.floor((n - 1) / 2).cast(T.IntegerType()))) / 2.0


def _sorted(orders: str, field: str) -> Column:
    """Give the known values of a field of orders, sorted."""
    return F.array_compact(F.sort_array(F.transform(orders, lambda order: order[field])))


def _gaps(days: Column) -> Column:
    """Give the days between neighbours in a sorted array of distinct dates."""
    n = F.greatest(F.size(days) - 1, F.lit(0))
    later, earlier = F.slice(days, F.lit(2), n), F.slice(days, F.lit(1), n)
    return F.zip_with(earlier, later, lambda left, right: F.datediff(right, left))
