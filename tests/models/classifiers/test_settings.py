"""What can be set of learners: defaults are those of before, and what cannot be is refused."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from crm_spark.errors import ConfigError
from crm_spark.models.classifiers import learners as module
from crm_spark.models.classifiers.learners import (
    LEARNERS,
    learner_named,
    learners_of,
    require_installed,
)
from crm_spark.models.classifiers.search import with_changes
from crm_spark.models.classifiers.settings import LearnerName, LearnerSettings


def test_every_learner_can_be_named_and_every_name_is_a_learner() -> None:
    assert {one.name for one in LEARNERS} == set(get_args(LearnerName))
    assert len({one.in_words for one in LEARNERS}) == len(LEARNERS)
    # What is made of others comes after them.
    names = [one.name for one in LEARNERS]
    for one in LEARNERS:
        assert all(names.index(part) < names.index(one.name) for part in one.parts)


def test_by_default_forest_regression_and_mean_are_tried_and_nothing_is_searched() -> None:
    found = LearnerSettings()
    assert [one.name for one in learners_of(found)] == ["forest", "logistic_regression", "average"]
    assert found.search == 0


@pytest.mark.parametrize(
    ("given", "where", "says"),
    [
        ({"perceptron": {"n_hidden": 0}}, ("perceptron", "n_hidden"), "greater than or equal to 1"),
        ({"decision_tree": {"max_depth": 16}}, ("decision_tree", "max_depth"), "less than or"),
        ({"boosted_trees": {"learning_rate": 0}}, ("boosted_trees", "learning_rate"), "greater"),
        ({"linear_svm": {"penalty": -1}}, ("linear_svm", "penalty"), "greater than or equal to 0"),
        ({"xgboost": {"n_tres": 3}}, ("xgboost", "n_tres"), "Extra inputs"),
        ({"search": 21}, ("search",), "less than or equal to 20"),
        ({"candidates": ["boosting"]}, ("candidates", 0), "'boosted_trees'"),
    ],
)
def test_what_cannot_be_set_is_refused(given: dict[str, Any], where: object, says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        LearnerSettings.model_validate(given)
    (error,) = refused.value.errors()
    assert error["loc"] == where
    assert says in error["msg"]


def test_xgboost_that_is_not_installed_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    # The settings are the same everywhere: where it was trained is not where it scores.
    settings = LearnerSettings.model_validate({"candidates": ["xgboost"]})
    with pytest.raises(ConfigError, match=r"pip install '\.\[xgboost\]'"):
        require_installed(settings)
    require_installed(LearnerSettings.model_validate({"candidates": ["forest"]}))
    assert LearnerSettings.model_validate({"candidates": ["forest"], "xgboost": {"n_trees": 7}})


@pytest.mark.parametrize("name", [one.name for one in LEARNERS if one.grid])
def test_all_of_a_grid_can_be_set_and_is_another_setting(name: str) -> None:
    learner, found = learner_named(name), LearnerSettings()
    tried = [found, *(with_changes(found, changes) for changes in learner.grid)]
    for one in tried:
        again = LearnerSettings.model_validate(one.model_dump())
        assert learner.settings(again) == learner.settings(one)
    assert len({str(learner.settings(one)) for one in tried}) == len(tried)
    assert all(learner.complexity(one) for one in tried)


def test_what_fits_something_has_a_grid() -> None:
    assert [one.name for one in LEARNERS if not one.grid] == ["average"]
