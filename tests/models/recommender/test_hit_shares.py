"""Which share of offers is bought: by rung, rank and silence, over all who are offered any."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from crm_spark.models.recommender.hit_shares import (
    FEWEST_OFFERS,
    HitShare,
    customer_silences,
    hit_shares,
    with_hit_probability,
)
from crm_spark.models.recommender.metrics import AT

N = 2 * FEWEST_OFFERS
ALIKE = (1.0, 1.0, 1.0)


def offers(spark: SparkSession) -> DataFrame:
    """Offer each customer tea first, as bought before, then jam; and a few a third, popular."""
    rows = [("ladder", f"c{one}", 1, "tea", "buy_again") for one in range(N)]
    rows += [("ladder", f"c{one}", 2, "jam", "als") for one in range(N)]
    rows += [("ladder", f"c{one}", 3, "ham", "als") for one in range(10)]
    rows += [("other", f"c{one}", 1, "ham", "buy_again") for one in range(N)]
    return spark.createDataFrame(
        rows, "list string, customer_id string, rank int, product_id string, source string"
    )


def silent(spark: SparkSession, *bands: int) -> DataFrame:
    """Give the customers silences, in turn."""
    rows = [(f"c{one}", bands[one % len(bands)]) for one in range(N)]
    return spark.createDataFrame(rows, "customer_id string, silence int")


def bought(spark: SparkSession, *pairs: tuple[str, str]) -> DataFrame:
    rows = [(customer, product, False) for customer, product in pairs]
    return spark.createDataFrame(rows, "customer_id string, product_id string, is_new boolean")


def test_shares_are_of_all_offers_of_the_list_by_rung_and_rank(spark: SparkSession) -> None:
    pairs = [(f"c{one}", "tea") for one in range(0, N, 4)]
    pairs += [(f"c{one}", "jam") for one in range(0, N, 10)]
    relevant = bought(spark, *pairs, ("c1", "ham"), ("stranger", "tea"))
    of_lists = hit_shares(offers(spark), relevant, silent(spark, 0))
    assert set(of_lists) == {"ladder", "other"}
    found = of_lists["ladder"]
    assert set(found) == {"als", "buy_again"}
    assert {len(share.by_rank) for share in found.values()} == {AT}
    assert found["buy_again"].by_rank[0] == 0.25
    assert found["als"].by_rank[1] == 0.1
    # Ten offers of a third product say too little: they stand at what the rung comes to.
    of_rung = round((N / 10 + 1) / (N + 10), 6)
    assert found["als"].by_rank[2] == found["als"].by_rank[9] == of_rung


def test_who_has_been_silent_buys_as_those_who_were_as_long(spark: SparkSession) -> None:
    # Half are customers of these days, half are long silent; of the former half buy tea again.
    pairs = [(f"c{one}", "tea") for one in range(0, N, 4)]
    found = hit_shares(offers(spark), bought(spark, *pairs), silent(spark, 0, 2))["ladder"]
    assert found["buy_again"].by_rank[0] == 0.25
    assert found["buy_again"].by_silence == (2.0, 1.0, 0.0)  # nobody was silent for a while
    # Of a product that nobody bought no silence says anything.
    assert found["als"].by_silence == ALIKE


def test_silences_are_bands_of_horizons_by_the_newest_purchase(spark: SparkSession) -> None:
    rows = [("a", 0), ("a", 500), ("b", 27), ("c", 28), ("d", 83), ("e", 84)]
    frame = spark.createDataFrame(rows, "customer_id string, days_since_last_order bigint")
    found = {row["customer_id"]: row["silence"] for row in customer_silences(frame, 28).collect()}
    assert found == {"a": 0, "b": 0, "c": 1, "d": 1, "e": 2}


def test_offers_get_the_share_of_their_rung_rank_and_silence(spark: SparkSession) -> None:
    rows = [
        ("c0", "buy_again", 1),
        ("c2", "buy_again", 1),
        ("c0", "als", 2),
        ("c0", "popular", 1),
        ("c0", "als", AT + 1),
        ("stranger", "buy_again", 1),
    ]
    frame = spark.createDataFrame(rows, "customer_id string, source string, rank int")
    shares = {
        "buy_again": HitShare((0.5,) * AT, (3.0, 1.0, 0.25)),
        "als": HitShare((0.1, 0.2, *[0.0] * (AT - 2)), ALIKE),
    }
    found = with_hit_probability(frame, silent(spark, 0, 1, 2), shares).collect()
    probabilities = {
        (row["customer_id"], row["source"], row["rank"]): row["hit_probability"] for row in found
    }
    assert probabilities == {
        ("c0", "buy_again", 1): 1.0,  # and no more
        ("c2", "buy_again", 1): 0.125,
        ("c0", "als", 2): 0.2,
        ("c0", "popular", 1): None,
        ("c0", "als", AT + 1): None,
        ("stranger", "buy_again", 1): None,
    }
    assert "silence" not in found[0].asDict()


def test_without_any_shares_nothing_is_known(spark: SparkSession) -> None:
    frame = spark.createDataFrame(
        [("c0", "buy_again", 1)], "customer_id string, source string, rank int"
    )
    (row,) = with_hit_probability(frame, silent(spark, 0), {}).collect()
    assert row["hit_probability"] is None


def test_a_share_comes_back_from_its_spec() -> None:
    share = HitShare((0.5, 0.25), (2.0, 1.0, 0.1))
    assert HitShare.of(share.spec()) == share
    assert share.spec() == {"by_rank": (0.5, 0.25), "by_silence": (2.0, 1.0, 0.1)}
