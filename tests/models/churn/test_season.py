"""The season of leaving: counted by hand, told where it is there, and not where it is chance."""

from __future__ import annotations

import json
import math
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from models.churn.made_customers import CUTOFFS, PARAMS
from pyspark.sql import DataFrame, SparkSession

from crm_spark.lake.state import UNTOUCHED, State
from crm_spark.models.binary_metrics import Floats, count_arrays, expected_calibration_error
from crm_spark.models.calibration import PlattCalibration, fit_platt
from crm_spark.models.churn import season as season_module
from crm_spark.models.churn.candidates import candidate_named
from crm_spark.models.churn.model import ChurnModel, load_model
from crm_spark.models.churn.season import (
    EVERY,
    FEWEST_PAIRS,
    SEASON_MODEL,
    YEAR,
    Evidence,
    Known,
    Levels,
    Season,
    evidence,
    has_years,
    leaving_counts,
    levels_of,
    season_figures,
    season_known,
    season_of,
    shift_in_words,
    shift_of_figures,
)
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.churn.train import step_of
from crm_spark.models.classifiers.classifier import Classifier
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.records import MetricRow

TEST = date(2024, 6, 3)
STEP = Cutoffs(TEST, (TEST - timedelta(days=28), TEST - timedelta(days=56)))
SECTION = ChurnSection()
NEWEST = TEST - timedelta(days=28)
SEASON = Season(
    0.5,
    date(2024, 5, 6),
    Levels(
        (date(2023, 5, 8), date(2023, 5, 22), date(2023, 6, 5), date(2023, 6, 19)),
        (0.1, 0.2, 0.5, 0.1),
    ),
)


def days_back(n: int) -> list[date]:
    """Give n cut-offs up to the newest that is closed, the oldest first."""
    return [NEWEST - at * EVERY for at in reversed(range(n))]


def swing(day: date, size: float = 0.5) -> float:
    return size * math.cos(2 * math.pi * day.toordinal() / 364)


# --- counting ------------------------------------------------------------------------------------


def test_cutoffs_are_counted_as_a_walk_over_them_counts(spark: SparkSession) -> None:
    random = np.random.default_rng(2)
    first = NEWEST - timedelta(days=400)
    days = {
        f"c{number:02}": sorted(
            {first + timedelta(days=int(at)) for at in random.integers(0, 430, size)}
        )
        for number, size in enumerate([*random.integers(1, 30, 40), 1])
    }
    # Ends of all windows: 84 days before, on the day itself, 28 days after, and one day beside.
    edges = (-85, -84, -83, -1, 0, 1, 27, 28, 29)
    days |= {
        f"e{at}{other}": [NEWEST + timedelta(days=at), NEWEST + timedelta(days=other)]
        for at in edges
        for other in edges
        if at < other
    }
    rows = [(name, day) for name, of in days.items() for day in (*of, of[0])]
    orders = spark.createDataFrame(rows, "customer_id string, order_date date").coalesce(2)
    n = 24
    found = leaving_counts(orders, newest=NEWEST, n=n, active_days=84, horizon_days=28).toPandas()
    expected: dict[tuple[int, int, int], list[int]] = {}
    for before in range(n):
        cutoff = NEWEST - before * EVERY
        for of in days.values():
            past = sorted(day for day in of if day < cutoff)
            if not past or (cutoff - past[-1]).days > 84:
                continue
            silence = ((cutoff - past[-1]).days - 1) // 7
            back = (cutoff - past[-4]).days if len(past) > 3 else 10**6
            pace = sum(back > most for most in (28, 56, 84, 112, 168, 336))
            is_back = any(cutoff <= day < cutoff + timedelta(days=28) for day in of)
            counts = expected.setdefault((before, silence, pace), [0, 0])
            counts[0] += 1
            counts[1] += not is_back
    assert {
        (row.before, row.silence, row.pace): [row.n, row.n_left] for row in found.itertuples()
    } == expected
    assert len(expected) > 200


def test_without_orders_there_is_no_level() -> None:
    empty = pd.DataFrame(columns=["before", "silence", "pace", "n", "n_left"])
    assert levels_of(empty, NEWEST) == Levels((), ())


