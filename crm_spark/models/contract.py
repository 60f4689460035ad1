"""What a model is: one class in one folder that fulfils this contract, and a line in the registry.

`models/train.py` and `models/score.py` run any of them. A model says what it reads, learns, tests
and writes; dates, requirements, verdicts, reuse, progress, metrics, registration, decision,
provenance and summary are the runners'.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import pandas as pd
from pydantic import BaseModel
from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.errors import DataError
from crm_spark.lake.contract import Table
from crm_spark.lake.delta import Lake
from crm_spark.lake.run import LakeRun
from crm_spark.models.choice import Choice, Criterion, best_rule_or_challenger
from crm_spark.models.cutoffs import Cutoffs, Plan
from crm_spark.models.records import MetricRow
from crm_spark.models.results import Measured, Tested
from crm_spark.models.tracking import LoggedPipeline
from crm_spark.models.usability.facts import DataFacts, Verdict
from crm_spark.report.subject import ReportRequest, Subject
from crm_spark.runtime.progress import stage
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


@dataclass(frozen=True)
class Read:
    """A table that a model reads: these as-of dates of it, or all of it where it has none.

    `job` is the one that writes it.
    """

    table: Table
    dates: tuple[date, ...] | None = None
    job: str = "build_features"


@dataclass(frozen=True)
class ModelRun(Generic[S]):
    """What a model has at hand in one run: the lake, its section, the date, what is mapped."""

    run: LakeRun
    section: S
    day: date
    mapped: Mapped
    # Tables whose rows of past dates this run builds instead of reading them: a backtest's.
    built: Mapping[Table, Callable[[Sequence[date]], DataFrame]] = field(default_factory=dict)
    _kept: list[DataFrame] = field(default_factory=list)

    @property
    def spark(self) -> SparkSession:
        """The session."""
        return self.run.spark

    @property
    def lake(self) -> Lake:
        """The lake."""
        return self.run.lake

    def of_dates(self, table: Table, dates: Sequence[date]) -> DataFrame:
        """Give a table's rows of these dates, built for this run where they are not stored."""
        if table in self.built:
            return self.built[table](dates)
        return self.lake.read(table).where(F.col("as_of_date").isin(list(dates)))

    def keep(self, df: DataFrame) -> DataFrame:
        """Keep a frame that is read more than once, until the run ends or it is released."""
        kept = df.persist()
        self._kept.append(kept)
        return kept

    def release(self) -> None:
        """Let go of all frames that are kept."""
        while self._kept:
            self._kept.pop().unpersist()


class Candidate(Protocol):
    """One way to say what the model says: a trivial rule, or what has to beat the rules."""

    @property
    def name(self) -> str:
        """What ops.metrics and ops.model_decisions call it."""

    @property
    def is_rule(self) -> bool:
        """Whether it is a trivial rule."""


@dataclass(frozen=True)
class Prepared:
    """What a model found before it fits: verdicts and figures of what it learns from.

    `value` is the model's own: what its candidates need of it.
    """

    value: Any = None
    verdicts: tuple[Verdict, ...] = ()
    metrics: tuple[MetricRow, ...] = ()


@dataclass(frozen=True)
class Artifact:
    """A fitted candidate as it is stored: a spec as JSON, and what cannot be JSON beside it.

    `texts` and `frames` are further files by name, the frames as parquet.
    """

    spec_json: str
    pipeline: LoggedPipeline | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)


class StoredVersion(Protocol):
    """A registered version to be loaded."""

    def spec(self) -> dict[str, Any]:
        """Give the spec."""

    def pipeline(self) -> PipelineModel:
        """Give the Spark pipeline."""

    def frame(self, file: str) -> pd.DataFrame:
        """Give a frame that it was stored with."""


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
    tables: ClassVar[tuple[Table, ...]]
    # Raise it with every change that can change a fitted model: it is part of the version's key.
    generation: ClassVar[int] = 1
    # Keys of the section that no fitted model depends on.
    not_learnt: ClassVar[frozenset[str]] = frozenset()
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

    # --- what it needs

    def lacks(self, mapped: Mapped) -> str | None:
        """Say what the configuration lacks for it, if anything."""
        return None

    @abstractmethod
    def plan(self, section: S, day: date, first_order: date) -> Plan:
        """Give the cut-offs that a training as of the day learns from and is tested on."""

    @abstractmethod
    def learns_from(self, section: S, plan: Plan, day: date) -> Sequence[Read]:
        """Give the tables, with their dates, that training reads."""

    @abstractmethod
    def scores_from(self, section: S, day: date) -> Sequence[Read]:
        """Give the tables, with their dates, that scoring reads."""

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

        `choice` is there where an earlier step has chosen already.
        """
        tested = []
        for candidate in self.candidates(run.section):
            with stage(run.spark, f"fit and test {candidate.name} on {step.test}"):
                fitted = self.fit(run, candidate, step, data, prepared)
                measured = tuple(self.evaluate(run, fitted, step, data))
            tested.append(Tested(candidate.name, candidate.is_rule, fitted, measured))
        return tuple(tested)

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

    def report(self, request: ReportRequest, section: S) -> Subject | None:
        """Give its part of the page and of the console; None where it has nothing to show."""
        return None

    def with_measures(self, tested: Tested[M], *measured: Measured) -> Tested[M]:
        """Give a tested candidate with further figures."""
        return replace(tested, metrics=(*tested.metrics, *measured))


AnyModel = Model[Any, Any, Any]
SectionOf = Callable[[AnyModel], BaseModel]
