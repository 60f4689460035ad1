"""A sample holds what its truth says, to what chance allows, and is the same however it is made.

Tolerances are four standard errors that follow from the distributions, unless they say otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.sample import settings as planted
from crm_spark.sample.customers import truth
from crm_spark.sample.draws import erlang, geometric, log_normal, uniform, warped, zipf_rank
from crm_spark.sample.orders import heavy_customer_lines
from crm_spark.sample.products import DEPARTMENTS, PREFERRED_SHARE, TASTE_GROUPS, products
from crm_spark.sample.rhythm import (
    HOUR_WEIGHTS,
    WEEKDAY_WEIGHTS,
    YEAR_DAYS,
    calendar_time,
    flowing_time,
)
from crm_spark.sample.settings import SampleSettings
from crm_spark.sample.transactions import transactions

SMALL = SampleSettings(n_customers=40, n_days=200, seed=3, n_products=100)
DAY = 86_400
HEAVY = "C000000000"


def checksum(df: DataFrame) -> tuple[int, int]:
    """Give the number of rows and the xor of their hashes, which has no order."""
    row = df.agg(F.count(F.lit(1)), F.bit_xor(F.xxhash64(*df.columns))).collect()[0]
    return row[0], row[1]


@dataclass(frozen=True)
class Sample:
    """A sample in memory; stamps are seconds since 1970, money is in hundredths."""

    settings: SampleSettings
    lines: pd.DataFrame
    customers: pd.DataFrame
    products: pd.DataFrame

    @property
    def bought(self) -> pd.DataFrame:
        return self.lines[~self.lines.is_return]

    @property
    def orders(self) -> pd.DataFrame:
        """One row an order, the heavy customer's left out."""
        lines = self.bought[self.bought.customer_id != HEAVY]
        return lines.groupby(["customer_id", "order_id"], as_index=False).agg(
            ordered_at=("ordered_at", "first"), paid=("amount", "sum")
        )

    @property
    def seconds(self) -> tuple[int, int]:
        first, end = self.settings.first_day, self.settings.end_day
        return first * DAY, end * DAY


@pytest.fixture(scope="module")
def sample(spark: SparkSession) -> Sample:
    settings = SampleSettings(n_customers=400, seed=11, n_products=400)
    lines = transactions(spark, settings, partitions=2)
    stamps = {name: F.col(name).cast("long") for name in ("ordered_at", "arrived_at")}
    money = {name: (F.col(name) * 100).cast("long") for name in ("amount", "discount_amount")}
    customers = truth(spark, settings, partitions=1)
    known = ("joined_at", "lapsed_at", "discount_stopped_at")
    return Sample(
        settings,
        lines.withColumns({**stamps, **money}).toPandas(),
        customers.withColumns({name: F.col(name).cast("double") for name in known}).toPandas(),
        products(spark, settings, partitions=1).toPandas(),
    )


def test_partitions_and_shuffle_settings_change_no_row(spark: SparkSession) -> None:
    def checksums(partitions: int) -> list[tuple[int, int]]:
        frames = (transactions, truth, products)
        return [checksum(make(spark, SMALL, partitions=partitions)) for make in frames]

    one = checksums(1)
    assert min(rows for rows, _ in one) >= SMALL.n_customers
    changed = {"spark.sql.shuffle.partitions": "5", "spark.sql.adaptive.enabled": "true"}
    before = {key: spark.conf.get(key) for key in changed}
    try:
        for key, value in changed.items():
            spark.conf.set(key, value)
        assert checksums(7) == one
    finally:
        for key, value in before.items():
            assert value is not None
            spark.conf.set(key, value)


def test_the_session_s_time_zone_changes_no_row(spark: SparkSession) -> None:
    here = checksum(transactions(spark, SMALL, partitions=2))
    assert here[0] > 500
    before = spark.conf.get("spark.sql.session.timeZone")
    assert before is not None
    try:
        spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
        assert checksum(transactions(spark, SMALL, partitions=2)) == here
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)