def made_counts(days: list[date], levels: list[float], n: int = 4_000) -> pd.DataFrame:
    """Give counts of two kinds of customers, whose mixture moves, with the levels given."""
    rows = []
    for at, (day, level) in enumerate(zip(days, levels, strict=True)):
        before = (NEWEST - day) // EVERY
        n_first = n * (0.3 + 0.4 * (at % 13) / 13)
        for silence, size, logit in ((0, n_first, -2.5), (6, n - n_first, 0.5)):
            left = size / (1 + math.exp(-logit - level))
            rows.append((before, silence, 0, size, left))
    return pd.DataFrame(rows, columns=["before", "silence", "pace", "n", "n_left"])


def test_levels_are_found_again_whatever_the_mixture_of_customers() -> None:
    days = days_back(52)
    planted = [swing(day) for day in days]
    found = levels_of(made_counts(days, planted).sample(frac=1, random_state=1), NEWEST)
    assert list(found.days) == days
    # All are above the same: what counts are changes.
    away = np.array(found.log_odds) - planted
    assert np.ptp(away) < 0.03


def test_a_mixture_alone_is_no_level() -> None:
    found = levels_of(made_counts(days_back(52), [0.0] * 52), NEWEST)
    assert np.ptp(found.log_odds) < 0.01


def test_a_cutoff_that_all_left_has_a_level() -> None:
    counts = pd.DataFrame(
        [(1, 0, 0, 5.0, 2.0), (0, 0, 0, 5.0, 5.0)],
        columns=["before", "silence", "pace", "n", "n_left"],
    )
    low, high = levels_of(counts, NEWEST).log_odds
    assert low < high < 10


# --- evidence ------------------------------------------------------------------------------------


def noisy(size: float, noise: float, seed: int, n: int = 80) -> Levels:
    days = days_back(n)
    chance = np.random.default_rng(seed).normal(0, noise, n)
    return Levels(
        tuple(days),
        tuple(swing(day, size) + float(one) for day, one in zip(days, chance, strict=True)),
    )


@pytest.mark.parametrize("seed", range(5))
def test_a_swing_that_comes_every_year_is_sure(seed: int) -> None:
    told = evidence(noisy(0.5, 0.05, seed), STEP, SECTION)
    assert told.is_sure
    assert 0.7 < told.share <= 1


def test_chance_is_hardly_ever_sure() -> None:
    told = [evidence(noisy(0.0, 0.1, seed), STEP, SECTION) for seed in range(200)]
    assert np.mean([one.is_sure for one in told]) < 0.05


def test_of_a_small_swing_among_chance_a_part_is_used() -> None:
    shares = [evidence(noisy(0.3, 0.1, seed), STEP, SECTION).share for seed in range(20)]
    assert 0.2 < np.mean(shares) < 0.8


def test_evidence_by_hand() -> None:
    """Of 14 cut-offs two weeks apart a year ago, and now, with half of each change then."""
    random = np.random.default_rng(3)
    days = days_back(26 + 30)
    level = dict(zip(days, random.normal(0, 1, len(days)).tolist(), strict=True))
    for day in days:
        if day - YEAR in level:
            level[day] = level[day - YEAR] / 2
    told = evidence(Levels(tuple(days), tuple(level[day] for day in days)), STEP, SECTION)
    # The newest 30 have a year before, of which pairs start every four weeks and reach back four.
    assert told.n_pairs == 14
    assert told.share == pytest.approx(0.5)
    changes = [
        level[later] - level[later - timedelta(days=28)]
        for later in (NEWEST - timedelta(days=28 * at) for at in range(14))
    ]
    assert told.gain == pytest.approx(np.mean(np.square(changes)))
    assert told.error == pytest.approx(np.std(np.square(changes), ddof=1) / 14**0.5)


