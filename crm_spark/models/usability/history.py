"""Whether the history of the data holds cut-offs to learn from, to choose on and to test."""

from __future__ import annotations

from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.usability.facts import DataFacts
from crm_spark.tables.checks import Level, Verdict
from crm_spark.words import counted


def history_of_cutoffs(
    facts: DataFacts,
    subject: str,
    cutoffs: Cutoffs,
    *,
    found: int,
    fewest: int,
    enough: int,
    unit: str,
    why: str,
    todo: str,
    n_wanted: int,
) -> Verdict:
    """Judge the history by the cut-offs before the test that it leaves room for.

    `found`, `fewest` (for one cut-off before the test) and `enough` (for two) are of `unit`. `why`
    says what so much is needed for, and `todo` which setting needs less. `n_wanted` is the
    subject's n_training_cutoffs.
    """
    has = counted(found, unit)
    if not facts.days or not cutoffs.training:
        return Verdict(
            "history",
            subject,
            has,
            f"at least {counted(fewest, unit)}",
            "error",
            f"{facts.first_order}, and {counted(fewest, unit)} of history are needed, to know {why}"
            f": choose a later date or {todo}",
        )
    n = len(cutoffs.training)
    level: Level = "ok" if n > 1 else "warning"
    message = f"{has} of history hold {counted(n, 'closed cut-off')} before the test of "
    message += f"{cutoffs.test}"
    if level == "warning":
        more = (
            f"raise {subject}.n_training_cutoffs"
            if n_wanted == 1
            else f"{counted(enough, unit)} are needed for two"
        )
        message += f"; {more}: with one the figures quoted choose, too"
    needed = f"at least {counted(enough, unit)} to choose on another cut-off than is quoted"
    return Verdict("history", subject, has, needed, level, message)
