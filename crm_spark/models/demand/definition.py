"""Demand as a model: its contract with the runners."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from pyspark.sql import DataFrame

from crm_spark.errors import DataError
from crm_spark.lake.contract import Table
from crm_spark.lake.driver_rows import frame_of
from crm_spark.models.contract import (
    Artifact,
    Choice,
    Criterion,
    Cutoffs,
    Measured,
    Model,
    ModelRun,
    Plan,
    Prepared,
    Read,
    ReportRequest,
    StoredVersion,
    Subject,
    Tested,
)
from crm_spark.models.cutoffs import plan_with_choice
from crm_spark.models.demand.candidates import CANDIDATES, DemandCandidate
from crm_spark.models.demand.cells import NO_DEPARTMENT, sales_cells
from crm_spark.models.demand.data import DemandData, View, ranked_periods
from crm_spark.models.demand.facts import read_demand
from crm_spark.models.demand.metrics import MASE, RMSSE, demand_metrics, mean_or_none
from crm_spark.models.demand.model import DemandModel
from crm_spark.models.demand.report import GLOSSARY, show_demand
from crm_spark.models.demand.section import DemandSection, cutoffs_for_test, walk_over
from crm_spark.models.demand.series import Floats, mean_of_last
from crm_spark.models.demand.tables import DEMAND_FORECAST, FORECASTS
from crm_spark.models.demand.verdicts import demand_verdicts, something_sold
from crm_spark.models.usability.facts import DataFacts
from crm_spark.tables.checks import Verdict
from crm_spark.tables.core import PRODUCTS, TRANSACTIONS
from crm_spark.tables.history import as_of


class Demand(Model[DemandSection, DemandData, DemandModel]):
    """What will be sold, in money and items, in the periods from the date on."""

    name = "demand"
    section = DemandSection
    section_name = "demand"
    training_in_words = (
        "Fit what will be sold, test it beside trivial rules, and name the champion."
    )
    scoring_in_words = "Forecast what will be sold of each product, department and in all."
    backtest_in_words = "forecast what is sold after each"
    tables = (DEMAND_FORECAST,)
    glossary = GLOSSARY
    criteria = (
        Criterion(MASE, "mean absolute scaled error", is_higher_better=False, worst=1e18),
        Criterion(RMSSE, "root mean squared scaled error", is_higher_better=False, worst=1e18),
    )
    walk_metrics = (
        MASE,
        RMSSE,
        "mase.department",
        "wape.department",
        "mase.product",
        "coverage_80_percent.department",
        "total_ratio",
    )

    @property
    def score_job(self) -> str:
        """The job that scores with it."""
        return "forecast_demand"

    def plan(self, section: DemandSection, day: date, first_order: date) -> Plan:
        """Test on the latest cut-off that has closed, choose on those closed before."""
        quoted = cutoffs_for_test(section, day - section.closed_after, first_order)
        return plan_with_choice(quoted, closes_after=section.closed_after)

    learns_from_sources = (PRODUCTS,)
    scores_from_sources = (PRODUCTS,)

    def learns_from(self, section: DemandSection, plan: Plan, day: date) -> Sequence[Read]:
        """Give the order lines."""
        return (Read(TRANSACTIONS),)

    def scores_from(self, section: DemandSection, day: date) -> Sequence[Read]:
        """Give the order lines."""
        return (Read(TRANSACTIONS),)

    def read(self, run: ModelRun[DemandSection], plan: Plan) -> DemandData:
        """Give what was sold before each cut-off and the date, and after the cut-offs."""
        wait = run.section.closed_after
        dates = {day for cutoff in plan.dates for day in (cutoff, cutoff + wait)}
        return _read(run, sorted({run.day, *dates}), plan.choice)

    def content(
        self, run: ModelRun[DemandSection], plan: Plan, data: DemandData
    ) -> Sequence[object]:
        """Give the cut-offs, the date, and the hash of all sums."""
        return (plan, run.day, data.content_hash())

    def judge(
        self, run: ModelRun[DemandSection], facts: DataFacts, plan: Plan, data: DemandData | None
    ) -> list[Verdict]:
        """Judge the history, what was sold, and the order lines."""
        return demand_verdicts(
            facts,
            params=run.section,
            cutoffs=plan.quoted,
            now=data.view(run.day) if data else None,
        )

    def candidates(self, section: DemandSection) -> Sequence[DemandCandidate]:
        """Give the rules, and what has to beat them."""
        return [one for one in CANDIDATES if one.is_rule or one.name in section.candidates]

    def fit(
        self,
        run: ModelRun[DemandSection],
        candidate: DemandCandidate,
        step: Cutoffs,
        data: DemandData,
        prepared: Prepared,
    ) -> DemandModel:
        """Fit one candidate by what was known on the step's test cut-off."""
        model = data.fitted(candidate, step.test)
        return data.with_intervals(model, candidate, step.training)

    def evaluate(
        self, run: ModelRun[DemandSection], fitted: DemandModel, step: Cutoffs, data: DemandData
    ) -> Sequence[Measured]:
        """Measure errors, sums and intervals of both measures on the test cut-off.

        mase and rmsse, which decide, are those of the measures together, and where the kind is
        chosen those of all the step's cut-offs: none of them is quoted.
        """
        found, decisive = [], []
        candidate = _candidate(fitted.kind)
        cutoffs = step.all if step == data.chosen_on else (step.test,)
        for day in cutoffs:
            model = fitted if day == step.test else data.fitted(candidate, day)
            for measure in data.measures:
                forecasts = data.forecast(candidate, day, measure)
                measured = _measured(model, data.view(day), measure, forecasts)
                decisive += [one for one in measured if one.name in (MASE, RMSSE)]
                if day == step.test:
                    found += [_named(one, measure) for one in measured]
        return [*(_overall(name, decisive) for name in (MASE, RMSSE)), *found]

    def compose(
        self,
        run: ModelRun[DemandSection],
        step: Cutoffs,
        data: DemandData,
        prepared: Prepared,
        choice: Choice,
        tested: Sequence[Tested[DemandModel]],
    ) -> tuple[Tested[DemandModel], ...]:
        """Fit all of them again by what is known on the date."""
        found = []
        for one in tested:
            candidate = _candidate(one.name)
            model = data.with_intervals(data.fitted(candidate, run.day), candidate, step.all)
            found.append(Tested(one.name, one.is_rule, model, one.metrics))
        return tuple(found)

    def walk(
        self, section: DemandSection, day: date, first_order: date, newest_order: date
    ) -> list[Cutoffs]:
        """Give the latest four cut-offs, each with those closed before it."""
        return walk_over(section, day, first_order, newest_order)

    def artifact(
        self,
        run: ModelRun[DemandSection],
        tested: Tested[DemandModel],
        choice: Choice,
        plan: Plan,
        data: DemandData,
    ) -> Artifact:
        """Give the model as its spec."""
        params = run.section.model_dump(mode="json")
        return Artifact(
            spec_json=json.dumps(tested.fitted.spec(), indent=1, sort_keys=True),
            params={**params, "candidates": ",".join(params["candidates"])},
        )

    def load(self, stored: StoredVersion) -> DemandModel:
        """Put a model together again."""
        spec = stored.spec()
        load = _candidate(spec["kind"]).load
        return DemandModel.of(spec, {name: load(one) for name, one in spec["forecasters"].items()})

    def score(self, run: ModelRun[DemandSection], fitted: DemandModel) -> Mapping[Table, DataFrame]:
        """Give what is expected of every series of the date in each period of the horizon."""
        view = _read(run, [run.day]).view(run.day)
        sales = something_sold(view)
        if sales.level == "error":
            raise DataError(f"nothing can be forecast as of {run.day}: {sales.message}")
        rows = forecast_rows(fitted, view, run.day, run.section)
        return {DEMAND_FORECAST: frame_of(run.spark, FORECASTS, rows)}

    def report(self, request: ReportRequest, section: DemandSection) -> Subject | None:
        """Give what will be sold, and how far to trust it."""
        facts = read_demand(request, registered_name=self.registered_name, train_job=self.train_job)
        return show_demand(facts, request.style) if facts else None


