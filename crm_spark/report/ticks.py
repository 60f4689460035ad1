"""How the ticks of a chart's axis are written: each once, and with the digits that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from crm_spark.report.words import decimal

MOST_DECIMALS = 15


def tick_label(value: float, ticks: Sequence[float], *, is_share: bool = False) -> str:
    """Write one of the ticks of an axis, with as few decimals as hold every one of them.

    Zero has no sign; a share is a percentage.
    """
    scale = 100.0 if is_share else 1.0
    decimals = _decimals([scale * tick for tick in (*ticks, value)])
    return decimal(scale * value, decimals) + ("%" if is_share else "")


def _decimals(ticks: Sequence[float]) -> int:
    """Give the fewest decimals that change no tick by more than a hundredth of a step."""
    distinct = sorted(set(ticks))
    # A neighbour that differs in the last bits is the same tick.
    bits = 1e-14 * max((abs(tick) for tick in distinct), default=0.0)
    steps = [after - before for before, after in pairwise(distinct) if after - before > bits]
    step = min(steps, default=abs(distinct[0]) if distinct else 0.0)
    for decimals in range(MOST_DECIMALS):
        if all(abs(round(tick, decimals) - tick) <= step / 100 for tick in distinct):
            return decimals
    return MOST_DECIMALS


def label_ticks(axis: Any, *, is_share: bool = False, is_count: bool = False) -> None:
    """Have an axis write its ticks so; between counts there is nothing to mark."""
    if is_count:
        axis.get_major_locator().set_params(integer=True)
    axis.set_major_formatter(
        lambda value, _: tick_label(value, axis.get_majorticklocs(), is_share=is_share)
    )
