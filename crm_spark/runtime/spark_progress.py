"""How far Spark is with the work that a stage of ours has given it: stages, rows and tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from crm_spark.runtime.plan_rows import PlanRows, Rows, execution_of
from crm_spark.runtime.status_store import each, is_repeat, listed_stages
from crm_spark.words import noun

# A line of 100 columns begins with the time, as in `12:34:56 `.
LINE_WIDTH = 91

# How many finished stages are looked through for those whose rows a stage reads, and how many of
# a job for those yet to come: each look costs a round trip to the JVM.
_STAGES_LOOKED_AT = 100


@dataclass(frozen=True)
class Progress:
    """How far the oldest running stage is; rows are those of its tasks so far.

    `number` is its place in the order of stages, `known` how many stages are known to run, and
    `rows_to_read` what earlier stages wrote for it: None where that is not known.
    """

    tasks_done: int
    tasks: int
    number: int | None = None
    known: int | None = None
    is_again: bool = False
    rows_read: int = 0
    rows_to_read: int | None = None
    rows_written: int = 0


def progress_line(name: str, seconds: float, progress: Progress | None) -> str:
    """Give what is done of what is known in one line, without what matters less if it is long."""
    begin = f"{name}: {seconds:.0f} s"
    if progress is None:
        return begin
    stage, rows, tasks = _stage(progress), _rows(progress), _tasks(progress)
    choices = [[stage, tasks]]
    if rows:
        choices = [[stage, *rows, tasks], [stage, *rows], [stage, rows[0]], rows[:1]]
    lines = [", ".join(filter(None, [begin, *parts])) for parts in choices]
    return next((line for line in lines if len(line) <= LINE_WIDTH), lines[-1])


def _stage(progress: Progress) -> str:
    if progress.number is None:
        return ""
    of = "" if progress.known is None else f" of {progress.known}"
    return f"stage {progress.number}{of}{' again' * progress.is_again}"


def _rows(progress: Progress) -> list[str]:
    """Give the rows read and written, the more telling first."""
    read, written, to_read = progress.rows_read, progress.rows_written, progress.rows_to_read
    if not read:
        return [f"{written:,} {noun(written, 'row')} written"] if written else []
    # A number that is exceeded was not that of the rows to read: they are read more than once.
    of = "" if to_read is None or to_read < read else f" of {to_read:,}"
    texts = [f"{read:,} {noun(read, 'row')} read{of}"]
    return [*texts, f"{written:,} written"] if written else texts


def _tasks(progress: Progress) -> str:
    done, tasks = progress.tasks_done, progress.tasks
    return f"{done:,} of {tasks:,} {noun(tasks, 'task')}" if tasks else ""


@dataclass(frozen=True)
class Job:
    """A Spark job: its stages by id, of which some may turn out to be skipped."""

    job_id: int
    is_running: bool
    stages_done: int
    stage_ids: Sequence[int] = ()


class StageCount:
    """Numbers stages in the order in which they begin, from the first job on that is counted."""

    def __init__(self, *, after_job: int = -1) -> None:
        self.after_job = after_job  # all up to this one have ended, and are counted
        self._done = 0
        self._numbers: dict[int, int] = {}

    def number(self, jobs: Sequence[Job], active: Sequence[int], stage_id: int) -> tuple[int, int]:
        """Give the number of an active stage, and how many have ended; jobs are those since."""
        done = self._done + sum(job.stages_done for job in jobs)
        for place, one in enumerate(sorted(active), start=1):
            self._numbers.setdefault(one, done + place)
        oldest = min((job.job_id for job in jobs if job.is_running), default=None)
        for job in jobs:
            if oldest is None or job.job_id < oldest:
                self.after_job = max(self.after_job, job.job_id)
                self._done += job.stages_done
        return self._numbers[stage_id], done


def stages_to_come(job: Job, active: Iterable[int]) -> list[int]:
    """Give the ids of a job's stages that may be still to come.

    A stage waits for stages of lower ids only. Those below all that are active have ended or are
    skipped, since what they write is there already.
    """
    here = set(active) & set(job.stage_ids)
    return [one for one in job.stage_ids if one > min(here) and one not in here] if here else []


class SparkProgress:
    """Reads how far the Spark jobs are that begin after it was made.

    Executors tell the rows of running tasks with each heartbeat (spark.executor.heartbeatInterval,
    10 s). Spark's status store has them whether or not its UI is there, but is no public interface:
    where it fails, the public StatusTracker tells of tasks; under Spark Connect there is neither.
    """

    def __init__(self, spark: Any) -> None:
        self._session: Any = spark
        self._context: Any = getattr(spark, "sparkContext", None)
        self._after_job = -1
        self._counts: dict[int, StageCount] = {}
        self._inputs: dict[int, tuple[int | None, bool]] = {}
        self._most: dict[tuple[int, int], Rows] = {}
        self._store: Any = None
        self._sql_store: Any = None
        self._plan_rows: PlanRows | None = None
        try:
            # The number of jobs costs a tenth of what looking through them does: every stage of
            # ours asks, and few last long enough to tell of more.
            self._after_job = spark.sparkContext._jsc.sc().dagScheduler().numTotalJobs() - 1
        except Exception:  # noqa: BLE001 - progress is a courtesy: no failure of it may stop a job
            return

    def _open(self) -> None:
        """Find the stores when they are first read."""
        if self._store is None:
            scala_context = self._context._jsc.sc()
            session = self._session._jsparkSession
            self._store = scala_context.statusStore()
            self._sql_store = session.sharedState().statusStore()
            if scala_context.isLocal():
                self._plan_rows = PlanRows(self._sql_store, self._store)

    def read(self) -> Progress | None:
        """Give how far Spark is; None where nothing runs, or nothing is told."""
        for source in (self._of_store, self._of_tracker):
            try:
                return source()
            except Exception:  # noqa: BLE001 - as above: the next source is asked
                continue
        return None

    def _of_tracker(self) -> Progress | None:
        tracker = self._context.statusTracker()
        stages = [tracker.getStageInfo(stage_id) for stage_id in tracker.getActiveStageIds()]
        tasks = sum(info.numTasks for info in stages if info)
        done = sum(info.numCompletedTasks for info in stages if info)
        return Progress(done, tasks) if tasks else None

    def _of_store(self) -> Progress | None:
        self._open()
        running_only = self._context._jvm.java.util.ArrayList()
        running_only.add(self._context._jvm.org.apache.spark.JobExecutionStatus.RUNNING)
        at_work = list(_jobs(self._store.jobsList(running_only), self._after_job))
        ours = {stage_id for job in at_work for stage_id in job.stage_ids}
        stages = {one.stageId(): one for one in each(self._store.activeStages())}
        active = sorted(ours & set(stages))
        if not active:
            return None
        # A stage may wait for a place, with no task at work.
        running = [one for one in active if stages[one].numActiveTasks()]
        shown = (running or active)[0]
        together = self._jobs_of_execution(shown)
        after = min(together) - 1 if together else self._after_job
        count = self._counts.setdefault(after, StageCount(after_job=after))
        jobs = [
            job
            for job in _jobs(self._store.jobsList(None), count.after_job)
            if not together or job.job_id in together
        ]
        number, done = count.number(jobs, active, shown)
        known = self._known(jobs, active, done)
        return self._progress(stages[shown], number, known, is_alone=len(running) == 1)

    def _jobs_of_execution(self, stage_id: int) -> list[int]:
        """Give the ids of the jobs of the SQL execution that a stage is of; none if there is none.

        A stage of ours is several executions: Delta, for one, reads its log by some of its own.
        """
        try:
            execution = execution_of(self._sql_store, stage_id)
            return [] if execution is None else _numbers(execution.jobs().keys())
        except Exception:  # noqa: BLE001 - not public either: all jobs are counted
            return []

    def _known(self, jobs: Sequence[Job], active: Sequence[int], done: int) -> int | None:
        """Give how many stages are known to run; None where each job has one stage only.

        Adaptive planning begins a job for each stage once it knows what those before it wrote: how
        many there will be, it does not know either.
        """
        to_come = {one for job in jobs for one in stages_to_come(job, active)}
        if len(to_come) > _STAGES_LOOKED_AT:
            return None
        pending = [
            one for one in to_come if str(self._store.lastStageAttempt(one).status()) == "PENDING"
        ]
        has_several = any(
            job.stages_done + len({*active, *pending} & set(job.stage_ids)) > 1 for job in jobs
        )
        return done + len(active) + len(pending) if has_several else None

    def _progress(self, stage: Any, number: int, known: int | None, *, is_alone: bool) -> Progress:
        stage_id, attempt = stage.stageId(), stage.attemptId()
        if stage_id not in self._inputs:
            self._inputs[stage_id] = self._inputs_of(stage)
        to_read, is_from_cache = self._inputs[stage_id]
        rows = Rows(
            stage.shuffleReadRecords(),
            # Of a cached frame, Spark counts batches, and not their rows.
            0 if is_from_cache else stage.inputRecords(),
            stage.shuffleWriteRecords() + stage.outputRecords(),
        )
        running = self._rows_of_running(stage_id) if is_alone else Rows()
        before = self._most.get((stage_id, attempt), Rows())
        rows = self._most[stage_id, attempt] = Rows(*map(max, rows, running, before))
        return Progress(
            stage.numCompleteTasks(),
            stage.numTasks(),
            number,
            known if known is None else max(known, number),
            attempt > 0,
            rows.shuffled + rows.from_files,
            None if rows.from_files or is_repeat(stage) else to_read,
            rows.written,
        )

    def _rows_of_running(self, stage_id: int) -> Rows:
        """Give the rows of running tasks where the stage itself does not have them."""
        if self._plan_rows is None:
            return Rows()
        try:
            return self._plan_rows.of_stage(stage_id)
        except Exception:  # noqa: BLE001 - not public either: rows of tasks done are still told
            return Rows()

    def _inputs_of(self, stage: Any) -> tuple[int | None, bool]:
        """Give how many rows earlier stages wrote for one, and whether it reads a cached frame."""
        try:
            cached = {one.id() for one in each(self._store.rddList(True))}
            if cached & set(_numbers(stage.rddIds())):
                return None, True
            return self._rows_written_for(stage.stageId()), False
        except Exception:  # noqa: BLE001 - the store forgets old stages: rows so far are still told
            return None, False

    def _rows_written_for(self, stage_id: int) -> int | None:
        graph = self._store.operationGraphForStage(stage_id)
        wanted = Counter(edge.fromId() for edge in each(graph.incomingEdges()))
        if not wanted:
            return None
        rows = 0
        for _, one in zip(
            range(_STAGES_LOOKED_AT), listed_stages(self._context, is_finished=True), strict=False
        ):
            # The first of a stage's RDDs is the one that it writes.
            n_times = wanted.pop(one.rddIds().head(), 0)
            if n_times and is_repeat(one):
                return None
            rows += n_times * one.shuffleWriteRecords()
            if not wanted:
                return rows
        return None


def _jobs(listed: Any, after: int) -> Iterator[Job]:
    """Give the jobs after one, the newest first, as they are listed."""
    for job in each(listed):
        if job.jobId() <= after:
            return
        is_running = str(job.status()) == "RUNNING"
        ids = _numbers(job.stageIds()) if is_running else []
        yield Job(job.jobId(), is_running, job.numCompletedStages(), ids)


def _numbers(listed: Any) -> list[int]:
    """Give the whole numbers of a sequence of Scala, with one round trip."""
    text = listed.mkString(",")
    return [int(one) for one in text.split(",")] if text else []
