"""Value as a model: its contract with the runners."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from pyspark.sql import DataFrame

from crm_spark.errors import DataError
from crm_spark.features.orders import count_changes
from crm_spark.features.tables import CUSTOMER_ORDERS, PRODUCT_PRICES
from crm_spark.lake.contract import Table
from crm_spark.lake.driver_rows import frame_of
from crm_spark.models import purchases
from crm_spark.models.choice import better_for_sure
from crm_spark.models.contract import (
    Artifact,
    Choice,
    Criterion,
    Cutoffs,
    LeftOutError,
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
from crm_spark.models.outcomes import closings, orders_in_horizon
from crm_spark.models.records import rows_hash
from crm_spark.models.usability.facts import DataFacts
from crm_spark.models.value import spend
from crm_spark.models.value.buy_till_you_die import BuyTillYouDie
from crm_spark.models.value.candidates import CANDIDATES, ValueCandidate, candidate_named
from crm_spark.models.value.data import ValueData, closed_on
from crm_spark.models.value.facts import read_value
from crm_spark.models.value.histories import (
    value_histories,
    with_later_amount,
    with_outcomes,
)
from crm_spark.models.value.machine import TooFewError
from crm_spark.models.value.metrics import (
    CAPPED_ERROR,
    GAIN,
    MEAN_ABSOLUTE_ERROR,
    ROOT_MEAN_SQUARED_ERROR,
    TOP_TENTH_FOUND,
    error_gain,
    order_metrics,
    value_metrics,
)
from crm_spark.models.value.model import Customers, TestedOn, ValueModel
from crm_spark.models.value.report import GLOSSARY, show_value
from crm_spark.models.value.score import with_recommended_amount, with_value_score
from crm_spark.models.value.scoring import (
    CHURN_SCORES,
    OFFERS,
    score_customers,
    validation_rows,
    with_tiers,
    with_value_at_risk,
)
from crm_spark.models.value.section import ValueSection, closed_after, cutoffs_for_test, walk_over
from crm_spark.models.value.tables import CUSTOMER_VALUE, VALIDATION, VALUE_VALIDATION
from crm_spark.models.value.verdicts import value_verdicts
from crm_spark.runtime.progress import log, stage
from crm_spark.tables.checks import Verdict
from crm_spark.tables.core import TRANSACTIONS


class Value(Model[ValueSection, ValueData, ValueModel]):
    """What each customer spends, net of what is taken back, from the date on."""

    name = "value"
    section = ValueSection
    section_name = "value"
    generation = 7
    training_in_words = (
        "Fit what customers will order and spend, test it beside trivial rules, and name the "
        "champion."
    )
    scoring_in_words = "Say what every customer of the date is worth, and put them into tiers."
    backtest_in_words = "say what customers will spend on each"
    tables = (CUSTOMER_VALUE, VALUE_VALIDATION)
    glossary = GLOSSARY
    # What is expected is a mean, which has the least squared error; the least absolute one is that
    # of the median, and so of saying 0 wherever most customers do not order.
    criteria = (
        Criterion(
            CAPPED_ERROR,
            "root mean squared error up to the 99th percentile",
            is_higher_better=False,
            worst=1e18,
        ),
        Criterion(TOP_TENTH_FOUND, "share of the best tenth found"),
    )

    walk_metrics = (
        MEAN_ABSOLUTE_ERROR,
        ROOT_MEAN_SQUARED_ERROR,
        CAPPED_ERROR,
        "total_ratio",
        TOP_TENTH_FOUND,
        "coverage_80_percent",
    )

    def plan(self, section: ValueSection, day: date, first_order: date) -> Plan:
        """Test on the latest cut-off that has closed, choose and learn on those closed before."""
        wait = closed_after(section)
        quoted = cutoffs_for_test(section, day - wait, first_order)
        return plan_with_choice(quoted, closes_after=wait)

    def learns_from(self, section: ValueSection, plan: Plan, day: date) -> Sequence[Read]:
        """Give the orders: histories and outcomes are both of them."""
        return (Read(CUSTOMER_ORDERS),)

    scores_beside = (CHURN_SCORES, OFFERS, PRODUCT_PRICES.name)
    not_learnt = frozenset({"score_weights"})

    def scores_from(self, section: ValueSection, day: date) -> Sequence[Read]:
        """Give the orders."""
        return (Read(CUSTOMER_ORDERS),)

    def read(self, run: ModelRun[ValueSection], plan: Plan) -> ValueData:
        """Give the histories of all cut-offs and of the date itself, with what came after."""
        params = run.section
        rows = _with_outcomes(run, _histories(run, sorted({run.day, *plan.dates})), plan.dates)
        for days in params.horizons_days[1:]:
            if closed := closed_on(plan.dates, run.day, params, days):
                ordered = _ordered(run, closed, days)
                rows = with_later_amount(rows, ordered, dates=closed, horizon_days=days)
        return ValueData(run.keep(rows), params, plan.dates)

    def content(self, run: ModelRun[ValueSection], plan: Plan, data: ValueData) -> Sequence[object]:
        """Give the cut-offs, the date, and the hash of histories and outcomes."""
        return (plan, run.day, rows_hash(data.rows, *data.rows.columns))

    def judge(
        self, run: ModelRun[ValueSection], facts: DataFacts, plan: Plan, data: ValueData | None
    ) -> list[Verdict]:
        """Judge history, customers, who came again and who spent, and the order lines."""
        return value_verdicts(
            facts,
            params=run.section,
            cutoffs=plan.quoted,
            now=data.counts(run.day) if data else None,
            at_test=data.counts(plan.quoted.test) if data else None,
        )

    def candidates(self, section: ValueSection) -> Sequence[ValueCandidate]:
        """Give the rules, and what has to beat them."""
        return [one for one in CANDIDATES if one.is_rule or one.name in section.candidates]

    def fit(
        self,
        run: ModelRun[ValueSection],
        candidate: ValueCandidate,
        step: Cutoffs,
        data: ValueData,
        prepared: Prepared,
    ) -> ValueModel:
        """Fit one candidate by what was known on the step's test cut-off."""
        return _fitted(data, candidate, step.test)

    def evaluate(
        self, run: ModelRun[ValueSection], fitted: ValueModel, step: Cutoffs, data: ValueData
    ) -> Sequence[Measured]:
        """Measure totals, errors, ranking and intervals on the test cut-off.

        Of a challenger the gain over the best rule besides, with its interval.
        """
        customers = data.customers(step.test)
        if not len(customers):
            raise DataError(f"nobody had an order before {step.test} that was not taken back whole")
        # What is tested is what is spent, not what that is worth now.
        horizon = run.section.horizon_days
        expected = fitted.undiscounted().predict(customers, horizon)
        assert customers.actual_amount is not None and customers.actual_order_days is not None
        found = value_metrics(
            expected.amount,
            customers.actual_amount,
            draws=data.draws(step.test),
            interval=fitted.interval(expected.amount, horizon),
        )
        if not candidate_named(fitted.kind).is_rule:
            by_rules = [
                _fitted(data, rule, step.test).undiscounted().predict(customers, horizon).amount
                for rule in self.candidates(run.section)
                if rule.is_rule
            ]
            draws = data.draws(step.test)
            found.append(
                error_gain(expected.amount, by_rules, customers.actual_amount, draws=draws)
            )
        if expected.order_days is not None:
            found += order_metrics(expected.order_days, customers.actual_order_days)
        return found

    def choose(self, section: ValueSection, tested: Sequence[Tested[ValueModel]]) -> Choice:
        """Choose a challenger only where it is better than the best rule for sure."""
        return better_for_sure(tested, self.criteria, gain=GAIN)

    def compose(
        self,
        run: ModelRun[ValueSection],
        step: Cutoffs,
        data: ValueData,
        prepared: Prepared,
        choice: Choice,
        tested: Sequence[Tested[ValueModel]],
    ) -> tuple[Tested[ValueModel], ...]:
        """Fit all of them again by what is known on the date.

        Adds what they expect in all from then on, and their parameters.
        """
        found = []
        for one in tested:
            with stage(run.spark, f"fit {one.name} on all that is known on {run.day}"):
                try:
                    fitted = _fitted(data, candidate_named(one.name), run.day)
                    fitted = data.with_all_intervals(fitted, run.day)
                except LeftOutError as error:
                    log.info("%s stays as it was tested: %s", one.name, error)
                    fitted = one.fitted
                tested_on = TestedOn(step.test, one.fitted.predictor)
                fitted = replace(fitted, tested=tested_on)
                ahead = _ahead(fitted, data.customers(run.day))
            metrics = (*one.metrics, *ahead, *_parameters(fitted, data.counts(run.day).n))
            found.append(Tested(one.name, one.is_rule, fitted, metrics))
        return tuple(found)

    def walk(
        self, section: ValueSection, day: date, first_order: date, newest_order: date
    ) -> list[Cutoffs]:
        """Give the latest six cut-offs, each with those closed before it."""
        return walk_over(section, day, first_order, newest_order)

    def artifact(
        self,
        run: ModelRun[ValueSection],
        tested: Tested[ValueModel],
        choice: Choice,
        plan: Plan,
        data: ValueData,
    ) -> Artifact:
        """Give the model as its spec."""
        params = run.section.model_dump(mode="json", exclude=set(self.not_learnt))
        return Artifact(
            spec_json=json.dumps(tested.fitted.spec(), indent=1, sort_keys=True),
            params={**params, "horizons_days": ",".join(map(str, params["horizons_days"]))},
        )

    def load(self, stored: StoredVersion) -> ValueModel:
        """Put a model together again."""
        spec = stored.spec()
        return ValueModel.of(spec, candidate_named(spec["kind"]).load)

    def score(self, run: ModelRun[ValueSection], fitted: ValueModel) -> Mapping[Table, DataFrame]:
        """Give what every customer is worth who has kept an order of before the date."""
        scored = run.keep(score_customers(fitted, _histories(run, [run.day])))
        of_date = with_value_at_risk(with_tiers(scored), run.beside(CHURN_SCORES))
        offers, prices = run.beside(OFFERS), run.beside(PRODUCT_PRICES.name)
        of_date = run.keep(with_recommended_amount(of_date, offers, prices))
        of_date = with_value_score(of_date, run.section.score_weights)
        return {CUSTOMER_VALUE: of_date, VALUE_VALIDATION: _validated(run, fitted.tested)}

    def report(self, request: ReportRequest, section: ValueSection) -> Subject | None:
        """Give who is worth what, and how far to trust it."""
        facts = read_value(
            request,
            registered_name=self.registered_name,
            train_job=self.train_job,
            weights=section.score_weights,
        )
        return show_value(facts, request.style) if facts else None


