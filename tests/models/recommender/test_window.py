"""Which purchases a test of recommendations counts."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.recommender import definition
from crm_spark.models.recommender.definition import Recommender
from crm_spark.models.recommender.section import RecommendationsSection


def test_purchases_count_to_the_end_of_the_horizon_as_they_are_known_after_the_grace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(definition, "fit_catalogue", lambda *_: (None, None))
    monkeypatch.setattr(definition, "bought_between", lambda _, **days: asked.update(days))
    known = SimpleNamespace(histories=None, relevant=None)
    monkeypatch.setattr(definition, "known_purchases", lambda *_: known)
    monkeypatch.setattr(definition, "replace", lambda known, **_: known)
    run = MagicMock(section=RecommendationsSection(horizon_days=28, grace_days=7))
    Recommender().prepare(run, Cutoffs(date(2024, 6, 1), ()), None)
    assert asked == {
        "start": date(2024, 6, 1),
        "end": date(2024, 6, 29),
        "known_before": date(2024, 7, 6),
    }
