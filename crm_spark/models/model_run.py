"""What a model has at hand in one run, and what it hands over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, Protocol, TypeVar

import pandas as pd
from pydantic import BaseModel
from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.features.families import FEATURES
from crm_spark.features.families.family import Feature
from crm_spark.lake.contract import Table
from crm_spark.lake.delta import Lake
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import Output
from crm_spark.models.records import MetricRow
from crm_spark.models.tracking import LoggedPipeline
from crm_spark.models.tree_shap import CoveredTree
from crm_spark.tables.checks import Verdict
from crm_spark.tables.mapped import Mapped

S = TypeVar("S", bound=BaseModel)


@dataclass(frozen=True)
class Read:
    """A table that a model reads: these as-of dates of it, or all of it where it has none."""

    table: Table
    dates: tuple[date, ...] | None = None


@dataclass(frozen=True)
class ModelRun(Generic[S]):
    """What a model has at hand in one run: the lake, its section, the date, what is mapped.

    `features` are those of the snapshot: ours, and those of families of the user.
    """

    run: LakeRun
    section: S
    day: date
    mapped: Mapped
    # Tables whose rows of past dates this run builds instead of reading them: a backtest's.
    built: Mapping[Table, Callable[[Sequence[date]], DataFrame]] = field(default_factory=dict)
    features: tuple[Feature, ...] = FEATURES
    # Tables that a model may read where they are there, by name: all models' scores, and prices.
    tables_of_dates: Mapping[str, Table] = field(default_factory=dict)
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

    def beside(self, name: str) -> DataFrame | None:
        """Give the date's rows of a table that is read where it is there; None where not."""
        if not self.run.has_rows(Output(name, self.day)):
            return None
        return self.lake.read_date(self.tables_of_dates[name], self.day)

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

    def trees(self) -> Sequence[CoveredTree]:
        """Give the trees of the pipeline's ensemble as arrays."""

    def frame(self, file: str) -> pd.DataFrame:
        """Give a frame that it was stored with."""