def test_another_seed_makes_other_customers(spark: SparkSession) -> None:
    other = SampleSettings(SMALL.n_customers, SMALL.n_days, SMALL.seed + 1, SMALL.start, 100)
    gaps = [truth(spark, one, partitions=1).select("mean_gap_days") for one in (SMALL, other)]
    # The heavy customer's gap follows from the sizes alone.
    assert gaps[0].intersect(gaps[1]).count() == 1


def test_draws_have_the_means_and_deviations_of_their_distributions(spark: SparkSession) -> None:
    n = 20_000
    ids = spark.range(n)
    number = F.col("id")
    wanted = {
        "uniform": (uniform(1, "u", number), 0.5, math.sqrt(1 / 12)),
        "erlang": (erlang(F.lit(10.0), 4, 1, "e", number), 10.0, 5.0),
        "geometric": (geometric(0.75, 1, "g", number), 4.0, math.sqrt(12)),
        "log of normal": (F.log(log_normal(1.0, 0.5, 1, "n", number)), 0.0, 0.5),
    }
    drawn = ids.select(*(draw.alias(name) for name, (draw, _, _) in wanted.items())).toPandas()
    for name, (_, mean, deviation) in wanted.items():
        assert abs(drawn[name].mean() - mean) < 4 * deviation / math.sqrt(n), name
        assert drawn[name].std() == pytest.approx(deviation, rel=0.06), name
    assert 0 < drawn["uniform"].min() < drawn["uniform"].max() < 1
    # Draws of other purposes of the same ids say nothing of one another.
    assert abs(drawn.corr().loc["uniform", "erlang"]) < 4 / math.sqrt(n)


def test_zipf_ranks_fall_with_the_exponent_that_is_asked_for(spark: SparkSession) -> None:
    n, ranks = 40_000, 500
    for exponent in (1.0, 1.5):
        draw = zipf_rank(F.lit(float(ranks)), exponent, uniform(1, "zipf", F.col("id")))
        found = spark.range(n).select(draw.alias("rank")).groupBy("rank").count().toPandas()
        assert found["rank"].between(1, ranks).all()
        counts = found.set_index("rank")["count"].sort_index()
        # Each rank from 4 on holds (r + 1)^(1 - s) - r^(1 - s), whose slope is -s at r + 1/2. By
        # octaves, which hold enough: a sum over [r, 2r) falls with 1 - s more.
        low, high = counts.loc[4:7].sum(), counts.loc[32:63].sum()
        slope = math.log(high / low) / math.log(8)
        error = math.sqrt(1 / low + 1 / high) / math.log(8)
        assert abs(slope - (1 - exponent)) < 4 * error


def test_bent_time_keeps_the_order_and_the_week(spark: SparkSession) -> None:
    days = spark.range(0, 4_000).select((F.col("id") / 9.7 + 19_000).alias("day"))
    bent = days.select("day", calendar_time(flowing_time(F.col("day"))).alias("bent")).toPandas()
    assert (bent.bent.diff().dropna() > 0).all()
    assert (bent.bent - bent.day).abs().max() < 7


def test_equal_pieces_get_shares_by_weight(spark: SparkSession) -> None:
    n = 9_000
    weights = (1.0, 2.0, 6.0)
    part = warped((F.col("id") + 0.5) / n, weights)
    pieces = spark.range(n).select(F.floor(part * 3).alias("piece")).groupBy("piece").count()
    assert {row["piece"]: row["count"] for row in pieces.collect()} == {0: 1000, 1: 2000, 2: 6000}
    # Evenly within each: the middle of its share is its middle.
    middles = [warped(F.lit(middle / 18), weights) for middle in (1, 4, 12)]
    found = spark.range(1).select(*(one.alias(f"m{i}") for i, one in enumerate(middles)))
    assert list(found.collect()[0]) == pytest.approx([1 / 6, 1 / 2, 5 / 6])


