"""What the page says of what leaving means."""

from __future__ import annotations

import pytest

from crm_spark.models.churn.facts import ChurnFacts
from crm_spark.models.churn.meaning_report import meaning_in_words, meaning_section
from crm_spark.models.churn.return_curve import ALL, ReturnShare
from crm_spark.report.blocks import Picture, Text

CURVE = tuple(
    ReturnShare(ALL, days, 180, 100, share) for days, share in ((28, 0.62), (84, 0.2), (140, 0.09))
)


@pytest.mark.parametrize(
    ("horizon", "said"),
    [
        (
            28,
            "Of customers silent for 28 days, 62% came back within 180 days. So most of those who "
            "are called lost, as they order nothing in 28 days, are only late. After 140 days "
            "fewer than 10% come back (churn.horizon_days).",
        ),
        (
            100,
            "Of customers silent for 84 days, 20% came back within 180 days. So some of those who "
            "are called lost, as they order nothing in 100 days, are only late. After 140 days "
            "fewer than 10% come back (churn.horizon_days).",
        ),
        (
            180,
            "Of customers silent for 140 days, 9% came back within 180 days. After 140 days "
            "already fewer than 10% came back.",
        ),
        (7, "After 140 days fewer than 10% come back (churn.horizon_days)."),
    ],
)
def test_it_says_what_the_horizon_means_and_what_another_would(horizon: int, said: str) -> None:
    assert meaning_in_words(ChurnFacts(returns=CURVE, horizon_days=horizon)) == said


def test_where_many_come_back_after_any_silence_it_says_so() -> None:
    text = meaning_in_words(ChurnFacts(returns=CURVE[:2], horizon_days=28))
    assert "After silences of up to 84 days, more than 10% came back." in text


def test_the_section_has_the_sentence_and_the_curve() -> None:
    section = meaning_section(ChurnFacts(returns=CURVE, horizon_days=28))
    assert section is not None
    text, picture = section.blocks
    assert isinstance(text, Text) and text.text.startswith("Of customers silent for 28 days")
    assert isinstance(picture, Picture)
    # Shares go up, days go along.
    assert "140" in picture.chart.svg and "14,000%" not in picture.chart.svg


def test_without_a_curve_there_is_no_section() -> None:
    assert meaning_section(ChurnFacts(returns=CURVE[:1], horizon_days=28)) is None
    assert meaning_section(ChurnFacts()) is None
