"""What churn needs of the data: room for its cut-offs, customers, and both classes."""

from __future__ import annotations

from dataclasses import dataclass

from crm_spark.models.churn.candidates import RULES
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.usability.data import data_verdicts
from crm_spark.models.usability.facts import DataFacts
from crm_spark.tables.checks import Level, Verdict
from crm_spark.words import are, counted

CHURN = "churn"

# Peduzzi et al. (1996): a logistic regression needs about ten cases of the rarer class for each
# input. Fewer than ten do not carry even the rule of one input.
CASES_PER_INPUT = 10
FEWEST_OF_A_CLASS = CASES_PER_INPUT
# The rule of the most inputs, recency_frequency_tenure, has three.
ENOUGH_OF_A_CLASS = CASES_PER_INPUT * max(map(len, RULES.values()))
# As many of the other class, too: fewer customers cannot hold both, however they part.
FEWEST_FOR_CHURN = 2 * ENOUGH_OF_A_CLASS
# Riley et al. (2020), step 1: (1.96 / 0.05)^2 x 0.5 x 0.5 customers tell the share that leaves to
# within 5 points.
ENOUGH_FOR_CHURN = 385
# Collins, Ogundimu and Altman (2016): a test needs 100 of each class. Below ten, our convention,
# whether the forest beats a rule is chance.
FEWEST_TO_TEST, ENOUGH_TO_TEST = 10, 100
# Van der Ploeg, Austin and Steyerberg (2014): a logistic regression was stable with 20 to 50 cases
# for each input, a forest not even with 200.
CASES_PER_FOREST_INPUT = 200


@dataclass(frozen=True)
class ChurnClasses:
    """How many different customers churned and stayed, at any cut-off and at the one to test on.

    A customer may have done both, at different cut-offs.
    """

    n_churned: int = 0
    n_stayed: int = 0
    n_churned_at_test: int = 0
    n_stayed_at_test: int = 0


def churn_verdicts(
    facts: DataFacts,
    *,
    params: ChurnSection,
    cutoffs: Cutoffs,
    classes: ChurnClasses | None,
    n_inputs: int,
) -> list[Verdict]:
    """Give the verdicts for churn; without `classes`, as there are no labels, none on these.

    `n_inputs` are the features that the forest may learn from.
    """
    of_classes = []
    if classes is not None:
        of_classes = [
            both_classes(classes, cutoffs),
            classes_at_test(classes, cutoffs),
            cases_per_input(classes, n_inputs),
        ]
    return [
        churn_history(facts, params, cutoffs),
        churn_customers(facts),
        *of_classes,
        *data_verdicts(facts, CHURN, cutoffs=cutoffs.all, horizon_days=params.horizon_days),
    ]


def churn_history(facts: DataFacts, params: ChurnSection, cutoffs: Cutoffs) -> Verdict:
    """Judge the history by the training cut-offs that it leaves room for."""
    fewest = params.active_days + 2 * (params.horizon_days + params.grace_days)
    enough = fewest + params.cutoff_every_days
    found = counted(facts.history_days, "day")
    if not facts.days or not cutoffs.training:
        return Verdict(
            "history",
            CHURN,
            found,
            f"at least {counted(fewest, 'day')}",
            "error",
            f"{facts.first_order}, and {fewest:,} days of history are needed (active_days + 2 x "
            "(horizon_days + grace_days)): choose a later date or a shorter horizon",
        )
    needed = f"at least {enough:,} days for two training cut-offs"
    if len(cutoffs.training) > 1:
        message = f"{found} of history hold {len(cutoffs.training)} training cut-offs"
        return Verdict("history", CHURN, found, needed, "ok", message)
    todo = (
        "raise churn.n_training_cutoffs"
        if params.n_training_cutoffs == 1
        else f"{enough:,} days are needed for two: choose a later date or a shorter horizon"
    )
    return Verdict(
        "history",
        CHURN,
        found,
        needed,
        "warning",
        f"{found} of history {are(facts.history_days)} used for one training cut-off, so that "
        f"probabilities cannot be calibrated; {todo}",
    )


