"""The checks that every model makes of the order lines: rejected ones, holes, jumps, one giant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from statistics import median

from crm_spark.models.usability.facts import DataFacts, OrderDay, PriceFacts
from crm_spark.tables.checks import Level, Verdict
from crm_spark.words import are, counted, verb

# Schafer (1999): with at most 5 % missing the result is hardly touched. The 20 % are a convention
# of ours: with one line in five lost, whole orders are, and an order that is lost looks like a
# customer who left.
REJECTED_WARNING, REJECTED_ERROR = 0.05, 0.20

# The same 5 %. Lines without a customer may be guests, as a quarter of Online Retail's are: the
# customers who are known are described well enough. Our convention: beyond a half it is more likely
# the wrong column, and whoever means it can leave these lines out with `where`.
NO_CUSTOMER_WARNING, NO_CUSTOMER_ERROR = 0.05, 0.50

# Our convention: fourteen days cover a closed week with both weekends, and Christmas (Online
# Retail: 11 days). A shop whose orders are rarer is measured by its own rhythm: four times the
# break that nine of ten of its breaks do not exceed. With orders at random that is exceeded by one
# break in 10,000.
HOLE_DAYS, HOLE_RHYTHMS = 14, 4
# Our convention: with half of a horizon empty, who is silent says nothing about who has left.
HOLE_SHARE_OF_HORIZON = 0.5

# Our convention. Medians of eight weeks on both sides; all weeks but one after the jump lie beyond
# all but one before it by a quarter, so that a season of up to six weeks is none. Online Retail's
# growth towards Christmas comes to 1.5.
STRETCH_WEEKS = 8
JUMP_STAYS = 1.25
JUMP_ADVICE, JUMP_WARNING = 2.0, 3.0

# Our convention: above a tenth one customer weighs on every mean; from a half on the table is about
# one customer, as a rule a placeholder such as 0 or "guest". Online Retail: 2 %.
BIGGEST_WARNING, BIGGEST_ERROR = 0.10, 0.50

# Our convention. Money in lines at less than half or more than twice a product's usual price, and
# far outside its own spread: Online Retail 2.7 %, Complete Journey 0.4 %.
UNUSUAL_ADVICE, UNUSUAL_WARNING = 0.05, 0.20


def data_verdicts(
    facts: DataFacts, subject: str, *, cutoffs: Sequence[date] = (), horizon_days: int = 1
) -> list[Verdict]:
    """Give the verdicts on the data themselves, for one model.

    With cut-offs a hole that covers half of the `horizon_days` after one of them is an error.
    """
    verdicts = [
        rejected_rows(facts, subject),
        missing_customer_ids(facts, subject),
        days_without_data(facts, subject, cutoffs=cutoffs, horizon_days=horizon_days),
        level_change(facts, subject),
        biggest_customer(facts, subject),
    ]
    return [*verdicts, unusual_prices(facts.prices, subject)] if facts.prices else verdicts


def _level(share: float, warning: float, error: float) -> Level:
    """Give the level of a share that may reach, but not exceed, its limits."""
    return "error" if share > error else "warning" if share > warning else "ok"


def _limits(warning: float, error: float) -> str:
    return f"at most {warning:.0%}; above {error:.0%} is an error".replace("%", " %")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0.0 %"


def rejected_rows(facts: DataFacts, subject: str) -> Verdict:
    """Judge the share of rejected order lines, those without a customer left out."""
    needed = _limits(REJECTED_WARNING, REJECTED_ERROR)
    ingest = facts.ingest
    if ingest is None:
        return Verdict(
            "rejected_rows",
            subject,
            "unknown",
            needed,
            "advice",
            "no ingest is on record, so the share of rejected order lines is unknown: "
            "run ingest_sources",
        )
    share = ingest.n_rejected / ingest.n_rows if ingest.n_rows else 0.0
    level = _level(share, REJECTED_WARNING, REJECTED_ERROR)
    percent = _percent(ingest.n_rejected, ingest.n_rows)
    lines = counted(ingest.n_rows, "order line")
    found = f"{percent} of {lines}"
    message = f"{ingest.n_rejected:,} of {lines} ({percent}) cannot be used"
    if ingest.n_lost_files:
        level = "warning" if level == "ok" else level
        found += f", {counted(ingest.n_lost_files, 'lost file')}"
        message += (
            f", and {counted(ingest.n_lost_files, 'whole file')} {are(ingest.n_lost_files)} lost"
        )
    if level != "ok":
        message += (
            f", {needed}: the reasons are in core.transactions_rejected; correct the mapping in "
            "sources.transactions or the source, and run ingest_sources again"
        )
    return Verdict("rejected_rows", subject, found, needed, level, message)


def missing_customer_ids(facts: DataFacts, subject: str) -> Verdict:
    """Judge the share of order lines that were rejected because they name no customer."""
    needed = _limits(NO_CUSTOMER_WARNING, NO_CUSTOMER_ERROR)
    ingest = facts.ingest
    if ingest is None:
        return Verdict(
            "missing_customer_ids",
            subject,
            "unknown",
            needed,
            "advice",
            "no ingest is on record, so the share of order lines without a customer is "
            "unknown: run ingest_sources",
        )
    share = ingest.n_without_customer / ingest.n_rows if ingest.n_rows else 0.0
    level = _level(share, NO_CUSTOMER_WARNING, NO_CUSTOMER_ERROR)
    percent = _percent(ingest.n_without_customer, ingest.n_rows)
    lines = counted(ingest.n_rows, "order line")
    found = f"{percent} of {lines}"
    n_without = ingest.n_without_customer
    message = f"{n_without:,} of {lines} ({percent}) {verb(n_without, 'names', 'name')} no customer"
    if level != "ok":
        message += (
            f", {needed}: what these bought is missing from all results. Check the mapping of "
            "customer_id; if they are guests, leave them out with sources.transactions.where"
        )
    return Verdict("missing_customer_ids", subject, found, needed, level, message)


@dataclass(frozen=True)
class Hole:
    """Days in a row without any order, both ends included."""

    first: date
    last: date

    @property
    def n_days(self) -> int:
        """How many days it lasts."""
        return (self.last - self.first).days + 1

    def days_within(self, start: date, n_days: int) -> int:
        """Give how many of the `n_days` from `start` it covers."""
        end = min(self.last, start + timedelta(days=n_days - 1))
        return max(0, (end - max(self.first, start)).days + 1)


def breaks(facts: DataFacts) -> list[Hole]:
    """Give what lies between neighbouring days with orders, and after the last of them."""
    days = [day.day for day in facts.days]
    one = timedelta(days=1)
    return [Hole(day + one, after - one) for day, after in pairwise([*days, facts.as_of])]


def longest_usual_break(found: Sequence[Hole]) -> int:
    """Give the days that nine of ten breaks do not exceed, the longest of them left out."""
    lengths = sorted(hole.n_days for hole in found)[:-1]
    return lengths[-(-len(lengths) * 9 // 10) - 1] if lengths else 0


def days_without_data(
    facts: DataFacts, subject: str, *, cutoffs: Sequence[date], horizon_days: int
) -> Verdict:
    """Judge days in a row without any order against the shop's own rhythm."""
    found = breaks(facts)
    usual = longest_usual_break(found)
    limit = max(HOLE_DAYS, HOLE_RHYTHMS * usual)
    longest = max(found, key=lambda hole: (hole.n_days, hole.first), default=None)
    needed = f"at most {limit} days in a row"
    if longest is None or longest.n_days <= limit:
        n_days = longest.n_days if longest else 0
        return Verdict(
            "days_without_data",
            subject,
            counted(n_days, "day"),
            needed,
            "ok",
            f"at most {counted(n_days, 'day')} in a row {are(n_days)} without an order",
        )
    rhythm = (
        f"nine of ten breaks last at most {counted(usual, 'day')}"
        if usual
        else "most days have one"
    )
    message = (
        f"{longest.n_days} days in a row are without any order, {longest.first} to {longest.last}, "
        f"while in this shop {rhythm}"
    )
    level: Level = "warning"
    todo = (
        "if orders are missing, load them and run ingest_sources and build_features again; if the "
        "shop was closed, all is well"
    )
    holes = [hole for hole in found if hole.n_days > limit]
    if emptied := _emptied_horizon(holes, cutoffs, horizon_days):
        level = "error"
        message += f". {emptied}"
        todo = (
            "load the missing orders and run ingest_sources and build_features again, or choose "
            "another date"
        )
    return Verdict(
        "days_without_data", subject, f"{longest.n_days} days", needed, level, f"{message}: {todo}"
    )


