"""What a model is: one class in one folder that fulfils this contract, and a line in the registry.

`models/train.py` and `models/score.py` run any of them. A model says what it reads, learns, tests
and writes; dates, requirements, verdicts, reuse, progress, metrics, registration, decision,
provenance and summary are the runners'.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel
from pyspark.sql import DataFrame

from crm_spark.errors import DataError
from crm_spark.lake.contract import Table
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import Output, State
from crm_spark.models.choice import Choice, Criterion, best_rule_or_challenger
from crm_spark.models.cutoffs import Cutoffs, Plan
from crm_spark.models.model_run import (
    Artifact,
    Candidate,
    ModelRun,
    Prepared,
    Read,
    StoredVersion,
)
from crm_spark.models.results import Measured, Tested
from crm_spark.models.usability.facts import DataFacts
from crm_spark.report.subject import ReportRequest, Subject
from crm_spark.runtime.progress import log, stage
from crm_spark.tables.checks import Verdict
from crm_spark.tables.mapped import Mapped

S = TypeVar("S", bound=BaseModel)
D = TypeVar("D")
M = TypeVar("M")

__all__ = [
    "Artifact",
    "Candidate",
    "Choice",
    "Criterion",
    "Cutoffs",
    "LeftOutError",
    "Measured",
    "Model",
    "ModelRun",
    "Plan",
    "Prepared",
    "Read",
    "ReportRequest",
    "StoredVersion",
    "Subject",
    "Tested",
]


class LeftOutError(DataError):
    """The data do not carry one candidate; the others are tested without it."""


class Model(ABC, Generic[S, D, M]):
    """A model: S is its section of the configuration, D what it learns from, M a fitted candidate.

    Besides the methods a model gives its `name` (train_<name> and score_<name> are its jobs, unless
    it names others), its section with the key that it has in the configuration, and its tables.
    """

    name: ClassVar[str]
    section: ClassVar[type[BaseModel]]
    # The key in the configuration, and the subject in ops.checks and in messages.
    section_name: ClassVar[str]
    # What the help says its two jobs do.
    training_in_words: ClassVar[str]
    scoring_in_words: ClassVar[str]
    # What its backtest does on each cut-off; nothing where it has none.
    backtest_in_words: ClassVar[str] = ""
    tables: ClassVar[tuple[Table, ...]]
    # The source that it is about: without it the model is no part of a pipeline.
    about: ClassVar[str] = "transactions"
    # Jobs of a day that follow its scores, by their names, and the tables that they write.
    jobs_after: ClassVar[tuple[str, ...]] = ()
    tables_after: ClassVar[tuple[Table, ...]] = ()
    # Raise it with every change that can change a fitted model: it is part of the version's key.
    generation: ClassVar[int] = 1
    # Keys of the section that no fitted model depends on.
    not_learnt: ClassVar[frozenset[str]] = frozenset()
    # Keys of the section that no score depends on.
    not_scored: ClassVar[frozenset[str]] = frozenset()
    # By these a candidate has to beat the best rule, by all of them; the first ranks the rules.
    criteria: ClassVar[tuple[Criterion, ...]] = ()
    # What the report's last section says of its figures: word and meaning.
    glossary: ClassVar[tuple[tuple[str, str], ...]] = ()
    # Checks whose advice is left to ops.checks, as there is some on every run.
    quiet_advice: ClassVar[frozenset[str]] = frozenset()

    @property
    def registered_name(self) -> str:
        """The name in MLflow."""
        return f"crm_spark_{self.name}"

    @property
    def train_job(self) -> str:
        """The job that trains it."""
        return f"train_{self.name}"

    @property
    def score_job(self) -> str:
        """The job that scores with it."""
        return f"score_{self.name}"

    @property
    def backtest_job(self) -> str:
        """The job that walks it over past cut-offs."""
        return f"backtest_{self.name}"

    # --- what it needs

    @property
    def needs_orders(self) -> bool:
        """Whether it is about orders: its dates, and the checks of the data, follow from them."""
        return self.about == "transactions"

    def lacking(self, mapped: Mapped) -> str | None:
        """Say what the configuration lacks for it, the source that it is about first."""
        if not mapped.has(self.about):
            return f"{self.section_name} is about sources.{self.about}, which is not mapped"
        return self.lacks(mapped)

    def lacks(self, mapped: Mapped) -> str | None:
        """Say what of the source that it is about, or of others, the configuration lacks."""
        return None

    def section_faults(self, section: S, mapped: Mapped) -> Sequence[str]:
        """Say what the section asks for that is not mapped."""
        return ()

    @abstractmethod
    def plan(self, section: S, day: date, first_order: date) -> Plan:
        """Give the cut-offs that a training as of the day learns from and is tested on."""

    @abstractmethod
    def learns_from(self, section: S, plan: Plan, day: date) -> Sequence[Read]:
        """Give the tables, with their dates, that training reads."""

    # Tables of core that training, and scoring, reads where their source is mapped.
    learns_from_sources: ClassVar[tuple[Table, ...]] = ()
    scores_from_sources: ClassVar[tuple[Table, ...]] = ()

    # Names of tables whose rows of the date it reads where they are whole: earlier models' scores,
    # and what of features it can do without.
    scores_beside: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def scores_from(self, section: S, day: date) -> Sequence[Read]:
        """Give the tables, with their dates, that scoring reads."""

    def settled(self, run: LakeRun, section: S, day: date, *, keeps: bool) -> S:
        """Give the section with what it leaves to the data settled by a day.

        `keeps`: what is settled now is left in ops.outputs.
        """
        return section

    def remembers(self, section: S) -> Mapping[Table, timedelta]:
        """Give its tables whose earlier dates later ones read, and how far back."""
        return {}

    # --- training

    @abstractmethod
    def read(self, run: ModelRun[S], plan: Plan) -> D:
        """Give what it learns from."""

    @abstractmethod
    def content(self, run: ModelRun[S], plan: Plan, data: D) -> Sequence[object]:
        """Give plain values that change with the rows it learns from, and with nothing else."""

    @abstractmethod
    def judge(
        self, run: ModelRun[S], facts: DataFacts, plan: Plan, data: D | None
    ) -> list[Verdict]:
        """Judge whether the data carry the model; without `data`, as the plan is not possible."""

    @abstractmethod
    def candidates(self, section: S) -> Sequence[Candidate]:
        """Give what is fitted and tested, the trivial rules first."""

    def prepare(self, run: ModelRun[S], step: Cutoffs, data: D) -> Prepared:
        """Look at what a step learns from, before anything is fitted on it."""
        return Prepared()

    def fit(
        self, run: ModelRun[S], candidate: Any, step: Cutoffs, data: D, prepared: Prepared
    ) -> M:
        """Fit one candidate on the step's training cut-offs."""
        raise NotImplementedError

    def evaluate(self, run: ModelRun[S], fitted: M, step: Cutoffs, data: D) -> Sequence[Measured]:
        """Measure a fitted candidate on the step's test cut-off, in the same way for all."""
        raise NotImplementedError

    def test(
        self,
        run: ModelRun[S],
        step: Cutoffs,
        data: D,
        prepared: Prepared,
        choice: Choice | None = None,
    ) -> tuple[Tested[M], ...]:
        """Fit and measure every candidate on a step, one by one unless a model knows better.

        `choice` is there where an earlier step has chosen already. A candidate that raises
        LeftOutError is left out.
        """
        tested = []
        for candidate in self.candidates(run.section):
            with stage(run.spark, f"fit and test {candidate.name} on {step.test}"):
                try:
                    fitted = self.fit(run, candidate, step, data, prepared)
                except LeftOutError as error:
                    log.info("%s is left out: %s", candidate.name, error)
                    continue
                measured = tuple(self.evaluate(run, fitted, step, data))
            tested.append(Tested(candidate.name, candidate.is_rule, fitted, measured))
        return tuple(tested)

    def tells(self, tested: Sequence[Tested[M]]) -> bool:
        """Whether a test can choose: every figure that decides is known of any candidate.

        With one class there is none.
        """
        return all(
            any(one.value(criterion.metric) is not None for one in tested)
            for criterion in self.criteria
        )

    def choose(self, section: S, tested: Sequence[Tested[M]]) -> Choice:
        """Choose who scores: the best that is no rule where it beats the best rule in all."""
        return best_rule_or_challenger(tested, self.criteria)

    def compose(
        self,
        run: ModelRun[S],
        step: Cutoffs,
        data: D,
        prepared: Prepared,
        choice: Choice,
        tested: Sequence[Tested[M]],
    ) -> tuple[Tested[M], ...]:
        """Give what is quoted: what was tested, and what the choice puts together of it."""
        return tuple(tested)

    def explain(self, run: ModelRun[S], tested: Tested[M], step: Cutoffs, data: D) -> Tested[M]:
        """Add what explains a candidate: to the fit what its reasons need, and further figures."""
        return tested

    @abstractmethod
    def artifact(
        self, run: ModelRun[S], tested: Tested[M], choice: Choice, plan: Plan, data: D
    ) -> Artifact:
        """Give a candidate as it is to be stored."""

    # --- walking over the past

    # The figures that the table of a backtest shows.
    walk_metrics: ClassVar[tuple[str, ...]] = ()

    def metrics_of_walk(self, section: S) -> Sequence[str]:
        """Give the figures that the table of a backtest shows, where they depend on the section."""
        return self.walk_metrics

    def walk(self, section: S, day: date, first_order: date, newest_order: date) -> list[Cutoffs]:
        """Give the steps of a backtest as of the day, the earliest first.

        Raises DataError where there are none, or one has not closed.
        """
        raise DataError(f"{self.section_name} has no backtest")

    def require_learnable(self, run: ModelRun[S], plan: Plan, data: D) -> None:
        """Refuse data of which a backtest could learn nothing. Raises DataError."""

    # --- scoring

    @abstractmethod
    def load(self, stored: StoredVersion) -> M:
        """Put a stored candidate together again."""

    @abstractmethod
    def score(self, run: ModelRun[S], fitted: M) -> Mapping[Table, DataFrame]:
        """Give the rows of its tables for the run's date, without provenance, in order of writing.

        The columns as_of_date, is_backfilled and those of provenance are added by the runner.
        """

    # --- what it shows

    def shows(self, section: S, day: date, state: State) -> Sequence[Output]:
        """Give what its part shows besides its training and its scores of the day."""
        return ()

    def report(self, request: ReportRequest, section: S) -> Subject | None:
        """Give its part of the page and of the console; None where it has nothing to show."""
        return None


AnyModel = Model[Any, Any, Any]
