"""A candidate that few customers do not carry is left out; the others go on without it."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from crm_spark.models.choice import Choice
from crm_spark.models.contract import LeftOutError, Prepared
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.results import Measured, Tested
from crm_spark.models.train import _are_tested
from crm_spark.models.value.definition import Value
from crm_spark.models.value.machine import TooFewError
from crm_spark.models.value.model import Customers, ValueModel
from crm_spark.models.value.rules import OwnRate
from crm_spark.models.value.section import ValueSection

DAY = date(2024, 7, 1)
STEP = Cutoffs(date(2024, 6, 3), (date(2024, 5, 6),))
PARAMS = ValueSection(horizons_days=(28,), candidates=("three_part_forest",))


def customers() -> Customers:
    ones = np.ones(3)
    return Customers(ones, ones, 4 * ones, 10 * ones, 5 * ones, {28: ones}, ones, ones)


class Data:
    """Data that carry every candidate but the forest."""

    def fitted(self, candidate: Any, day: date) -> ValueModel:
        if candidate.name == "three_part_forest":
            raise TooFewError("closed cut-offs have 3 customers: trees need 200")
        return ValueModel(candidate.name, OwnRate(28), (28,))

    def customers(self, day: date) -> Customers:
        return customers()

    def draws(self, day: date) -> Any:
        return np.full((2, 3), 1 / 3)

    def counts(self, day: date) -> Any:
        return SimpleNamespace(n=3)


@pytest.fixture
def run(spark: SparkSession) -> Any:
    return SimpleNamespace(spark=spark, day=DAY, section=PARAMS)


def test_the_others_are_tested_without_it(run: Any) -> None:
    data: Any = Data()
    tested = Value().test(run, STEP, data, Prepared())
    assert [one.name for one in tested] == ["carried_forward", "own_rate", "rfm_cell"]
    with pytest.raises(LeftOutError, match="trees need 200"):
        Value().fit(run, Value().candidates(PARAMS)[-1], STEP, data, Prepared())


def test_what_was_tested_stays_where_the_date_itself_does_not_carry_it(run: Any) -> None:
    data: Any = Data()
    forest = ValueModel("three_part_forest", OwnRate(56), (28,))
    figures = (Measured("mean_absolute_error", 1.0, 3),)
    tested = [Tested("three_part_forest", False, forest, figures)]
    choice = Choice("three_part_forest", ("own_rate", "three_part_forest"), "it is better")
    (found,) = Value().compose(run, STEP, data, Prepared(), choice, tested)
    assert found.fitted.predictor == forest.predictor
    assert found.fitted.tested is not None and found.fitted.tested.cutoff == STEP.test


def test_a_choice_of_what_was_left_out_since_does_not_stand() -> None:
    tested: list[Tested[Any]] = [Tested("own_rate", True, None, ())]
    assert _are_tested(Choice("own_rate", ("own_rate",), ""), tested)
    assert not _are_tested(Choice("own_rate", ("own_rate", "three_part_forest"), ""), tested)
    # What a choice puts together of parts, such as a ladder of rungs, comes afterwards.
    assert _are_tested(Choice("ladder", ("ladder",), "", parts={"all": ()}), tested)
