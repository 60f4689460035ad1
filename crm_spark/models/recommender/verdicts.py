"""What recommendations need of the data: orders before and after the test, and customers."""

from __future__ import annotations

from crm_spark.models.recommender.als import ProductFactors
from crm_spark.models.recommender.section import RecommendationsSection
from crm_spark.models.usability.data import data_verdicts
from crm_spark.models.usability.facts import DataFacts
from crm_spark.tables.checks import Verdict
from crm_spark.words import are, counted

RECOMMENDATIONS = "recommendations"

# Riley et al. (2020), step 1, for a hit rate: (1.96 / 0.1)^2 x 0.5 x 0.5 customers tell it to
# within 10 points.
ENOUGH_FOR_RECOMMENDATIONS = 97


def recommendations_verdicts(facts: DataFacts, *, params: RecommendationsSection) -> list[Verdict]:
    """Give the verdicts for recommendations."""
    return [
        recommendations_history(facts, params),
        recommendations_customers(facts, params),
        *data_verdicts(facts, RECOMMENDATIONS),
    ]


def recommendations_history(facts: DataFacts, params: RecommendationsSection) -> Verdict:
    """Judge whether orders lie before the cut-off to test on, and enough of them."""
    closes = params.horizon_days + params.grace_days
    enough = closes + params.popular_days
    found = counted(facts.history_days, "day")
    if facts.history_days <= closes:
        return Verdict(
            "history",
            RECOMMENDATIONS,
            found,
            f"at least {counted(closes + 1, 'day')}",
            "error",
            f"they cannot be tested: the cut-off {counted(closes, 'day')} before is "
            f"{params.test_cutoff(facts.as_of)}, and {facts.first_order}: choose a later date or "
            "a shorter recommendations.horizon_days",
        )
    needed = f"at least {counted(enough, 'day')}"
    if facts.history_days >= enough:
        return Verdict(
            "history", RECOMMENDATIONS, found, needed, "ok", f"{found} of history are enough"
        )
    return Verdict(
        "history",
        RECOMMENDATIONS,
        found,
        needed,
        "warning",
        f"{found} of history leave {facts.history_days - closes} before the test to learn what is "
        f"popular, not {params.popular_days} (recommendations.popular_days): choose a later date",
    )


def recommendations_customers(facts: DataFacts, params: RecommendationsSection) -> Verdict:
    """Judge the number of customers by what a product takes."""
    n, fewest = facts.n_customers, params.als.min_customers
    needed = f"at least {fewest:,}"
    if n < fewest:
        return Verdict(
            "customers",
            RECOMMENDATIONS,
            f"{n:,}",
            needed,
            "error",
            f"{counted(n, 'customer')} {are(n)} too few: nothing is learnt of a product with fewer "
            f"than {fewest} (recommendations.als.min_customers): load more customers",
        )
    return Verdict(
        "customers",
        RECOMMENDATIONS,
        f"{n:,}",
        needed,
        "ok",
        f"{counted(n, 'customer')} {are(n)} enough for a product to be learnt of",
    )


def measured_customers(n: int) -> Verdict:
    """Judge the customers who bought in the days of the test by what a hit rate takes."""
    needed = f"at least {ENOUGH_FOR_RECOMMENDATIONS}"
    who = f"{counted(n, 'customer')} bought in the days of the test"
    if n >= ENOUGH_FOR_RECOMMENDATIONS:
        return Verdict(
            "measured_customers", RECOMMENDATIONS, f"{n:,}", needed, "ok", f"{who}: enough"
        )
    return Verdict(
        "measured_customers",
        RECOMMENDATIONS,
        f"{n:,}",
        needed,
        "warning",
        f"{who}: the share that takes an offer is known to within "
        f"{counted(round(98 / max(n, 1) ** 0.5), 'point')} only, and {ENOUGH_FOR_RECOMMENDATIONS} "
        "are needed for 10: load more customers, or make recommendations.horizon_days longer",
    )


def engine_verdicts(factors: ProductFactors | None) -> tuple[Verdict, ...]:
    """Tell that MLlib fitted ALS where the faster engine could not be had, and why."""
    if factors is None or not factors.reason:
        return ()
    return (
        Verdict(
            "als_engine",
            RECOMMENDATIONS,
            factors.engine,
            "arrow",
            "advice",
            f"ALS was fitted by MLlib, which takes longer: {factors.reason}",
        ),
    )
