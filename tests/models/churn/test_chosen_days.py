"""What leaving means where the configuration says auto: the shortest silence few come back of."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from crm_spark.lake.state import OutputRow, State
from crm_spark.models.churn.chosen_days import (
    ChosenDays,
    chosen_days,
    chosen_of,
    days_target,
    standing_days,
)
from crm_spark.models.churn.return_curve import ALL, ReturnShare
from crm_spark.models.churn.section import ChurnSection

pytestmark = pytest.mark.unit

DAY = date(2024, 7, 1)
CURVE = [
    ReturnShare(rhythm, days, 90, 500, share)
    for rhythm, shift in ((ALL, 0.0), ("weekly", -0.3))
    for days, share in ((7, 0.9), (28, 0.6), (56, 0.18), (84, 0.12), (112, 0.19))
    for share in [max(share + shift, 0.0)]
]


def _chosen(returning_share: float, most_days: int) -> ChosenDays | None:
    return chosen_days(CURVE, returning_share=returning_share, most_days=most_days, known_to=DAY)


def test_the_shortest_silence_is_taken_after_which_few_come_back() -> None:
    assert _chosen(0.2, 365) == ChosenDays(56, 0.18, 90, 500, DAY, True)
    assert _chosen(0.15, 365) == ChosenDays(84, 0.12, 90, 500, DAY, True)
    # That a group comes back less often does not count.
    assert _chosen(0.6, 365) == ChosenDays(28, 0.6, 90, 500, DAY, True)


def test_where_too_many_come_back_the_longest_silence_is_taken_and_said_so() -> None:
    found = _chosen(0.2, 30)
    assert found == ChosenDays(28, 0.6, 90, 500, DAY, False)
    assert "60% came back within 90 days, more than churn.returning_share" in found.in_words


def test_without_any_silence_nothing_is_chosen() -> None:
    assert _chosen(0.2, 6) is None
    assert chosen_days([], returning_share=0.2, most_days=365, known_to=DAY) is None


def test_it_is_the_same_from_what_is_kept() -> None:
    found = ChosenDays(56, 0.18, 90, 500, DAY, True, 300)
    assert chosen_of(found.facts()) == found


def _state(section: ChurnSection, chosen: ChosenDays) -> State:
    target = days_target(section)
    row = OutputRow(target.output, "written", "a_test", sequence=1, facts=chosen.facts())
    return State([row], midnight=lambda day: datetime(day.year, day.month, day.day, tzinfo=UTC))


def test_what_was_chosen_stands_whatever_comes() -> None:
    auto = ChurnSection(horizon_days="auto")
    chosen = ChosenDays(56, 0.18, 90, 500, DAY, True, 300)
    state = _state(auto, chosen)
    assert standing_days(auto, state, history_days=3000) == chosen
    # Another section has days of its own, and one that leaves nothing open has none.
    assert standing_days(ChurnSection(horizon_days="auto", returning_share=0.1), state) is None
    assert standing_days(ChurnSection(horizon_days=56), state) is None
    state.force()
    assert standing_days(auto, state) is None


def test_days_that_a_short_history_chose_are_chosen_again_once_it_has_doubled() -> None:
    auto = ChurnSection(horizon_days="auto")
    chosen = ChosenDays(28, 0.6, 90, 500, DAY, False, 300)
    state = _state(auto, chosen)
    assert standing_days(auto, state, history_days=599) == chosen
    assert standing_days(auto, state, history_days=600) is None


@pytest.mark.parametrize(
    ("given", "open_days", "horizon", "active"),
    [
        ({"horizon_days": "auto"}, ("horizon_days",), 28, 84),
        ({"horizon_days": "auto", "active_days": "auto"}, ("horizon_days", "active_days"), 28, 84),
        ({"horizon_days": 14, "active_days": "auto"}, ("active_days",), 14, 84),
        ({"horizon_days": 14}, (), 14, 84),
    ],
)
def test_auto_leaves_days_open(
    given: dict[str, Any], open_days: tuple[str, ...], horizon: int, active: int
) -> None:
    section = ChurnSection(**given)
    assert section.open_days == open_days
    assert (section.horizon_days, section.active_days) == (horizon, active)


def test_other_words_are_no_days_and_what_is_open_is_not_for_the_user_to_say() -> None:
    with pytest.raises(ValidationError, match="valid integer"):
        ChurnSection(horizon_days="automatic")
    with pytest.raises(ValidationError, match="open_days: no key of churn"):
        ChurnSection(open_days=("horizon_days",))


def test_another_share_chooses_anew() -> None:
    auto = ChurnSection(horizon_days="auto")
    again = ChurnSection(horizon_days="auto", returning_share=0.1)
    other = ChurnSection(horizon_days="auto", candidates=("forest",))
    assert days_target(auto).fingerprint == days_target(other).fingerprint
    assert days_target(auto).fingerprint != days_target(again).fingerprint
