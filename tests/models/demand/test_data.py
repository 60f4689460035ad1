"""Views of sales that are put together by hand: which series there are, and what a date knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from crm_spark.models.demand.candidates import CANDIDATES
from crm_spark.models.demand.cells import Cells
from crm_spark.models.demand.data import DemandData
from crm_spark.models.demand.definition import forecast_rows
from crm_spark.models.demand.section import DemandSection
from crm_spark.models.demand.verdicts import something_sold

DAY = date(2025, 6, 30)
WEEKS = DemandSection(history_periods=16)

# product, department, periods before, amount, items
Sold = tuple[str, str, int, int, int | None]


def data_of(
    sold: Sequence[Sold],
    chosen: Sequence[tuple[int, str]] = (),
    *,
    params: DemandSection = WEEKS,
    dates: Sequence[date] = (DAY,),
) -> DemandData:
    """Give what was sold, known on all dates."""
    names = ["product_id", "department", "periods_before", "amount_minor", "milli_units"]
    rows = pd.DataFrame([tuple(one) for one in sold], columns=names)
    rows[["amount_minor", "milli_units"]] *= [100, 1000]
    rows["known_from"], rows["known_to"] = 0, len(dates)
    places = pd.DataFrame(list(chosen), columns=["place", "product_id"])
    own = rows[rows["product_id"].isin(places["product_id"])]
    return DemandData(Cells(own, rows.drop(columns="product_id"), places), dates, params)


def weekly(product: str, department: str, periods: range, amount: int, items: int) -> list[Sold]:
    return [(product, department, period, amount, items) for period in periods]


@pytest.mark.parametrize(("n_weeks", "expected"), [(40, 16), (17, 16), (16, 15), (9, 8)])
def test_only_a_first_period_that_may_have_begun_midway_is_left_out(
    n_weeks: int, expected: int
) -> None:
    data = data_of(weekly("a", "x", range(n_weeks), 5, 1))
    assert data.view(DAY).sales["amount"].n_periods == expected


def test_a_date_has_the_products_that_it_chose_whatever_later_ones_chose() -> None:
    sold = [*weekly("a", "x", range(16), 5, 1), *weekly("b", "x", range(12), 9, 1)]
    earlier = DAY - timedelta(weeks=2)
    data = data_of(sold, [(0, "a"), (1, "b")], dates=(earlier, DAY))
    assert [one for one in data.view(earlier).tree.product_id if one] == ["a"]
    assert [one for one in data.view(DAY).tree.product_id if one] == ["b"]


def test_what_is_left_is_a_series_where_it_has_items_without_money_too() -> None:
    sold = [*weekly("a", "x", range(16), 5, 1), *weekly("gift", "x", range(16), 0, 6)]
    view = data_of(sold, [(0, "a")]).view(DAY)
    assert list(view.tree.level) == ["total", "product", "other_products"]
    units = view.sales["units"].values
    assert units[1:].sum(axis=0) == pytest.approx(units[0])


def test_something_was_sold_although_the_first_period_of_history_had_no_sale() -> None:
    closed_first = weekly("a", "x", range(15), 5, 1)
    before = weekly("a", "x", range(16, 20), 5, 1)
    view = data_of([*closed_first, *before], params=WEEKS).view(DAY)
    assert np.isnan(view.sales["amount"].values[0, 0])
    assert something_sold(view).level == "ok"


def test_of_nothing_sold_for_money_the_verdict_is_an_error() -> None:
    view = data_of(weekly("a", "x", range(16), 0, 1)).view(DAY)
    assert something_sold(view).level == "error"


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda one: str(one.name))
def test_a_model_that_knew_no_items_forecasts_money_alone(candidate: object) -> None:
    known = next(one for one in CANDIDATES if one is candidate)
    without: list[Sold] = [("a", "x", period, 5, None) for period in range(16)]
    model = data_of(without).fitted(known, DAY)
    view = data_of(weekly("a", "x", range(16), 5, 1)).view(DAY)
    rows = forecast_rows(model, view, DAY, WEEKS)
    assert [row["expected_amount"] for row in rows] == pytest.approx([5.0] * 4)
    assert not any("expected_units" in row for row in rows)
