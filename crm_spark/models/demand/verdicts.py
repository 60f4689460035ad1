"""What demand needs of the data: periods to learn from, and something that was sold."""

from __future__ import annotations

import numpy as np

from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.demand.data import View
from crm_spark.models.demand.section import DemandSection
from crm_spark.models.demand.series import PRODUCT
from crm_spark.models.usability.data import data_verdicts
from crm_spark.models.usability.facts import DataFacts
from crm_spark.models.usability.history import history_of_cutoffs
from crm_spark.tables.checks import Verdict
from crm_spark.words import counted

DEMAND = "demand"


def demand_verdicts(
    facts: DataFacts, *, params: DemandSection, cutoffs: Cutoffs, now: View | None
) -> list[Verdict]:
    """Give the verdicts for demand; without the series of the date, none on these."""
    days = params.horizon_periods * params.period_days
    return [
        demand_history(facts, params, cutoffs),
        *([something_sold(now), own_series(now, params)] if now is not None else []),
        *data_verdicts(facts, DEMAND, cutoffs=cutoffs.all, horizon_days=days),
    ]


def demand_history(facts: DataFacts, params: DemandSection, cutoffs: Cutoffs) -> Verdict:
    """Judge the history by the cut-offs that it leaves room for."""
    # The first period of the data may have begun midway, and does not count.
    wait, least = params.closed_after_periods, params.fewest_periods + 1
    return history_of_cutoffs(
        facts,
        DEMAND,
        cutoffs,
        found=facts.history_days // params.period_days,
        fewest=least + 2 * wait,
        enough=least + 3 * wait,
        unit=params.period,
        why=f"series for {counted(least, params.period)} and to wait for what comes twice",
        todo="a smaller demand.horizon_periods",
        n_wanted=params.n_training_cutoffs,
    )


def something_sold(now: View) -> Verdict:
    """Judge whether anything was sold for money at all."""
    sold = float(np.nansum(np.abs(now.sales["amount"].values[0])))
    if sold > 0:
        return Verdict("sales", DEMAND, f"{sold:,.0f}", "more than 0", "ok", "something was sold")
    message = (
        "nothing was ever sold for money: look whether amount is mapped from the right column, and "
        "whether lines are taken for returns"
    )
    return Verdict("sales", DEMAND, "0", "more than 0", "error", message)


def own_series(now: View, params: DemandSection) -> Verdict:
    """Say how many products have a series of their own, and why others have none."""
    n = int(now.tree.of_level(PRODUCT).sum())
    message = (
        f"{counted(n, 'product')} {'has a series of its' if n == 1 else 'have series of their'} "
        f"own: sold for at least {counted(params.fewest_periods, params.period)}, and "
        f"among the first {params.products:,} by revenue of late; all others are forecast together"
    )
    return Verdict("own_series", DEMAND, f"{n:,}", "any number", "ok", message)
