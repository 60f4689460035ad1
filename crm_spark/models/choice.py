"""Who scores: the best of what learns, where it beats the best trivial rule."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crm_spark.errors import CrmSparkError
from crm_spark.models.results import Tested

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
    """Make the best challenger the champion where it is better, and the gain not chance.

    It has to beat the best rule, and the 95 % interval of its metric `gain` over the best rule, on
    the same rows for both, has to lie above 0: else the rule scores.
    """
    choice = best_rule_or_challenger(tested, criteria)
    rule, *challengers = choice.registered
    if not challengers:
        return choice
    challenger = next(one for one in tested if one.name == challengers[0])
    measured = next((one for one in challenger.metrics if one.name == gain), None)
    if measured is None or None in (measured.value, measured.low, measured.high):
        gained, is_sure = "gain unknown", False
    else:
        assert measured.low is not None
        ends = f"{_figure(measured.low)} to {_figure(measured.high)}"
        gained = f"gain {_figure(measured.value)}, 95 % interval {ends}"
        is_sure = measured.low > 0
    why = choice.why
    if choice.champion != rule and not is_sure:
        why = why.replace(" beats ", " does not surely beat ", 1)
    champion = choice.champion if is_sure else rule
    return Choice(champion, choice.registered, f"{why}; {gained}")


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"
