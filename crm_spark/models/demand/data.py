"""What demand learns from in one run: the sales before each date, and those after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd

from crm_spark.features.lines import MINOR_UNITS
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.demand.candidates import DemandCandidate
from crm_spark.models.demand.cells import (
    AMOUNT,
    KNOWN_FROM,
    KNOWN_TO,
    MILLI_UNITS,
    PERIOD,
    UNITS,
    Cells,
)
from crm_spark.models.demand.intervals import interval_ends
from crm_spark.models.demand.model import DemandModel
from crm_spark.models.demand.section import DemandSection
from crm_spark.models.demand.series import (
    DEPARTMENT,
    PRODUCT,
    REST,
    TOTAL,
    Floats,
    Ints,
    Sales,
    Tree,
    begun,
)

MEASURES = ("amount", "units")
_DIVISORS = {"amount": MINOR_UNITS, "units": MILLI_UNITS}
_COLUMNS = {"amount": AMOUNT, "units": UNITS}


@dataclass(frozen=True)
class View:
    """The series as they were known on a date, by measure, and what came after where it is known.

    `actual` is as it was known when the cut-off closed, a column a period of the horizon.
    """

    tree: Tree
    sales: Mapping[str, Sales]
    actual: Mapping[str, Floats] | None = None


class DemandData:
    """Cells of several dates, and the views that are made of them, once each.

    `dates` are in order and whole periods apart, as the cells number them; `chosen_on` is the step
    on which the kind is chosen.
    """

    def __init__(
        self,
        cells: Cells,
        dates: Sequence[date],
        params: DemandSection,
        chosen_on: Cutoffs | None = None,
    ) -> None:
        self.cells, self.dates, self._params = cells, tuple(dates), params
        self.chosen_on = chosen_on
        self._views: dict[date, View] = {}
        self._fitted: dict[tuple[str, date], DemandModel] = {}
        self._forecasts: dict[tuple[str, date, str], Floats] = {}
        has_units = cells.departments[UNITS].notna().any()
        self.measures: tuple[str, ...] = MEASURES if has_units else MEASURES[:1]

    def view(self, day: date) -> View:
        """Give the series as of a date."""
        if day not in self._views:
            self._views[day] = self._view(day)
        return self._views[day]

    def content_hash(self) -> int:
        """Give a hash that changes with the sums, and with nothing else."""
        frames = (self.cells.products, self.cells.departments, self.cells.chosen)
        hashes = [pd.util.hash_pandas_object(frame, index=False).sum() for frame in frames]
        return sum(int(one) << place for place, one in enumerate(hashes))

    def fitted(self, candidate: DemandCandidate, day: date) -> DemandModel:
        """Give a candidate as a date allows, without intervals."""
        key = (candidate.name, day)
        if key not in self._fitted:
            view, params = self.view(day), self._params
            forecasters = {
                measure: candidate.fit(sales, view.tree, params)
                for measure, sales in view.sales.items()
            }
            self._fitted[key] = DemandModel(
                candidate.name, forecasters, params.horizon_periods, params.season
            )
        return self._fitted[key]

    def forecast(self, candidate: DemandCandidate, day: date, measure: str) -> Floats:
        """Give what a candidate expects as of a date: a cut-off is tested, and gives intervals."""
        key = (candidate.name, day, measure)
        if key not in self._forecasts:
            view = self.view(day)
            model = self.fitted(candidate, day)
            self._forecasts[key] = model.forecast(measure, view.sales[measure], view.tree)
        return self._forecasts[key]

    def with_intervals(
        self, model: DemandModel, candidate: DemandCandidate, closed: Sequence[date]
    ) -> DemandModel:
        """Give a model with intervals by how far the same kind was off on closed cut-offs."""
        ends = {}
        for measure in self.measures:
            tested = []
            for day in closed:
                view = self.view(day)
                assert view.actual is not None, "the cut-off has closed"
                forecasts = self.forecast(candidate, day, measure)
                tested.append((view.tree, view.sales[measure], forecasts, view.actual[measure]))
            ends[measure] = interval_ends(tested, self._params.season)
        return replace(model, ends=ends)

    def _view(self, day: date) -> View:
        place, before = self.dates.index(day), self._periods_before(day)
        n_periods = self._n_periods(place, before)
        departments = _known(self.cells.departments, place, before, n_periods)
        products = _known(self.cells.products, place, before, n_periods)
        names = _names(departments)
        chosen = self._own_series(products, place)
        window = (before + n_periods, n_periods)
        values = {
            measure: _stack(departments, products, names, chosen, window, measure)
            for measure in self.measures
        }
        tree, rows = _tree(names, chosen, values)
        log_prices = _log_prices(values)[rows]
        sales = {name: Sales(begun(value[rows]), log_prices) for name, value in values.items()}
        return View(tree, sales, self._actual(day, names, chosen, rows))

    def _n_periods(self, place: int, before: int) -> int:
        """Give how many whole periods of history a date has: that of the data may begin midway."""
        n = self._params.history_periods
        periods = _known(self.cells.departments, place, before, n + 1)[PERIOD]
        return min(n, max(1, int(periods.max()) - before)) if len(periods) else 1

    def _periods_before(self, day: date) -> int:
        return (self.dates[-1] - day).days // self._params.period_days

    def _own_series(self, products: pd.DataFrame, place: int) -> pd.DataFrame:
        """Give the products with a series of their own on a date, with their departments."""
        chosen = self.cells.chosen
        own = chosen.loc[chosen["place"] == place, "product_id"]
        known = products[["product_id", "department"]].drop_duplicates()
        found = known[known["product_id"].isin(own)]
        return found.sort_values(["department", "product_id"], ignore_index=True)

    def _actual(
        self, day: date, names: list[str], chosen: pd.DataFrame, rows: Ints
    ) -> Mapping[str, Floats] | None:
        """Give what came in the horizon after a cut-off; None where it has not closed."""
        params = self._params
        closed = day + params.closed_after
        if closed not in self.dates:
            return None
        place, end = self.dates.index(closed), self._periods_before(day)
        n = params.horizon_periods
        departments = _known(self.cells.departments, place, end - n, n)
        products = _known(self.cells.products, place, end - n, n)
        return {
            measure: _stack(departments, products, names, chosen, (end, n), measure)[rows]
            for measure in self.measures
        }


def ranked_periods(params: DemandSection) -> int:
    """Give by how many of the latest periods products are ranked: half a year."""
    return max(1, 182 // params.period_days)


def _known(cells: pd.DataFrame, place: int, before: int, n: int) -> pd.DataFrame:
    """Give the cells that counted on a date, of `n` periods from `before` periods back on."""
    is_known = (cells[KNOWN_FROM] <= place) & (cells[KNOWN_TO] > place)
    return cells[is_known & (cells[PERIOD] >= before) & (cells[PERIOD] < before + n)]


def _names(departments: pd.DataFrame) -> list[str]:
    return sorted(departments["department"].unique())


def _stack(
    departments: pd.DataFrame,
    products: pd.DataFrame,
    names: list[str],
    chosen: pd.DataFrame,
    window: tuple[int, int],
    measure: str,
) -> Floats:
    """Give a row each for the total, departments, products and what is left of each department.

    `window` is how many periods back it begins, and how many it has. Departments that the date did
    not know are in the total alone.
    """
    end, n_periods = window
    column = _COLUMNS[measure]
    place_of = {name: place for place, name in enumerate(names)}
    of_product = {one: place for place, one in enumerate(chosen["product_id"])}

    def matrix(cells: pd.DataFrame, key: str, places: Mapping[str, int], n: int) -> Floats:
        found = np.zeros((n, n_periods), np.int64)
        at = cells[key].map(places)
        rows = at.notna()
        periods = end - 1 - cells.loc[rows, PERIOD].to_numpy()
        sums = cells.loc[rows, column].fillna(0).to_numpy(np.int64)
        np.add.at(found, (at[rows].to_numpy(np.int64), periods), sums)
        return found / _DIVISORS[measure]

    everything = dict.fromkeys(departments["department"].unique(), 0)
    total = matrix(departments, "department", everything, 1)
    by_department = matrix(departments, "department", place_of, len(names))
    by_product = matrix(products, "product_id", of_product, len(chosen))
    rest = by_department.copy()
    np.subtract.at(rest, chosen["department"].map(place_of).to_numpy(np.int64), by_product)
    # What is left of money in cents is money in cents.
    return np.concatenate([total, by_department, by_product, np.round(rest, 3)])


def _tree(
    names: list[str], chosen: pd.DataFrame, values: Mapping[str, Floats]
) -> tuple[Tree, Ints]:
    """Give the series that there are, and which rows of the stack they are.

    One department is the total, and has no series; nor has a rest in which nothing was ever sold.
    """
    n, n_products = len(names), len(chosen)
    place_of = {name: place for place, name in enumerate(names)}
    of_product = [place_of[one] for one in chosen["department"]]
    has_departments = n > 1
    level = [TOTAL] + [DEPARTMENT] * n + [PRODUCT] * n_products + [REST] * n
    department = [None, *names, *chosen["department"], *names]
    product_id = [None] * (1 + n) + list(chosen["product_id"]) + [None] * n
    parent = [-1] + [0] * n
    parent += [1 + place if has_departments else 0 for place in [*of_product, *range(n)]]
    left = [of_measure[1 + n + n_products :] for of_measure in values.values()]
    has_rest = np.any([(one != 0).any(axis=1) for one in left], axis=0)
    keep = np.array(
        [True, *[has_departments] * n, *[True] * n_products, *(has_rest & (n_products > 0))]
    )
    rows = np.flatnonzero(keep)
    new_place = np.cumsum(keep) - 1
    tree = Tree(
        np.array(level, object)[rows],
        np.array(department, object)[rows],
        np.array(product_id, object)[rows],
        np.array([-1 if one < 0 else new_place[one] for one in np.array(parent)[rows]], np.int64),
    )
    return tree, rows


def _log_prices(values: Mapping[str, Floats]) -> Floats:
    """Give the logarithms of mean prices, NaN where nothing was sold for money or units unknown."""
    amounts = values["amount"]
    units = values.get("units")
    if units is None:
        return np.full(amounts.shape, np.nan)
    is_sold = (units > 0) & (amounts > 0)
    price = np.divide(amounts, units, out=np.ones(amounts.shape), where=is_sold)
    found = np.log(price)
    found[~is_sold] = np.nan
    return found
