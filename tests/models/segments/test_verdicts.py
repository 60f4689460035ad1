"""Features that tell no customers apart: named, and said with the number of segments."""

from __future__ import annotations

from crm_spark.models.results import Measured, Tested
from crm_spark.models.segments.definition import Segments
from crm_spark.models.segments.section import SegmentsSection
from crm_spark.models.segments.verdicts import left_out_verdicts

SECTION = SegmentsSection(
    features=("n_orders", "spend_amount", "returned_amount", "evening_orders_share"), k=4
)
NUMBERS = (Measured("silhouette.k4", 0.3, 500), Measured("stability.k4", 0.9, 500))


def test_a_feature_that_tells_no_customers_apart_is_named_with_what_to_do() -> None:
    (found,) = left_out_verdicts(SECTION, ["n_orders", "spend_amount", "evening_orders_share"])
    assert (found.check, found.found, found.level) == ("features", "returned_amount", "advice")
    assert "returned_amount is left out" in found.message
    assert "the highest 1.00% of values" in found.message
    assert "segments.winsorize_share" in found.message


def test_several_features_are_named_together_and_none_is_not_spoken_of() -> None:
    (found,) = left_out_verdicts(SECTION, ["n_orders", "spend_amount"])
    assert "returned_amount, evening_orders_share are left out" in found.message
    assert left_out_verdicts(SECTION, SECTION.features) == []


def test_what_is_left_out_is_said_with_the_number_of_segments() -> None:
    left_out = tuple(left_out_verdicts(SECTION, ["n_orders", "spend_amount"]))
    choice = Segments().choose(SECTION, (Tested("kmeans", False, None, NUMBERS, left_out),))
    assert choice.why.startswith(
        "4 segments, the configured number: silhouette 0.300, stability 0.900, of 500 customers; "
        "returned_amount, evening_orders_share are left out"
    )
    plain = Segments().choose(SECTION, (Tested("kmeans", False, None, NUMBERS),))
    assert plain.why.endswith("of 500 customers")
