"""Churn as a model: what it refuses to score with."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from crm_spark.errors import DataError
from crm_spark.features.families import FEATURES
from crm_spark.models.churn.definition import Churn
from crm_spark.models.churn.model import ChurnModel, Input


def test_a_model_that_learnt_from_a_feature_that_is_gone_does_not_score() -> None:
    pipeline: Any = None
    run: Any = SimpleNamespace(features=FEATURES, day=date(2024, 7, 1))
    inputs = (Input("n_orders", -1.0), Input("luck", -1.0))
    with pytest.raises(DataError, match=r"learnt from luck, .*train_churn --as-of 2024-07-01"):
        Churn().score(run, ChurnModel("forest", inputs, pipeline, 28, 84))
