"""After how long a silence a customer has left: chosen from the data, once.

`churn.horizon_days: auto` and `churn.active_days: auto` are settled by the first job that needs
them, on the first three quarters of the history, which end before the cut-off whose figures are
quoted, and stand in ops.outputs from then on: what churn means does not change with every day's
orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.errors import ConfigError, DataError, listed
from crm_spark.features.lines import is_visible, midnight
from crm_spark.lake.run import Finished, LakeRun
from crm_spark.lake.state import Output, State, Target
from crm_spark.models.churn.return_curve import ALL, ReturnShare, return_shares, silences
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

    def facts(self) -> dict[str, str]:
        """Give it as a row of ops.outputs keeps it."""
        return {
            "days": str(self.days),
            "share": f"{self.share:.6f}",
            "within_days": str(self.within_days),
            "n": str(self.n),
            "known_to": self.known_to.isoformat(),
            "is_rare": str(self.is_rare),
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


def chosen_of(facts: dict[str, str]) -> ChosenDays:
    """Put it together again from a row's facts."""
    return ChosenDays(
        int(facts["days"]),
        float(facts["share"]),
        int(facts["within_days"]),
        int(facts["n"]),
        date.fromisoformat(facts["known_to"]),
        facts["is_rare"] == "True",
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


def settled(run: LakeRun, section: ChurnSection, *, keeps: bool) -> ChurnSection:
    """Give the section with the days that were left to be chosen, chosen now where they were not.

    Active is who has not been silent for longer than is leaving. `keeps`: what is chosen now is
    left in ops.outputs. Raises DataError where the history
    is too short to choose by, ConfigError where alerts do not go with what was chosen.
    """
    if not section.open_days:
        return section
    target = days_target(section)
    row = run.state.newest(target.output)
    if row is None or not row.stands or row.fingerprint != target.fingerprint:
        chosen = _choose(run, section)
        log.info("churn: %s", chosen.in_words)
        if keeps:
            checksum = f"{CHOSEN_DAYS}:{chosen.days}"
            run.finish(Finished(target, checksum=checksum, facts=chosen.facts()))
    else:
        chosen = chosen_of(dict(row.facts))
    days = dict.fromkeys(section.open_days, chosen.days)
    found = section.model_copy(update={**days, "open_days": ()})
    if faults := found.faults_of_alerts():
        raise ConfigError(listed("churn", faults))
    return found


def days_target(section: ChurnSection) -> Target:
    """Give the target of the days that are chosen: new orders do not change them."""
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
    return Target(Output(CHOSEN_DAYS), (), settings)


def chosen_before(state: State) -> ChosenDays | None:
    """Give the days that stand as chosen; None where none were."""
    row = state.newest(Output(CHOSEN_DAYS))
    return chosen_of(dict(row.facts)) if row and row.stands else None


def _choose(run: LakeRun, section: ChurnSection) -> ChosenDays:
    first, newest = run.order_dates()
    history = (newest - first).days + 1
    known_to = first + timedelta(days=3 * history // 4)
    with stage(run.spark, f"how long customers are silent, by orders before {known_to}"):
        orders = order_days(run.lake.read(TRANSACTIONS), known_to)
        shares = return_shares(silences(orders, known_to).toPandas())  # a few rows a day
    # Active days, a horizon to learn from and one to test on, with a rest to have cut-offs in. A
    # horizon of a quarter of the history ends with it where the quarters before are known.
    most = max(1, (history - 2 * section.grace_days) // 4)
    chosen = chosen_days(
        shares, returning_share=section.returning_share, most_days=most, known_to=known_to
    )
    if chosen is None:
        raise DataError(
            f"churn.horizon_days: auto cannot be settled: of the orders from {first} to {newest} "
            "too few silences of a week are known to say who comes back; write a number of days"
        )
    return chosen