def test_a_return_follows_its_purchase_and_gives_back_no_more_than_was_bought(
    sample: Sample,
) -> None:
    assert len(sample.lines[sample.lines.is_return]) > 100
    # Where a purchase and a return are of one second, the purchase comes first.
    lines = sample.lines.sort_values(["ordered_at", "is_return"])
    by_product = lines.groupby(["customer_id", "product_id"])
    assert (by_product.quantity.cumsum() >= 0).all()
    # A cent for each return that is a part of a line.
    assert (by_product.amount.cumsum() + by_product.is_return.cumsum() >= 0).all()
    assert ((lines.quantity < 0) == lines.is_return).all()
    assert (lines[lines.is_return].amount <= 0).all()


def test_about_the_share_that_is_asked_for_comes_back(sample: Sample) -> None:
    back = sample.lines[sample.lines.is_return]
    bought = sample.bought
    # Those of the last days come back after the end: up to the longest wait, of a half on average.
    lost = sum(planted.RETURN_AFTER_DAYS) / 2 / sample.settings.n_days
    rates = bought.customer_id.map(sample.customers.set_index("customer_id").return_rate)
    expected = rates.sum()
    assert abs(len(back) - expected * (1 - lost)) < 4 * math.sqrt(expected) + lost * expected
    # The share of lines of customers with many returns varies with who these are.
    assert rates.mean() == pytest.approx(planted.RETURN_SHARE, rel=0.2)


def test_nobody_orders_after_the_lapse_or_outside_the_days(sample: Sample) -> None:
    lapsed = sample.bought.customer_id.map(sample.customers.set_index("customer_id").lapsed_at)
    assert lapsed.notna().sum() > 0.9 * len(lapsed)
    assert (sample.bought.ordered_at <= lapsed.fillna(np.inf)).all()
    first, end = sample.seconds
    # An hour, since summer time is ahead of UTC.
    assert sample.lines.ordered_at.between(first - 3600, end).all()


def flowing(seconds: pd.Series) -> pd.Series:
    """Give the flowing time of seconds since 1970, in days, by hand."""
    turn = 2 * math.pi / YEAR_DAYS
    day = seconds / DAY
    bent: pd.Series = (
        planted.SEASON_AMPLITUDE / turn * np.sin(turn * (day - planted.SEASON_PEAK_DAY))
    )
    return day + bent


@pytest.mark.parametrize("rhythm", list(planted.GAP_SHAPES))
def test_active_customers_order_about_as_often_as_their_mean_gap_says(
    sample: Sample, rhythm: str
) -> None:
    first, end = sample.seconds
    chosen = sample.customers[
        (sample.customers.rhythm == rhythm) & sample.customers.joined_at.isna()
    ]
    until = chosen.lapsed_at.clip(upper=end)
    begin = flowing(pd.Series(float(first), index=chosen.index))
    expected = (flowing(until) - begin) / chosen.mean_gap_days
    n = sample.orders.customer_id.isin(chosen.customer_id).sum()
    # A renewal process from any moment on: its mean is exact, its variance mean / shape + 1/6.
    variance = (expected / planted.GAP_SHAPES[rhythm] + 1 / 6).sum()
    assert expected.sum() > 1_000
    assert abs(n - expected.sum()) < 4 * math.sqrt(variance)


@pytest.mark.parametrize(("rhythm", "shape"), list(planted.GAP_SHAPES.items()))
def test_gaps_vary_as_their_shape_says(sample: Sample, rhythm: str, shape: int) -> None:
    chosen = sample.customers[
        (sample.customers.rhythm == rhythm) & (sample.customers.mean_gap_days > 7)
    ].set_index("customer_id")
    orders = sample.orders[sample.orders.customer_id.isin(chosen.index)].sort_values("ordered_at")
    times = flowing(orders.ordered_at)
    gaps = times.groupby(orders.customer_id).diff() / orders.customer_id.map(chosen.mean_gap_days)
    # Days of the week and hours move each order by a day or so, and long gaps are cut by the end.
    assert gaps.std() == pytest.approx(1 / math.sqrt(shape), abs=0.15)


