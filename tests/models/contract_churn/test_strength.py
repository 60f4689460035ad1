"""What attributes tell by themselves, and which look like the outcome in disguise."""

from __future__ import annotations

import numpy as np
import pandas as pd

from crm_spark.models.contract_churn.attributes import Attribute
from crm_spark.models.contract_churn.encoding import learn_encoding
from crm_spark.models.contract_churn.strength import AttributeStrength, strengths_of, strongest
from crm_spark.models.contract_churn.verdicts import attribute_verdicts

N = 400
LABELS = np.tile([1.0, 0.0, 0.0, 0.0], N // 4)
HAS_LEFT = LABELS == 1
ATTRIBUTES = (
    Attribute("leaving_day", "numbers"),
    Attribute("never", "numbers"),
    Attribute("spend", "numbers"),
    Attribute("constant", "categories"),
    Attribute("status", "categories"),
    Attribute("term", "categories"),
)


def found(*trusted: str) -> dict[str, AttributeStrength]:
    random = np.random.default_rng(3)
    values = pd.DataFrame(
        {
            # Known of those alone who left, and of no order by itself.
            "leaving_day": np.where(HAS_LEFT, random.random(N), np.nan),
            "never": np.full(N, np.nan),
            "spend": LABELS + 2 * random.normal(size=N),
            "constant": "x",
            "status": np.where(HAS_LEFT, "closed", "open"),
            "term": np.where(random.random(N) < 0.3 + 0.3 * LABELS, "monthly", None),
        }
    )
    encoding = learn_encoding(values, ATTRIBUTES, most_levels=9, fewest_of_level=1)
    strengths = strengths_of(values, LABELS, encoding, trusted=trusted)
    return {one.attribute.name: one for one in strengths}


def test_what_is_filled_in_when_a_customer_leaves_is_a_suspected_leak() -> None:
    dropped = {name: one.dropped for name, one in found().items()}
    assert dropped == {
        "leaving_day": "suspected leak",
        "never": "never known",
        "spend": None,
        "constant": "constant",
        "status": "suspected leak",
        "term": None,
    }


def test_a_suspected_leak_is_a_warning_and_a_trusted_one_advice() -> None:
    told = {one.subject: one for one in attribute_verdicts(list(found("status").values()))}
    assert told["leaving_day"].level == "warning"
    assert "kept out of the models until contract_churn.trusted_attributes names leaving_day" in (
        told["leaving_day"].message
    )
    assert told["status"].level == "advice" and found("status")["status"].dropped is None
    assert told["constant"].check == told["never"].check == "attribute_dropped"
    assert set(told) == {"leaving_day", "status", "constant", "never"}


def test_the_strongest_of_a_kind_is_one_that_is_used() -> None:
    strengths = list(found().values())
    number, category = (strongest(strengths, is_number=kind) for kind in (True, False))
    assert number is not None and number.attribute.name == "spend"
    assert category is not None and category.attribute.name == "term"
    assert strongest([], is_number=True) is None


def test_with_one_class_or_no_customer_nothing_is_suspected() -> None:
    values = pd.DataFrame({"spend": [1.0, 2.0]})
    for rows in (values, values[:0]):
        encoding = learn_encoding(rows, ATTRIBUTES[2:3], most_levels=9, fewest_of_level=1)
        (one,) = strengths_of(rows, np.ones(len(rows)), encoding)
        assert one.strength.auc is None and not one.is_suspected