def churn_customers(facts: DataFacts) -> Verdict:
    """Judge the number of customers by the least that a rule, and a churn rate, take."""
    n = facts.n_customers
    if n < FEWEST_FOR_CHURN:
        return Verdict(
            "customers",
            CHURN,
            f"{n:,}",
            f"at least {FEWEST_FOR_CHURN:,}",
            "error",
            f"{counted(n, 'customer')} {are(n)} too few to learn who leaves: the simplest usable "
            f"rule takes {ENOUGH_OF_A_CLASS} who left and {ENOUGH_OF_A_CLASS} who stayed, so at "
            f"least {FEWEST_FOR_CHURN}: load more customers",
        )
    needed = f"at least {ENOUGH_FOR_CHURN:,}"
    if n < ENOUGH_FOR_CHURN:
        return Verdict(
            "customers",
            CHURN,
            f"{n:,}",
            needed,
            "warning",
            f"with {counted(n, 'customer')} the share that leaves is known to within "
            f"{counted(round(98 / n**0.5), 'point')} only, and {ENOUGH_FOR_CHURN} are needed for "
            "5: take the probabilities for a rough order, or load more customers",
        )
    return Verdict(
        "customers", CHURN, f"{n:,}", needed, "ok", f"{counted(n, 'customer')} are enough"
    )


def both_classes(classes: ChurnClasses, cutoffs: Cutoffs) -> Verdict:
    """Judge whether there are customers who left and customers who stayed to learn from."""
    rarer = min(classes.n_churned, classes.n_stayed)
    level: Level = (
        "error" if rarer < FEWEST_OF_A_CLASS else "warning" if rarer < ENOUGH_OF_A_CLASS else "ok"
    )
    needed = f"at least {ENOUGH_OF_A_CLASS} of each; below {FEWEST_OF_A_CLASS} is an error"
    message = (
        f"of the active customers at the cut-offs from {min(cutoffs.all)} to {max(cutoffs.all)}, "
        f"{classes.n_churned:,} churned, {classes.n_stayed:,} did not"
    )
    if level != "ok":
        message += (
            f"; {needed}: "
            + ("lengthen" if classes.n_stayed < classes.n_churned else "shorten")
            + " churn.horizon_days, raise churn.n_training_cutoffs, or load more customers"
        )
    found = f"{classes.n_churned:,} churned, {classes.n_stayed:,} stayed"
    return Verdict("both_classes", CHURN, found, needed, level, message)


def classes_at_test(classes: ChurnClasses, cutoffs: Cutoffs) -> Verdict:
    """Judge whether the test cut-off can tell a good model from a bad one."""
    rarer = min(classes.n_churned_at_test, classes.n_stayed_at_test)
    level: Level = (
        "warning" if rarer < FEWEST_TO_TEST else "advice" if rarer < ENOUGH_TO_TEST else "ok"
    )
    found = f"{classes.n_churned_at_test:,} churned, {classes.n_stayed_at_test:,} stayed"
    needed = f"at least {ENOUGH_TO_TEST} of each; below {FEWEST_TO_TEST} is a warning"
    message = (
        f"at the test cut-off {cutoffs.test} {counted(classes.n_churned_at_test, 'customer')} "
        f"churned and {classes.n_stayed_at_test:,} did not"
    )
    if level != "ok":
        message += (
            f", {needed}: how good the model is stays uncertain; look at the intervals of its "
            "metrics, and run backtest_churn, which tests on several dates"
        )
    return Verdict("classes_at_test", CHURN, found, needed, level, message)


def cases_per_input(classes: ChurnClasses, n_inputs: int) -> Verdict:
    """Advise on what the forest can be expected to find."""
    rarer = min(classes.n_churned, classes.n_stayed)
    wanted = CASES_PER_FOREST_INPUT * n_inputs
    found = f"{rarer / n_inputs:.1f} per input"
    needed = f"{CASES_PER_FOREST_INPUT} per input"
    if rarer >= wanted:
        return Verdict(
            "cases_per_input",
            CHURN,
            found,
            needed,
            "ok",
            f"{counted(rarer, 'customer')} of the rarer class are enough",
        )
    return Verdict(
        "cases_per_input",
        CHURN,
        found,
        needed,
        "advice",
        f"{counted(rarer, 'customer')} of the rarer class for {counted(n_inputs, 'input')}: a "
        f"forest takes more than {wanted:,} to be stable. Do not expect it to beat the simple "
        "rules by much; more customers help, and more cut-offs (churn.n_training_cutoffs)",
    )