def test_orders_have_the_rhythm_of_the_week_and_the_day(sample: Sample) -> None:
    local = pd.to_datetime(sample.orders.ordered_at, unit="s", utc=True).dt.tz_convert(
        planted.TIME_ZONE
    )
    for places, weights in (
        (local.dt.dayofweek, WEEKDAY_WEIGHTS),
        (local.dt.hour, HOUR_WEIGHTS),
    ):
        shares = np.array(weights) / sum(weights)
        found = places.value_counts(normalize=True).reindex(range(len(weights)), fill_value=0)
        errors = np.sqrt(shares * (1 - shares) / len(local))
        # Besides chance: clocks jump twice a year, which moves an hour of two days.
        assert (np.abs(found - shares) < 4 * errors + 2 / YEAR_DAYS / 24).all()


def test_orders_are_more_at_the_peak_of_the_year_than_half_a_year_from_it(sample: Sample) -> None:
    first, end = sample.seconds
    customers = sample.customers[sample.customers.rhythm != "heavy"]
    begin = customers.joined_at.fillna(first)
    until = customers.lapsed_at.clip(upper=end)
    phase = (sample.orders.ordered_at / DAY - planted.SEASON_PEAK_DAY) % YEAR_DAYS
    ratios = {}
    for name, centre in (("peak", 0.0), ("trough", YEAR_DAYS / 2)):
        near = (phase - centre + YEAR_DAYS / 2) % YEAR_DAYS - YEAR_DAYS / 2
        n = (near.abs() < 30).sum()
        expected = 0.0
        for day in range(sample.settings.first_day, sample.settings.end_day):
            away = (day + 0.5 - planted.SEASON_PEAK_DAY - centre + YEAR_DAYS / 2) % YEAR_DAYS
            if abs(away - YEAR_DAYS / 2) < 30:
                there = (begin <= day * DAY) & (until >= day * DAY)
                expected += (there / customers.mean_gap_days).sum()
        ratios[name] = n / expected
        # First orders of those who join come on top: under one of twenty.
        season = planted.SEASON_AMPLITUDE * math.sin(math.pi / 6) / (math.pi / 6)
        wanted = 1 + (season if name == "peak" else -season)
        assert abs(ratios[name] - wanted) < 4 / math.sqrt(expected) + 0.05, (name, ratios)


def test_popularity_falls_with_the_rank_within_a_department(sample: Sample) -> None:
    number = sample.bought.product_id.str.slice(1).astype(int)
    rank = number // len(DEPARTMENTS) + 1
    counts = rank.value_counts().reindex(range(1, 33), fill_value=0)
    assert counts.min() > 100
    slope = np.polyfit(np.log(counts.index + 0.5), np.log(counts), 1)[0]
    # Half of all lines are of some 2,500 favourites: by those alone a rank with a hundredth of
    # them is off by a fifth, which the 32 ranks together bring to a twentieth.
    assert slope == pytest.approx(-planted.ZIPF_EXPONENT, abs=0.2)


def test_the_heavy_customer_has_about_a_hundredth_of_all_lines(sample: Sample) -> None:
    share = (sample.bought.customer_id == HEAVY).mean()
    assert 0.005 < share < 0.02


def test_the_heavy_customer_s_lines_are_spread_over_all_partitions(spark: SparkSession) -> None:
    lines = heavy_customer_lines(spark, SampleSettings(n_customers=1_000), partitions=6)
    sizes = [row["count"] for row in lines.groupBy(F.spark_partition_id()).count().collect()]
    assert len(sizes) == 6
    assert max(sizes) - min(sizes) <= 1


