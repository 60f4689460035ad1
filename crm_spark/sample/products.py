"""Products: their departments, prices and popularity, and which group of customers likes what."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.sample.draws import by_value, chosen, log_normal, uniform, zipf_chance, zipf_rank
from crm_spark.sample.settings import (
    FAVOURITE_SHARE,
    N_FAVOURITES,
    ZIPF_EXPONENT,
    SampleSettings,
)
from crm_spark.tables.core import MONEY

# The departments with the median of their prices.
DEPARTMENTS = {
    "bakery": 2.5,
    "dairy": 3.0,
    "drinks": 5.0,
    "garden": 14.0,
    "household": 8.0,
    "produce": 2.0,
    "toys": 16.0,
    "clothing": 22.0,
}
PRICE_DEVIATION = 0.5
# The groups of taste with their share of customers and the departments that they prefer.
TASTE_GROUPS = {
    "cooks": (0.4, ("produce", "dairy")),
    "hosts": (0.3, ("drinks", "bakery")),
    "families": (0.2, ("toys", "clothing")),
    "gardeners": (0.1, ("garden", "household")),
}
PREFERRED_SHARE = 0.6

_NAMES = tuple(DEPARTMENTS)
_N = len(_NAMES)


def department_chances(group: str) -> tuple[float, ...]:
    """Give how often a line of this group is of each department, in their order.

    A part is shared by the preferred ones, the rest by all.
    """
    preferred = TASTE_GROUPS[group][1]
    return tuple(
        (1 - PREFERRED_SHARE) / _N + PREFERRED_SHARE * (name in preferred) / len(preferred)
        for name in _NAMES
    )


def taste_group(draw: Column) -> Column:
    """Give the name of a group from a uniform draw."""
    shares = [share for share, _ in TASTE_GROUPS.values()]
    return F.element_at(F.array(*map(F.lit, TASTE_GROUPS)), chosen(draw, shares) + 1)


def preferred_departments(group: Column) -> Column:
    """Give what a group prefers, as names with a comma and a space between."""
    return by_value(group, {name: F.lit(", ".join(of)) for name, (_, of) in TASTE_GROUPS.items()})


def product_number(settings: SampleSettings, group: Column, draw_of: Column) -> Column:
    """Give the number of a product, from 0 on, that a customer of a group takes (bigint).

    The department is drawn by the group's chances, the product within it by Zipf's law. Number n is
    of department n modulo their count, and has rank n divided by their count, plus 1, within it.
    """
    in_department = uniform(settings.seed, "department", draw_of)
    department = by_value(
        group, {name: chosen(in_department, department_chances(name)) for name in TASTE_GROUPS}
    )
    in_rank = uniform(settings.seed, "rank", draw_of)
    # Where the products cannot be shared evenly, the last ones, up to seven, are never bought.
    n_of = F.lit((settings.n_products // _N) * 1.0)
    return (zipf_rank(n_of, ZIPF_EXPONENT, in_rank) - 1) * _N + department


def favourite_chances() -> tuple[float, ...]:
    """Give how often each favourite is the one that is taken: falling as 1 / place."""
    weights = [1 / place for place in range(1, N_FAVOURITES + 1)]
    return tuple(weight / sum(weights) for weight in weights)


def favourite(settings: SampleSettings, place: Column, customer: Column, group: Column) -> Column:
    """Give the number of a customer's favourite product at a place, from 0 on."""
    return product_number(settings, group, favourite_draw(customer, place))


def favourite_draw(customer: Column, place: Column) -> Column:
    """Give what the draws of a customer's favourite at a place, from 0 on, are of (bigint)."""
    return F.xxhash64(F.lit("favourite"), customer, place.cast("long"))


def price(settings: SampleSettings, number: Column) -> Column:
    """Give the price of an item of a product, in currency units (decimal)."""
    medians = F.array(*(F.lit(median) for median in DEPARTMENTS.values()))
    median = F.element_at(medians, (number % _N + 1).cast("int"))
    factor = log_normal(1.0, PRICE_DEVIATION, settings.seed, "price", number)
    return F.round(median * factor + 0.2, 2).cast(MONEY)


def product_id(number: Column) -> Column:
    """Give a product's id."""
    return F.concat(F.lit("P"), F.lpad(number.cast("string"), 8, "0"))


def products(spark: SparkSession, settings: SampleSettings, *, partitions: int) -> DataFrame:
    """Give a row a product: product_id, department, price (currency units an item). No nulls."""
    number = F.col("id")
    names = F.array(*map(F.lit, _NAMES))
    return spark.range(0, settings.n_products, numPartitions=partitions).select(
        product_id(number).alias("product_id"),
        F.element_at(names, (number % _N + 1).cast("int")).alias("department"),
        price(settings, number).alias("price"),
    )


def mean_prices(spark: SparkSession, settings: SampleSettings) -> DataFrame:
    """Give a row a group: taste_group, mean_price of what it draws (double, currency units).

    Sums are of decimals, so that their order does not matter.
    """
    n_of = settings.n_products // _N
    number = F.col("id")
    rank = F.floor(number / _N) + 1
    weight = zipf_chance(rank, F.lit(n_of), ZIPF_EXPONENT) * price(settings, number).cast("double")
    groups = F.array(*map(F.lit, TASTE_GROUPS))
    chances = {
        name: F.element_at(
            F.array(*map(F.lit, department_chances(name))), (number % _N + 1).cast("int")
        )
        for name in TASTE_GROUPS
    }
    return (
        spark.range(0, n_of * _N)
        .select(number, weight.alias("weight"), F.explode(groups).alias("taste_group"))
        .withColumn("part", F.col("weight") * by_value(F.col("taste_group"), chances))
        .groupBy("taste_group")
        .agg(F.sum(F.col("part").cast("decimal(28,14)")).cast("double").alias("mean_price"))
    )


def mean_price_of_customer(settings: SampleSettings, customer: Column, group: Column) -> Column:
    """Give the mean price of what a customer draws: from mean_price of the group and favourites."""
    own = F.lit(0.0)
    for place, chance in enumerate(favourite_chances()):
        number = favourite(settings, F.lit(place), customer, group)
        own = own + chance * price(settings, number).cast("double")
    return (1 - FAVOURITE_SHARE) * F.col("mean_price") + FAVOURITE_SHARE * own
