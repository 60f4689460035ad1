"""Churn as a model: its contract with the runners."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.errors import DataError
from crm_spark.features.tables import CUSTOMER_ORDERS, CUSTOMER_SNAPSHOT, snapshot_table
from crm_spark.lake.contract import Table, content_checksum
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import Output, State
from crm_spark.models.calibration_gate import CALIBRATION_ERROR
from crm_spark.models.churn.alert_backtest import policies_row
from crm_spark.models.churn.alerts import JOB as RAISE_ALERTS
from crm_spark.models.churn.alerts import memory_of_alerts
from crm_spark.models.churn.candidates import candidates_of
from crm_spark.models.churn.chosen_days import settled
from crm_spark.models.churn.facts import read_churn
from crm_spark.models.churn.feature_checks import (
    FEATURE_CHECKS,
    feature_checks,
    feature_metrics,
    measured_features,
    selected_features,
    used_features,
)
from crm_spark.models.churn.inputs import (
    churn_classes,
    counted_orders,
    labelled,
    require_both_classes,
)
from crm_spark.models.churn.labels import LABEL, is_active
from crm_spark.models.churn.model import GENERATION, ChurnModel, load_model
from crm_spark.models.churn.outcome_checks import JOB as CHECK_OUTCOMES
from crm_spark.models.churn.outcome_checks import outcomes_shown
from crm_spark.models.churn.reasons import with_reasons
from crm_spark.models.churn.report import GLOSSARY, show_churn
from crm_spark.models.churn.return_curve import return_figures, returns_known
from crm_spark.models.churn.season import Season, season_figures, season_known
from crm_spark.models.churn.section import (
    ChurnSection,
    closed_after,
    cutoffs_for_test,
    latest_closed,
    walk_over,
)
from crm_spark.models.churn.subgroups import (
    SELECTION_LEAK,
    group_figures,
    group_verdicts,
    selection_verdicts,
)
from crm_spark.models.churn.tables import CUSTOMER_ALERTS, CUSTOMER_CHURN, REASON
from crm_spark.models.churn.train import step_of, tested_groups
from crm_spark.models.churn.verdicts import churn_verdicts
from crm_spark.models.classifiers.classifier import (
    RAW_SCORE,
    score,
)
from crm_spark.models.classifiers.figures import AUC_GAIN, best_rule, choose_calibrated, figures
from crm_spark.models.classifiers.importance import permutation_importance
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.learners import require_installed
from crm_spark.models.classifiers.pipelines import logged_pipeline, stored_parts
from crm_spark.models.classifiers.scores import with_deciles, with_reasons_of_riskiest
from crm_spark.models.classifiers.step import Fitted
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
from crm_spark.models.feature_selection import Selection
from crm_spark.models.records import MetricRow, rows_hash
from crm_spark.models.usability.facts import DataFacts
from crm_spark.runtime.progress import stage
from crm_spark.tables.checks import Verdict
from crm_spark.tables.columns import CHURN_PROBABILITY
from crm_spark.tables.core import CUSTOMERS
from crm_spark.tables.mapped import Mapped
from crm_spark.words import counted

IMPORTANCE = "importance."


@dataclass(frozen=True)
class Ready:
    """What candidates of a step need: the features that may be used, and the season, if any."""

    selection: Selection
    season: Season | None = None


class Churn(Model[ChurnSection, DataFrame, ChurnModel]):
    """Who places no order in the horizon, among those who were active at the cut-off."""

    name = "churn"
    section = ChurnSection
    section_name = "churn"
    training_in_words = "Train churn models, test them beside trivial rules, and name the champion."
    scoring_in_words = "Score every active customer of the date with the champion of that date."
    backtest_in_words = "train before each, and test on it"
    tables = (CUSTOMER_CHURN,)
    jobs_after = (RAISE_ALERTS, CHECK_OUTCOMES)
    tables_after = (CUSTOMER_ALERTS,)
    generation = GENERATION
    not_learnt = frozenset({"backtest_cutoffs", "n_reasons", "explained_deciles", "alerts"})
    not_scored = frozenset({"backtest_cutoffs", "alerts"})
    glossary = GLOSSARY
    quiet_advice = frozenset((*FEATURE_CHECKS, SELECTION_LEAK))
    criteria = (
        Criterion("auc", "AUC"),
        Criterion("brier", "Brier", is_higher_better=False, worst=1.0),
    )

    walk_metrics = (
        "auc",
        "average_precision",
        "brier",
        CALIBRATION_ERROR,
        "lift_at_10_percent",
        AUC_GAIN,
    )

    def section_faults(self, section: ChurnSection, mapped: Mapped) -> Sequence[str]:
        """Name attributes for subgroups that sources.customers does not map."""
        lacking = [one for one in section.subgroups if not mapped.has("customers", one)]
        if not lacking:
            return ()
        names = ", ".join(lacking)
        return [f"subgroups: sources.customers does not map {names}: map it, or leave it out"]

    def settled(
        self, run: LakeRun, section: ChurnSection, day: date, *, keeps: bool
    ) -> ChurnSection:
        """Choose the days that are `auto`."""
        return settled(run, section, day, keeps=keeps)

    def remembers(self, section: ChurnSection) -> Mapping[Table, timedelta]:
        """Keep scores and alerts for as long as a silence, or a cool-down, reaches back."""
        return dict.fromkeys((CUSTOMER_CHURN, CUSTOMER_ALERTS), memory_of_alerts(section))

    def plan(self, section: ChurnSection, day: date, first_order: date) -> Plan:
        """Test on the latest cut-off that has closed, choose and learn on those closed before."""
        quoted = cutoffs_for_test(section, latest_closed(section, day), first_order)
        return plan_with_choice(quoted, closes_after=closed_after(section))

    def learns_from(self, section: ChurnSection, plan: Plan, day: date) -> Sequence[Read]:
        """Give the orders, which say who came back, and the snapshots of the cut-offs.

        And the customers' attributes where subgroups are made by some.
        """
        reads = (Read(CUSTOMER_ORDERS), Read(CUSTOMER_SNAPSHOT, plan.dates))
        return (*reads, Read(CUSTOMERS)) if section.subgroups else reads

    def scores_from(self, section: ChurnSection, day: date) -> Sequence[Read]:
        """Give the snapshot of the date."""
        return (Read(CUSTOMER_SNAPSHOT, (day,)),)

    def read(self, run: ModelRun[ChurnSection], plan: Plan) -> DataFrame:
        """Give the labelled rows of all cut-offs."""
        require_installed(run.section)
        snapshot = run.of_dates(CUSTOMER_SNAPSHOT, plan.dates)
        return run.keep(labelled(run.lake, snapshot, plan.dates, run.section))

    def content(self, run: ModelRun[ChurnSection], plan: Plan, data: DataFrame) -> Sequence[object]:
        """Give the checksums of features and labels, the cut-offs, and the season, if any."""
        season = season_known(run.run, plan.quoted, run.section).used
        return (
            content_checksum(data, snapshot_table(run.features)),
            rows_hash(data, "customer_id", "as_of_date", LABEL),
            plan,
            *([season.spec()] if season else []),
        )

    def judge(
        self, run: ModelRun[ChurnSection], facts: DataFacts, plan: Plan, data: DataFrame | None
    ) -> list[Verdict]:
        """Judge history, customers, both classes, and the order lines."""
        classes = None if data is None else churn_classes(data, test=plan.quoted.test)
        return churn_verdicts(
            facts,
            params=run.section,
            cutoffs=plan.quoted,
            classes=classes,
            n_inputs=len(run.features),
        )

    def candidates(self, section: ChurnSection) -> Sequence[Learner]:
        """Give the rules, and what has to beat them."""
        return candidates_of(section)

    def prepare(self, run: ModelRun[ChurnSection], step: Cutoffs, data: DataFrame) -> Prepared:
        """Choose the features that a step may use, by its training cut-offs alone."""
        measured = measured_features(data, step, run.features)
        trusted = run.section.trusted_features
        selection = selected_features(measured, trusted)
        season = season_known(run.run, step, run.section)
        return Prepared(
            Ready(selection, season.used),
            tuple(feature_checks(measured, selection, trusted)),
            (
                *feature_metrics(measured),
                *self._returns(run, step),
                *season_figures(step, run.day, season),
            ),
        )

    def _returns(self, run: ModelRun[ChurnSection], step: Cutoffs) -> list[MetricRow]:
        """Give after how long a silence customers came back, as it was known on the test quoted."""
        if step.test != latest_closed(run.section, run.day):
            return []
        orders = counted_orders(run.lake, step.test)
        return return_figures(step.test, returns_known(orders, step.test))

    def test(
        self,
        run: ModelRun[ChurnSection],
        step: Cutoffs,
        data: DataFrame,
        prepared: Prepared,
        choice: Choice | None = None,
    ) -> tuple[Tested[ChurnModel], ...]:
        """Fit and measure all candidates, if there is a feature to learn from.

        Those that are no rule are measured against the best rule of this step, on its customers.
        """
        ready: Ready = prepared.value
        used = used_features(ready.selection, run.features)
        of_step = step_of(data, step, run.section, used, ready.season)
        fitted = []
        for candidate in self.candidates(run.section):
            with stage(run.spark, f"fit and test {candidate.name} on {step.test}"):
                fitted.append(of_step.fitted(candidate))
        is_rule = {one.name: one.is_rule for one in self.candidates(run.section)}
        rule = best_rule([one for one in fitted if is_rule[one.name]])
        return tuple(
            _tested(one, None if is_rule[one.name] else rule, run.section, ready.season)
            for one in fitted
        )

    def choose(self, section: ChurnSection, tested: Sequence[Tested[ChurnModel]]) -> Choice:
        """Choose the best candidate where it beats the best rule for sure, and is calibrated.

        One that is not calibrated stands back where another is, or the rule is off by less.
        """
        return choose_calibrated(tested, self.criteria)

    def explain(
        self,
        run: ModelRun[ChurnSection],
        tested: Tested[ChurnModel],
        step: Cutoffs,
        data: DataFrame,
    ) -> Tested[ChurnModel]:
        """Find the most telling features of what is no rule: their importance is a figure, too."""
        if tested.is_rule:
            return tested
        with stage(run.spark, f"importance of the inputs of {tested.name}"):
            losses = permutation_importance(
                tested.fitted.classifier,
                data.where(f"as_of_date = DATE '{step.test}'"),
                n_rows=run.section.importance_rows,
                seed=run.section.seed,
            )
        n = tested.metrics[0].n
        importance = [Measured(f"{IMPORTANCE}{loss.feature}", loss.auc_loss, n) for loss in losses]
        return replace(tested, metrics=(*tested.metrics, *importance))

    def walk(
        self, section: ChurnSection, day: date, first_order: date, newest_order: date
    ) -> list[Cutoffs]:
        """Give the configured cut-offs, else the latest six, each with those closed before it."""
        return walk_over(section, day, first_order, newest_order)

    def require_learnable(self, run: ModelRun[ChurnSection], plan: Plan, data: DataFrame) -> None:
        """Refuse labels with next to none of one class."""
        with stage(run.spark, f"labelled snapshots of {counted(len(plan.dates), 'cut-off')}"):
            require_both_classes(data, plan.dates)

    def artifact(
        self,
        run: ModelRun[ChurnSection],
        tested: Tested[ChurnModel],
        choice: Choice,
        plan: Plan,
        data: DataFrame,
    ) -> Artifact:
        """Give the pipeline with its spec, its settings, and what is most telling."""
        params, model = run.section, tested.fitted.classifier
        return Artifact(
            spec_json=tested.fitted.spec_json(),
            pipeline=logged_pipeline(model, data),
            params={
                "horizon_days": params.horizon_days,
                "active_days": params.active_days,
                "grace_days": params.grace_days,
                "seed": params.seed,
                "n_inputs": len(model.features),
                "calibration": model.calibration.form,
                **model.settings,
            },
            texts=_importance_file(tested),
        )

    def load(self, stored: StoredVersion) -> ChurnModel:
        """Put a model together again, with its pipeline and the trees of it, where it has one."""
        spec = stored.spec()
        return load_model(spec, *stored_parts(stored, spec["classifier"]))

    def score(self, run: ModelRun[ChurnSection], fitted: ChurnModel) -> Mapping[Table, DataFrame]:
        """Give the probability and decile of every active customer, and reasons of the riskiest.

        Raises DataError for a model of features that there are no more: the lake has nulls there.
        """
        classifier = fitted.classifier_on(run.day)
        _require_inputs(classifier.features, run)
        snapshot = run.lake.read_date(CUSTOMER_SNAPSHOT, run.day)
        active = snapshot.where(is_active(fitted.active_days))
        scored = score(classifier, active, keep=["customer_id"], probability=CHURN_PROBABILITY)
        # Read again for reasons, and written.
        scored = run.keep(with_deciles(run.keep(scored.drop(RAW_SCORE))))
        n_rows = scored.count()
        explained = with_reasons_of_riskiest(
            scored,
            active,
            lambda rows: with_reasons(classifier, rows, n=run.section.n_reasons, n_rows=n_rows),
            explained_deciles=run.section.explained_deciles,
            reason=REASON,
        )
        return {CUSTOMER_CHURN: explained.withColumn("horizon_days", F.lit(fitted.horizon_days))}

    def shows(self, section: ChurnSection, day: date, state: State) -> Sequence[Output]:
        """Give the alerts of the day and what chose them, and what became of earlier scores."""
        row = policies_row(section, day, state)
        policies = [row.output] if row else []
        return (Output(CUSTOMER_ALERTS.name, day), *policies, *outcomes_shown(section, day, state))

    def report(self, request: ReportRequest, section: ChurnSection) -> Subject:
        """Give who is about to leave, and how far to trust it."""
        return show_churn(read_churn(request, section), request.day, request.style)


def _tested(
    fitted: Fitted, rule: Fitted | None, params: ChurnSection, season: Season | None
) -> Tested[ChurnModel]:
    """Give a measured candidate; `rule` is what it has to beat, None: it is a rule itself."""
    groups = tested_groups(fitted)
    return Tested(
        fitted.name,
        rule is None,
        ChurnModel(fitted.model, params.horizon_days, params.active_days, season),
        (*figures(fitted, rule, seed=params.seed), *group_figures(groups)),
        (*group_verdicts(fitted.name, groups), *selection_verdicts(groups)),
    )


def _require_inputs(features: Sequence[str], run: ModelRun[ChurnSection]) -> None:
    known = {feature.name for feature in run.features}
    if gone := [name for name in features if name not in known]:
        raise DataError(
            f"the churn model that scores {run.day} learnt from {', '.join(gone)}, which no family "
            f"of the configuration gives: run train_churn --as-of {run.day}, or name the family in "
            "features.families"
        )


def _importance_file(tested: Tested[Any]) -> dict[str, str]:
    found = [
        {"feature": metric.name.removeprefix(IMPORTANCE), "auc_loss": metric.value}
        for metric in tested.metrics
        if metric.name.startswith(IMPORTANCE)
    ]
    return {"importance.json": json.dumps(found, indent=1)} if found else {}
