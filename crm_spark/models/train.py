"""One training for all models: dates, verdicts, reuse, tests, choice, registration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from crm_spark.errors import DataError, listed
from crm_spark.lake.run import Finished
from crm_spark.lake.state import Target
from crm_spark.models.choice import CHOSE_ITSELF
from crm_spark.models.contract import (
    AnyModel,
    Choice,
    Cutoffs,
    ModelRun,
    Plan,
    Prepared,
    Tested,
)
from crm_spark.models.decisions import conclude_training, reuse
from crm_spark.models.records import MetricRow, input_versions, write_metrics
from crm_spark.models.targets import NEWEST_EVENT, first_order_of, mapped_tables, training_target
from crm_spark.models.tracking import ModelVersion, Tracker, TrackingSection
from crm_spark.models.usability.facts import DataFacts
from crm_spark.models.usability.read import data_facts
from crm_spark.runtime.progress import log, stage
from crm_spark.tables.checks import Verdict, write_checks

# The check of ops.checks by which a model itself refuses what it is to learn from.
LEARNABLE = "learnable"


class UnusableError(DataError):
    """The data do not carry a model, whatever is tried, until they change."""


def train(model: AnyModel, run: ModelRun[Any], tracking: TrackingSection) -> None:
    """Train a model as of the date of what it has at hand, unless an equal version was trained.

    Leaves ops.checks, ops.metrics, versions in MLflow, ops.model_decisions, and last of all the row
    of ops.outputs by which they count. Raises DataError where the configuration or the data do not
    carry the model; that is a row, too, so that it is not tried again before the data change.
    """
    lake_run = run.run
    first = first_order_of(model, lake_run)
    target = training_target(model, run.section, run.day, first, run.mapped)
    try:
        plan = model.plan(run.section, run.day, first)
        if not plan.is_possible:
            # An error for sure, and one that names whatever else is wrong.
            require_usable(model, run, plan, None)
        lake_run.require(target)
        with stage(run.spark, f"what {model.name} learns from"):
            data = model.read(run, plan)
            key = _version_key(model, run, plan, data)
        require_usable(model, run, plan, data)
        tracker = Tracker(tracking, lake_root=lake_run.lake.root)
        if not reuse(lake_run, tracker, model.registered_name, key, run.day):
            _train(model, run, tracker, key, plan, data)
        lake_run.finish(_finished(model, run, target))
    except UnusableError as error:
        lake_run.finish(Finished(target, status="unavailable", reason=str(error)))
        raise
    finally:
        run.release()


def _finished(model: AnyModel, run: ModelRun[Any], target: Target) -> Finished:
    """Give the row that makes the decision on this training count."""
    version = run.run.summary.models[model.registered_name]
    checksum = f"{model.registered_name}:{version}"
    facts = {"version": version}
    if model.needs_orders:
        facts[NEWEST_EVENT] = run.run.order_dates()[1].isoformat()
    return Finished(target, int(version), checksum, facts=facts)


def require_usable(model: AnyModel, run: ModelRun[Any], plan: Plan, data: Any) -> None:
    """Judge the data known on the date, and leave the verdicts in ops.checks.

    Raises DataError that lists every error, once all verdicts are written.
    """
    subject = model.section_name
    with stage(run.spark, f"checks of the data for {subject}"):
        needs_orders = model.needs_orders
        facts = data_facts(run.run, run.day) if needs_orders else DataFacts(run.day)
        verdicts = model.judge(run, facts, plan, data)
        write_checks(run.run, run.day, verdicts)
    refuse_errors(subject, run.day, verdicts)


def refuse_errors(subject: str, day: date, verdicts: Sequence[Verdict]) -> None:
    """Log warnings and advice; raise DataError that lists every error."""
    for verdict in verdicts:
        if verdict.level == "warning":
            log.warning("%s, %s: %s", subject, verdict.check, verdict.message)
        elif verdict.level == "advice":
            log.info("%s, %s (advice): %s", subject, verdict.check, verdict.message)
    errors = [verdict.message for verdict in verdicts if verdict.level == "error"]
    if errors:
        raise UnusableError(listed(f"{subject} cannot be trained as of {day}", errors))


def _version_key(model: AnyModel, run: ModelRun[Any], plan: Plan, data: Any) -> str:
    """Hash all that a version depends on: the rows it learns from, the section, the code's version.

    The rows' content rather than table versions: a table rewritten with the same rows must not make
    a second model version.
    """
    section = run.section.model_dump(mode="json", exclude=set(model.not_learnt))
    content = list(model.content(run, plan, data))
    text = json.dumps([model.name, model.generation, content, section], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _train(
    model: AnyModel, run: ModelRun[Any], tracker: Tracker, key: str, plan: Plan, data: Any
) -> None:
    quoted = plan.quoted
    if quoted.test not in quoted.training:  # else customers are parted, and not dates
        log.info(
            "%s: tested on %s, learnt from %s",
            model.name,
            quoted.test,
            ", ".join(day.isoformat() for day in quoted.training),
        )
    with _refusals_noted(model, run):
        prepared = _prepare(model, run, quoted, data)
    write_checks(run.run, run.day, prepared.verdicts)
    of_choice, chosen = _choose_earlier(model, run, plan, data)
    with _refusals_noted(model, run):
        tested = list(model.test(run, quoted, data, prepared, chosen))
    if chosen and not _are_tested(chosen, tested):
        # What had customers enough on the earlier cut-off has not on this one.
        log.warning("%s of %s was left out since: chosen again", model.name, plan.quoted.test)
        chosen = None
    choice = chosen or model.choose(run.section, tested)
    tested = list(model.compose(run, quoted, data, prepared, choice, tested))
    for index, one in enumerate(tested):
        if one.name in choice.registered:
            tested[index] = model.explain(run, one, quoted, data)
    chose_itself = chosen is None and not choice.is_apart
    why = decision_in_words(choice, plan, chose_itself)
    log.info("%s", why)
    rows = [
        *metric_rows(quoted.test, tested),
        *(metric_rows(plan.choice.test, of_choice) if plan.choice else []),
        *prepared.metrics,
    ]
    write_metrics(run.run, run.day, rows)
    champion = next(one for one in tested if one.name == choice.champion)
    _tell(model, run, champion.verdicts)
    versions = _register(model, run, tracker, key, plan, data, tested, choice)
    conclude_training(
        run.run,
        tracker,
        key,
        run.day,
        versions=versions,
        champion=choice.champion,
        why=why,
        chose_itself=chose_itself,
    )


def _tell(model: AnyModel, run: ModelRun[Any], verdicts: Sequence[Verdict]) -> None:
    """Leave what the test showed of the champion in ops.checks, and warn of it."""
    write_checks(run.run, run.day, verdicts)
    refuse_errors(model.section_name, run.day, verdicts)


def _are_tested(choice: Choice, tested: Sequence[Tested[Any]]) -> bool:
    """Whether all that is to be registered was tested; what a choice composes comes later."""
    return choice.parts is not None or set(choice.registered) <= {one.name for one in tested}


@contextmanager
def _refusals_noted(model: AnyModel, run: ModelRun[Any]) -> Iterator[None]:
    """Leave what a model refuses of its inputs beside the verdicts, as one that the data cause."""
    try:
        yield
    except DataError as error:
        refused = Verdict(
            LEARNABLE,
            model.section_name,
            "refused",
            "inputs that the model can learn from",
            "error",
            str(error),
        )
        write_checks(run.run, run.day, [refused])
        raise UnusableError(str(error)) from error


def decision_in_words(choice: Choice, plan: Plan, chose_itself: bool) -> str:
    """Say why a kind scores, and by which figures it was chosen."""
    if chose_itself:
        return f"{choice.why}; {CHOSE_ITSELF}"
    if plan.choice and plan.choice.test != plan.quoted.test:
        return f"{choice.why}; chosen on {plan.choice.test}"
    return choice.why


def _prepare(model: AnyModel, run: ModelRun[Any], step: Cutoffs, data: Any) -> Prepared:
    with stage(run.spark, f"look at what is learnt from before {step.test}"):
        return model.prepare(run, step, data)


def _choose_earlier(
    model: AnyModel, run: ModelRun[Any], plan: Plan, data: Any
) -> tuple[Sequence[Tested[Any]], Choice | None]:
    """Choose on a cut-off that no figure is quoted from; None where nothing can be told by it."""
    if plan.choice is None:
        return (), None
    try:
        prepared = _prepare(model, run, plan.choice, data)
        tested = model.test(run, plan.choice, data, prepared)
    except DataError as error:
        log.warning("%s is not chosen on %s: %s", model.name, plan.choice.test, error)
        return (), None
    if not model.tells(tested):
        log.info("%s is not chosen on %s: too little is known of it", model.name, plan.choice.test)
        return tested, None
    return tested, model.choose(run.section, tested)


def metric_rows(cutoff: date, tested: Iterable[Tested[Any]]) -> list[MetricRow]:
    """Give rows of ops.metrics of candidates that were tested on one cut-off."""
    return [
        MetricRow(
            one.name,
            metric.cutoff or cutoff,
            metric.name,
            metric.value,
            metric.n,
            metric.low,
            metric.high,
        )
        for one in tested
        for metric in one.metrics
    ]


def _register(
    model: AnyModel,
    run: ModelRun[Any],
    tracker: Tracker,
    key: str,
    plan: Plan,
    data: Any,
    tested: Sequence[Tested[Any]],
    choice: Choice,
) -> dict[str, ModelVersion]:
    reads = model.learns_from(run.section, plan, run.day)
    sources = mapped_tables(model.learns_from_sources, run.mapped)
    inputs = input_versions(run.lake, [*(read.table for read in reads), *sources])
    versions = {}
    for name in choice.registered:
        one = next(candidate for candidate in tested if candidate.name == name)
        with stage(run.spark, f"register {name}"):
            artifact = model.artifact(run, one, choice, plan, data)
            versions[name] = tracker.register(
                model.registered_name,
                kind=name,
                fingerprint=key,
                spec_json=artifact.spec_json,
                pipeline=artifact.pipeline,
                params={"kind": name, **_dates(plan), **artifact.params},
                metrics=_tracked(tested, name),
                inputs=inputs,
                texts=artifact.texts,
                frames=artifact.frames,
            )
    return versions


def _dates(plan: Plan) -> dict[str, str]:
    return {
        "test_cutoff": plan.quoted.test.isoformat(),
        "training_cutoffs": ",".join(day.isoformat() for day in plan.quoted.training),
        "choice_cutoff": plan.choice.test.isoformat() if plan.choice else "",
    }


def _tracked(tested: Sequence[Tested[Any]], name: str) -> dict[str, float]:
    """Give a version's own figures, and beside them those of the other candidates by name."""
    return {
        metric.name if one.name == name else f"{one.name}.{metric.name}": metric.value
        for one in tested
        for metric in one.metrics
        if metric.value is not None
    }