def forecast_rows(
    model: DemandModel, view: View, day: date, params: DemandSection
) -> list[dict[str, Any]]:
    """Give a row of scores.demand_forecast for each series and period: bounded by the series."""
    columns: dict[str, Any] = {}
    for measure in sorted(view.sales.keys() & model.forecasters.keys()):
        sales = view.sales[measure]
        expected = model.forecast(measure, sales, view.tree)
        interval = model.interval(measure, sales, view.tree, expected)
        columns[f"expected_{measure}"] = expected
        if interval is not None:
            columns[f"expected_{measure}_low"], columns[f"expected_{measure}_high"] = interval
        usual = mean_of_last(sales.values, params.usual_periods)
        columns[f"usual_{measure}"] = np.repeat(usual[:, None], model.horizon, axis=1)
    length = timedelta(days=params.period_days)
    return [
        {
            "series_id": series_id,
            "period_start": day + step * length,
            "period_days": params.period_days,
            "level": view.tree.level[place],
            "department": _or_unknown(view.tree.department[place]),
            "product_id": view.tree.product_id[place],
            **{name: _or_none(values[place, step]) for name, values in columns.items()},
        }
        for place, series_id in enumerate(view.tree.ids)
        for step in range(model.horizon)
    ]


def _or_unknown(department: str | None) -> str | None:
    return None if department == NO_DEPARTMENT else department


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _read(
    run: ModelRun[DemandSection], dates: Sequence[date], chosen_on: Cutoffs | None = None
) -> DemandData:
    params = run.section
    departments = None
    if run.mapped.has("products", "department"):
        departments = as_of(run.lake.read(PRODUCTS), days=[dates[-1]])
    cells = sales_cells(
        run.lake.read(TRANSACTIONS),
        departments,
        dates=dates,
        period_days=params.period_days,
        history_periods=params.history_periods,
        most_products=params.products,
        ranked_periods=min(ranked_periods(params), params.history_periods),
        fewest_periods=params.fewest_periods,
    )
    return DemandData(cells, dates, params, chosen_on)


def _candidate(name: str) -> DemandCandidate:
    return next(candidate for candidate in CANDIDATES if candidate.name == name)


def _measured(model: DemandModel, view: View, measure: str, forecasts: Floats) -> list[Measured]:
    assert view.actual is not None, "the cut-off has closed"
    sales = view.sales[measure]
    return demand_metrics(
        view.tree,
        forecasts,
        view.actual[measure],
        sales.values,
        season=model.season,
        interval=model.interval(measure, sales, view.tree, forecasts),
    )


def _named(one: Measured, measure: str) -> Measured:
    """Name a figure of units; those of money have no addition."""
    if measure == "amount" and one.name in (MASE, RMSSE):
        return Measured(f"{one.name}.amount", one.value, one.n, one.low, one.high)
    addition = "" if measure == "amount" else f".{measure}"
    return Measured(f"{one.name}{addition}", one.value, one.n, one.low, one.high)


def _overall(name: str, measured: Sequence[Measured]) -> Measured:
    values = [one.value for one in measured if one.name == name and one.value is not None]
    return Measured(name, mean_or_none(values), len(values))
