"""One scoring for all models: requirements, the champion of the date, provenance, tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pyspark.ml import PipelineModel
from pyspark.sql import functions as F

from crm_spark.lake.run import Finished
from crm_spark.models.contract import AnyModel, ModelRun
from crm_spark.models.decisions import champion_of
from crm_spark.models.targets import first_order_of, score_targets
from crm_spark.models.tracking import Tracker, TrackingSection
from crm_spark.models.tree_shap import CoveredTree
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

    def trees(self) -> Sequence[CoveredTree]:
        """Give the trees of the pipeline's ensemble as arrays."""
        return self.tracker.load_trees(self.name, self.version)

    def frame(self, file: str) -> pd.DataFrame:
        """Give a frame that it was stored with."""
        return self.tracker.load_frame(self.name, self.version, file)


def score(model: AnyModel, run: ModelRun[Any], tracking: TrackingSection) -> None:
    """Write the model's tables of the run's date, by the champion of that date.

    Raises DataError where features of the date are missing, or the model was never trained.
    """
    lake_run = run.run
    try:
        champion = champion_of(lake_run, model, run.section, run.day)
        first = first_order_of(model, lake_run)
        targets = score_targets(
            model, run.section, run.day, first, lake_run.state, run.mapped, run.day
        )
        lake_run.settle(*model.tables)
        lake_run.require(targets[0])
        tracker = Tracker(tracking, lake_root=lake_run.lake.root)
        with stage(run.spark, f"load {model.registered_name} version {champion.version}"):
            stored = TrackedVersion(tracker, champion.model_name, champion.version)
            fitted = model.load(stored)
        added = {"as_of_date": F.lit(run.day), **champion.provenance(lake_run)}
        by_table = {target.output.name: target for target in targets}
        for table, rows in model.score(run, fitted).items():
            with stage(run.spark, f"write {table.name}"):
                written = lake_run.replace_dates(table, rows.withColumns(added), [run.day])
            target = by_table[table.name]
            lake_run.finish(Finished(target, written.version, written.content_checksum))
    finally:
        run.release()
