"""Whether the data hold cut-offs to learn from and to test, and enough customers at the test."""

from __future__ import annotations

from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.usability.facts import DataFacts
from crm_spark.tables.checks import Level, Verdict
from crm_spark.words import are, counted


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


# Our convention: of fewer than 50 the tenth that spends most is nobody to be found, and hardly any
# buyers of one thing are left; of fewer than 500 that tenth is known to within 15 points only
# (Wilson's interval of 50 customers at a half).
FEWEST_CUSTOMERS, ENOUGH_CUSTOMERS = 50, 500


def customers_at_test(n: int, subject: str, cutoffs: Cutoffs, *, rough: str, asked: str) -> Verdict:
    """Judge the number of customers at the test cut-off.

    `rough` says what few of them tell roughly only, `asked` what the subject is to say.
    """
    found = f"{counted(n, 'customer')} at the test cut-off {cutoffs.test}"
    level: Level = "error" if n < FEWEST_CUSTOMERS else "warning" if n < ENOUGH_CUSTOMERS else "ok"
    needed = f"at least {ENOUGH_CUSTOMERS}; below {FEWEST_CUSTOMERS} is an error"
    if level == "ok":
        message = f"{found} are enough"
    elif level == "warning":
        message = (
            f"{found} {are(n)} few: {rough} is known roughly only; {ENOUGH_CUSTOMERS} are enough"
        )
    else:
        message = (
            f"{found} {are(n)} too few to say {asked}: at least {FEWEST_CUSTOMERS} are needed: "
            "load more customers, or look whether customer_id is mapped from the right column"
        )
    return Verdict("customers", subject, f"{n:,}", needed, level, message)
