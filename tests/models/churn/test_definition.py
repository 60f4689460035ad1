"""Churn as a model: what it refuses to score with, and what it keeps of what was tested."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from crm_spark.errors import DataError
from crm_spark.features.families import FEATURES
from crm_spark.models.calibration import PlattCalibration
from crm_spark.models.churn import definition
from crm_spark.models.churn.definition import Churn, Ready
from crm_spark.models.churn.facts import ChurnFacts, ChurnScores
from crm_spark.models.churn.model import ChurnModel
from crm_spark.models.churn.report import show_churn
from crm_spark.models.churn.season import (
    SEASON_MODEL,
    SHIFT_OF_DATE,
    Evidence,
    Known,
    Levels,
    Season,
)
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.classifiers.classifier import Classifier, Input
from crm_spark.models.classifiers.importance import Importance
from crm_spark.models.cutoffs import Cutoffs, Plan
from crm_spark.models.decisions import Decision
from crm_spark.models.records import MetricRow
from crm_spark.models.results import Measured, Tested
from crm_spark.report.blocks import Text
from crm_spark.report.section import ReportSection
from crm_spark.tables.checks import Verdict


def test_a_model_that_learnt_from_a_feature_that_is_gone_does_not_score() -> None:
    run: Any = SimpleNamespace(features=FEATURES, day=date(2024, 7, 1))
    inputs = (Input("n_orders", -1.0), Input("luck", -1.0))
    with pytest.raises(DataError, match=r"learnt from luck, .*train_churn --as-of 2024-07-01"):
        Churn().score(run, ChurnModel(Classifier("forest", inputs=inputs), 28, 84))


def test_importance_is_added_to_what_a_test_showed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definition, "stage", lambda *_: nullcontext())
    monkeypatch.setattr(
        definition, "permutation_importance", lambda *_, **__: [Importance("n_orders", 0.25)]
    )
    nothing: Any = SimpleNamespace(where=lambda _: None)
    run: Any = SimpleNamespace(spark=None, section=ChurnSection())
    warning = Verdict("subgroup", "tenure", "0.1", "0.05", "warning", "newcomers are off")
    forest = Tested(
        "forest",
        False,
        ChurnModel(Classifier("forest"), 28, 84),
        (Measured("auc", 0.8, 90),),
        (warning,),
    )
    explained = Churn().explain(run, forest, Cutoffs(date(2024, 6, 1), ()), nothing)
    importance = Measured("importance.n_orders", 0.25, 90)
    assert explained.metrics == (Measured("auc", 0.8, 90), importance)
    # Users of a champion have to know of them, whatever explains it.
    assert explained.verdicts == (warning,)
    rule = replace(forest, name="recency", is_rule=True)
    assert Churn().explain(run, rule, Cutoffs(date(2024, 6, 1), ()), nothing) is rule


SEASON = Season(1.0, date(2024, 5, 6), Levels((date(2023, 5, 8), date(2023, 6, 5)), (0.0, 0.7)))


def test_a_date_is_scored_with_the_level_that_its_season_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class ScoredError(Exception):
        pass

    def scores(classifier: Classifier, *_: Any, **__: Any) -> None:
        raise ScoredError(classifier.calibration)

    monkeypatch.setattr(definition, "score", scores)
    monkeypatch.setattr(definition, "is_active", lambda _: None)
    snapshot = SimpleNamespace(where=lambda _: None)
    lake = SimpleNamespace(read_date=lambda *_: snapshot)
    run: Any = SimpleNamespace(features=FEATURES, day=date(2024, 6, 3), lake=lake)
    model = ChurnModel(Classifier("recency", calibration=PlattCalibration(1.5, -0.25)), 28, 84)
    for season, intercept in ((None, -0.25), (SEASON, 0.45)):
        with pytest.raises(ScoredError) as found:
            Churn().score(run, replace(model, season=season))
        assert found.value.args[0].slope == 1.5
        assert found.value.args[0].intercept == pytest.approx(intercept)


def test_a_step_is_prepared_with_its_season_and_a_version_depends_on_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Evidence(12, 1.0, 0.02, 0.005)
    for name, given in (
        ("measured_features", []),
        ("selected_features", "selection"),
        ("feature_checks", ()),
        ("feature_metrics", ()),
        ("content_checksum", "features"),
        ("rows_hash", "labels"),
        ("snapshot_table", None),
    ):
        monkeypatch.setattr(definition, name, lambda *_, given=given, **__: given)
    monkeypatch.setattr(Churn, "_returns", lambda *_: [])
    step = Cutoffs(date(2024, 6, 3), (date(2024, 5, 6), date(2024, 4, 8)))
    day = date(2024, 6, 3)
    run: Any = SimpleNamespace(run=None, lake=None, section=ChurnSection(), features=(), day=day)
    nothing: Any = None
    for known, n_figures in ((Known(), 0), (Known(told), 2), (Known(told, SEASON), 4)):
        monkeypatch.setattr(definition, "season_known", lambda *_, known=known: known)
        prepared = Churn().prepare(run, step, nothing)
        assert prepared.value == Ready(cast(Any, "selection"), known.used)
        assert len(prepared.metrics) == n_figures
        content = Churn().content(run, Plan(step), nothing)
        # What has no season has the key that it had before there were any.
        expected = [] if known.used is None else [SEASON.spec()]
        assert list(content) == ["features", "labels", Plan(step), *expected]


@pytest.mark.parametrize(
    ("error", "limit", "is_said"),
    [(0.05, 0.02, True), (0.05, None, True), (0.01, 0.02, False), (None, None, False)],
)
def test_where_probabilities_are_not_calibrated_their_sum_is_not_left_to_stand_alone(
    error: float | None, limit: float | None, is_said: bool
) -> None:
    day = date(2024, 6, 3)
    decided = datetime(2024, 6, 3, tzinfo=UTC)
    decision = Decision(
        "crm_spark_churn", "3", "forest", day, True, "it is better", False, "key", "a", decided, "b"
    )
    figures = {"calibration_error": error, "calibration_limit": limit, "auc": 0.8}
    metrics = [MetricRow("forest", day, name, value, 90) for name, value in figures.items()]
    scores = ChurnScores(90, 20.0, 28, 0.5, 9, (9,) * 10, "3")
    facts = ChurnFacts(scores=scores, metrics=tuple(metrics), decision=decision)
    shown = show_churn(facts, date(2024, 7, 1), ReportSection())
    texts = [one.text for one in shown.sections[0].blocks if isinstance(one, Text)]
    told = "probabilities are not calibrated: take the order of customers, and no sums"
    assert any(told in text for text in texts) == is_said
    assert any(told in line for line in shown.lines) == is_said
    assert (told in shown.tiles[0].note) == is_said
    assert all(len(line) <= 100 for line in shown.lines)


def test_report_and_console_say_what_the_season_adds() -> None:
    scores = ChurnScores(90, 20.0, 28, 0.5, 9, (9,) * 10, "3")
    shift = MetricRow(SEASON_MODEL, date(2024, 6, 3), SHIFT_OF_DATE, 0.7, 12)
    for row, is_said in ((shift, True), (None, False)):
        shown = show_churn(ChurnFacts(scores=scores, shift=row), date(2024, 7, 1), ReportSection())
        texts = [one.text for one in shown.sections[0].blocks if isinstance(one, Text)]
        assert any("Leaving has a season" in text for text in texts) == is_said
        assert ("Leaving has a season" in " ".join(shown.lines)) == is_said
        assert all(len(line) <= 100 for line in shown.lines)
