"""The candidates: the trivial rules, and what has to beat the best of them."""

from __future__ import annotations

from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.learners import LEARNERS, learners_of
from crm_spark.models.classifiers.logistic_regression import rule

# Each rule is a logistic regression on these features.
RULES: dict[str, tuple[str, ...]] = {
    "recency": ("days_since_last_order",),
    "order_days": ("n_order_days_84d",),
    "recency_frequency_tenure": ("days_since_last_order", "n_orders", "tenure_days"),
    "decayed_orders": (
        "n_orders_half_life_7d",
        "n_orders_half_life_21d",
        "n_orders_half_life_60d",
    ),
}
_IN_WORDS = {
    "recency": "rule: days since the last order",
    "order_days": "rule: days with an order in 84 days",
    "recency_frequency_tenure": "rule: last order, number of orders, tenure",
    "decayed_orders": "rule: orders, older ones counting less",
}
_RULES = tuple(rule(name, _IN_WORDS[name], features) for name, features in RULES.items())
# The trivial rules first, and what is made of others last.
CANDIDATES: tuple[Learner, ...] = (*_RULES, *LEARNERS)


def candidate_named(name: str) -> Learner:
    """Give a candidate by its name."""
    return next(candidate for candidate in CANDIDATES if candidate.name == name)


def candidates_of(params: ChurnSection) -> tuple[Learner, ...]:
    """Give the rules, and the candidates that the section names."""
    return (*_RULES, *learners_of(params))
