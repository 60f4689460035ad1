"""After how long a silence customers come back, by hand and on customers whose law is known."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from crm_spark.models.churn.return_curve import (
    ALL,
    ReturnShare,
    lost_after,
    return_figures,
    return_shares,
    share_after,
    shares_of_figures,
    silences,
)

DAY = date(2024, 6, 1)


def counts(rows: list[tuple[str, int, bool, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["rhythm", "days", "has_ended", "n"])


def by_days(shares: list[ReturnShare], rhythm: str = ALL) -> dict[int, ReturnShare]:
    return {one.silent_days: one for one in shares if one.rhythm == rhythm}


def test_without_silences_that_go_on_it_is_the_share_of_longer_gaps_that_end() -> None:
    # 100 gaps of 5 days, 60 of 10, 40 that are seen for 100: of half of that, 50 days, somebody
    # comes back within; after 7 days 60 of 100 did.
    found = by_days(
        return_shares(
            counts([("weekly", 5, True, 100), ("weekly", 10, True, 60), ("weekly", 100, False, 40)])
        )
    )
    assert (found[7].within_days, found[7].n) == (50, 100)
    assert found[7].share == pytest.approx(0.6)
    assert (found[14].share, found[14].n) == (0, 40)
    assert max(found) == 42  # 56 and 50 days are more than are seen


def test_silences_that_go_on_count_as_long_as_they_are_seen() -> None:
    # 100 silences go on for 8 days only: of the 100 others, all of which last longer, half end at
    # 20. By hand: S(7) = 1, S(20) = 1/2.
    found = by_days(
        return_shares(
            counts([("rarely", 8, False, 100), ("rarely", 20, True, 50), ("rarely", 60, False, 50)])
        )
    )
    assert found[7].share == pytest.approx(0.5)
    assert found[14].share == pytest.approx(0.5)
    assert found[21].share == 0


def test_few_silences_end_the_curve() -> None:
    found = by_days(return_shares(counts([("rarely", 5, True, 500), ("rarely", 90, False, 29)])))
    assert found == {}
    assert return_shares(counts([])) == []


@pytest.mark.parametrize("n_days", [150, 400])
def test_what_history_does_not_show_is_not_taken_for_leaving(n_days: int) -> None:
    random = np.random.default_rng(1)
    n = 200_000
    gap = random.geometric(0.02, n)
    has_left = random.random(n) < 0.3
    # Silences are seen for as long as is left of the history since they began.
    seen = random.integers(1, n_days + 1, n)
    has_ended = ~has_left & (gap <= seen)
    table = pd.DataFrame(
        {"rhythm": "rarely", "days": np.where(has_ended, gap, seen), "has_ended": has_ended}
    )
    table = table.groupby(["rhythm", "days", "has_ended"]).size().reset_index(name="n")
    found = by_days(return_shares(table))
    assert len(found) >= 3
    for days, one in found.items():
        stays = 0.7 * 0.98**days
        back = stays * (1 - 0.98**one.within_days)
        assert one.share == pytest.approx(back / (stays + 0.3), abs=0.03)


def test_what_a_horizon_means_is_read_from_the_curve() -> None:
    shares = [
        ReturnShare(ALL, days, 90, 50, share) for days, share in ((28, 0.6), (84, 0.2), (140, 0.09))
    ]
    assert lost_after(shares) == 140
    assert lost_after(shares[:2]) is None
    at = share_after(shares, 90)
    assert at is not None and at.silent_days == 84
    assert share_after(shares, 7) is None


def test_shares_are_put_together_again_from_their_figures() -> None:
    shares = [ReturnShare(ALL, 28, 180, 50, 0.6), ReturnShare("weekly", 7, 180, 40, 0.9)]
    assert shares_of_figures(return_figures(DAY, shares)) == shares


def test_gaps_are_those_between_order_days_before_the_day(spark: SparkSession) -> None:
    def on(*days: int) -> list[date]:
        return [DAY - timedelta(days=one) for one in days]

    rows = [
        *[("weekly", day) for day in on(30, 24, 24, 18)],  # two orders on one day
        *[("once", day) for day in on(50)],
        *[("later", day) for day in on(40, 0, -3)],  # on the day itself nothing is known
        *[("monthly", day) for day in on(60, 40, 10)],
    ]
    orders = spark.createDataFrame(rows, "customer_id string, order_date date")
    found = {
        (row["rhythm"], row["days"], row["has_ended"]): row["n"]
        for row in silences(orders, DAY).collect()
    }
    assert found == {
        ("weekly", 6, True): 2,
        ("weekly", 18, False): 1,
        ("rarely", 50, False): 1,
        ("rarely", 40, False): 1,
        ("monthly", 20, True): 1,
        ("monthly", 30, True): 1,
        ("monthly", 10, False): 1,
    }