def _histories(run: ModelRun[ValueSection], dates: Sequence[date]) -> DataFrame:
    orders = run.lake.read(CUSTOMER_ORDERS)
    return value_histories(
        orders,
        run.lake.read(TRANSACTIONS),
        dates=dates,
        horizons_days=run.section.horizons_days,
        changes=count_changes(orders, dates=dates),
    )


def _with_outcomes(
    run: ModelRun[ValueSection], histories: DataFrame, dates: Sequence[date]
) -> DataFrame:
    return with_outcomes(histories, _ordered(run, dates, run.section.horizon_days), dates=dates)


def _ordered(run: ModelRun[ValueSection], dates: Sequence[date], horizon_days: int) -> DataFrame:
    """Give the orders of a horizon from each of these cut-offs on, as known when it had closed."""
    orders = run.lake.read(CUSTOMER_ORDERS)
    window = {"horizon_days": horizon_days, "grace_days": run.section.grace_days}
    return orders_in_horizon(
        orders,
        run.lake.read(TRANSACTIONS),
        dates=dates,
        changes=count_changes(orders, dates=closings(dates, **window)),
        **window,
    )


def _validated(run: ModelRun[ValueSection], tested: TestedOn | None) -> DataFrame:
    """Give what was expected of each customer when the model was tested, beside what came.

    None where that had not come by the date, as a later champion scores it.
    """
    if tested is None:  # a version that was stored before it held what it was tested by
        log.warning("scores.value_validation stays empty until train_value runs again")
        return frame_of(run.spark, VALIDATION, [])
    if tested.cutoff + closed_after(run.section) > run.day:
        log.info(
            "scores.value_validation of %s stays empty: the model was tested on %s, which had not "
            "closed by then",
            run.day,
            tested.cutoff,
        )
        return frame_of(run.spark, VALIDATION, [])
    rows = _with_outcomes(run, _histories(run, [tested.cutoff]), [tested.cutoff])
    return validation_rows(tested, run.keep(rows), run.section.horizons_days)


