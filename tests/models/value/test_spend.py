"""Gamma-Gamma against what is published, and what it says where little is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from models.value.cdnow import calibration

from crm_spark.models.value.candidates import spend_of
from crm_spark.models.value.spend import Amounts, SpendModel, expected_amount, fit_spend


@pytest.fixture(scope="module")
def repeaters() -> pd.DataFrame:
    rows = calibration()
    return rows[(rows["x"] > 0) & (rows["mean"] > 0)]


def test_gamma_gamma_on_cdnow_is_what_fader_and_hardie_published(repeaters: pd.DataFrame) -> None:
    assert len(repeaters) == 946
    model = fit_spend(Amounts.of(repeaters["x"].to_numpy(), repeaters["mean"].to_numpy()))
    assert model.parameters == pytest.approx((6.25, 3.74, 15.44), rel=0.01)
    assert all(error is not None and 0 < error < 0.5 for error in model.errors)


def test_an_expectation_lies_between_the_own_mean_and_the_usual_and_nears_the_own() -> None:
    model = SpendModel(6.25, 3.74, 15.44)
    usual = model.mean
    assert usual == pytest.approx(35.2, abs=0.1)
    x, own = np.array([0.0, 1, 5, 100]), np.array([0.0, 100, 100, 100])
    found = expected_amount(model, x, own)
    assert found[0] == pytest.approx(usual)
    assert (np.diff(found) > 0).all() and found[-1] < 100
    assert found[-1] == pytest.approx(100, rel=0.01)


def test_with_too_wide_a_spread_it_has_no_mean_and_is_not_taken() -> None:
    random = np.random.default_rng(3)
    x = random.integers(1, 4, 2000).astype(float)
    mean = np.exp(random.normal(3, 2, 2000))
    assert fit_spend(Amounts.of(x, mean)).mean is None
    assert spend_of(Amounts.of(x, mean)) is None


def test_amounts_drawn_by_known_parameters_give_them_back() -> None:
    random = np.random.default_rng(7)
    p, q, v, n = 4.0, 3.0, 20.0, 20_000
    x = random.integers(1, 8, n).astype(float)
    nu = random.gamma(q, 1 / v, n)
    mean = random.gamma(p * x, 1 / nu) / x
    model = fit_spend(Amounts.of(x, mean))
    assert model.parameters == pytest.approx((p, q, v), rel=0.08)


def test_no_amount_is_refused() -> None:
    with pytest.raises(ValueError, match="no customer has an amount above zero"):
        fit_spend(Amounts.of(np.array([]), np.array([])))
