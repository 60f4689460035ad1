"""RFM: cut points, scores of 1 to 5, and the segment of every cell of the grid."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from crm_spark.features import rfm
from crm_spark.features.rfm import (
    DEFAULT_SEGMENTS,
    MEASURES,
    REGULAR_ORDERS,
    RfmSection,
    RfmSegment,
    add_rfm_scores,
    rfm_cut_points,
    rfm_segment,
)

Customer = tuple[str, int, int, float]  # id, days since the last order, orders, spend
SCORES = ("recency_score", "frequency_score", "monetary_score")


def as_frame(spark: SparkSession, customers: Sequence[Customer]) -> DataFrame:
    columns = "customer_id string, days_since_last_order bigint, n_orders bigint, "
    return spark.createDataFrame(list(customers), columns + "spend_amount double")


def cuts_of(snapshot: DataFrame, n_customers: int) -> dict[str, list[float]]:
    rows = sorted(rfm_cut_points(snapshot, n_customers=n_customers).collect())
    assert [row["position"] for row in rows] == [1, 2, 3, 4] * len(MEASURES)
    return {m: [row["value"] for row in rows if row["measure"] == m] for m in MEASURES}


def scored(spark: SparkSession, customers: Sequence[Customer]) -> dict[str, tuple[int, ...]]:
    """Score customers by cut points of their own."""
    snapshot = as_frame(spark, customers)
    rows = add_rfm_scores(snapshot, cut_points=cuts_of(snapshot, len(customers))).collect()
    return {row["customer_id"]: tuple(row[score] for score in SCORES) for row in rows}


def tied_customers(n: int) -> list[Customer]:
    """Draw customers of whom many share a value, as they do in every shop."""
    rng = random.Random(17)
    return [
        (f"c{number}", rng.randrange(12) ** 2, 1 + int(rng.expovariate(1)), rng.randrange(40) / 4)
        for number in range(n)
    ]


# Of 103 customers no quintile falls on one of them.
TIED = tied_customers(103)


# --- cut points and scores -----------------------------------------------------------------------


def test_five_customers_have_the_five_scores_and_few_days_are_best(spark: SparkSession) -> None:
    customers = [(f"c{n}", 10 * n, n, 100.0 * n) for n in range(1, 6)]
    assert scored(spark, customers) == {
        "c1": (5, 1, 1),
        "c2": (4, 2, 2),
        "c3": (3, 3, 3),
        "c4": (2, 4, 4),
        "c5": (1, 5, 5),
    }


def test_a_fifth_of_customers_without_ties_has_each_score(spark: SparkSession) -> None:
    scores = scored(spark, [(f"c{n}", n, n, n / 2) for n in range(1000)])
    for position in range(len(SCORES)):
        found = [score[position] for score in scores.values()]
        assert [found.count(score) for score in range(1, 6)] == [200] * 5


def test_cut_points_are_the_exact_quintiles_between_neighbouring_values(
    spark: SparkSession,
) -> None:
    cuts = cuts_of(as_frame(spark, TIED), len(TIED))
    for position, measure in enumerate(MEASURES, start=1):
        values = [customer[position] for customer in TIED]
        assert cuts[measure] == pytest.approx(np.quantile(values, [0.2, 0.4, 0.6, 0.8]))


def test_a_value_on_a_cut_lies_below_it(spark: SparkSession) -> None:
    cut_points = dict.fromkeys(MEASURES, (10.0, 20.0, 30.0, 40.0))
    customers: list[Customer] = [("on", 10, 20, 40.0), ("above", 11, 21, 40.01)]
    rows = add_rfm_scores(as_frame(spark, customers), cut_points=cut_points).collect()
    assert {row["customer_id"]: tuple(row[score] for score in SCORES) for row in rows} == {
        "on": (5, 2, 4),
        "above": (4, 3, 5),
    }


def test_customers_with_equal_values_have_equal_scores_and_better_values_no_worse_ones(
    spark: SparkSession,
) -> None:
    scores = scored(spark, TIED)
    for position, is_rising in ((1, False), (2, True), (3, True)):
        of_value: dict[float, set[int]] = {}
        for customer in TIED:
            of_value.setdefault(customer[position], set()).add(scores[customer[0]][position - 1])
        assert all(len(found) == 1 for found in of_value.values())
        in_order = [found.pop() for _, found in sorted(of_value.items(), reverse=not is_rising)]
        assert all(worse <= better for worse, better in pairwise(in_order))
        assert len(set(in_order)) > 2


def test_scores_do_not_depend_on_order_or_partitioning(spark: SparkSession) -> None:
    def rows_of(snapshot: DataFrame) -> tuple[Any, list[Row]]:
        cuts = cuts_of(snapshot, len(TIED))
        return cuts, sorted(add_rfm_scores(snapshot, cut_points=cuts).collect())

    shuffled = random.Random(1).sample(TIED, len(TIED))
    apart = as_frame(spark, shuffled).repartition(9)
    assert rows_of(apart) == rows_of(as_frame(spark, TIED).coalesce(1))


def test_customers_who_are_all_alike_have_the_same_scores(spark: SparkSession) -> None:
    scores = scored(spark, [(f"c{n}", 30, 2, 9.99) for n in range(20)])
    assert set(scores.values()) == {(3, 3, 3)}


def test_a_customer_alone_has_the_scores_of_customers_who_are_all_alike(
    spark: SparkSession,
) -> None:
    assert scored(spark, [("c", 30, 2, 9.99)]) == {"c": (3, 3, 3)}


def test_who_share_a_value_have_the_middle_of_the_scores_that_they_span(
    spark: SparkSession,
) -> None:
    # A subscription: 85 of 100 have twelve orders, the most there are; all four cuts are twelve.
    few = [(f"few{n}", n % 28, 3 + n % 8, 25.0 * (3 + n % 8)) for n in range(15)]
    scores = scored(spark, [*few, *[(f"all{n}", n % 28, 12, 300.0) for n in range(85)]])
    assert {scores[name][1:] for name in scores if name.startswith("all")} == {(3, 3)}
    assert {scores[name][1:] for name in scores if name.startswith("few")} == {(1, 1)}


@pytest.mark.parametrize(
    ("value", "scores"),
    [(9, (5, 1, 1)), (10, (4, 2, 2)), (11, (2, 4, 4)), (20, (2, 4, 4)), (21, (1, 5, 5))],
)
def test_of_equal_cuts_the_middle_counts(
    value: int, scores: tuple[int, ...], spark: SparkSession
) -> None:
    cut_points = dict.fromkeys(MEASURES, (10.0, 10.0, 10.0, 20.0))
    snapshot = as_frame(spark, [("c", value, value, float(value))])
    row = add_rfm_scores(snapshot, cut_points=cut_points).collect()[0]
    assert tuple(row[score] for score in SCORES) == scores


def test_no_customers_give_no_scores(spark: SparkSession) -> None:
    cut_points = dict.fromkeys(MEASURES, (1.0, 2.0, 3.0, 4.0))
    assert add_rfm_scores(as_frame(spark, []), cut_points=cut_points).collect() == []


def test_one_outlier_moves_no_score_of_the_others(spark: SparkSession) -> None:
    modest = [(f"c{n}", n, n, float(n)) for n in range(1, 11)]
    rich = [*modest[:-1], ("c10", 10, 10, 1e12)]
    assert scored(spark, rich) == scored(spark, modest)


def test_stored_cut_points_score_later_customers_who_lie_outside_of_them(
    spark: SparkSession,
) -> None:
    cuts = cuts_of(as_frame(spark, [(f"c{n}", n, n, float(n)) for n in range(100)]), 100)
    later: list[Customer] = [("new", 0, 1, 0.0), ("huge", 5000, 5000, 1e9), ("mid", 50, 50, 50.0)]
    rows = add_rfm_scores(as_frame(spark, later), cut_points=cuts).collect()
    assert {row["customer_id"]: tuple(row[score] for score in SCORES) for row in rows} == {
        "new": (5, 1, 1),
        "huge": (1, 5, 5),
        "mid": (3, 3, 3),
    }


def test_adding_scores_keeps_every_column_of_the_snapshot(spark: SparkSession) -> None:
    cut_points = dict.fromkeys(MEASURES, (1.0, 2.0, 3.0, 4.0))
    snapshot = as_frame(spark, TIED[:1])
    assert add_rfm_scores(snapshot, cut_points=cut_points).columns == [*snapshot.columns, *SCORES]


def test_cut_points_of_a_sample_are_near_the_exact_ones_and_the_same_on_any_partitioning(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rfm, "SAMPLE_ROWS", 1000)
    customers = [(f"c{n}", n, n, float(n)) for n in range(4000)]
    cuts = cuts_of(as_frame(spark, customers), len(customers))
    shuffled = random.Random(2).sample(customers, len(customers))
    assert cuts == cuts_of(as_frame(spark, shuffled).repartition(5), len(customers))
    exact = pytest.approx([800, 1600, 2400, 3200], abs=200)
    assert all(cuts[measure] == exact for measure in MEASURES)
    # A sample of a quarter does not hit the exact quintiles.
    assert cuts["n_orders"] != pytest.approx(np.quantile(range(4000), [0.2, 0.4, 0.6, 0.8]))


# --- segments ------------------------------------------------------------------------------------

GRID = list(product(range(1, 6), repeat=3))


def names_of_grid(
    spark: SparkSession,
    segments: Sequence[RfmSegment],
    tenure_days: int = 30,
    n_orders: int = REGULAR_ORDERS,
) -> dict[tuple[int, int, int], str]:
    grid = spark.createDataFrame(GRID, ", ".join(f"{score} int" for score in SCORES))
    grid = grid.withColumns({"tenure_days": F.lit(tenure_days), "n_orders": F.lit(n_orders)})
    rows = grid.withColumn("name", rfm_segment(segments)).collect()
    return {(row[0], row[1], row[2]): row["name"] for row in rows}


@pytest.fixture(scope="module")
def default_names(spark: SparkSession) -> dict[tuple[int, int, int], str]:
    """Give the default segment of every cell."""
    return names_of_grid(spark, DEFAULT_SEGMENTS)


def test_each_of_the_125_cells_has_a_default_segment(
    default_names: dict[tuple[int, int, int], str],
) -> None:
    assert len(default_names) == 125
    assert set(default_names.values()) == {segment.name for segment in DEFAULT_SEGMENTS}


def test_there_are_at_most_eleven_default_segments(
    default_names: dict[tuple[int, int, int], str],
) -> None:
    assert len(set(default_names.values())) <= 11


@pytest.mark.parametrize(
    ("scores", "name"),
    [
        ((5, 5, 5), "champions"),
        ((5, 1, 1), "new_customers"),
        ((1, 5, 5), "cannot_lose_them"),
        ((1, 1, 1), "lost"),
        ((4, 4, 3), "loyal_customers"),
        ((3, 3, 3), "need_attention"),
    ],
)
def test_telling_cells_have_the_names_the_field_gives_them(
    default_names: dict[tuple[int, int, int], str], scores: tuple[int, int, int], name: str
) -> None:
    assert default_names[scores] == name


def test_a_customer_of_a_year_is_not_new_however_few_the_orders(
    spark: SparkSession, default_names: dict[tuple[int, int, int], str]
) -> None:
    of_a_year = names_of_grid(spark, DEFAULT_SEGMENTS, tenure_days=365)
    assert "new_customers" not in of_a_year.values()
    assert of_a_year[5, 1, 1] == "promising"
    others = {cell for cell, name in default_names.items() if name != "new_customers"}
    assert all(of_a_year[cell] == default_names[cell] for cell in others)


@pytest.mark.parametrize(("n_orders", "tenure_days"), [(1, 30), (1, 365), (2, 30), (2, 365)])
def test_the_column_names_each_cell_as_the_first_segment_that_holds_it(
    n_orders: int, tenure_days: int, spark: SparkSession
) -> None:
    names = names_of_grid(spark, DEFAULT_SEGMENTS, tenure_days, n_orders)
    for cell in GRID:
        first = next(s for s in DEFAULT_SEGMENTS if s.holds(cell, n_orders, tenure_days))
        assert names[cell] == first.name


def test_of_segments_that_overlap_the_first_counts(spark: SparkSession) -> None:
    segments = [
        RfmSegment(name="big_spenders", monetary=(4, 5)),
        RfmSegment(name="recent", recency=(4, 5)),
        RfmSegment(name="others"),
    ]
    names = names_of_grid(spark, segments)
    assert names == {
        cell: "big_spenders" if cell[2] >= 4 else "recent" if cell[0] >= 4 else "others"
        for cell in GRID
    }


# --- the section ---------------------------------------------------------------------------------

RISING = {measure: [1, 2, 3, 4] for measure in MEASURES}


def error_of(**section: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        RfmSection(**section)
    return str(caught.value)


def test_an_empty_section_is_quintiles_with_the_default_segments() -> None:
    section = RfmSection()
    assert (section.method, section.segments) == ("quintiles", DEFAULT_SEGMENTS)


def test_a_gap_in_the_grid_is_named() -> None:
    segments = [{"name": "old", "recency": (1, 4)}, {"name": "frequent", "frequency": (2, 5)}]
    message = error_of(segments=segments)
    assert "5 of 125" in message
    assert "recency 5, frequency 1, monetary 1 of a customer with 1 order" in message


def test_no_segments_at_all_leave_the_whole_grid_without_a_name() -> None:
    assert "125 of 125" in error_of(segments=[])


def test_a_number_of_orders_without_a_segment_is_named() -> None:
    segments = [
        {"name": "first order", "max_orders": 1},
        {"name": "second order", "min_orders": 2, "max_orders": 4, "recency": (2, 5)},
        {"name": "regulars", "min_orders": 5},
    ]
    message = error_of(segments=segments)
    assert "25 of 125" in message
    assert "recency 1, frequency 1, monetary 1 of a customer with 2 orders" in message
    segments[1].pop("recency")
    assert len(RfmSection(segments=segments).segments) == 3


def test_a_gap_above_all_orders_named_is_found() -> None:
    assert "of a customer with 3 orders" in error_of(segments=[{"name": "few", "max_orders": 2}])


def test_a_segment_for_some_tenures_alone_leaves_the_others_without_a_name() -> None:
    assert "125 of 125" in error_of(segments=[{"name": "new", "max_tenure_days": 90}])


def test_orders_that_no_customer_can_have_are_refused() -> None:
    message = error_of(segments=[{"name": "none", "min_orders": 3, "max_orders": 2}])
    assert "min_orders 3 is above max_orders 2" in message
    for bound in ("min_orders", "max_orders"):
        assert bound in error_of(segments=[{"name": "none", bound: 0}])


def test_more_than_eleven_names_are_too_many() -> None:
    segments = [{"name": f"segment {n}"} for n in range(12)]
    message = error_of(segments=segments)
    assert "12 names" in message
    assert "at most 11" in message


def test_eleven_names_in_more_than_eleven_rules_are_legible() -> None:
    segments = [{"name": f"segment {n % 11}"} for n in range(15)]
    assert len(RfmSection(segments=segments).segments) == 15


def test_thresholds_that_fall_are_refused_with_their_measure() -> None:
    message = error_of(method="thresholds", thresholds={**RISING, "n_orders": [1, 3, 2, 4]})
    assert "thresholds.n_orders must rise" in message


def test_thresholds_that_stand_still_are_refused_since_a_score_between_them_is_empty() -> None:
    message = error_of(method="thresholds", thresholds={**RISING, "spend_amount": [1, 2, 2, 4]})
    assert "thresholds.spend_amount must rise" in message


@pytest.mark.parametrize(
    "thresholds",
    [None, {"n_orders": [1, 2, 3, 4]}, {**RISING, "orders": [1, 2, 3, 4]}],
    ids=["none", "of one measure", "of an unknown measure"],
)
def test_thresholds_are_needed_for_exactly_the_three_measures(thresholds: Any) -> None:
    message = error_of(method="thresholds", thresholds=thresholds)
    assert all(measure in message for measure in MEASURES)


def test_four_thresholds_are_needed() -> None:
    thresholds = {**RISING, "n_orders": [1, 2, 3]}
    assert "n_orders" in error_of(method="thresholds", thresholds=thresholds)


def test_thresholds_are_cut_points(spark: SparkSession) -> None:
    section = RfmSection(
        method="thresholds",
        thresholds={
            "days_since_last_order": (7, 30, 90, 365),
            "n_orders": (1, 2, 5, 10),
            "spend_amount": (50, 100, 500, 1000),
        },
    )
    assert section.thresholds is not None
    customers: list[Customer] = [("best", 0, 11, 1000.5), ("mid", 90, 3, 75.0), ("x", 366, 1, 0.0)]
    rows = add_rfm_scores(as_frame(spark, customers), cut_points=section.thresholds).collect()
    assert {row["customer_id"]: tuple(row[score] for score in SCORES) for row in rows} == {
        "best": (5, 5, 5),
        "mid": (3, 3, 2),
        "x": (1, 1, 1),
    }


def test_a_date_as_yaml_reads_it_is_taken_as_text() -> None:
    assert RfmSection(cut_points_as_of=date(2017, 6, 1)).cut_points_as_of == "2017-06-01"


@pytest.mark.parametrize(
    "wrong",
    [{"cut_points_as_of": "June"}, {"method": "deciles"}, {"segment": []}],
    ids=["no date", "unknown method", "unknown key"],
)
def test_what_a_section_does_not_know_is_refused(wrong: dict[str, Any]) -> None:
    assert next(iter(wrong)) in error_of(**wrong)


@pytest.mark.parametrize("scores", [(0, 5), (1, 6), (5, 1)], ids=str)
def test_a_range_of_scores_that_holds_none_or_leaves_the_grid_is_refused(
    scores: tuple[int, int],
) -> None:
    segments = [{"name": "odd", "recency": scores}, {"name": "all"}]
    assert "recency" in error_of(segments=segments)
