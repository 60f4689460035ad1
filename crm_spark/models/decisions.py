"""Which version of a model scores a date: decisions, the champion, reuse of an equal version."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

import pyarrow.compute as pc
from pydantic import BaseModel
from pyspark.sql import Column
from pyspark.sql import functions as F

from crm_spark.errors import DataError
from crm_spark.lake.delta import Lake
from crm_spark.lake.run import LakeRun
from crm_spark.lake.state import Output
from crm_spark.models.contract import AnyModel
from crm_spark.models.targets import champion_row, training_name
from crm_spark.models.tracking import CHAMPION, PREVIOUS, ModelVersion, Tracker
from crm_spark.runtime.progress import log
from crm_spark.tables.ops import MODEL_DECISIONS


@dataclass(frozen=True)
class Decision:
    """A row of ops.model_decisions: whether a version scores from a date on, and why."""

    model_name: str
    version: str
    kind: str
    as_of: date
    is_champion: bool
    why: str
    chose_itself: bool
    training_key: str
    training_run_id: str
    decided_at: datetime
    run_id: str

    def values(self) -> dict[str, Any]:
        """Give the row's values by column."""
        values = asdict(self)
        return {
            "decision_id": f"{self.run_id}:{self.model_name}:{self.kind}",
            "model_version": values.pop("version"),
            "as_of_date": values.pop("as_of"),
            **values,
        }


def decisions(lake: Lake, model_name: str, *, until: date | None = None) -> list[Decision]:
    """Give the decisions on a model, as of dates until this one, the one that counts last."""
    rows = lake.rows(MODEL_DECISIONS, pc.field("model_name") == model_name)
    found = [
        _decision(row) for row in rows if until is None or row["as_of_date"] <= until
    ]  # a few rows a training
    return sorted(found, key=lambda one: (one.as_of, one.decided_at, one.run_id, one.kind))


def kind_of_version(lake: Lake, model_name: str, version: str) -> str:
    """Give the kind that a version is; an empty text where no decision names it."""
    kinds = {one.version: one.kind for one in decisions(lake, model_name)}
    return kinds.get(version, "")


def _decision(row: Mapping[str, Any]) -> Decision:
    return Decision(
        model_name=row["model_name"],
        version=row["model_version"],
        kind=row["kind"],
        as_of=row["as_of_date"],
        is_champion=row["is_champion"],
        why=row["why"],
        chose_itself=row["chose_itself"],
        training_key=row["training_key"],
        training_run_id=row["training_run_id"],
        decided_at=row["decided_at"],
        run_id=row["run_id"],
    )


def deciding(
    lake: Lake, model_name: str, day: date, counting_runs: Collection[str] | None = None
) -> Decision | None:
    """Give the decision by which a champion scores a date; None where there is none so early.

    Of all decisions those of `counting_runs` have a say: runs that ended, under the settings at
    hand. None: all have.
    """
    chosen = [
        one
        for one in decisions(lake, model_name, until=day)
        if one.is_champion and (counting_runs is None or one.run_id in counting_runs)
    ]
    return chosen[-1] if chosen else None


@dataclass(frozen=True)
class Champion:
    """The version that scores a date, and whether it was champion on that date already."""

    model_name: str
    version: str
    is_backfilled: bool

    def provenance(self, run: LakeRun) -> dict[str, Column]:
        """Give the columns that every score row of this champion carries."""
        return {
            "is_backfilled": F.lit(self.is_backfilled),
            "model_name": F.lit(self.model_name),
            "model_version": F.lit(self.version),
            "scored_at": F.lit(run.summary.started_at),
        }


def champion_of(run: LakeRun, model: AnyModel, section: BaseModel, day: date) -> Champion:
    """Give the version that was champion on the date, else the first one after it, marked.

    Trainings under other settings, and those of which no run stands, have no say. Raises DataError
    where the model has no champion at all, or one that an earlier generation of its code trained.
    """
    row = champion_row(run.state, training_name(model, section), day, model.generation)
    if row is None or row.output.as_of_date is None:
        raise DataError(
            f"no champion of {model.registered_name} as of {day}, trained under these settings: "
            f"run {model.train_job} first"
        )
    if row.generation != model.generation:
        raise DataError(
            f"the champion of {model.registered_name} as of {day} was trained by another version "
            f"of crm_spark: run {model.train_job} --as-of {day}"
        )
    is_backfilled = row.output.as_of_date > day
    if is_backfilled:
        log.warning(
            "no model was champion on %s: scoring with that of %s, marked as back-filled",
            day,
            row.output.as_of_date,
        )
    run.summary.models[model.registered_name] = row.facts["version"]
    return Champion(model.registered_name, row.facts["version"], is_backfilled)


