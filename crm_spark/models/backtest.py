"""One backtest for all models: train before each of several past cut-offs, and test on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from crm_spark.lake.state import Output, Target
from crm_spark.models.contract import AnyModel, Cutoffs, ModelRun, Plan, Read, Tested
from crm_spark.models.records import MetricRow, write_metrics
from crm_spark.models.targets import mapped_tables, outputs_read
from crm_spark.models.train import metric_rows
from crm_spark.runtime.progress import log, stage

Walked = tuple[date, Sequence[Tested[Any]]]


def backtest(model: AnyModel, run: ModelRun[Any]) -> None:
    """Write ops.metrics of each candidate on each cut-off, and log the table of them.

    Raises DataError where a model cannot be walked over its cut-offs.
    """
    try:
        first, newest = run.run.order_dates()
        steps = model.walk(run.section, run.day, first, newest)
        plan = Plan(steps[-1], earlier=tuple(steps[:-1]))
        reads = model.learns_from(run.section, plan, run.day)
        stored = [read for read in reads if read.table not in run.built]
        stored += [Read(table) for table in mapped_tables(model.learns_from_sources, run.mapped)]
        run.run.require(Target(Output(model.name), outputs_read(stored, first, run.day)))
        data = model.read(run, plan)
        model.require_learnable(run, plan, data)
        walked = [(step.test, _walk(model, run, step, data)) for step in steps]
    finally:
        run.release()
    rows: list[MetricRow] = []
    for cutoff, tested in walked:
        rows += metric_rows(cutoff, tested)
    write_metrics(run.run, run.day, rows)
    for line in backtest_table(walked, model.metrics_of_walk(run.section)):
        log.info("%s", line)


def _walk(model: AnyModel, run: ModelRun[Any], step: Cutoffs, data: Any) -> Sequence[Tested[Any]]:
    """Fit all candidates as a training before this step would have."""
    with stage(run.spark, f"walk to {step.test}"):
        return model.test(run, step, data, model.prepare(run, step, data))


def backtest_table(walked: Sequence[Walked], metrics: Sequence[str]) -> list[str]:
    """Lay out every candidate's metrics on every cut-off, and their means."""
    # One that few customers do not carry is left out of some.
    names = list(dict.fromkeys(one.name for _, tested in walked for one in tested))
    lines = [f"{'cut-off':<12}{'model':<28}" + "".join(f"{name[:12]:>14}" for name in metrics)]
    known: dict[tuple[str, str], list[float]] = {}
    for cutoff, tested in walked:
        for one in tested:
            values = [one.value(metric) for metric in metrics]
            for metric, value in zip(metrics, values, strict=True):
                if value is not None:
                    known.setdefault((one.name, metric), []).append(value)
            lines.append(f"{cutoff!s:<12}{one.name:<28}" + "".join(map(_cell, values)))
    for name in names:
        means = [_mean(known.get((name, metric), ())) for metric in metrics]
        n = sum(name == one.name for _, tested in walked for one in tested)
        of = "mean" if n == len(walked) else f"mean of {n}"
        lines.append(f"{of:<12}{name:<28}" + "".join(map(_cell, means)))
    return lines


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _cell(value: float | None) -> str:
    return f"{value:>14.4f}" if value is not None else f"{'-':>14}"