@pytest.mark.parametrize(
    ("n_pairs", "share", "gain", "expected"),
    [
        (FEWEST_PAIRS, 0.5, 1.1, True),
        (FEWEST_PAIRS - 1, 0.5, 1.1, False),
        (FEWEST_PAIRS, 0.0, 1.1, False),
        (FEWEST_PAIRS, 0.5, 0.9, False),
    ],
)
def test_what_is_sure_has_pairs_a_share_and_more_gain_than_its_error(
    n_pairs: int, share: float, gain: float, expected: bool
) -> None:
    assert Evidence(n_pairs, share, gain, 1.0).is_sure == expected


def test_no_later_cutoff_than_had_closed_by_the_test_is_evidence() -> None:
    levels = noisy(0.5, 0.05, 1)
    later = Levels((*levels.days, TEST), (*levels.log_odds, 99.0))
    assert evidence(later, STEP, SECTION) == evidence(levels, STEP, SECTION)


def test_two_years_of_history_are_too_few() -> None:
    as_of = TEST + timedelta(days=28)
    assert not has_years(as_of - timedelta(days=730), STEP, SECTION)
    assert has_years(as_of - timedelta(days=756), STEP, SECTION)
    assert not has_years(as_of - timedelta(days=755), STEP, SECTION)


def test_without_a_cutoff_that_calibrates_no_order_is_read() -> None:
    nothing: Any = None
    assert season_known(nothing, Cutoffs(TEST, STEP.training[:1]), SECTION) == Known()


# --- what is added -------------------------------------------------------------------------------


def test_shifts_by_hand() -> None:
    # A year before 2024-06-03 is 2023-06-05, before the calibration 2023-05-08.
    assert SEASON.shift(date(2024, 6, 3)) == pytest.approx(0.5 * (0.5 - 0.1))
    assert SEASON.shift(date(2024, 5, 27)) == pytest.approx(0.5 * (0.35 - 0.1))
    assert SEASON.shift(date(2024, 5, 6)) == 0
    # A year before is not known.
    assert SEASON.shift(date(2024, 6, 18)) == 0


def test_a_season_is_the_same_after_its_spec_went_through_json() -> None:
    classifier = Classifier("recency", calibration=PlattCalibration(1.5, -0.25))
    model = ChurnModel(classifier, 28, 84, SEASON)
    assert load_model(json.loads(model.spec_json())) == model
    without = ChurnModel(classifier, 28, 84)
    assert "season" not in json.loads(without.spec_json())
    assert load_model(json.loads(without.spec_json())) == without


def test_a_date_is_scored_with_its_level() -> None:
    classifier = Classifier("recency", calibration=PlattCalibration(1.5, -0.25))
    moved = ChurnModel(classifier, 28, 84, SEASON).classifier_on(date(2024, 6, 3)).calibration
    assert moved == PlattCalibration(1.5, pytest.approx(-0.05))  # type: ignore[arg-type]
    assert ChurnModel(classifier, 28, 84).classifier_on(date(2024, 6, 3)) is classifier


def test_the_season_keeps_what_dates_until_a_year_after_need() -> None:
    known = season_of(noisy(0.5, 0.01, 1), STEP, SECTION)
    assert known.used is not None
    assert len(known.used.levels.days) < 30
    for day in (TEST, TEST + timedelta(days=28), TEST + timedelta(days=300)):
        expected = known.used.share * (swing(day) - swing(STEP.calibration))
        assert known.used.shift(day) == pytest.approx(expected, abs=0.05)
    assert season_of(noisy(0.0, 0.1, 1), STEP, SECTION).used is None


