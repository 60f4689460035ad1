"""Propensity as a model: its contract with the runners."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from pyspark.sql import DataFrame

from crm_spark.errors import DataError
from crm_spark.lake.contract import Table
from crm_spark.lake.driver_rows import frame_of
from crm_spark.models.choice import better_for_sure
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
from crm_spark.models.propensity.candidates import CANDIDATES, PropensityCandidate
from crm_spark.models.propensity.data import PropensityData
from crm_spark.models.propensity.facts import read_propensity
from crm_spark.models.propensity.metrics import AVERAGE_PRECISION, GAIN, LOG_LOSS
from crm_spark.models.propensity.model import PropensityModel, candidate
from crm_spark.models.propensity.purchases import (
    bought_lines,
    chosen_targets,
    purchase_histories,
)
from crm_spark.models.propensity.report import GLOSSARY, show_propensity
from crm_spark.models.propensity.scoring import (
    audience_rows,
    customer_rows,
    score_customers,
    with_reach,
)
from crm_spark.models.propensity.section import PropensitySection, cutoffs_for_test, walk_over
from crm_spark.models.propensity.tables import (
    AUDIENCES,
    CUSTOMER_PROPENSITY,
    PROPENSITY_AUDIENCES,
)
from crm_spark.models.propensity.targets import DEPARTMENT, PRODUCT
from crm_spark.models.propensity.verdicts import propensity_verdicts
from crm_spark.models.records import rows_hash
from crm_spark.models.usability.facts import DataFacts
from crm_spark.runtime.progress import stage
from crm_spark.tables.checks import Verdict
from crm_spark.tables.core import PRODUCTS, TRANSACTIONS
from crm_spark.tables.history import as_of
from crm_spark.tables.mapped import Mapped
from crm_spark.words import counted


class Propensity(Model[PropensitySection, PropensityData, PropensityModel]):
    """Who buys of which department, and which of the products that most buy, from the date on."""

    name = "propensity"
    section = PropensitySection
    section_name = "propensity"
    training_in_words = (
        "Fit who will buy of which department and product, test it beside trivial rules, choose."
    )
    scoring_in_words = "Say how probably every customer buys of each department and product."
    backtest_in_words = "say who buys what after each"
    tables = (CUSTOMER_PROPENSITY, PROPENSITY_AUDIENCES)
    glossary = GLOSSARY
    criteria = (
        Criterion(AVERAGE_PRECISION, "average precision"),
        Criterion(LOG_LOSS, "log loss", is_higher_better=False, worst=1e18),
    )
    walk_metrics = (
        AVERAGE_PRECISION,
        f"{AVERAGE_PRECISION}.{DEPARTMENT}",
        f"{AVERAGE_PRECISION}.{PRODUCT}",
        LOG_LOSS,
        "calibration_error",
        "buyers_off",
        f"reached_70_percent.{DEPARTMENT}",
    )

    def lacks(self, mapped: Mapped) -> str | None:
        """Say that products are needed."""
        if mapped.has("transactions", "product_id"):
            return None
        return "propensity needs product_id: map it in sources.transactions.columns"

    def plan(self, section: PropensitySection, day: date, first_order: date) -> Plan:
        """Test on the latest cut-off that has closed, choose and learn on those closed before."""
        quoted = cutoffs_for_test(section, day - section.closed_after, first_order)
        return plan_with_choice(quoted, closes_after=section.closed_after)

    learns_from_sources = (PRODUCTS,)
    scores_from_sources = (PRODUCTS,)

    def learns_from(self, section: PropensitySection, plan: Plan, day: date) -> Sequence[Read]:
        """Give the order lines."""
        return (Read(TRANSACTIONS),)

    def scores_from(self, section: PropensitySection, day: date) -> Sequence[Read]:
        """Give the order lines."""
        return (Read(TRANSACTIONS),)

    def read(self, run: ModelRun[PropensitySection], plan: Plan) -> PropensityData:
        """Give what was bought before each cut-off and the date, and after the cut-offs."""
        return _read(run, dates=sorted({run.day, *plan.dates}), closed=plan.dates)

    def content(
        self, run: ModelRun[PropensitySection], plan: Plan, data: PropensityData
    ) -> Sequence[object]:
        """Give the cut-offs, the date, the targets, and the hash of purchases and outcomes."""
        targets = [(str(day), data.targets[day].all) for day in sorted(data.targets)]
        return (plan, run.day, targets, rows_hash(data.rows, *data.rows.columns))

    def judge(
        self,
        run: ModelRun[PropensitySection],
        facts: DataFacts,
        plan: Plan,
        data: PropensityData | None,
    ) -> list[Verdict]:
        """Judge history, customers, what many buy, and the order lines."""
        test = plan.quoted.test
        return propensity_verdicts(
            facts,
            params=run.section,
            cutoffs=plan.quoted,
            targets=data.targets[run.day] if data else None,
            at_test=data.targets[test] if data else None,
            learnt=[data.targets[day] for day in plan.quoted.training] if data else [],
            n_customers=data.n_customers[test] if data else None,
        )

    def candidates(self, section: PropensitySection) -> Sequence[PropensityCandidate]:
        """Give the rules, and what has to beat them."""
        return CANDIDATES

    def fit(
        self,
        run: ModelRun[PropensitySection],
        candidate: PropensityCandidate,
        step: Cutoffs,
        data: PropensityData,
        prepared: Prepared,
    ) -> PropensityModel:
        """Fit one candidate on the outcomes of the step's training cut-offs."""
        return _fitted(data, candidate, step.training)

    def evaluate(
        self,
        run: ModelRun[PropensitySection],
        fitted: PropensityModel,
        step: Cutoffs,
        data: PropensityData,
    ) -> Sequence[Measured]:
        """Measure ranking, calibration and audiences on the test cut-off.

        Of a challenger the gain over the best rule besides, with its interval.
        """
        if not data.n_customers[step.test] or not len(data.targets[step.test]):
            raise DataError(f"nothing that many buy is known as of {step.test}")
        return data.trials.measured(candidate(fitted.kind), step)

    def choose(
        self, section: PropensitySection, tested: Sequence[Tested[PropensityModel]]
    ) -> Choice:
        """Choose the challenger only where it ranks better than the best rule for sure."""
        return better_for_sure(tested, self.criteria, gain=GAIN)

    def compose(
        self,
        run: ModelRun[PropensitySection],
        step: Cutoffs,
        data: PropensityData,
        prepared: Prepared,
        choice: Choice,
        tested: Sequence[Tested[PropensityModel]],
    ) -> tuple[Tested[PropensityModel], ...]:
        """Fit all of them again on all cut-offs that have closed, with what the test came to."""
        # The rule that the challenger was compared with when the kind was chosen.
        rule = candidate(choice.registered[0])
        found = []
        for one in tested:
            kind = candidate(one.name)
            with stage(run.spark, f"fit {one.name} on all that has closed by {run.day}"):
                again = _fitted(data, kind, step.all)
            by_target = data.trials.by_target(kind, rule, step)
            model = replace(again, tested=by_target)
            found.append(Tested(one.name, one.is_rule, model, one.metrics))
        return tuple(found)

    def walk(
        self, section: PropensitySection, day: date, first_order: date, newest_order: date
    ) -> list[Cutoffs]:
        """Give the latest four cut-offs, each with those closed before it."""
        return walk_over(section, day, first_order, newest_order)

    def artifact(
        self,
        run: ModelRun[PropensitySection],
        tested: Tested[PropensityModel],
        choice: Choice,
        plan: Plan,
        data: PropensityData,
    ) -> Artifact:
        """Give the model as its spec."""
        return Artifact(
            spec_json=json.dumps(tested.fitted.spec(), indent=1, sort_keys=True),
            params=run.section.model_dump(mode="json"),
        )

    def load(self, stored: StoredVersion) -> PropensityModel:
        """Put a model together again."""
        return PropensityModel.of(stored.spec())

    def score(
        self, run: ModelRun[PropensitySection], fitted: PropensityModel
    ) -> Mapping[Table, DataFrame]:
        """Give every pair of customer and target, and how many to address for how many buyers."""
        with stage(run.spark, f"who bought what before {run.day}"):
            data = _read(run, dates=[run.day], closed=[])
        targets = data.targets[run.day]
        if not len(targets):
            raise DataError(
                "no department and no product has "
                f"{counted(run.section.fewest_buyers, 'buyer')} in the "
                f"{counted(run.section.horizon_days, 'day')} before {run.day}: lower "
                "propensity.fewest_buyers, and train again"
            )
        with stage(run.spark, "probabilities and audiences"):
            reached = with_reach(run.keep(score_customers(fitted, data, run.day)))
            rows = audience_rows(reached, fitted, targets)
        return {
            CUSTOMER_PROPENSITY: customer_rows(reached, fitted, targets),
            PROPENSITY_AUDIENCES: frame_of(run.spark, AUDIENCES, rows),
        }

    def report(self, request: ReportRequest, section: PropensitySection) -> Subject | None:
        """Give whom to address for what, and how far to trust it."""
        facts = read_propensity(
            request, registered_name=self.registered_name, train_job=self.train_job
        )
        return show_propensity(facts, section.horizon_days) if facts else None


def _read(
    run: ModelRun[PropensitySection], *, dates: Sequence[date], closed: Sequence[date]
) -> PropensityData:
    params = run.section
    closes = {day: day + params.closed_after for day in closed}
    moments = sorted({*dates, *closes.values()})
    departments = None
    if run.mapped.has("products", DEPARTMENT):
        departments = as_of(run.lake.read(PRODUCTS), days=[dates[-1]])
    bought = bought_lines(run.lake.read(TRANSACTIONS), departments, moments)
    targets = chosen_targets(
        bought,
        moments,
        dates=dates,
        horizon_days=params.horizon_days,
        most={DEPARTMENT: params.departments, PRODUCT: params.products},
        fewest_buyers=params.fewest_buyers,
    )
    rows = purchase_histories(bought, moments, targets)
    return PropensityData(run.keep(rows), moments, targets, closes, params)


def _fitted(
    data: PropensityData, one: PropensityCandidate, cutoffs: Sequence[date]
) -> PropensityModel:
    try:
        return data.trials.fitted(one, cutoffs)
    except ValueError as error:
        days = ", ".join(map(str, cutoffs))
        raise DataError(f"{one.name} cannot be learnt from {days}: {error}") from error
