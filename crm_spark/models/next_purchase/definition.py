"""Next purchase as a model: its contract with the runners."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date

from pyspark.sql import DataFrame

from crm_spark.errors import DataError
from crm_spark.features.tables import CUSTOMER_ORDERS
from crm_spark.lake.contract import Table
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
from crm_spark.models.next_purchase.candidates import (
    CANDIDATES,
    NextPurchaseCandidate,
    candidate,
)
from crm_spark.models.next_purchase.data import NextPurchaseData, moments_of
from crm_spark.models.next_purchase.facts import read_next_purchase
from crm_spark.models.next_purchase.metrics import (
    AUC,
    COVERAGE,
    CRPS,
    DAYS_OFF,
    GAIN,
    LOG_LOSS,
    of_horizon,
)
from crm_spark.models.next_purchase.model import NextPurchaseModel
from crm_spark.models.next_purchase.order_days import order_days
from crm_spark.models.next_purchase.report import GLOSSARY, show_next_purchase
from crm_spark.models.next_purchase.scoring import score_customers
from crm_spark.models.next_purchase.section import (
    NextPurchaseSection,
    cutoffs_for_test,
    walk_over,
)
from crm_spark.models.next_purchase.tables import CUSTOMER_NEXT_PURCHASE
from crm_spark.models.next_purchase.verdicts import next_purchase_verdicts
from crm_spark.models.records import rows_hash
from crm_spark.models.usability.facts import DataFacts
from crm_spark.runtime.progress import stage
from crm_spark.tables.checks import Verdict
from crm_spark.tables.core import TRANSACTIONS


class NextPurchase(Model[NextPurchaseSection, NextPurchaseData, NextPurchaseModel]):
    """Whether each customer orders in the days from the date on, and when."""

    name = "next_purchase"
    section = NextPurchaseSection
    section_name = "next_purchase"
    training_in_words = (
        "Fit when customers next order, test it beside trivial rules, and name the champion."
    )
    scoring_in_words = "Say how probably every customer orders in the next days, and when."
    backtest_in_words = "say who orders when after each"
    tables = (CUSTOMER_NEXT_PURCHASE,)
    glossary = GLOSSARY
    criteria = (
        Criterion(LOG_LOSS, "log loss", is_higher_better=False, worst=1e18),
        Criterion(AUC, "AUC"),
    )

    def metrics_of_walk(self, section: NextPurchaseSection) -> Sequence[str]:
        """Give the figures of the first horizon, the ranking of the others, and those of the day.

        What is of a horizon longer than the first was measured on a cut-off of its own.
        """
        others = section.horizons_days[1:]
        longest = max(section.horizons_days)
        return (
            LOG_LOSS,
            AUC,
            "calibration_error",
            *(of_horizon(AUC, days) for days in others),
            *(of_horizon(one, longest) for one in (CRPS, DAYS_OFF, COVERAGE)),
        )

    def plan(self, section: NextPurchaseSection, day: date, first_order: date) -> Plan:
        """Test on the latest cut-off that has closed, choose and learn on those closed before."""
        quoted = cutoffs_for_test(section, day - section.closed_after, first_order)
        return plan_with_choice(quoted, closes_after=section.closed_after)

    def learns_from(self, section: NextPurchaseSection, plan: Plan, day: date) -> Sequence[Read]:
        """Give the orders: histories and outcomes are both of them."""
        return (Read(CUSTOMER_ORDERS),)

    def scores_from(self, section: NextPurchaseSection, day: date) -> Sequence[Read]:
        """Give the orders."""
        return (Read(CUSTOMER_ORDERS),)

    def read(self, run: ModelRun[NextPurchaseSection], plan: Plan) -> NextPurchaseData:
        """Give the order days of every customer, as they were known on each date of the plan."""
        first, _ = run.run.order_dates()
        moments = moments_of(run.section, plan, run.day, first)
        rows = run.keep(order_days(*_orders(run), moments))
        return NextPurchaseData(rows, moments, run.section, first)

    def content(
        self, run: ModelRun[NextPurchaseSection], plan: Plan, data: NextPurchaseData
    ) -> Sequence[object]:
        """Give the cut-offs, the moments, the first order, and the hash of the order days."""
        first, _ = run.run.order_dates()
        return (plan, data.moments, first, rows_hash(data.rows, *data.rows.columns))

    def judge(
        self,
        run: ModelRun[NextPurchaseSection],
        facts: DataFacts,
        plan: Plan,
        data: NextPurchaseData | None,
    ) -> list[Verdict]:
        """Judge history, horizons, customers, who ordered next, and the order lines."""
        return next_purchase_verdicts(
            facts,
            params=run.section,
            cutoffs=plan.quoted,
            trials=data.trials if data else None,
            n_customers=data.n_customers(plan.quoted.test) if data else None,
        )

    def candidates(self, section: NextPurchaseSection) -> Sequence[NextPurchaseCandidate]:
        """Give the rules, and what has to beat them."""
        return CANDIDATES

    def fit(
        self,
        run: ModelRun[NextPurchaseSection],
        candidate: NextPurchaseCandidate,
        step: Cutoffs,
        data: NextPurchaseData,
        prepared: Prepared,
    ) -> NextPurchaseModel:
        """Fit one candidate on the outcomes of the step's training cut-offs."""
        return _fitted(data, candidate, step.training, step.test)

    def evaluate(
        self,
        run: ModelRun[NextPurchaseSection],
        fitted: NextPurchaseModel,
        step: Cutoffs,
        data: NextPurchaseData,
    ) -> Sequence[Measured]:
        """Measure chances and days on the test cut-off, and longer horizons on earlier ones.

        `fitted` is among the trials, with what of its kind was fitted before those.
        """
        if not len(data.trials.customers(step.test)):
            raise DataError(f"nobody had an order before {step.test} that was not taken back whole")
        try:
            return data.trials.measured(candidate(fitted.kind), step)
        except ValueError as error:
            raise DataError(f"{fitted.kind} cannot be tested on {step.test}: {error}") from error

    def choose(
        self, section: NextPurchaseSection, tested: Sequence[Tested[NextPurchaseModel]]
    ) -> Choice:
        """Choose a challenger only where it is better than the best rule for sure."""
        return better_for_sure(tested, self.criteria, gain=GAIN)

    def compose(
        self,
        run: ModelRun[NextPurchaseSection],
        step: Cutoffs,
        data: NextPurchaseData,
        prepared: Prepared,
        choice: Choice,
        tested: Sequence[Tested[NextPurchaseModel]],
    ) -> tuple[Tested[NextPurchaseModel], ...]:
        """Fit those that are stored again on all cut-offs that have closed by the date."""
        found = []
        for one in tested:
            if one.name not in choice.registered:
                found.append(one)
                continue
            with stage(run.spark, f"fit {one.name} on all that has closed by {run.day}"):
                again = _fitted(data, candidate(one.name), step.all, run.day)
            found.append(Tested(one.name, one.is_rule, again, one.metrics))
        return tuple(found)

    def walk(
        self, section: NextPurchaseSection, day: date, first_order: date, newest_order: date
    ) -> list[Cutoffs]:
        """Give the latest four cut-offs, each with those closed before it."""
        return walk_over(section, day, first_order, newest_order)

    def artifact(
        self,
        run: ModelRun[NextPurchaseSection],
        tested: Tested[NextPurchaseModel],
        choice: Choice,
        plan: Plan,
        data: NextPurchaseData,
    ) -> Artifact:
        """Give the model as its spec."""
        params = run.section.model_dump(mode="json")
        return Artifact(
            spec_json=json.dumps(tested.fitted.spec(), indent=1, sort_keys=True),
            params={**params, "horizons_days": ",".join(map(str, params["horizons_days"]))},
        )

    def load(self, stored: StoredVersion) -> NextPurchaseModel:
        """Put a model together again."""
        return NextPurchaseModel.of(stored.spec())

    def score(
        self, run: ModelRun[NextPurchaseSection], fitted: NextPurchaseModel
    ) -> Mapping[Table, DataFrame]:
        """Give every customer who has kept an order of before the date."""
        rows = order_days(*_orders(run), [run.day])
        return {CUSTOMER_NEXT_PURCHASE: score_customers(fitted, rows, run.day)}

    def report(self, request: ReportRequest, section: NextPurchaseSection) -> Subject | None:
        """Give who orders when, and how far to trust it."""
        facts = read_next_purchase(
            request, registered_name=self.registered_name, train_job=self.train_job
        )
        return show_next_purchase(facts) if facts else None


def _orders(run: ModelRun[NextPurchaseSection]) -> tuple[DataFrame, DataFrame]:
    """Give the orders, and the lines that they are put together from where they changed."""
    return run.lake.read(CUSTOMER_ORDERS), run.lake.read(TRANSACTIONS)


def _fitted(
    data: NextPurchaseData,
    one: NextPurchaseCandidate,
    cutoffs: Sequence[date],
    known_on: date,
) -> NextPurchaseModel:
    try:
        return data.trials.fitted(one, cutoffs, known_on)
    except ValueError as error:
        days = ", ".join(map(str, cutoffs))
        raise DataError(f"{one.name} cannot be learnt from {days}: {error}") from error
