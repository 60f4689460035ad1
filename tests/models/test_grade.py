"""Which grade a champion gets, and what it says may be done with the scores."""

from __future__ import annotations

import pytest

from crm_spark.models.grade import grade

BETTER = "better than the best rule for sure (AUC +0.0200, 95 % interval {} to +0.0300)"
CLEARLY = "clearly " + BETTER.replace(" for sure", "")
NO_BETTER = "not surely better than the best rule (AUC +0.0200, 95 % interval {} to +0.0300)"
RANKING = "use the ranking, not the probabilities, which are not calibrated"
NO_PROOF = "; nothing shows that a plain rule would do worse"


@pytest.mark.parametrize(
    ("low", "is_calibrated", "letter", "why"),
    [
        (0.01, True, "A", f"{CLEARLY.format('+0.0100')}: use the probabilities"),
        (0.005, True, "A", f"{CLEARLY.format('+0.0050')}: use the probabilities"),
        (
            0.0049,
            True,
            "B",
            f"{BETTER.format('+0.0049')}: use the probabilities, but the gain may be small",
        ),
        (0.0, True, "C", f"{NO_BETTER.format('+0.0000')}: use the probabilities{NO_PROOF}"),
        (-0.01, True, "C", f"{NO_BETTER.format('-0.0100')}: use the probabilities{NO_PROOF}"),
        (0.01, False, "C", f"{BETTER.format('+0.0100')}: {RANKING}"),
        (0.001, False, "C", f"{BETTER.format('+0.0010')}: {RANKING}"),
        (-0.01, False, "C", f"{NO_BETTER.format('-0.0100')}: {RANKING}{NO_PROOF}"),
    ],
)
def test_the_grade_is_that_of_the_lower_end_of_the_gain_and_of_calibration(
    low: float, is_calibrated: bool, letter: str, why: str
) -> None:
    found = grade(0.02, low, 0.03, is_calibrated=is_calibrated)
    assert (found.letter, found.why) == (letter, why)


@pytest.mark.parametrize(
    ("gain", "low", "high"),
    [(None, None, None), (0.02, None, None), (None, 0.01, 0.03), (0.02, 0.01, None)],
)
@pytest.mark.parametrize(
    ("is_calibrated", "use"), [(True, "use the probabilities"), (False, RANKING)]
)
def test_a_gain_that_is_not_wholly_known_is_a_c(
    gain: float | None, low: float | None, high: float | None, is_calibrated: bool, use: str
) -> None:
    found = grade(gain, low, high, is_calibrated=is_calibrated)
    assert (found.letter, found.why) == ("C", f"gain unknown: {use}{NO_PROOF}")
