"""Past scores beside what came: figures, drift, verdicts, and what the report says of them."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pandas as pd
import pytest

from crm_spark.models.binary_metrics import ScoreCounts, count_arrays
from crm_spark.models.calibration_gate import gate
from crm_spark.models.churn.outcomes_report import PastScores, in_a_sentence, outcomes_section
from crm_spark.models.churn.past_scores import (
    Checked,
    Drift,
    Quote,
    ScoredDate,
    expected_leavers,
    feature_shifts,
    is_surely_worse,
    outcome_figures,
    outcome_verdicts,
    score_shift,
)
from crm_spark.models.feature_health import Shift, population_stability
from crm_spark.report.blocks import Text, TextTable
from crm_spark.tables.checks import Verdict

DAY, BEFORE = date(2024, 6, 3), date(2024, 5, 6)


def counts(probability: np.ndarray, leaves: np.ndarray | None = None, seed: int = 1) -> ScoreCounts:
    """Count outcomes, by default such as the probabilities bring."""
    random = np.random.default_rng(seed)
    leaves = random.random(len(probability)) < probability if leaves is None else leaves
    return count_arrays(probability, leaves)


def probabilities(n: int = 2000, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).beta(1, 4, n)


def checked(
    found: ScoreCounts, *, day: date = DAY, quote: Quote | None = None, drift: Drift | None = None
) -> Checked:
    scored = ScoredDate(day, "crm_spark_churn", "3", 28, False, found.rows)
    return Checked(scored, found, gate(found, seed=1), quote or Quote(), drift)


def levels(verdicts: list[Verdict]) -> dict[tuple[str, str], str]:
    return {(one.check, one.subject): one.level for one in verdicts}


def test_expected_leavers_are_the_sum_of_the_probabilities_give_or_take_chance() -> None:
    found = counts(np.array([0.2, 0.2, 0.5, 0.9]), np.array([True, False, True, True]))
    expected, low, high = expected_leavers(found)
    assert expected == pytest.approx(1.8)
    assert high == pytest.approx(1.8 + 1.96 * math.sqrt(2 * 0.16 + 0.25 + 0.09))
    assert low == pytest.approx(max(0, 3.6 - high))


def test_figures_hold_expected_actual_and_ten_groups() -> None:
    found = counts(probabilities())
    figures = {one.name: one for one in outcome_figures(found, gate(found, seed=1))}
    assert figures["customers"].value == 2000
    assert figures["actual_leavers"].value == found.positives
    observed = [figures[f"bin.{place:02d}.observed"] for place in range(1, 11)]
    assert sum((one.value or 0) * one.n for one in observed) == pytest.approx(found.positives)
    assert all((one.low or 0) <= (one.value or 0) <= (one.high or 0) for one in observed)
    assert figures["bin.01.predicted"].value > figures["bin.10.predicted"].value  # type: ignore[operator]
    assert all(one.n > 0 for one in figures.values())


def test_of_scores_of_one_class_the_figures_without_a_ranking_are_unknown() -> None:
    one = counts(np.array([0.3]), np.array([False]))
    figures = {each.name: each.value for each in outcome_figures(one, gate(one, seed=1))}
    assert figures["auc"] is None and figures["lift_at_10_percent"] is None
    assert figures["actual_leavers"] == 0
    (_, ranking) = outcome_verdicts([checked(one)])
    assert (ranking.level, ranking.found) == ("ok", "all or nobody left")


def test_the_shift_of_counted_scores_is_that_of_the_scores_themselves() -> None:
    before, after = np.round(probabilities(500), 6), np.round(probabilities(300, seed=4) ** 2, 6)
    before[:100] = before[0]  # ties stay in one bin
    found = score_shift(counts(before), counts(after))
    assert found == population_stability(before, after)
    assert found.is_unstable
    assert score_shift(counts(before), counts(before)).psi == 0


def test_features_never_known_before_have_no_shift_and_those_lost_since_have_one() -> None:
    values = np.arange(400, dtype=float)
    unknown = np.full(400, np.nan)
    before = pd.DataFrame({"same": values, "new": unknown, "lost": values})
    after = pd.DataFrame({"same": values[::-1], "new": values, "lost": unknown})
    found = feature_shifts(before, after, ["same", "new", "lost"])
    assert set(found) == {"same", "lost"}
    assert found["same"].psi == 0 and found["lost"].psi > 1


def test_right_probabilities_pass_and_twice_as_many_leavers_are_a_warning() -> None:
    p = probabilities()
    right, off = counts(p), counts(p / 2, counts_of(p))
    assert levels(outcome_verdicts([checked(right)])) == {
        ("outcomes_calibration", "churn"): "ok",
        ("outcomes_ranking", "churn"): "ok",
    }
    calibration = outcome_verdicts([checked(right, day=BEFORE), checked(off)])[0]
    assert calibration.level == "warning"
    assert "not passed on 1 of 2 dates" in calibration.found and str(DAY) in calibration.found
    assert "train churn again" in calibration.message


def counts_of(p: np.ndarray) -> np.ndarray:
    return np.random.default_rng(1).random(len(p)) < p


def test_a_ranking_is_worse_only_beyond_chance() -> None:
    found = counts(probabilities())
    (auc,) = [one for one in outcome_figures(found, gate(found, seed=1)) if one.name == "auc"]
    assert auc.value is not None and auc.low is not None
    half = auc.value - auc.low
    near, far = auc.value + half, auc.value + 1.5 * half
    assert not is_surely_worse(found, Quote(near, near - half))
    assert is_surely_worse(found, Quote(far, far - half))
    assert not is_surely_worse(found, Quote())
    turned = ScoreCounts(found.probability, found.n[::-1], found.n_positive[::-1])
    assert is_surely_worse(turned, Quote())
    verdict = outcome_verdicts([checked(found, quote=Quote(far, far - half))])[1]
    assert verdict.level == "warning" and f"quoted {far:.4f}" in verdict.message


def test_each_drifting_feature_is_one_warning_however_many_dates_show_it() -> None:
    found = counts(probabilities())
    features = {"spend": Shift(0.6, 0.05, 2000), "n_orders": Shift(0.1, 0.05, 2000)}
    drift = Drift(BEFORE, features, BEFORE, Shift(0.3, 0.01, 2000))
    verdicts = outcome_verdicts([checked(found, day=day, drift=drift) for day in (BEFORE, DAY)])
    warned = [one for one in verdicts if one.level == "warning"]
    assert levels(warned) == {
        ("score_drift", "churn"): "warning",
        ("feature_drift", "spend"): "warning",
    }
    assert len(warned) == 2


def test_what_moved_at_most_twice_as_far_as_in_training_or_was_not_learnt_is_no_drift() -> None:
    found = counts(probabilities())
    drift = Drift(BEFORE, {"tenure": Shift(0.9, 0.05, 2000), "trend": Shift(3.0, 0.05, 2000)})
    quote = Quote(psi={"tenure": 0.5}, unlearnt=frozenset({"trend"}))
    verdicts = outcome_verdicts([checked(found, quote=quote, drift=drift)])
    assert levels(verdicts)["feature_drift", "churn"] == "ok"
    further = Quote(psi={"tenure": 0.4}, unlearnt=quote.unlearnt)
    verdicts = outcome_verdicts([checked(found, quote=further, drift=drift)])
    assert levels(verdicts)["feature_drift", "tenure"] == "warning"


def test_nothing_checked_is_no_verdict() -> None:
    assert outcome_verdicts([]) == []


def past(**changed: object) -> PastScores:
    given = {"day": DAY, "version": "3", "n": 344, "expected": 37.3, "low": 26.0, "high": 48.6}
    figures = {"calibration_error": 0.03, "calibration_limit": 0.06, "auc": 0.65, "lift": None}
    return PastScores(**{**given, "actual": 41, **figures, **changed})  # type: ignore[arg-type]


def test_the_report_says_what_was_expected_what_came_and_what_to_do() -> None:
    assert in_a_sentence(past()) == (
        "Of 344 customers scored on 3 June 2024, 37 were expected to leave, and 41 did. The "
        "probabilities came true: plan with the numbers of leavers they give."
    )
    beyond = in_a_sentence(past(actual=52))
    assert "came true" not in beyond and "add it to the numbers of leavers" in beyond
    off = in_a_sentence(past(actual=70, calibration_error=0.1))
    assert "70 did. The difference is more than chance explains: call customers in the order" in off
    assert "In all that is as expected" in in_a_sentence(past(calibration_error=0.1))


def test_the_section_has_a_row_a_date_and_is_left_out_without_any() -> None:
    assert outcomes_section([]) is None
    section = outcomes_section([past(), past(day=BEFORE, calibration_error=0.1)])
    assert section is not None
    text, table = section.blocks
    assert isinstance(text, Text) and not text.is_verdict
    assert isinstance(table, TextTable)
    assert table.rows[0] == [
        "2024-06-03", "344", "37 (26 to 49)", "41", "0.030 (0.060)", "0.650", "", "3",
    ]  # fmt: skip
    assert [row[0] for row in table.rows] == ["2024-06-03", "2024-05-06"]
