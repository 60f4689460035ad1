"""Which share of offers is bought: by rung and rank, over all who are offered something."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from crm_spark.models.recommender.metrics import AT, FEWEST_OFFERS, hit_shares
from crm_spark.models.recommender.offers import with_hit_probability

N = 2 * FEWEST_OFFERS


def offers(spark: SparkSession) -> DataFrame:
    """Offer each customer tea first, as bought before, then jam; and a few a third, popular."""
    rows = [("ladder", f"c{one}", 1, "tea", "buy_again") for one in range(N)]
    rows += [("ladder", f"c{one}", 2, "jam", "als") for one in range(N)]
    rows += [("ladder", f"c{one}", 3, "ham", "als") for one in range(10)]
    rows += [("other", f"c{one}", 1, "ham", "buy_again") for one in range(N)]
    return spark.createDataFrame(
        rows, "list string, customer_id string, rank int, product_id string, source string"
    )


def test_shares_are_of_all_offers_of_the_list_by_rung_and_rank(spark: SparkSession) -> None:
    bought = [(f"c{one}", "tea", False) for one in range(0, N, 4)]
    bought += [(f"c{one}", "jam", True) for one in range(0, N, 10)]
    bought += [("c1", "ham", True), ("stranger", "tea", True)]
    relevant = spark.createDataFrame(
        bought, "customer_id string, product_id string, is_new boolean"
    )
    of_lists = hit_shares(offers(spark), relevant)
    assert set(of_lists) == {"ladder", "other"}
    found = of_lists["ladder"]
    assert set(found) == {"als", "buy_again"}
    assert {len(shares) for shares in found.values()} == {AT}
    assert found["buy_again"][0] == 0.25
    assert found["als"][1] == 0.1
    # Ten offers of a third product say too little: they stand at what the rung comes to.
    of_rung = round((N / 10 + 1) / (N + 10), 6)
    assert found["als"][2] == found["als"][9] == of_rung


def test_offers_get_the_share_of_their_rung_and_rank(spark: SparkSession) -> None:
    rows = [("buy_again", 1), ("als", 2), ("popular", 1), ("als", AT + 1)]
    frame = spark.createDataFrame(rows, "source string, rank int")
    shares = {"buy_again": [0.5] * AT, "als": [0.1, 0.2, *[0.0] * (AT - 2)]}
    found = with_hit_probability(frame, shares).collect()
    assert {(row["source"], row["rank"]): row["hit_probability"] for row in found} == {
        ("buy_again", 1): 0.5,
        ("als", 2): 0.2,
        ("popular", 1): None,
        ("als", AT + 1): None,
    }


def test_without_any_shares_nothing_is_known(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("buy_again", 1)], "source string, rank int")
    (row,) = with_hit_probability(frame, {}).collect()
    assert row["hit_probability"] is None
