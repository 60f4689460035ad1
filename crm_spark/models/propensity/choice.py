"""Who scores: the challenger where it ranks better than the best rule for sure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crm_spark.models.choice import Choice, Criterion, best_rule_or_challenger
from crm_spark.models.propensity.metrics import GAIN
from crm_spark.models.results import Tested


def better_for_sure(tested: Sequence[Tested[Any]], criteria: Sequence[Criterion]) -> Choice:
    """Make the best challenger the champion where it is better, and the gain not chance.

    It has to beat the best rule by every criterion, and the 95 % interval of its gain, by resamples
    of the same customers, has to lie above 0: else the rule scores.
    """
    choice = best_rule_or_challenger(tested, criteria)
    champion = next(one for one in tested if one.name == choice.champion)
    if champion.is_rule:
        return choice
    measured = next(one for one in champion.metrics if one.name == GAIN)
    if measured.value is None or measured.low is None or measured.high is None:
        gained, is_sure = "gain unknown", False
    else:
        ends = f"{measured.low:.4f} to {measured.high:.4f}"
        gained, is_sure = f"gain {measured.value:.4f}, 95 % interval {ends}", measured.low > 0
    if is_sure:
        return Choice(choice.champion, choice.registered, f"{choice.why}; {gained}")
    rule = next(name for name in choice.registered if name != champion.name)
    why = choice.why.replace(" beats ", " does not surely beat ", 1)
    return Choice(rule, choice.registered, f"{why}; {gained}")
