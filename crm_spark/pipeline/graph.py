"""The graph of jobs: their order from what they declare to read and write, and what is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crm_spark.errors import CrmSparkError
from crm_spark.lake.state import Output, State, Target


class GraphError(CrmSparkError):
    """Jobs declare outputs that no order of them can make: a fault of ours."""


@dataclass(frozen=True)
class Standing:
    """Where one output stands: `reason` is None where it is current."""

    job: str
    target: Target
    is_whole: bool
    reason: str | None


def in_order(jobs: Mapping[str, Sequence[Target]]) -> list[str]:
    """Give the jobs so that each follows those whose outputs it reads, else as they are given.

    Raises GraphError for two jobs that write one output, or that wait for one another.
    """
    maker: dict[Output, str] = {}
    for job, targets in jobs.items():
        for target in targets:
            other = maker.setdefault(target.output, job)
            if other != job:
                raise GraphError(f"{target.output} is written by {other} and by {job}")
    before = {job: _makers_of_reads(targets, maker) - {job} for job, targets in jobs.items()}
    ordered: list[str] = []
    while len(ordered) < len(jobs):
        waiting = [job for job in jobs if job not in ordered]
        ready = [job for job in waiting if before[job] <= {*ordered}]
        if not ready:
            raise GraphError(f"jobs wait for one another: {', '.join(waiting)}")
        ordered.append(ready[0])
    return ordered


def _makers_of_reads(targets: Sequence[Target], maker: Mapping[Output, str]) -> set[str]:
    reads = [read for target in targets for read in (*target.reads, *target.optional)]
    return {maker[read] for read in reads if read in maker}


def due(state: State, targets: Sequence[Target]) -> dict[Output, str]:
    """Give the outputs that are not current, each with the reason."""
    reasons = ((target.output, state.why_not_current(target)) for target in targets)
    return {output: reason for output, reason in reasons if reason is not None}


def standings(
    state: State, jobs: Mapping[str, Sequence[Target]], sources: Sequence[Standing] = ()
) -> list[Standing]:
    """Give where every output stands; one is not current, either, where what it reads is not.

    `sources` are the standings of the tables that no job of these makes.
    """
    behind = {one.target.output for one in sources if one.reason is not None}
    found: list[Standing] = list(sources)
    for job in in_order(jobs):
        for target in jobs[job]:
            reason = state.why_not_current(target)
            reads = () if target.is_kept else (*target.reads, *target.optional)
            waiting = [read for read in reads if read in behind]
            if reason is None and waiting:
                reason = f"{', '.join(map(str, waiting[:2]))} is not current"
            if reason is not None:
                behind.add(target.output)
            found.append(Standing(job, target, state.is_whole(target.output), reason))
    return found


def comes_after(jobs: Mapping[str, Sequence[Target]]) -> dict[str, list[str]]:
    """Give for each job those right before it: what a scheduler has to wait for.

    A job that is before another one that is waited for, too, is left out.
    """
    makers = {target.output: job for job, targets in jobs.items() for target in targets}
    direct = {job: _makers_of_reads(targets, makers) - {job} for job, targets in jobs.items()}
    everything_before: dict[str, set[str]] = {}
    for job in in_order(jobs):
        of_those = [everything_before[other] for other in direct[job]]
        everything_before[job] = direct[job].union(*of_those)
    return {
        job: sorted(
            other
            for other in direct[job]
            if not any(other in everything_before[third] for third in direct[job])
        )
        for job in in_order(jobs)
    }
