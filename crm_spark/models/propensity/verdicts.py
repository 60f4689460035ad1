"""What propensity needs of the data: closed horizons, customers, and something that many buy."""

from __future__ import annotations

from collections.abc import Sequence

from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.propensity.section import PropensitySection
from crm_spark.models.propensity.targets import DEPARTMENT, PRODUCT, Targets
from crm_spark.models.usability.data import data_verdicts
from crm_spark.models.usability.facts import DataFacts
from crm_spark.models.usability.history import customers_at_test, history_of_cutoffs
from crm_spark.tables.checks import Verdict
from crm_spark.words import counted

PROPENSITY = "propensity"


def propensity_verdicts(
    facts: DataFacts,
    *,
    params: PropensitySection,
    cutoffs: Cutoffs,
    targets: Targets | None,
    at_test: Targets | None,
    learnt: Sequence[Targets],
    n_customers: int | None,
) -> list[Verdict]:
    """Give the verdicts; without targets, as nothing has closed, none on these."""
    of_targets = []
    if targets is not None and at_test is not None:
        of_targets = [propensity_targets(targets, at_test, learnt, cutoffs, params)]
    n = facts.n_customers if n_customers is None else n_customers
    return [
        propensity_history(facts, params, cutoffs),
        customers_at_test(n, PROPENSITY, cutoffs, rough="who buys what", asked="who will buy what"),
        *of_targets,
        *data_verdicts(facts, PROPENSITY, cutoffs=cutoffs.all, horizon_days=params.horizon_days),
    ]


def propensity_history(facts: DataFacts, params: PropensitySection, cutoffs: Cutoffs) -> Verdict:
    """Judge the history by the cut-offs that it leaves room for."""
    wait, known = params.closed_after.days, 2 * params.horizon_days
    return history_of_cutoffs(
        facts,
        PROPENSITY,
        cutoffs,
        found=facts.history_days,
        fewest=known + 2 * wait,
        enough=known + 3 * wait,
        unit="day",
        why=f"customers for {counted(known, 'day')} and to wait twice for what they buy",
        todo="a shorter propensity.horizon_days",
        n_wanted=params.n_training_cutoffs,
    )


def propensity_targets(
    now: Targets,
    at_test: Targets,
    learnt: Sequence[Targets],
    cutoffs: Cutoffs,
    params: PropensitySection,
) -> Verdict:
    """Judge whether enough customers buy the same thing: now, at the test, and to learn from."""
    window = f"{counted(params.horizon_days, 'day')}"
    needed = f"at least 1 that {counted(params.fewest_buyers, 'customer')} bought in {window}"
    most_learnt = max((len(one) for one in learnt), default=0)
    for n, day in (
        (len(now), "the date"),
        (len(at_test), f"the test cut-off {cutoffs.test}"),
        (most_learnt, "any cut-off to learn from"),
    ):
        if not n:
            message = (
                f"no department and no product has {counted(params.fewest_buyers, 'buyer')} in the "
                f"{window} before {day}: lower propensity.fewest_buyers, raise "
                "propensity.departments or propensity.products from 0, or look whether product_id "
                "and department are mapped from the right columns"
            )
            return Verdict("targets", PROPENSITY, "0", needed, "error", message)
    by_level = {level: sum(one.level == level for one in now) for level in (DEPARTMENT, PRODUCT)}
    message = (
        f"{counted(by_level[DEPARTMENT], 'department')} and {counted(by_level[PRODUCT], 'product')}"
        f" have at least {counted(params.fewest_buyers, 'buyer')} in the {window} before the date, "
        "and are the first by them"
    )
    return Verdict("targets", PROPENSITY, f"{len(now):,}", needed, "ok", message)
