"""One scoring for all models: requirements, the champion of the date, provenance, tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from pyspark.ml import PipelineModel
from pyspark.sql import functions as F

from crm_spark.models.contract import AnyModel, ModelRun
from crm_spark.models.decisions import champion_of
from crm_spark.models.tracking import Tracker, TrackingSection
from crm_spark.models.train import require_mapped, require_reads
from crm_spark.runtime.progress import stage


@dataclass(frozen=True)
class TrackedVersion:
    """A version in MLflow, to be loaded."""

    tracker: Tracker
    name: str
    version: str

    def spec(self) -> dict[str, Any]:
        """Give the spec."""
        return self.tracker.load_spec(self.name, self.version)

    def pipeline(self) -> PipelineModel:
        """Give the Spark pipeline."""
        return self.tracker.load_pipeline(self.name, self.version)

    def frame(self, file: str) -> pd.DataFrame:
        """Give a frame that it was stored with."""
        return self.tracker.load_frame(self.name, self.version, file)


def score(model: AnyModel, run: ModelRun[Any], tracking: TrackingSection) -> None:
    """Write the model's tables of the run's date, by the champion of that date.

    Raises DataError where features of the date are missing, or the model was never trained.
    """
    try:
        require_mapped(model, run)
        require_reads(run.run, model.scores_from(run.section, run.day))
        tracker = Tracker(tracking, lake_root=run.lake.root)
        champion = champion_of(
            run.run, tracker, model.registered_name, run.day, trained_by=model.train_job
        )
        with stage(run.spark, f"load {model.registered_name} version {champion.version}"):
            stored = TrackedVersion(tracker, champion.model_name, champion.version)
            fitted = model.load(stored)
        added = {"as_of_date": F.lit(run.day), **champion.provenance(run.run)}
        for table, rows in model.score(run, fitted).items():
            with stage(run.spark, f"write {table.name}"):
                run.run.replace_dates(table, rows.withColumns(added), [run.day])
    finally:
        run.release()
