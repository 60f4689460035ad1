"""Two runs on one table: a write follows on what its run has seen, or changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from delta.exceptions import DeltaConcurrentModificationException
from pyspark.sql import SparkSession

from crm_spark.errors import BusyError
from crm_spark.lake.commits import CREATION, Commit, CommitLog, user_metadata
from crm_spark.lake.contract import Table

# The session's settings for writes that take no options of their own.
_SESSION_SETTINGS = {
    "userMetadata": "spark.databricks.delta.commitInfo.userMetadata",
    "txnAppId": "spark.databricks.delta.write.txnAppId",
    "txnVersion": "spark.databricks.delta.write.txnVersion",
}


def busy(table: Table) -> BusyError:
    """Give the error of the run that came second."""
    return BusyError(
        f"another run wrote {table.name} at the same time; this one changed nothing: "
        "try again when it has ended"
    )


@contextmanager
def busy_on_conflict(table: Table) -> Iterator[None]:
    """Raise BusyError where another run wrote the table at the same time."""
    try:
        yield
    except Exception as error:
        is_conflict = isinstance(error, DeltaConcurrentModificationException)
        if is_conflict or "DELTA_CONCURRENT" in str(error):
            raise busy(table) from error
        raise


def is_guarded(table: Table) -> bool:
    """Tell whether a table is one that later writes rest on: all but the logs of ops."""
    return table.layer != "ops"


class Guard:
    """What one run has seen of the tables it writes, and what its commits say.

    What a run has read is what it replaces: where another run has written a guarded table since
    this one first looked at it, a write raises BusyError.
    """

    def __init__(self, spark: SparkSession, run_id: str, path_of: Callable[[Table], str]) -> None:
        self._spark = spark
        self._run_id = run_id
        self._path_of = path_of
        self._seen: dict[str, int] = {}

    def commits(self, table: Table) -> CommitLog:
        """Give the table's log, and remember how far it went when this run looked first."""
        commits = CommitLog(self._spark, self._path_of(table))
        if table.name not in self._seen:
            self._seen[table.name] = next(iter(commits.versions()), -1)
        return commits

    def base(self, table: Table) -> int:
        """Give the newest version that wrote rows when this run first looked, else -1.

        Raises BusyError where another run has written since.
        """
        commits = self.commits(table)
        if not is_guarded(table):
            return next(iter(commits.versions()), -1)
        seen = self._seen[table.name]
        since = commits.writes_since(seen)
        if since is None or any(commit.operation != CREATION for commit in since):
            raise busy(table)
        return commits.base(seen)

    def options(
        self, table: Table, base: int, dates: Sequence[date], *, is_alone: bool = False
    ) -> dict[str, str]:
        """Give the options of a write: what its commit says, and that it follows on `base`.

        Delta's appends never conflict. A number of the transaction that has to rise with each
        makes Delta refuse the later of two that are under way, and pass over, in silence, one that
        begins when the other has ended. To compare it Delta runs a job over the log: a run that is
        alone on the lake does without.
        """
        options = {"userMetadata": user_metadata(self._run_id, dates)}
        if is_guarded(table) and not is_alone:
            options |= {"txnAppId": f"crm_spark.{table.name}", "txnVersion": str(base + 1)}
        return options

    @contextmanager
    def session_options(self, table: Table, base: int, dates: Sequence[date]) -> Iterator[None]:
        """Give the options of a write to one that reads them from the session."""
        options = self.options(table, base, dates)
        for name, value in options.items():
            self._spark.conf.set(_SESSION_SETTINGS[name], value)
        try:
            with busy_on_conflict(table):
                yield
        finally:
            for name in options:
                self._spark.conf.unset(_SESSION_SETTINGS[name])

    def own_commit(self, table: Table, base: int) -> Commit | None:
        """Give the commit of the write just done; None where it had nothing to change.

        Raises BusyError where others wrote since `base` and Delta passed over this write.
        """
        since = self.commits(table).writes_since(base) or []
        for commit in since:
            if commit.run_id == self._run_id:
                self._seen[table.name] = commit.version
                return commit
        if is_guarded(table) and any(commit.operation != CREATION for commit in since):
            raise busy(table)
        return None
