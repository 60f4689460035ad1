"""Churn as a model: what it refuses to score with, and what it keeps of what was tested."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from crm_spark.errors import DataError
from crm_spark.features.families import FEATURES
from crm_spark.models.churn import definition
from crm_spark.models.churn.definition import Churn
from crm_spark.models.churn.model import ChurnModel
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.classifiers.classifier import Classifier, Input
from crm_spark.models.classifiers.importance import Importance
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.results import Measured, Tested
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
