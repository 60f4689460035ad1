"""Returns netted against what was bought: by product; refunds of an order against that order."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.features.lines import known_at, minor_units

_PRODUCT, _ORDER = "_product", "_refunded_order"


def net_returns(lines: DataFrame, *, by: tuple[str, ...], has_refunds: bool = False) -> DataFrame:
    """Net each return against what the customer had bought of the product before, newest first.

    Reads order lines with is_current (lines that are not are passed through) and the columns `by`,
    of which each group is netted by itself; lines without a product are netted among themselves,
    but for refunds that name an order, which are netted against its lines once all else is
    (`has_refunds`: whether there may be any). Adds, in minor units of money: kept_minor, the part
    of a bought line that no return took back; orphan_minor, the part of a returned line that
    nothing bought before explains; netting_changed_at, from when on these parts are as they are
    now; and first_returned_at, until when nothing of the line was taken back. Both are null of
    lines that other lines of their group never changed.
    """
    is_refund = is_refund_of_order() if has_refunds else F.lit(False)
    fresh = lines.withColumns(
        {
            _PRODUCT: F.coalesce("product_id", F.lit("")),
            "kept_minor": F.when(_is_bought(), minor_units(F.col("amount"))).otherwise(_zero()),
            "orphan_minor": _zero(),
            "netting_changed_at": F.lit(None).cast(T.TimestampType()),
            "first_returned_at": F.lit(None).cast(T.TimestampType()),
        }
    )
    takes_back = F.col("is_return") & ~is_refund
    by_product = (*by, _PRODUCT)
    returned = fresh.where(takes_back).select(*by_product).distinct()
    walking = fresh.join(returned, list(by_product), "left_semi")
    netted = _walked(walking, by_product, takes_back, is_fresh=True)
    others = fresh.join(returned, list(by_product), "left_anti")
    whole = others.unionByName(netted).drop(_PRODUCT)
    if not has_refunds:
        return whole
    order = F.when(is_refund, F.col("refund_of_order_id")).otherwise(F.col("order_id"))
    # All orders walk, refunded or not: to part them would let the plan grow threefold once more.
    ordered = whole.withColumn(_ORDER, order)
    return _walked(ordered, (*by, _ORDER), is_refund, is_fresh=False).drop(_ORDER)


def is_refund_of_order() -> Column:
    """Whether a line gives money of a named order back, and says of no product."""
    names_order = F.col("refund_of_order_id").isNotNull() & F.col("product_id").isNull()
    return F.col("is_return") & names_order


def _walked(
    lines: DataFrame, group: Sequence[str], takes_back: Column, *, is_fresh: bool
) -> DataFrame:
    """Take back of the kept money of each group what its returns amount to, the newest first.

    Lines of a group in order of time are a walk: bought goes up, returned goes down, never below
    the ground. What falls below it is orphaned; of a bought line the part below the lowest later
    level is kept. So the newest purchase is taken back first, and money is never counted twice.
    `is_fresh`: nothing was taken back of the lines before.
    """
    # A bought line below zero is an adjustment: it is no purchase to take back.
    is_purchase = _is_bought() & (F.col("kept_minor") >= 0)
    step = F.when(is_purchase, F.col("kept_minor")).when(
        F.col("is_current") & takes_back, -minor_units(F.abs("amount"))
    )
    # Which of two lines of one order comes first makes no difference to the order.
    names = ("ordered_at", "is_return", "order_id", "line_id", "arrived_at")
    time = tuple(F.col(name) for name in names)
    of_group = Window.partitionBy(*group)
    forward = of_group.orderBy(*time)
    so_far = forward.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    backward = of_group.orderBy(*[part.desc() for part in time])
    after = backward.rowsBetween(Window.unboundedPreceding, -1)
    # Of returns alone: a line of nothing has the level of the return before it, and may have been
    # known before that. The level falls at returns only, so no lower one is left out.
    level_at = F.struct(F.col("_level").alias("level"), known_at().alias("at"))
    lowest_later = F.min(F.when(takes_back, level_at))
    kept = F.least("_level", F.coalesce(F.col("_later.level"), F.col("_level")))
    kept_of_line = F.greatest(kept - (F.col("_level") - F.col("_step")), _zero())
    orphaned = F.coalesce(F.lag("_lowest").over(forward), _zero()) - F.col("_lowest")
    walked = (
        lines.withColumn("_step", F.coalesce(step, _zero()))
        .withColumn("_sum", F.sum("_step").over(so_far))
        .withColumn("_lowest", F.least(F.min("_sum").over(so_far), _zero()))
        .withColumn("_level", F.col("_sum") - F.col("_lowest"))
        .withColumn("_later", lowest_later.over(after))
    )
    # What was bought after the last return is taken back by none, and changes nothing for others.
    is_walked = F.col("ordered_at") <= F.max(F.when(takes_back, F.col("ordered_at"))).over(of_group)
    walked = walked.withColumn("_is_walked", is_walked)
    moments = _moments_of_group(takes_back, of_group)
    if is_fresh:
        is_taken = is_purchase & (F.col("_later.level") < F.col("_level"))
        returned_later = F.min(F.when(takes_back, known_at()))
        walked = walked.withColumn("_returned_at", returned_later.over(after))
        walked = walked.withColumn("_is_orderly", _is_orderly(of_group))
        of_line = {
            "netting_changed_at": F.when(is_taken, F.col("_later.at")),
            "first_returned_at": F.when(is_taken, F.col("_returned_at")),
        }
        moments = {
            name: F.when(F.col("_is_orderly"), of_line[name]).otherwise(moment)
            for name, moment in moments.items()
        }
    return walked.withColumns(
        {
            "orphan_minor": F.when(takes_back, orphaned).otherwise(F.col("orphan_minor")),
            "kept_minor": F.when(is_purchase, kept_of_line).otherwise(F.col("kept_minor")),
            "netting_changed_at": F.greatest("netting_changed_at", moments["netting_changed_at"]),
            "first_returned_at": F.least("first_returned_at", moments["first_returned_at"]),
        }
    ).select(*lines.columns)


def _moments_of_group(takes_back: Column, of_group: WindowSpec) -> dict[str, Column]:
    """When the walk of a group last changed, and its first return: of each line on the way."""
    changed_at = F.greatest(known_at(), F.col("superseded_at"), F.col("netting_changed_at"))
    returned_at = F.least(F.col("first_returned_at"), F.when(takes_back, known_at()))
    moments = {
        "netting_changed_at": F.max(F.when(F.col("_is_walked"), changed_at)),
        "first_returned_at": F.min(F.when(F.col("_is_walked"), returned_at)),
    }
    return {
        name: F.when(F.col("_is_walked"), moment.over(of_group)) for name, moment in moments.items()
    }


def _is_orderly(of_group: WindowSpec) -> Column:
    """Whether every line of a group is known once a later return is, and none was superseded.

    What is known on a day is the walk up to its last return then, and purchases: lines change with
    the returns that take of them.
    """
    is_late = F.coalesce(known_at() > F.col("_returned_at"), F.lit(False))
    return ~F.max(is_late | F.col("superseded_at").isNotNull()).over(of_group)


def _is_bought() -> Column:
    return F.col("is_current") & ~F.col("is_return")


def _zero() -> Column:
    return F.lit(0).cast(T.LongType())
