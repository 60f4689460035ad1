"""After how long a silence a customer has left: chosen from the data, once.

`churn.horizon_days: auto` and `churn.active_days: auto` are settled by the first job that needs
them, on the first three quarters of the history by its date, which end before the cut-off whose
figures are quoted, and stand in ops.outputs from then on: what churn means does not change with
every day's orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.errors import ConfigError, listed
from crm_spark.features.lines import is_visible, midnight
from crm_spark.lake.run import Finished, LakeRun
from crm_spark.lake.state import Output, State, Target
from crm_spark.models.churn.return_curve import ALL, ReturnShare, returns_known
from crm_spark.models.churn.section import ACTIVE_DAYS, HORIZON_DAYS, ChurnSection
from crm_spark.runtime.progress import log, stage
from crm_spark.tables.core import TRANSACTIONS
from crm_spark.words import counted

# What ops.outputs calls the days that were chosen.
CHOSEN_DAYS = "churn.chosen_days"


@dataclass(frozen=True)
class ChosenDays:
    """A silence of `days` is leaving: of `n` customers silent for so long a share came back.

    Within so many days, by orders before `known_to`. `is_rare` where the share is no larger than
    was asked; else the longest silence was taken that the history carries.
    """

    days: int
    share: float
    within_days: int
    n: int
    known_to: date
    is_rare: bool
    history_days: int = 0

    def facts(self) -> dict[str, str]:
        """Give it as a row of ops.outputs keeps it."""
        return {
            "days": str(self.days),
            "share": f"{self.share:.6f}",
            "within_days": str(self.within_days),
            "n": str(self.n),
            "known_to": self.known_to.isoformat(),
            "is_rare": str(self.is_rare),
            "history_days": str(self.history_days),
        }

    @property
    def in_words(self) -> str:
        """Say what was chosen, and what it means."""
        said = (
            f"{counted(self.days, 'day')} chosen from the orders before {self.known_to}: of "
            f"customers silent for so long {self.share:.0%} came back within "
            f"{counted(self.within_days, 'day')}"
        )
        if self.is_rare:
            return said
        return f"{said}, more than churn.returning_share: the history carries no longer silence"


def chosen_of(facts: Mapping[str, str]) -> ChosenDays:
    """Put it together again from a row's facts."""
    return ChosenDays(
        int(facts["days"]),
        float(facts["share"]),
        int(facts["within_days"]),
        int(facts["n"]),
        date.fromisoformat(facts["known_to"]),
        facts["is_rare"] == "True",
        int(facts["history_days"]),
    )


def chosen_days(
    shares: Sequence[ReturnShare], *, returning_share: float, most_days: int, known_to: date
) -> ChosenDays | None:
    """Give the shortest silence after which no more than a share come back, over all customers.

    None of more than `most_days` is looked at; where none of them is long enough, the longest.
    None where nothing is known of any.
    """
    known = [one for one in shares if one.rhythm == ALL and one.silent_days <= most_days]
    rare = [one for one in known if one.share <= returning_share]
    if not known:
        return None
    taken = (
        min(rare, key=lambda one: one.silent_days)
        if rare
        else max(known, key=lambda one: one.silent_days)
    )
    return ChosenDays(
        taken.silent_days, taken.share, taken.within_days, taken.n, known_to, bool(rare)
    )


def order_days(lines: DataFrame, day: date) -> DataFrame:
    """Give customer_id and order_date of each local day with a bought line known before a day.

    Grain: customer_id, order_date. Reads core.transactions.
    """
    bought = lines.where(is_visible(midnight(F.lit(day))) & ~F.col("is_return"))
    bought = bought.where(F.col("ordered_at") < midnight(F.lit(day)))
    return bought.select("customer_id", F.to_date("ordered_at").alias("order_date")).distinct()


def settled(run: LakeRun, section: ChurnSection, day: date, *, keeps: bool) -> ChurnSection:
    """Give the section with the days that were left to be chosen, chosen now where they were not.

    Active is who has not been silent for longer than is leaving. `keeps`: what is chosen now is
    left in ops.outputs. Where the history is too short to choose by, the defaults stand, and churn
    lacks history for them, too. Raises ConfigError where alerts do not go with what was chosen.
    """
    if not section.open_days or section.is_settled:
        return section
    chosen = standing_days(section, run.state, history_days=_history(run, day)[1])
    if chosen is None:
        chosen = _choose(run, section, day)
        if chosen is None:
            log.warning(
                "churn: auto cannot be settled as of %s: too few silences are known to say who "
                "comes back; until then leaving is %s without an order",
                day,
                counted(section.horizon_days, "day"),
            )
            return section.model_copy(update={"is_settled": True})
        log.info("churn: %s", chosen.in_words)
        if keeps:
            target = days_target(section)
            checksum = f"{CHOSEN_DAYS}:{chosen.days}"
            run.finish(Finished(target, checksum=checksum, facts=chosen.facts()))
    days = dict.fromkeys(section.open_days, chosen.days)
    found = section.model_copy(update={**days, "is_settled": True})
    if faults := found.faults_of_alerts():
        raise ConfigError(listed("churn", faults))
    return found


def days_target(section: ChurnSection) -> Target:
    """Give the target of the days that are chosen: new orders do not change them.

    Other settings have days of their own beside them.
    """
    settings = {
        "open": list(section.open_days),
        "returning_share": section.returning_share,
        "grace_days": section.grace_days,
        **{
            name: getattr(section, name)
            for name in (HORIZON_DAYS, ACTIVE_DAYS)
            if name not in section.open_days
        },
    }
    name = f"{CHOSEN_DAYS}/{Target(Output(CHOSEN_DAYS), settings=settings).fingerprint[:8]}"
    return Target(Output(name), (), settings)


def standing_days(
    section: ChurnSection, state: State, *, history_days: int = 0
) -> ChosenDays | None:
    """Give the days that stand as chosen for a section; None where they are to be chosen.

    That is also after --restart, and where too short a history had to do and has doubled since.
    """
    if not section.open_days:
        return None
    row = state.newest(days_target(section).output)
    if row is None or not row.stands or state.is_forced(row):
        return None
    chosen = chosen_of(row.facts)
    has_grown = not chosen.is_rare and history_days >= 2 * chosen.history_days
    return None if has_grown else chosen


def _history(run: LakeRun, day: date) -> tuple[date, int]:
    """Give the day of the first order, and how many days of orders are known by a day."""
    first, newest = run.order_dates()
    return first, (min(newest, day - timedelta(days=1)) - first).days + 1


def _choose(run: LakeRun, section: ChurnSection, day: date) -> ChosenDays | None:
    first, history = _history(run, day)
    known_to = first + timedelta(days=3 * history // 4)
    with stage(run.spark, f"how long customers are silent, by orders before {known_to}"):
        orders = order_days(run.lake.read(TRANSACTIONS), known_to)
        shares = returns_known(orders, known_to)
    # Active days, a horizon to learn from and one to test on, with a rest to have cut-offs in; and
    # the last of these, with its days of grace, begins where the three quarters end.
    most = max(1, history // 4 - section.grace_days)
    chosen = chosen_days(
        shares, returning_share=section.returning_share, most_days=most, known_to=known_to
    )
    return replace(chosen, history_days=history) if chosen else None