def test_each_group_buys_what_it_prefers(sample: Sample) -> None:
    lines = sample.bought[sample.bought.customer_id != HEAVY].merge(sample.products)
    lines = lines.merge(sample.customers[["customer_id", "taste_group"]])
    shares = lines.groupby("taste_group").department.value_counts(normalize=True)
    for group, (_, preferred) in TASTE_GROUPS.items():
        wanted = PREFERRED_SHARE + (1 - PREFERRED_SHARE) * len(preferred) / len(DEPARTMENTS)
        found = sum(shares[group, name] for name in preferred)
        # Favourites make a customer's share vary by a tenth; the smallest group has some 20 that
        # count, of 40 with very different numbers of lines.
        assert found == pytest.approx(wanted, abs=4 * 0.1 / math.sqrt(20)), group
        assert found > 2 * sum(shares[other, preferred[0]] for other in TASTE_GROUPS) / 4


def test_a_share_arrives_late_by_whole_days(sample: Sample) -> None:
    late = (sample.bought.arrived_at - sample.bought.ordered_at).round()
    share = (late > 0).mean()
    error = math.sqrt(planted.LATE_SHARE * (1 - planted.LATE_SHARE) / len(late))
    assert abs(share - planted.LATE_SHARE) < 4 * error
    low, high = planted.LATE_DAYS
    # An hour for clocks that change in between.
    assert late[late > 0].between(low * DAY - 3600, high * DAY + 3600).all()
    assert (late >= 0).all()


def test_causes_raise_the_rate_of_lapsing_by_their_factor(spark: SparkSession) -> None:
    settings = SampleSettings(n_customers=4_000, seed=5, n_products=80)
    known = truth(spark, settings, partitions=1).where("joined_at is null and rhythm != 'heavy'")
    stamps = ("lapsed_at", "discount_stopped_at")
    customers = known.withColumns({name: F.col(name).cast("double") for name in stamps}).toPandas()
    first = settings.first_day * DAY
    many = customers[customers.lapse_cause == planted.MANY_RETURNS]
    stopped = customers[customers.lapse_cause == planted.DISCOUNT_STOPPED]
    wanted = planted.LIFETIME_DAYS / planted.CAUSE_FACTOR
    for lives in (
        (many.lapsed_at - first) / DAY,
        (stopped.lapsed_at - stopped.discount_stopped_at) / DAY,
    ):
        # The deviation of an exponential life is its mean.
        assert len(lives) > 100
        assert abs(lives.mean() - wanted) < 4 * wanted / math.sqrt(len(lives))
    others = customers[customers.lapse_cause.isna()]
    assert (others.lapsed_at - first).mean() / DAY > 2 * wanted


def test_no_line_has_a_discount_after_it_stopped(sample: Sample) -> None:
    stop = sample.bought.customer_id.map(
        sample.customers.set_index("customer_id").discount_stopped_at
    )
    has_discount = sample.bought.discount_amount > 0
    after = sample.bought.ordered_at > stop
    assert after.sum() > 100
    assert not has_discount[after].any()
    n = (~after).sum()
    error = math.sqrt(planted.DISCOUNT_SHARE * (1 - planted.DISCOUNT_SHARE) / n)
    assert abs(has_discount[~after].mean() - planted.DISCOUNT_SHARE) < 4 * error


def test_orders_are_worth_what_the_truth_says(sample: Sample) -> None:
    known = sample.customers[sample.customers.discount_stopped_at.isna()].set_index("customer_id")
    orders = sample.orders[sample.orders.customer_id.isin(known.index)]
    wanted = orders.customer_id.map(known.mean_order_value)
    off = orders.paid / 100 / wanted - 1
    # Of the single orders, which draw on their own once a customer's favourites stand.
    error = off.std() / math.sqrt(len(off))
    assert len(off) > 2_000
    assert abs(off.mean()) < 4 * error
    # Customers differ, and the truth says how.
    by_customer = orders.groupby("customer_id").paid.agg(["mean", "count"])
    many = by_customer[by_customer["count"] > 20]
    assert np.corrcoef(many["mean"], known.mean_order_value[many.index])[0, 1] > 0.9
