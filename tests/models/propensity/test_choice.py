"""Who scores propensity: the challenger only where it is better than the best rule for sure."""

from __future__ import annotations

import pytest

from crm_spark.models.choice import better_for_sure
from crm_spark.models.propensity.definition import Propensity
from crm_spark.models.propensity.metrics import GAIN
from crm_spark.models.results import Measured, Tested

CRITERIA = Propensity.criteria


def candidate(
    name: str,
    precision: float | None,
    log_loss: float | None,
    *,
    gain: tuple[float | None, float | None] | None = None,
) -> Tested[None]:
    """Give a candidate; a challenger is one with the ends of the interval of its gain."""
    metrics = [
        Measured("average_precision", precision, 100),
        Measured("log_loss", log_loss, 100),
    ]
    if gain:
        metrics.append(Measured(GAIN, 0.1, 100, *gain))
    return Tested(name, gain is None, None, tuple(metrics))


RULES = [
    candidate("usual_share", 0.2, 0.5),
    candidate("decayed_counts", 0.4, 0.3),
    candidate("own_rate", 0.3, 0.2),
]


def pooled(
    precision: float | None = 0.5,
    log_loss: float | None = 0.25,
    gain: tuple[float | None, float | None] = (0.01, 0.2),
) -> Tested[None]:
    return candidate("pooled_regression", precision, log_loss, gain=gain)


def test_a_challenger_with_better_figures_and_a_gain_for_sure_wins() -> None:
    choice = better_for_sure([*RULES, pooled()], CRITERIA, gain=GAIN)
    assert choice.champion == "pooled_regression"
    assert choice.registered == ("decayed_counts", "pooled_regression")
    assert choice.why == (
        "the pooled_regression beats the best rule: pooled_regression average precision 0.5000, "
        "log loss 0.2500; decayed_counts average precision 0.4000, log loss 0.3000; gain 0.1000, "
        "95 % interval 0.0100 to 0.2000"
    )


@pytest.mark.parametrize("gain", [(-0.01, 0.2), (0.0, 0.2), (-0.2, -0.1), (None, None)])
def test_a_gain_that_may_be_chance_leaves_the_best_rule(
    gain: tuple[float | None, float | None],
) -> None:
    choice = better_for_sure([*RULES, pooled(gain=gain)], CRITERIA, gain=GAIN)
    assert choice.champion == "decayed_counts"
    assert set(choice.registered) == {"decayed_counts", "pooled_regression"}
    assert choice.why.startswith(
        "the pooled_regression does not surely beat the best rule: pooled_regression average "
        "precision 0.5000"
    )
    low, high = gain
    ends = f"gain 0.1000, 95 % interval {low:.4f} to {high:.4f}" if low and high else "gain "
    assert ends in choice.why


@pytest.mark.parametrize(
    ("precision", "log_loss"),
    [(0.39, 0.25), (0.4, 0.25), (0.5, 0.31), (None, 0.25), (0.5, None)],
)
def test_a_challenger_that_is_worse_in_anything_does_not_win_whatever_its_gain(
    precision: float | None, log_loss: float | None
) -> None:
    choice = better_for_sure([*RULES, pooled(precision, log_loss)], CRITERIA, gain=GAIN)
    assert choice.champion == "decayed_counts"
    assert set(choice.registered) == {"decayed_counts", "pooled_regression"}
    assert "the pooled_regression does not beat the best rule: " in choice.why


def test_the_best_of_those_that_gain_for_sure_wins_though_another_may_be_better() -> None:
    tried = [
        candidate("trees", 0.6, 0.2, gain=(-0.01, 0.4)),
        candidate("regression", 0.5, 0.25, gain=(0.01, 0.2)),
        candidate("smaller", 0.45, 0.25, gain=(0.02, 0.1)),
    ]
    choice = better_for_sure([*RULES, *tried], CRITERIA, gain=GAIN)
    assert (choice.champion, choice.registered) == ("regression", ("decayed_counts", "regression"))
    assert "the regression beats the best rule: " in choice.why
    assert choice.why.endswith("gain 0.1000, 95 % interval 0.0100 to 0.2000")


def test_where_none_gains_for_sure_the_one_that_may_be_best_stands_beside_the_rule() -> None:
    tried = [
        candidate("regression", 0.5, 0.25, gain=(-0.02, 0.2)),
        candidate("trees", 0.6, 0.2, gain=(-0.01, 0.4)),
        # For sure more of one, and worse in the other.
        candidate("unsteady", 0.7, 0.4, gain=(0.1, 0.3)),
    ]
    choice = better_for_sure([*RULES, *tried], CRITERIA, gain=GAIN)
    assert (choice.champion, choice.registered) == ("decayed_counts", ("decayed_counts", "trees"))
    assert "the trees does not surely beat the best rule: " in choice.why


def test_a_rule_alone_scores() -> None:
    choice = better_for_sure(RULES, CRITERIA, gain=GAIN)
    assert (choice.champion, choice.registered) == ("decayed_counts", ("decayed_counts",))


def test_where_nobody_bought_anything_a_rule_scores() -> None:
    rules = [candidate("usual_share", None, 0.3), candidate("own_rate", None, 0.4)]
    choice = better_for_sure([*rules, pooled(None, 0.1, (None, None))], CRITERIA, gain=GAIN)
    assert choice.champion == "usual_share"


def test_the_model_chooses_so() -> None:
    model = Propensity()
    doubtful = [*RULES, pooled(gain=(-0.01, 0.2))]
    assert model.choose(model.section(), doubtful).champion == "decayed_counts"  # type: ignore[arg-type]
