"""Contract churn as a model: its contract with the runners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from pyspark.sql import DataFrame

from crm_spark.errors import DataError
from crm_spark.lake.contract import Table
from crm_spark.models.classifiers.figures import choose_calibrated
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.learners import require_installed
from crm_spark.models.classifiers.pipelines import logged_pipeline, stored_parts
from crm_spark.models.classifiers.scores import with_deciles, with_reasons_of_riskiest
from crm_spark.models.contract import (
    Artifact,
    Choice,
    Criterion,
    Cutoffs,
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
from crm_spark.models.contract_churn.attributes import Attribute, attributes_of, with_attributes
from crm_spark.models.contract_churn.candidates import candidates_of
from crm_spark.models.contract_churn.data import ContractData, contract_data, labelled
from crm_spark.models.contract_churn.encoding import learn_encoding
from crm_spark.models.contract_churn.facts import (
    ATTRIBUTES_MODEL,
    metric_of,
    read_contract_churn,
)
from crm_spark.models.contract_churn.model import (
    ContractModel,
    encoded,
    load_model,
    score_contracts,
)
from crm_spark.models.contract_churn.reasons import with_reasons
from crm_spark.models.contract_churn.report import GLOSSARY, show_contract_churn
from crm_spark.models.contract_churn.section import ContractChurnSection
from crm_spark.models.contract_churn.strength import strengths_of
from crm_spark.models.contract_churn.tables import CONTRACT_CHURN, REASON
from crm_spark.models.contract_churn.train import cross_validated, measured_candidates
from crm_spark.models.contract_churn.verdicts import (
    ATTRIBUTE_CHECKS,
    Classes,
    attribute_verdicts,
    contract_verdicts,
    kept_out,
    too_good,
)
from crm_spark.models.records import MetricRow, rows_hash
from crm_spark.models.usability.facts import DataFacts
from crm_spark.runtime.progress import log, stage
from crm_spark.tables.checks import Verdict
from crm_spark.tables.core import CONTRACTS
from crm_spark.tables.mapped import Mapped


class ContractChurn(Model[ContractChurnSection, ContractData, ContractModel]):
    """Which customers are like those of whom a table says that they have left."""

    name = "contract_churn"
    section = ContractChurnSection
    section_name = "contract_churn"
    training_in_words = "Learn who leaves from contracts that say who has left, beside rules."
    scoring_in_words = "Score every contract customer who is not known to have left."
    tables = (CONTRACT_CHURN,)
    about = "contracts"
    generation = 3
    not_learnt = frozenset({"n_reasons", "explained_deciles"})
    glossary = GLOSSARY
    quiet_advice = frozenset(ATTRIBUTE_CHECKS)
    criteria = (
        Criterion("auc", "AUC"),
        Criterion("brier", "Brier", is_higher_better=False, worst=1.0),
    )

    def lacks(self, mapped: Mapped) -> str | None:
        """Say that it has to be known who has left."""
        if mapped.has("contracts", "has_left"):
            return None
        return "contract_churn needs has_left: map it in sources.contracts.columns"

    def plan(self, section: ContractChurnSection, day: date, first_order: date) -> Plan:
        """Give the day itself: the table has no past, and customers are parted instead of dates."""
        return Plan(Cutoffs(day, (day,)))

    def learns_from(self, section: ContractChurnSection, plan: Plan, day: date) -> Sequence[Read]:
        """Give the contracts."""
        return (Read(CONTRACTS),)

    def scores_from(self, section: ContractChurnSection, day: date) -> Sequence[Read]:
        """Give the contracts."""
        return (Read(CONTRACTS),)

    def read(self, run: ModelRun[ContractChurnSection], plan: Plan) -> ContractData:
        """Give the customers of whom it is known whether they have left."""
        require_installed(run.section)
        contracts = run.lake.read(CONTRACTS)
        rows = run.keep(labelled(contracts, run.section, run.day))
        return contract_data(rows, attributes_of(contracts))

    def content(
        self, run: ModelRun[ContractChurnSection], plan: Plan, data: ContractData
    ) -> Sequence[object]:
        """Give the hash of customers, labels and attributes: the same table is not learnt twice."""
        known = run.lake.read(CONTRACTS).where("has_left IS NOT NULL")
        names = [name for name in CONTRACTS.content_columns if name != "customer_id"]
        return (rows_hash(known, "customer_id", *names),)

    def judge(
        self,
        run: ModelRun[ContractChurnSection],
        facts: DataFacts,
        plan: Plan,
        data: ContractData | None,
    ) -> list[Verdict]:
        """Judge whether customers enough left and stayed."""
        return [] if data is None else contract_verdicts(Classes.of(data.rows))

    def candidates(self, section: ContractChurnSection) -> Sequence[Learner]:
        """Give the rules, and what has to beat them."""
        return candidates_of(section)

    def prepare(
        self, run: ModelRun[ContractChurnSection], step: Cutoffs, data: ContractData
    ) -> Prepared:
        """Choose the attributes that may be used, by the customers learnt from alone."""
        params, learnt = run.section, data.sample.learnt()
        encoding = learn_encoding(
            learnt.values,
            data.attributes,
            most_levels=params.most_levels,
            fewest_of_level=params.fewest_of_level,
        )
        trusted = params.trusted_attributes
        strengths = strengths_of(learnt.values, learnt.labels, encoding, trusted=trusted)
        for one in strengths:
            if one.dropped == "suspected leak":
                log.warning("%s: %s", too_good(one), kept_out(one.attribute.name))
        figures = [
            MetricRow(
                ATTRIBUTES_MODEL,
                step.test,
                metric_of(one.attribute.kind, one.attribute.name),
                one.strength.auc,
                one.strength.n,
                one.strength.low,
                one.strength.high,
            )
            for one in strengths
        ]
        used = tuple(one.attribute for one in strengths if one.dropped is None)
        return Prepared(used, tuple(attribute_verdicts(strengths)), tuple(figures))

    def test(
        self,
        run: ModelRun[ContractChurnSection],
        step: Cutoffs,
        data: ContractData,
        prepared: Prepared,
        choice: Choice | None = None,
    ) -> tuple[Tested[ContractModel], ...]:
        """Fit and measure all candidates, out of fold and on the customers held out."""
        used: tuple[Attribute, ...] = prepared.value
        if not used:
            raise DataError(
                "contract_churn cannot be trained: no attribute is left that tells customers "
                "apart; map more in sources.contracts, or name those that are proved clean in "
                "contract_churn.trusted_attributes"
            )
        with stage(run.spark, f"fit and test {self.name}"):
            return measured_candidates(data, used, run.section, on_split=log.info)

    def choose(
        self, section: ContractChurnSection, tested: Sequence[Tested[ContractModel]]
    ) -> Choice:
        """Choose by cross-validation: the customers held out have no part in it."""
        choice = choose_calibrated([cross_validated(one) for one in tested], self.criteria)
        return replace(choice, why=f"{choice.why}; by cross-validation", is_apart=True)

    def artifact(
        self,
        run: ModelRun[ContractChurnSection],
        tested: Tested[ContractModel],
        choice: Choice,
        plan: Plan,
        data: ContractData,
    ) -> Artifact:
        """Give the encoding and the classifier, with their settings."""
        model, params = tested.fitted, run.section
        classifier = model.classifier
        return Artifact(
            spec_json=model.spec_json(),
            pipeline=logged_pipeline(classifier, encoded(data.rows, model.encoding)),
            params={
                "seed": params.seed,
                "n_folds": params.n_folds,
                "test_share": params.test_share,
                "n_inputs": len(classifier.features),
                "calibration": classifier.calibration.form,
                **classifier.settings,
            },
        )

    def load(self, stored: StoredVersion) -> ContractModel:
        """Put a model together again, with its pipeline and the trees of it, where it has one."""
        spec = stored.spec()
        return load_model(spec, *stored_parts(stored, spec["classifier"]))

    def score(
        self, run: ModelRun[ContractChurnSection], fitted: ContractModel
    ) -> Mapping[Table, DataFrame]:
        """Give probability and decile of who is not known to have left, and reasons.

        Raises DataError where everybody has left, or for a model of attributes that are no more.
        """
        contracts = run.lake.read(CONTRACTS)
        _require_attributes(fitted, contracts, run.day)
        contracts = contracts.where("NOT coalesce(has_left, false)")
        rows = run.keep(with_attributes(contracts, "customer_id"))
        n_rows = rows.count()
        if not n_rows:
            raise DataError("contract_churn: core.contracts holds no customer who has not left")
        scored = run.keep(with_deciles(run.keep(score_contracts(fitted, rows))))
        explained = with_reasons_of_riskiest(
            scored,
            rows,
            lambda some: with_reasons(fitted, some, n=run.section.n_reasons, n_rows=n_rows),
            explained_deciles=run.section.explained_deciles,
            reason=REASON,
        )
        return {CONTRACT_CHURN: explained}

    def report(self, request: ReportRequest, section: ContractChurnSection) -> Subject | None:
        """Give which contract customers are likely to leave, and how far to trust it."""
        return show_contract_churn(read_contract_churn(request, section))


def _require_attributes(fitted: ContractModel, contracts: DataFrame, day: date) -> None:
    there = {(one.name, one.kind) for one in attributes_of(contracts)}
    gone = [one.name for one in fitted.attributes if (one.name, one.kind) not in there]
    if gone:
        raise DataError(
            f"the contract churn model that scores {day} learnt from {', '.join(gone)}, which "
            f"core.contracts has not, or as another kind: run train_contract_churn --as-of {day}"
        )
