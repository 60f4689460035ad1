"""Who scores: the best of what learns, where it beats the best trivial rule."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from crm_spark.errors import CrmSparkError
from crm_spark.models.results import Measured, Tested

CHOSE_ITSELF = "the figures quoted chose it, too, for want of an earlier closed cut-off"


@dataclass(frozen=True)
class Criterion:
    """A metric that decides; `worst` stands for a value that is not known."""

    metric: str
    title: str
    is_higher_better: bool = True
    worst: float = 0.0

    def key(self, tested: Tested[Any]) -> float:
        """Give the value as a number of which the higher is the better."""
        found = tested.value(self.metric)
        value = self.worst if found is None else found
        return value if self.is_higher_better else -value

    def shown(self, tested: Tested[Any]) -> str:
        """Write the value with its title."""
        found = tested.value(self.metric)
        return f"{self.title} {_figure(found)}"


@dataclass(frozen=True)
class Choice:
    """Which candidate scores, which are registered, and the figures that decided.

    `parts` is the model's own: what a composed candidate is made of. `is_apart`
    where a model sees to it by itself that what chose is not what is quoted.
    """

    champion: str
    registered: tuple[str, ...]
    why: str
    parts: Any = None
    is_apart: bool = False


def best_rule_or_challenger(tested: Sequence[Tested[Any]], criteria: Sequence[Criterion]) -> Choice:
    """Make the best challenger that beats the best rule the champion; without one the rule stays.

    To beat it is to be better by the first criterion and no worse by any other. The best are those
    with the best value of the first criterion, ties by the following ones. With a value that is not
    known a candidate counts as the worst.
    """

    def place(one: Tested[Any]) -> tuple[float, ...]:
        return tuple(criterion.key(one) for criterion in criteria)

    def beats(one: Tested[Any], other: Tested[Any]) -> bool:
        (first, *others), (least, *limits) = place(one), place(other)
        return first > least and all(map(operator.ge, others, limits))

    rules = [one for one in tested if one.is_rule]
    challengers = [one for one in tested if not one.is_rule]
    if not rules or not criteria:
        raise CrmSparkError("a model needs a trivial rule beside it, and a criterion to beat it by")
    rule = max(rules, key=place)
    if not challengers:
        figures = ", ".join(criterion.shown(rule) for criterion in criteria)
        return Choice(rule.name, (rule.name,), f"the only kind there is: {rule.name} {figures}")
    winners = [one for one in challengers if beats(one, rule)]
    challenger = max(winners or challengers, key=place)
    outcome = "beats" if winners else "does not beat"
    figures = "; ".join(
        f"{one.name} {', '.join(criterion.shown(one) for criterion in criteria)}"
        for one in (challenger, rule)
    )
    return Choice(
        champion=challenger.name if winners else rule.name,
        registered=(rule.name, challenger.name),
        why=f"the {challenger.name} {outcome} the best rule: {figures}",
    )


def better_for_sure(
    tested: Sequence[Tested[Any]], criteria: Sequence[Criterion], *, gain: str
) -> Choice:
    """Make the best challenger the champion that is better, and whose gain is not chance.

    It has to beat the best rule, and the 95 % interval of its metric `gain` over the best rule, on
    the same rows for both, has to lie above 0. Where there is no such challenger the rule scores.
    """

    def measured(name: str) -> Measured | None:
        metrics = next(one.metrics for one in tested if one.name == name)
        return next((one for one in metrics if one.name == gain), None)

    def is_sure(name: str) -> bool:
        found = measured(name)
        return found is not None and found.low is not None and found.low > 0

    sure = [one for one in tested if one.is_rule or is_sure(one.name)]
    choice = best_rule_or_challenger(sure, criteria)
    rule = choice.registered[0]
    if choice.champion == rule:  # the best of all challengers stands beside it
        choice = best_rule_or_challenger(tested, criteria)
    if len(choice.registered) == 1:
        return choice
    why = choice.why
    if choice.champion != rule and not is_sure(choice.champion):
        why = why.replace(" beats ", " does not surely beat ", 1)
        choice = replace(choice, champion=rule)
    return replace(choice, why=f"{why}; {_gained(measured(choice.registered[1]))}")


def _gained(measured: Measured | None) -> str:
    if measured is None or None in (measured.value, measured.low, measured.high):
        return "gain unknown"
    ends = f"{_figure(measured.low)} to {_figure(measured.high)}"
    return f"gain {_figure(measured.value)}, 95 % interval {ends}"


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
