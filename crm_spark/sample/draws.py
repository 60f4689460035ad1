"""Draws that follow from seed, purpose and ids alone, so that no partitioning changes them.

Each is the inverse of a distribution function at a uniform draw (Devroye 1986, Non-Uniform Random
Variate Generation, chapter 2), the normal one by Box and Muller (1958).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pyspark.sql import Column
from pyspark.sql import functions as F


def uniform(seed: int, purpose: str, *ids: Column) -> Column:
    """Give a number above 0 and below 1 for these ids: the upper 52 bits of their hash.

    Draws of other purposes are independent of it. Never null.
    """
    hashed = F.xxhash64(F.lit(seed).cast("long"), F.lit(purpose), *ids)
    # A half more, so that neither end is reached; with 53 bits the sum could be rounded to 1.
    return (F.shiftrightunsigned(hashed, 12).cast("double") + 0.5) * F.lit(2.0**-52)


def exponential(mean: Column | float, seed: int, purpose: str, *ids: Column) -> Column:
    """Give an exponential draw with this mean, in its unit."""
    return -F.log(uniform(seed, purpose, *ids)) * mean


def erlang(mean: Column, shape: int, seed: int, purpose: str, *ids: Column) -> Column:
    """Give a gamma draw of a whole shape with this mean: a sum of so many exponential ones."""
    parts = [exponential(mean / shape, seed, f"{purpose} {part}", *ids) for part in range(shape)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def log_normal(median: float, deviation: float, seed: int, purpose: str, *ids: Column) -> Column:
    """Give a log-normal draw by its median and the standard deviation of its logarithm."""
    radius = F.sqrt(-2 * F.log(uniform(seed, f"{purpose} radius", *ids)))
    normal = radius * F.cos(2 * math.pi * uniform(seed, f"{purpose} angle", *ids))
    return median * F.exp(deviation * normal)


def geometric(more: Column | float, seed: int, purpose: str, *ids: Column) -> Column:
    """Give how many there are, from 1 on, where each is followed by a further one at this chance.

    The mean is 1 / (1 - more). A whole number (bigint).
    """
    chance = F.lit(more) if isinstance(more, float) else more
    return F.floor(F.log(uniform(seed, purpose, *ids)) / F.log(chance)) + 1


def whole(low: int, high: int, seed: int, purpose: str, *ids: Column) -> Column:
    """Give a whole number from low to high, each at the same chance (bigint)."""
    return F.floor(uniform(seed, purpose, *ids) * (high - low + 1)) + low


def zipf_rank(n: Column, exponent: float, draw: Column) -> Column:
    """Give a rank from 1 to n whose chance falls as rank ** -exponent, about, from a uniform draw.

    The power law is continuous from 1 to n + 1 and cut to whole numbers (Clauset, Shalizi and
    Newman 2009, appendix D), so that the chance of r is what zipf_chance gives.
    """
    if exponent == 1:
        place = F.exp(draw * F.log(n + 1.0))
    else:
        power = 1 - exponent
        place = F.pow(1 + draw * (F.pow(n + 1.0, F.lit(power)) - 1), F.lit(1 / power))
    return F.least(F.floor(place), n.cast("long"))


def zipf_chance(rank: Column, n: Column, exponent: float) -> Column:
    """Give the chance of a rank among n, as zipf_rank draws it."""
    if exponent == 1:
        return F.log((rank + 1.0) / rank) / F.log(n + 1.0)
    power = F.lit(1 - exponent)
    return (F.pow(rank + 1.0, power) - F.pow(rank, power)) / (F.pow(n + 1.0, power) - 1)


def chosen(draw: Column, chances: Sequence[float]) -> Column:
    """Give the place, from 0 on, of one of some chances, which add up to 1."""
    limit, choice = 0.0, None
    for place, chance in enumerate(chances[:-1]):
        limit += chance
        below = draw < limit
        choice = F.when(below, place) if choice is None else choice.when(below, place)
    last = len(chances) - 1
    return F.lit(last) if choice is None else choice.otherwise(last)


def by_value(column: Column, values: Mapping[Any, Column]) -> Column:
    """Give what belongs to a column's value; the last one for all that is not named before it."""
    *others, last = values
    choice = None
    for value in others:
        is_it = column == value
        found = values[value]
        choice = F.when(is_it, found) if choice is None else choice.when(is_it, found)
    return values[last] if choice is None else choice.otherwise(values[last])


def warped(part: Column, weights: Sequence[float]) -> Column:
    """Move a part of a span, from 0 to 1, so that pieces of equal length get shares by weight.

    Gives a part from 0 to 1, rising with the one that came in: order is kept (the inverse of a
    distribution function that is linear in each piece).
    """
    total, n = sum(weights), len(weights)
    limits = [sum(weights[:place]) / total for place in range(n + 1)]
    moved = None
    for place in range(n):
        share = weights[place] / total
        inside = (place + (part - limits[place]) / share) / n
        below = part < limits[place + 1]
        moved = F.when(below, inside) if moved is None else moved.when(below, inside)
    assert moved is not None
    # Rounding can leave the last limit a hair below 1.
    return F.least(moved.otherwise(1 - 1e-9), F.lit(1 - 1e-9))