def _fitted(data: ValueData, candidate: ValueCandidate, day: date) -> ValueModel:
    try:
        return data.fitted(candidate, day)
    except TooFewError as error:
        raise LeftOutError(f"as of {day} {error}") from error
    except ValueError as error:
        raise DataError(f"{candidate.name} cannot be fitted as of {day}: {error}") from error


def _ahead(model: ValueModel, customers: Customers) -> list[Measured]:
    """Give what is expected of all customers together in each horizon from the date on."""
    found = []
    for days in model.horizons_days:
        expected = model.predict(customers, days)
        totals = {"expected_total": expected.amount, "expected_order_days": expected.order_days}
        found += [
            Measured(f"ahead.{name}.{days}d", float(values.sum()), len(customers))
            for name, values in totals.items()
            if values is not None
        ]
    return found


def _parameters(model: ValueModel, n: int) -> list[Measured]:
    """Give parameters with their 95 % intervals, and log-likelihoods, by the model they are of."""
    predictor = model.predictor
    if not isinstance(predictor, BuyTillYouDie):
        return []
    found = _of_model(model.kind, purchases.PARAMETERS, predictor.purchases, n)
    found.append(Measured(f"parameter.{model.kind}.k", float(predictor.purchases.kind.k), n))
    if predictor.spend is not None:
        found += _of_model("gamma_gamma", spend.PARAMETERS, predictor.spend, n)
    return found


def _of_model(
    name: str,
    parameters: Sequence[str],
    fitted: purchases.PurchaseModel | spend.SpendModel,
    n: int,
) -> list[Measured]:
    ends = purchases.intervals_of(fitted.parameters, fitted.errors)
    values = zip(parameters, fitted.parameters, ends, strict=True)
    found = [Measured(f"parameter.{name}.{one}", value, n, *both) for one, value, both in values]
    return [*found, Measured(f"log_likelihood.{name}", fitted.log_likelihood, n)]