def _emptied_horizon(
    holes: Sequence[Hole], cutoffs: Sequence[date], horizon_days: int
) -> str | None:
    """Tell of the first cut-off whose horizon the holes leave too empty for labels."""
    for cutoff in cutoffs:
        covered = sum(hole.days_within(cutoff, horizon_days) for hole in holes)
        if covered >= HOLE_SHARE_OF_HORIZON * horizon_days:
            return (
                f"Of the {counted(horizon_days, 'day')} after the cut-off {cutoff} {covered} "
                f"{are(covered)} without orders, so that customers look lost who are not"
            )
    return None


@dataclass(frozen=True)
class Jump:
    """Where weekly orders changed and stayed changed: medians of the weeks before and after."""

    day: date
    before: float
    after: float

    @property
    def factor(self) -> float:
        """How many times the smaller median the larger one is."""
        return max(self.before, self.after) / min(self.before, self.after)


def weekly_orders(as_of: date, days: Sequence[OrderDay]) -> list[tuple[date, int]]:
    """Give the full weeks that end at the as-of date, oldest first; empty ones are left out.

    What is empty is a hole, and judged as one.
    """
    if not days:
        return []
    weeks = [0] * ((as_of - days[0].day).days // 7)
    for day in days:
        age = ((as_of - day.day).days - 1) // 7
        if age < len(weeks):
            weeks[age] += day.n_orders
    begun = [as_of - timedelta(days=7 * (age + 1)) for age in range(len(weeks))]
    return [(day, n) for day, n in zip(reversed(begun), reversed(weeks), strict=True) if n]


def largest_jump(weeks: Sequence[tuple[date, int]]) -> Jump | None:
    """Give the largest change of level that stayed, of equal ones the clearest, or None."""
    jumps = []
    for place in range(STRETCH_WEEKS, len(weeks) - STRETCH_WEEKS + 1):
        before = sorted(n for _, n in weeks[place - STRETCH_WEEKS : place])
        after = sorted(n for _, n in weeks[place : place + STRETCH_WEEKS])
        rises, falls = after[1] / before[-2], before[1] / after[-2]
        if max(rises, falls) >= JUMP_STAYS:
            sums = sorted([sum(before), sum(after)])
            jump = Jump(weeks[place][0], median(before), median(after))
            jumps.append((jump.factor, sums[1] / sums[0], jump))
    return max(jumps, key=lambda ranked: ranked[:2])[2] if jumps else None


def level_change(facts: DataFacts, subject: str) -> Verdict:
    """Judge whether weekly orders jumped to another level and stayed there."""
    needed = f"less than {JUMP_ADVICE:g}-fold; from {JUMP_WARNING:g}-fold on is a warning"
    weeks = weekly_orders(facts.as_of, facts.days)
    if len(weeks) < 2 * STRETCH_WEEKS:
        return Verdict(
            "level_change",
            subject,
            counted(len(weeks), "full week"),
            needed,
            "ok",
            f"{counted(len(weeks), 'full week')} with orders {are(len(weeks))} too few to tell a "
            f"change of level from chance; {2 * STRETCH_WEEKS} would do",
        )
    jump = largest_jump(weeks)
    if jump is None or jump.factor < JUMP_ADVICE:
        factor = jump.factor if jump else 1.0
        return Verdict(
            "level_change",
            subject,
            f"{factor:.1f}-fold",
            needed,
            "ok",
            "weekly orders keep their level",
        )
    level: Level = "warning" if jump.factor >= JUMP_WARNING else "advice"
    return Verdict(
        "level_change",
        subject,
        f"{jump.factor:.1f}-fold at {jump.day}",
        needed,
        level,
        f"weekly orders went from about {jump.before:,.0f} to about {jump.after:,.0f} around "
        f"{jump.day}, and stayed there for {STRETCH_WEEKS} weeks: if a source was added or lost "
        "then, load the same ones for all days; if the shop changed, what was learnt from before "
        "may no longer hold, and sources.transactions.where can leave it out; if it is the season, "
        "nothing has to be done",
    )


def biggest_customer(facts: DataFacts, subject: str) -> Verdict:
    """Judge the share of order lines of the customer with the most; the id is not shown."""
    needed = f"at most {BIGGEST_WARNING:.0%}; {BIGGEST_ERROR:.0%} is an error".replace("%", " %")
    share = facts.n_lines_of_biggest / facts.n_lines if facts.n_lines else 0.0
    percent = _percent(facts.n_lines_of_biggest, facts.n_lines)
    message = f"one customer has {percent} of the {counted(facts.n_lines, 'order line')}"
    level: Level = (
        "error" if share >= BIGGEST_ERROR else "warning" if share > BIGGEST_WARNING else "ok"
    )
    if facts.n_customers == 1:
        message += (
            ": is customer_id mapped from the right column (sources.transactions.columns)? What "
            "is alike, and who leaves, shows among many customers only"
        )
    elif level != "ok":
        message += (
            f", {needed}: is it a placeholder such as 0 or 'guest'? Leave it out with "
            "sources.transactions.where, or judge the results without it (count the lines of "
            "core.transactions by customer_id to see which one it is)"
        )
    return Verdict(
        "biggest_customer", subject, f"{percent} of the order lines", needed, level, message
    )


def unusual_prices(prices: PriceFacts, subject: str) -> Verdict:
    """Judge the share of money in lines whose price is far from their product's usual one."""
    needed = f"at most {UNUSUAL_ADVICE:.0%}; above {UNUSUAL_WARNING:.0%} is a warning"
    needed = needed.replace("%", " %")
    share = prices.unusual_minor / prices.sold_minor if prices.sold_minor else 0.0
    level: Level = (
        "warning" if share > UNUSUAL_WARNING else "advice" if share > UNUSUAL_ADVICE else "ok"
    )
    percent = _percent(prices.unusual_minor, prices.sold_minor)
    message = (
        f"{counted(prices.n_unusual_lines, 'line')} of "
        f"{counted(prices.n_unusual_products, 'product')}, with {percent} of the money, "
        f"{verb(prices.n_unusual_lines, 'has', 'have')} a price far from the product's usual one"
    )
    if level != "ok":
        message += (
            f", {needed}: are amount and quantity mapped from the right columns, in one unit and "
            "one currency? features.product_prices names the products; lines that are no purchases "
            "can be left out with sources.transactions.where"
        )
    return Verdict("unusual_prices", subject, f"{percent} of the money", needed, level, message)
