"""What value needs of the data: closed horizons, customers, and some who came again."""

from __future__ import annotations

from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.usability.data import data_verdicts
from crm_spark.models.usability.facts import DataFacts
from crm_spark.models.usability.history import customers_at_test, history_of_cutoffs
from crm_spark.models.value.candidates import FEWEST_REPEATERS
from crm_spark.models.value.data import CustomerCounts
from crm_spark.models.value.section import ValueSection
from crm_spark.tables.checks import Level, Verdict
from crm_spark.words import counted

VALUE = "value"


def value_verdicts(
    facts: DataFacts,
    *,
    params: ValueSection,
    cutoffs: Cutoffs,
    now: CustomerCounts | None,
    at_test: CustomerCounts | None,
) -> list[Verdict]:
    """Give the verdicts for value; without counts, as nothing has closed, none on these."""
    of_counts = []
    if now is not None and at_test is not None:
        of_counts = [repeat_customers(now), spenders(at_test, cutoffs, params)]
    return [
        value_history(facts, params, cutoffs),
        customers_at_test(
            facts.n_customers if at_test is None else at_test.n,
            VALUE,
            cutoffs,
            rough="which candidate finds the best tenth",
            asked="what customers are worth",
        ),
        *of_counts,
        *data_verdicts(facts, VALUE, cutoffs=cutoffs.all, horizon_days=params.horizon_days),
    ]


def value_history(facts: DataFacts, params: ValueSection, cutoffs: Cutoffs) -> Verdict:
    """Judge the history by the cut-offs that it leaves room for."""
    wait, known = params.horizon_days + params.grace_days, counted(params.horizon_days, "day")
    return history_of_cutoffs(
        facts,
        VALUE,
        cutoffs,
        found=facts.history_days,
        fewest=params.horizon_days + 2 * wait,
        enough=params.horizon_days + 3 * wait,
        unit="day",
        why=f"customers for {known} and to wait twice for what they do",
        todo="a shorter first horizon in value.horizons_days",
        n_wanted=params.n_training_cutoffs,
    )


def repeat_customers(counts: CustomerCounts) -> Verdict:
    """Judge how many came again: without any there is no rhythm to learn."""
    n = counts.n_repeaters
    level: Level = "error" if not n else "warning" if n < FEWEST_REPEATERS else "ok"
    needed = f"at least {FEWEST_REPEATERS}; none is an error"
    message = f"{n:,} of {counted(counts.n, 'customer')} ordered on more than one day"
    if level == "error":
        message += (
            ": nothing is known of who comes back, or how often. Load a longer history, or look "
            "whether customer_id is the person and not the order"
        )
    elif level == "warning":
        message += (
            f"; {FEWEST_REPEATERS} are needed to tell what each spends: everybody's order is taken "
            "for the usual one"
        )
    return Verdict("repeat_customers", VALUE, f"{n:,}", needed, level, message)


def spenders(counts: CustomerCounts, cutoffs: Cutoffs, params: ValueSection) -> Verdict:
    """Judge whether the test can tell anything: somebody has to have spent something."""
    window = f"the {counted(params.horizon_days, 'day')} from {cutoffs.test} on"
    found = f"{counts.n_spenders:,}"
    if not counts.n_with_amount:
        message = (
            "no customer has spent anything, so that nothing can be said in money: look whether "
            "amount is mapped from the right column"
        )
        return Verdict("spenders", VALUE, "0", "at least 1", "error", message)
    if not counts.n_spenders:
        message = (
            f"nobody spent anything in {window}: nothing can be tested. Look whether the newest "
            "files are loaded, or choose an earlier date"
        )
        return Verdict("spenders", VALUE, "0", "at least 1", "error", message)
    message = (
        f"{counts.n_spenders:,} of {counted(counts.n, 'customer')} spent something in {window}"
    )
    return Verdict("spenders", VALUE, found, "at least 1", "ok", message)
