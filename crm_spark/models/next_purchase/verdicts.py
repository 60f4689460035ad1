"""What next purchase needs of the data: closed horizons, customers, and some who came again."""

from __future__ import annotations

from collections.abc import Sequence

from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.next_purchase.section import NextPurchaseSection
from crm_spark.models.next_purchase.trials import Trials
from crm_spark.models.usability.data import data_verdicts
from crm_spark.models.usability.facts import DataFacts
from crm_spark.models.usability.history import customers_at_test, history_of_cutoffs
from crm_spark.tables.checks import Level, Verdict
from crm_spark.words import counted

NEXT_PURCHASE = "next_purchase"


def next_purchase_verdicts(
    facts: DataFacts,
    *,
    params: NextPurchaseSection,
    cutoffs: Cutoffs,
    trials: Trials | None,
    n_customers: int | None = None,
) -> list[Verdict]:
    """Give the verdicts; without trials, as nothing has closed, none on what came.

    `n_customers` are those of the test cut-off, of whom the trials may have a sample.
    """
    of_trials = []
    n = facts.n_customers if n_customers is None else n_customers
    if trials is not None:
        n_looked_at = len(trials.customers(cutoffs.test))
        of_trials = [
            next_orders(n_looked_at, trials.n_ordered(cutoffs.test), cutoffs, params),
            closed_horizons(trials, cutoffs, params),
        ]
    return [
        next_purchase_history(facts, params, cutoffs),
        customers_at_test(
            n,
            NEXT_PURCHASE,
            cutoffs,
            rough="which candidate tells the next order best",
            asked="when customers order next",
        ),
        *of_trials,
        *data_verdicts(facts, NEXT_PURCHASE, cutoffs=cutoffs.all, horizon_days=params.horizon_days),
    ]


def next_purchase_history(
    facts: DataFacts, params: NextPurchaseSection, cutoffs: Cutoffs
) -> Verdict:
    """Judge the history by the cut-offs that it leaves room for."""
    wait = params.closed_after.days
    return history_of_cutoffs(
        facts,
        NEXT_PURCHASE,
        cutoffs,
        found=facts.history_days,
        fewest=3 * wait,
        enough=4 * wait,
        unit="day",
        why=f"customers for {counted(wait, 'day')} and to wait twice for their next order",
        todo="a shorter first horizon in next_purchase.horizons_days",
        n_wanted=params.n_cutoffs,
    )


def next_orders(n: int, n_ordered: int, cutoffs: Cutoffs, params: NextPurchaseSection) -> Verdict:
    """Judge whether the test can tell anything: some have to have ordered, and some not."""
    window = f"the {counted(params.horizon_days, 'day')} from {cutoffs.test} on"
    needed = "at least 1 who did and 1 who did not"
    message = f"{n_ordered:,} of {counted(n, 'customer')} looked at ordered in {window}"
    if 0 < n_ordered < n:
        return Verdict("next_orders", NEXT_PURCHASE, f"{n_ordered:,}", needed, "ok", message)
    todo = (
        "look whether the newest files are loaded, or choose an earlier date"
        if not n_ordered
        else "choose a shorter first horizon in next_purchase.horizons_days"
    )
    message += f", so that nothing can be tested: {todo}"
    return Verdict("next_orders", NEXT_PURCHASE, f"{n_ordered:,}", needed, "error", message)


def closed_horizons(trials: Trials, cutoffs: Cutoffs, params: NextPurchaseSection) -> Verdict:
    """Judge whether every horizon has closed on a cut-off with customers: to learn, and to test."""
    day = cutoffs.test + params.closed_after
    horizons = sorted(params.horizons_days)
    unknown = [one for one in horizons if not trials.is_learnt(one, cutoffs.all, day)]
    untested = [one for one in horizons if trials.step_of(cutoffs, one) is None]
    found = f"{len(horizons) - len(unknown)} of {counted(len(horizons), 'horizon')}"
    needed = "all of them, on one cut-off to learn from and a later one to test"
    level: Level = "warning" if unknown else "advice" if untested else "ok"
    message = f"the oldest cut-off, {cutoffs.all[-1]}, has closed for every horizon"
    if unknown:
        message = (
            f"no cut-off with customers has closed for {_days(unknown)}: their probabilities, and "
            "later days of the next order, stay empty until there is a longer history"
        )
    elif untested:
        message += (
            f"; {_days(untested)} cannot be tested yet, as none had closed before a later one: "
            "that takes a longer history"
        )
    return Verdict("closed_horizons", NEXT_PURCHASE, found, needed, level, message)


def _days(horizons: Sequence[int]) -> str:
    if len(horizons) == 1:
        return f"a horizon of {counted(horizons[0], 'day')}"
    return f"horizons of {', '.join(map(str, horizons[:-1]))} and {counted(horizons[-1], 'day')}"
