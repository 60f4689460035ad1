"""A search for settings: what it tries, what it takes, and that it sees nothing it must not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from models.churn.made_customers import CUTOFFS, PARAMS, VARYING, persisted, planted_snapshots
from pyspark.sql import DataFrame, SparkSession

from crm_spark.features.families import FEATURES
from crm_spark.models.churn.train import step_of
from crm_spark.models.classifiers import search
from crm_spark.models.classifiers.classifier import Classifier, score
from crm_spark.models.classifiers.figures import figures
from crm_spark.models.classifiers.learners import learner_named
from crm_spark.models.classifiers.search import (
    Tried,
    best_of,
    folds,
    searched,
    settings_to_try,
    with_changes,
)
from crm_spark.models.classifiers.settings import LearnerSettings
from crm_spark.models.cutoffs import Cutoffs

REGRESSION = learner_named("logistic_regression")
USED = [feature for feature in FEATURES if feature.name in VARYING]
DAYS = [date(2024, 3, 6), date(2024, 4, 3), date(2024, 5, 1)]


def of_penalty(penalty: float) -> LearnerSettings:
    return LearnerSettings(logistic_penalty=penalty)


def test_so_many_settings_are_tried_those_configured_first() -> None:
    def penalties(n: int) -> list[float]:
        found = settings_to_try(REGRESSION, LearnerSettings(search=n, logistic_penalty=30.0))
        return [one.logistic_penalty for one in found]

    assert [penalties(n) for n in (0, 1, 3)] == [[], [30.0], [30.0, 1000.0, 300.0]]
    # Those configured are one of the grid: they are tried once.
    assert penalties(20) == [30.0, 1000.0, 300.0, 10.0]


def test_changes_leave_all_else_as_it_is() -> None:
    before = LearnerSettings.model_validate({"forest": {"n_trees": 7}, "seed": 3})
    after = with_changes(before, {"forest": {"max_depth": 4}})
    assert after.forest == before.forest.model_copy(update={"max_depth": 4})
    assert after.model_copy(update={"forest": before.forest}) == before


@pytest.mark.parametrize(
    ("days", "closes_after", "expected"),
    [
        (DAYS, 28, (DAYS[:2], DAYS[2])),
        (DAYS, 29, (DAYS[:1], DAYS[2])),  # that of April has not closed by May
        (DAYS[::-1], 0, (DAYS[:2], DAYS[2])),
        (DAYS, 100, None),
        (DAYS[:1], 0, None),
        ([], 0, None),
    ],
)
def test_settings_are_tried_on_the_latest_by_those_that_had_closed(
    days: Sequence[date], closes_after: int, expected: object
) -> None:
    assert folds(days, timedelta(days=closes_after)) == expected


@pytest.mark.parametrize(
    ("tried", "best"),
    [
        ([(10, 0.8), (100, 0.7)], 10),
        ([(10, 0.8), (100, 0.9)], 100),
        ([(10, 0.8), (100, 0.8)], 100),  # the more it is held back, the simpler
        ([(10, 0.80004), (100, 0.8)], 100),  # next to no difference
        ([(10, 0.8002), (100, 0.8)], 10),
        ([(10, None), (100, 0.5)], 100),
        ([(10, None), (100, None)], 10),
    ],
)
def test_the_highest_auc_is_taken_and_the_simpler_of_equals(
    tried: Sequence[tuple[float, float | None]], best: float
) -> None:
    found = best_of([Tried(of_penalty(one), auc) for one, auc in tried], REGRESSION)
    assert found.settings.logistic_penalty == best


def test_of_what_is_as_simple_the_first_is_taken() -> None:
    same = replace(REGRESSION, complexity=lambda _: ())
    tried = [Tried(of_penalty(one), 0.8) for one in (30, 10, 100)]
    assert best_of(tried, same).settings.logistic_penalty == 30


@pytest.mark.parametrize("n", [0, 1])
def test_nothing_is_looked_at_where_there_is_nothing_to_choose(n: int) -> None:
    nothing: Any = None
    given = LearnerSettings(search=n)
    found = searched(REGRESSION, nothing, USED, given, closes_after=timedelta(0))
    assert found == (given, ())


# --- in Spark ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def frame(spark: SparkSession) -> Iterator[DataFrame]:
    with persisted(spark, planted_snapshots()) as made:
        yield made


def days_of(rows: DataFrame) -> set[date]:
    return {row["as_of_date"] for row in rows.select("as_of_date").distinct().collect()}


def test_a_search_sees_neither_what_calibrates_nor_what_tests(
    frame: DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt, tried_on = [], []
    fit = REGRESSION.fit
    assert fit is not None

    def watched(rows: DataFrame, *rest: Any) -> Classifier:
        learnt.append(days_of(rows))
        return fit(rows, *rest)

    def scored(classifier: Classifier, rows: DataFrame, **rest: Any) -> DataFrame:
        tried_on.append(days_of(rows))
        return score(classifier, rows, **rest)

    monkeypatch.setattr(search, "score", scored)
    params = PARAMS.model_copy(update={"search": 3})
    fitted = step_of(frame, CUTOFFS, params, USED).fitted(replace(REGRESSION, fit=watched))
    earlier, latest = CUTOFFS.training[2], CUTOFFS.training[1]
    assert learnt == [{earlier}] * 3 + [{earlier, latest}]
    assert tried_on == [{latest}] * 3
    # What was chosen is what was fitted, and what is tracked.
    assert [one.settings.logistic_penalty for one in fitted.tried] == [100.0, 1000.0, 300.0]
    chosen = best_of(fitted.tried, REGRESSION).settings.logistic_penalty
    assert fitted.model.settings == {"logistic_penalty": chosen}
    found = {one.name: one.value for one in figures(fitted, None, seed=1)}
    assert found["setting.logistic_penalty"] == chosen


def test_with_one_cutoff_to_learn_from_those_configured_stand(
    frame: DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    params = PARAMS.model_copy(update={"search": 3})
    two = Cutoffs(CUTOFFS.test, CUTOFFS.training[:2])
    with caplog.at_level("INFO", logger="crm_spark"):
        fitted = step_of(frame, two, params, USED).fitted(REGRESSION)
    assert fitted.tried == ()
    assert fitted.model.settings == {"logistic_penalty": params.logistic_penalty}
    assert "no settings are searched" in caplog.text