def test_a_level_that_swings_is_met_with_the_season_and_missed_without() -> None:
    """Customers whose chances swing by half a logit, 6,000 a cut-off, calibrated four weeks before.

    The level of a test in spring, when it changes most, is wrong without.
    """
    random = np.random.default_rng(8)

    def drawn(day: date) -> tuple[Floats, Floats]:
        raw = random.beta(2, 6, 6_000)
        logit = np.log(raw / (1 - raw)) + swing(day, 0.6)
        return raw, (random.random(6_000) < 1 / (1 + np.exp(-logit))).astype(float)

    rows = []
    for before in range(80):
        raw, left = drawn(NEWEST - before * EVERY)
        silence = (raw * 12).astype(int)
        n, n_left = np.bincount(silence), np.bincount(silence, left)
        rows += [(before, at, 0, n[at], n_left[at]) for at in range(len(n)) if n[at]]
    counts = pd.DataFrame(rows, columns=["before", "silence", "pace", "n", "n_left"])
    errors = []
    for months in range(6):
        test = TEST - timedelta(days=28 * months)
        step = Cutoffs(test, (test - timedelta(days=28), test - timedelta(days=56)))
        closed = counts[counts["before"] >= 2 * months]
        season = season_of(levels_of(closed, NEWEST), step, SECTION).used
        assert season is not None
        raw, left = drawn(step.calibration)
        platt = fit_platt(count_arrays(raw, left == 1))
        raw, left = drawn(test)
        errors.append(
            [
                expected_calibration_error(count_arrays(one.probabilities(raw), left == 1))
                for one in (platt, platt.shifted(season.shift(test)))
            ]
        )
    without, with_season = np.mean(errors, axis=0)
    assert with_season < 0.016 < 0.025 < without


def test_a_test_is_measured_with_its_level_and_the_classifier_is_without(
    planted: DataFrame,
) -> None:
    season = Season(
        1.0,
        CUTOFFS.calibration,
        Levels((CUTOFFS.calibration - YEAR, CUTOFFS.test - YEAR), (0.0, 0.7)),
    )
    learner = candidate_named("recency")
    plain = step_of(planted, CUTOFFS, PARAMS, ()).fitted(learner)
    moved = step_of(planted, CUTOFFS, PARAMS, (), season).fitted(learner)
    assert moved.model == plain.model

    def logits(p: Floats) -> Floats:
        return np.log(p / (1 - p))

    difference = logits(moved.outcomes.probability) - logits(plain.outcomes.probability)
    assert difference == pytest.approx(0.7)
    assert moved.value("auc") == plain.value("auc")


# --- figures -------------------------------------------------------------------------------------


def test_figures_are_there_where_there_are_years_and_shifts_where_it_is_sure() -> None:
    day = TEST + timedelta(days=14)
    told = Evidence(12, 0.5, 0.02, 0.005)
    assert season_figures(STEP, day, Known()) == []
    unused = season_figures(STEP, day, Known(told))
    assert [row.metric for row in unused] == ["share", "gain"]
    assert shift_of_figures(unused) is None
    used = season_figures(STEP, day, Known(told, SEASON))
    assert [(row.metric, row.n) for row in used[2:]] == [("shift", 12), ("shift_of_date", 12)]
    found = shift_of_figures([MetricRow("forest", TEST, "auc", 0.8, 5), *used])
    assert found is not None and found.value == pytest.approx(SEASON.shift(day))


def test_the_report_says_by_how_much_the_season_moves_probabilities() -> None:
    raised = MetricRow(SEASON_MODEL, TEST, "shift_of_date", math.log(2), 12)
    assert shift_in_words(raised) == (
        "Leaving has a season: in 12 past changes of its level that of a year before told a part "
        "for sure. So probabilities are raised for this date, one of 10.0 % to 18.2 %."
    )
    lowered = MetricRow(SEASON_MODEL, TEST, "shift_of_date", -math.log(2), 12)
    assert "are lowered for this date, one of 10.0 % to 5.3 %" in shift_in_words(lowered)


def test_a_history_without_years_is_not_counted(
    monkeypatch: pytest.MonkeyPatch, spark: SparkSession
) -> None:
    rows = [(TEST - timedelta(days=700),), (TEST + timedelta(days=1),)]
    orders = spark.createDataFrame(rows, "order_date date").selectExpr(
        "order_date", "timestamp(order_date) AS first_known_at"
    )
    run: Any = SimpleNamespace(
        lake=SimpleNamespace(read=lambda _: orders),
        order_dates=lambda: (TEST - timedelta(days=900), TEST),  # of an order that came late
        state=State([], midnight=lambda _: UNTOUCHED),
    )
    monkeypatch.setattr(season_module, "counted_orders", lambda *_: pytest.fail("orders are read"))
    assert season_known(run, STEP, SECTION) == Known()