def reuse(run: LakeRun, tracker: Tracker, model_name: str, key: str, day: date) -> bool:
    """Decide again for the versions of an earlier, complete training with this key, if any.

    Where they are what counts already, nothing is written.
    """
    of_day = [one for one in decisions(run.lake, model_name) if one.as_of == day]
    equal = [one for one in of_day if one.training_key == key]
    if not equal:
        return False
    again = [one for one in equal if one.run_id == equal[-1].run_id]
    if any(tracker.find(model_name, key, one.kind) is None for one in again):
        return False
    for one in again:
        if one.is_champion:
            log.info(
                "%s version %s (%s) has the same inputs and is kept",
                model_name,
                one.version,
                one.kind,
            )
    is_newest = of_day[-1].run_id == again[-1].run_id
    _conclude(run, tracker, [] if is_newest else again, again)
    return True


def conclude_training(
    run: LakeRun,
    tracker: Tracker,
    key: str,
    day: date,
    *,
    versions: Mapping[str, ModelVersion],
    champion: str,
    why: str,
    chose_itself: bool,
) -> None:
    """Name the champion among the versions of a training, by kind: alias, summary, decision.

    The decision is appended last of all; it marks the training as complete.
    """
    decided = [
        Decision(
            model_name=version.name,
            version=version.version,
            kind=kind,
            as_of=day,
            is_champion=kind == champion,
            why=why,
            chose_itself=chose_itself,
            training_key=key,
            training_run_id=run.summary.run_id,
            decided_at=run.summary.started_at,
            run_id=run.summary.run_id,
        )
        for kind, version in versions.items()
    ]
    _conclude(run, tracker, decided, decided)


def promote(
    run: LakeRun, tracker: Tracker, model: AnyModel, section: BaseModel, to: str, day: date
) -> None:
    """Have another version score from a day on, until the next training decides.

    `to` is a version that a training under these settings decided on, or PREVIOUS: the champion
    before the one in force. It counts from the last step on, a copy, as of the day, of the row of
    ops.outputs of the training in force, with this version. Raises DataError where there is no such
    version, or no training as of the day or before.
    """
    name, registered = training_name(model, section), model.registered_name
    rows = [
        row
        for output in run.state.outputs(name)
        for row in run.state.rows(output)
        if row.status == "written" and row.generation == model.generation
    ]
    counting = {row.run_id for row in rows}
    row = champion_row(run.state, name, day, model.generation)
    trained = row.output.as_of_date if row else None
    if row is None or trained is None or trained > day or row.run_id not in counting:
        raise DataError(
            f"{registered} has no training as of {day} or before under these settings: run "
            f"{model.train_job} --as-of {day} first"
        )
    known = [one for one in decisions(run.lake, registered, until=day) if one.run_id in counting]
    current = [one for one in known if one.version == row.facts["version"]][-1]
    chosen = _chosen(known, current, to, f"{registered} as of {day}")
    run.summary.models[registered] = chosen.version
    if chosen.version == current.version:
        log.info("%s version %s scores already", registered, chosen.version)
        return
    tested = chosen.why.rpartition(WHEN_TESTED)[2]
    by_hand = f"promoted by hand in place of version {current.version} ({current.kind})"
    new = replace(chosen, as_of=day, is_champion=True, why=f"{by_hand}{WHEN_TESTED}{tested}")
    _conclude(run, tracker, [new], [new])
    facts = {**row.facts, "version": new.version}
    checksum = f"{registered}:{new.version}"
    of_day = replace(row, output=Output(name, day))
    run.append_rows([replace(of_day, version=int(new.version), checksum=checksum, facts=facts)])
    log.info("%s: version %s (%s) scores from %s on", registered, new.version, new.kind, day)


def _chosen(known: Sequence[Decision], current: Decision, to: str, where: str) -> Decision:
    """Find the version to promote among the decisions on a model."""
    if to == PREVIOUS:
        found = [one for one in known if one.is_champion and one.version != current.version]
        if not found:
            raise DataError(f"{where}: no version scored before version {current.version}")
        return found[-1]
    found = [one for one in known if one.version == to]
    if not found:
        pairs = dict.fromkeys((one.version, one.kind) for one in known)
        versions = ", ".join(f"{version} ({kind})" for version, kind in pairs)
        raise DataError(
            f"{where}: no training under these settings decided on version {to}: choose among "
            f"{versions}, or {PREVIOUS}"
        )
    return found[-1]


# What a promotion by hand says before why the version was made.
WHEN_TESTED = "; when it was tested: "


def _conclude(
    run: LakeRun, tracker: Tracker, new: Sequence[Decision], in_force: Sequence[Decision]
) -> None:
    champion = next(one for one in in_force if one.is_champion)
    run.summary.models[champion.model_name] = champion.version
    known = decisions(run.lake, champion.model_name)
    # The alias is of the newest date: what is trained for an earlier one must not move it back.
    if not any(one.as_of > champion.as_of for one in known):
        former = [one for one in known if one.is_champion and one.version != champion.version]
        if former:
            tracker.set_alias(champion.model_name, PREVIOUS, former[-1].version)
        tracker.set_alias(champion.model_name, CHAMPION, champion.version)
    if new:
        made = [
            replace(one, decided_at=run.summary.started_at, run_id=run.summary.run_id)
            for one in new
        ]
        values = [one.values() for one in made]
        run.note(MODEL_DECISIONS, run.lake.append_rows(MODEL_DECISIONS, values))
