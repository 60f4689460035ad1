"""Counts in words: one thing is one, every other number is several."""

from __future__ import annotations

import pytest

from crm_spark.words import are, counted, noun, verb


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0 orders"),
        (1, "1 order"),
        (1.0, "1 order"),
        (2, "2 orders"),
        (-1, "-1 orders"),
        (1000, "1,000 orders"),
    ],
)
def test_one_thing_is_one_and_every_other_number_is_several(n: float, text: str) -> None:
    assert counted(n, "order") == text


def test_a_plural_of_its_own_and_the_verb_follow_the_number() -> None:
    assert [counted(n, "copy", "copies") for n in (1, 2)] == ["1 copy", "2 copies"]
    assert [noun(n, "day") for n in (0, 1, 2)] == ["days", "day", "days"]
    assert [are(n) for n in (0, 1, 2)] == ["are", "is", "are"]
    assert verb(1, "names", "name") == "names"
