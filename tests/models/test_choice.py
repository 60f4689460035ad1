"""Who scores: the best of what learns, where it beats the best rule by every criterion."""

from __future__ import annotations

import pytest

from crm_spark.errors import CrmSparkError
from crm_spark.models.choice import Criterion, best_rule_or_challenger
from crm_spark.models.results import Measured, Tested

ERROR = Criterion("error", "error", is_higher_better=False, worst=100.0)
RANK = Criterion("rank", "rank")


def candidate(name: str, *, is_rule: bool = False, **figures: float | None) -> Tested[None]:
    """Give a candidate with these figures."""
    measured = tuple(Measured(metric, value, 10) for metric, value in figures.items())
    return Tested(name, is_rule, None, measured)


def test_lower_errors_win_where_lower_is_better() -> None:
    rules = [candidate("mean", is_rule=True, error=3.0), candidate("last", is_rule=True, error=2.0)]
    choice = best_rule_or_challenger([*rules, candidate("trees", error=1.0)], [ERROR])
    assert (choice.champion, choice.registered) == ("trees", ("last", "trees"))
    assert choice.why == "the trees beats the best rule: trees error 1.0000; last error 2.0000"


@pytest.mark.parametrize("error", [2.0, 2.5, None])
def test_a_tie_a_loss_and_an_unknown_figure_leave_the_rule(error: float | None) -> None:
    rule = candidate("mean", is_rule=True, error=2.0)
    choice = best_rule_or_challenger([rule, candidate("trees", error=error)], [ERROR])
    assert choice.champion == "mean"
    assert "does not beat" in choice.why


def test_the_best_of_those_that_beat_the_rule_scores() -> None:
    rule = candidate("mean", is_rule=True, rank=0.6, error=2.0)
    behind_in_error = candidate("trees", rank=0.8, error=2.5)
    better = [candidate("boosting", rank=0.7, error=1.0), candidate("lines", rank=0.65, error=0.5)]
    choice = best_rule_or_challenger([rule, behind_in_error, *better], [RANK, ERROR])
    assert (choice.champion, choice.registered) == ("boosting", ("mean", "boosting"))


def test_where_none_beats_the_rule_the_best_stands_beside_it() -> None:
    rule = candidate("mean", is_rule=True, rank=0.6, error=2.0)
    behind = [
        candidate("trees", rank=0.8, error=2.5),
        candidate("boosting", rank=0.7, error=2.1),
        candidate("lines", rank=0.5, error=1.0),
    ]
    choice = best_rule_or_challenger([rule, *behind], [RANK, ERROR])
    assert (choice.champion, choice.registered) == ("mean", ("mean", "trees"))


@pytest.mark.parametrize(("rank", "champion"), [(0.6, "mean"), (0.61, "trees")])
def test_a_tie_is_enough_but_for_the_first_criterion(rank: float, champion: str) -> None:
    rule = candidate("mean", is_rule=True, rank=0.6, error=2.0)
    choice = best_rule_or_challenger(
        [rule, candidate("trees", rank=rank, error=2.0)], [RANK, ERROR]
    )
    assert choice.champion == champion


def test_a_rule_without_a_challenger_scores() -> None:
    choice = best_rule_or_challenger([candidate("mean", is_rule=True, error=2.0)], [ERROR])
    assert (choice.champion, choice.registered) == ("mean", ("mean",))


@pytest.mark.parametrize(
    ("candidates", "criteria"),
    [
        ([candidate("trees", error=1.0)], [ERROR]),
        ([candidate("mean", is_rule=True, error=1.0)], []),
    ],
)
def test_a_model_without_a_rule_or_a_criterion_is_refused(
    candidates: list[Tested[None]], criteria: list[Criterion]
) -> None:
    with pytest.raises(CrmSparkError, match="needs a trivial rule"):
        best_rule_or_challenger(candidates, criteria)
