"""Which verdicts are those of a day; no Spark."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from crm_spark.tables.checks import read_checks

DAY, EARLIER = date(2024, 7, 3), date(2024, 7, 1)


class FakeLake:
    """Rows of ops.checks as Arrow filters them."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.table = pa.Table.from_pylist(list(rows))

    def rows(self, _: object, condition: pc.Expression) -> list[dict[str, Any]]:
        """Give the rows for which the condition holds."""
        found: list[dict[str, Any]] = self.table.filter(condition).to_pylist()
        return found


def check(job: str, run_id: str, day: date, message: str, hour: int) -> dict[str, Any]:
    return {
        "job": job,
        "run_id": run_id,
        "as_of_date": day,
        "check": "history",
        "subject": "churn",
        "level": "warning",
        "message": message,
        "recorded_at": datetime(2024, 7, 3, hour, tzinfo=UTC),
    }


def told(lake: Any, *training_runs: str) -> list[str]:
    return [row.message for row in read_checks(lake, DAY, training_runs)]


def test_a_day_without_any_training_has_its_own_verdicts() -> None:
    lake = FakeLake(
        check("train_churn", "a", DAY, "newer", 2), check("train_churn", "b", DAY, "older", 1)
    )
    assert told(lake) == ["newer"]


def test_what_the_training_of_an_earlier_day_said_that_scores_this_one_stands() -> None:
    lake = FakeLake(
        check("train_churn", "a", EARLIER, "of the training", 1),
        check("train_churn", "b", EARLIER, "of another", 2),
        check("score_churn", "c", DAY, "of the day", 3),
    )
    assert told(lake, "a") == ["of the day", "of the training"]
    assert told(lake) == ["of the day"]
