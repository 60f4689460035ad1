"""What the jobs that train and score models have in common: versions, decisions, champions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from crm_spark.errors import DataError
from crm_spark.lake.contract import Table, row_hash
from crm_spark.models.tracking import CHAMPION, ModelVersion, Tracker
from crm_spark.pipeline.lifecycle import Run
from crm_spark.runtime.progress import log
from crm_spark.tables.ops import CHECKS, METRICS, MODEL_DECISIONS


@dataclass(frozen=True)
class Champion:
    """The version that scores a date, and whether it was champion on that date already."""

    model_name: str
    version: str
    is_backfilled: bool

    def provenance(self, job: Run) -> dict[str, Column]:
        """Give the columns that every score row of this champion carries."""
        return {
            "is_backfilled": F.lit(self.is_backfilled),
            "model_name": F.lit(self.model_name),
            "model_version": F.lit(self.version),
            "scored_at": F.lit(job.summary.started_at),
        }


def champion_of(
    job: Run, tracker: Tracker, model_name: str, day: date, *, trained_by: str
) -> Champion:
    """Give the version that was champion on the date, else today's, marked as back-filled.

    Raises DataError where the model has no champion at all.
    """
    decided = []
    if job.lake.exists(MODEL_DECISIONS):
        decided = (
            job.lake.read(MODEL_DECISIONS)
            .where(F.col("is_champion") & (F.col("model_name") == model_name))
            .where(F.col("as_of_date") <= F.lit(day))
            .orderBy(F.desc("as_of_date"), F.desc(F.col("model_version").cast("int")))
            .limit(1)
            .collect()
        )
    if decided:
        champion = Champion(model_name, decided[0]["model_version"], is_backfilled=False)
    else:
        current = tracker.alias(model_name, CHAMPION)
        if current is None:
            raise DataError(f"no champion of {model_name} as of {day}: run {trained_by} first")
        log.warning(
            "no model was champion on %s: scoring with today's champion, marked as back-filled", day
        )
        champion = Champion(model_name, current, is_backfilled=True)
    job.summary.models[model_name] = champion.version
    return champion


def reuse(job: Run, tracker: Tracker, key: str, day: date) -> bool:
    """Take the versions of an earlier, complete training with this key, if there was one."""
    decided = _decisions(job, key, day)
    if not decided:
        return False
    for row in decided:
        if tracker.find(row["model_name"], key, row["kind"]) is None:
            return False
        if row["is_champion"]:
            tracker.set_alias(row["model_name"], CHAMPION, row["model_version"])
            job.summary.models[row["model_name"]] = row["model_version"]
            log.info(
                "%s version %s (%s) has the same inputs and is kept",
                row["model_name"],
                row["model_version"],
                row["kind"],
            )
    return True


def _decisions(job: Run, key: str, day: date) -> list[Row]:
    """Give the decisions that an earlier run made for this key and date, its last written trace."""
    if not job.lake.exists(MODEL_DECISIONS):
        return []
    rows = job.lake.read(MODEL_DECISIONS)
    return rows.where(F.col("decision_id").startswith(f"{key}:{day}:")).collect()  # a few rows


def conclude_training(
    job: Run,
    tracker: Tracker,
    key: str,
    day: date,
    *,
    versions: Mapping[str, ModelVersion],
    champion: str,
    why: str,
) -> None:
    """Name the champion among the versions of a training, by kind: alias, summary, decision.

    The decision is appended last of all; it marks the training as complete.
    """
    chosen = versions[champion]
    tracker.set_alias(chosen.name, CHAMPION, chosen.version)
    job.summary.models[chosen.name] = chosen.version
    held = {row["decision_id"] for row in _decisions(job, key, day)}
    rows = [
        (
            decision_id,
            version.name,
            version.version,
            kind,
            day,
            kind == champion,
            why,
            job.summary.run_id,
        )
        for kind, version in versions.items()
        if (decision_id := f"{key}:{day}:{kind}") not in held
    ]
    if rows:
        frame = job.spark.createDataFrame(rows, MODEL_DECISIONS.schema)
        job.note(MODEL_DECISIONS, job.lake.append(MODEL_DECISIONS, frame))


MetricRow = tuple[object, ...]


def metric_row(
    job: Run,
    day: date,
    cutoff: date,
    model_name: str,
    metric: str,
    value: float | None,
    *,
    n: int,
    low: float | None = None,
    high: float | None = None,
) -> MetricRow:
    """Give one row of ops.metrics of this run."""
    return (
        job.summary.job,
        day,
        model_name,
        cutoff,
        metric,
        value,
        low,
        high,
        n,
        job.summary.run_id,
    )


def write_metrics(job: Run, day: date, rows: Sequence[MetricRow]) -> None:
    """Replace the metrics that this job left for the date."""
    metrics = job.spark.createDataFrame(list(rows), METRICS.schema)
    where = f"job = '{job.summary.job}' AND as_of_date = DATE'{day.isoformat()}'"
    job.note(METRICS, job.lake.replace(METRICS, metrics, where))


CheckRow = tuple[object, ...]


def check_row(
    job: Run,
    day: date,
    check: str,
    subject: str,
    *,
    found: str,
    needed: str,
    level: str,
    message: str,
) -> CheckRow:
    """Give one row of ops.checks of this run; `level` is error, warning, advice or ok."""
    return (job.summary.job, day, check, subject, found, needed, level, message, job.summary.run_id)


def write_checks(
    job: Run,
    day: date,
    rows: Sequence[CheckRow],
    *,
    checks: Sequence[str] = (),
    but: Sequence[str] = (),
) -> None:
    """Replace what this job left for the date: of these checks, or of all `but` those."""
    frame = job.spark.createDataFrame(list(rows), CHECKS.schema)
    names = ", ".join(f"'{name}'" for name in checks or but)
    where = (
        f"job = '{job.summary.job}' AND as_of_date = DATE'{day.isoformat()}' "
        f"AND `check` {'IN' if checks else 'NOT IN'} ({names})"
    )
    job.note(CHECKS, job.lake.replace(CHECKS, frame, where))


def input_versions(job: Run, *tables: Table) -> dict[str, tuple[str, int]]:
    """Give the path and version of the tables that a model learnt from."""
    return {table.name: (job.lake.path(table), job.lake.version(table)) for table in tables}


def rows_hash(rows: DataFrame, *columns: str) -> int:
    """Sum hashes of these columns over all rows: the same whatever their order."""
    total = rows.agg(F.sum(row_hash(columns) % 2**31)).collect()[0][0]
    return int(total or 0)
