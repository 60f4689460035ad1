"""From attributes to inputs: medians, levels, what is rare, new or not known."""

from __future__ import annotations

import pandas as pd
import pytest
from models.contract_churn.made_contracts import contract, contracts
from pyspark.sql import SparkSession

from crm_spark.models.contract_churn.attributes import Attribute, attributes_of, with_attributes
from crm_spark.models.contract_churn.encoding import Encoding, learn_encoding
from crm_spark.models.contract_churn.model import encoded

TENURE, CHARGES = Attribute("tenure", "numbers"), Attribute("charges", "numbers")
TERM = Attribute("term", "categories")
LEARNT = pd.DataFrame(
    {
        "tenure": [1.0, 2.0, 30.0, 4.0, 5.0],
        "charges": [10.0, None, 30.0, 20.0, None],
        "term": ["monthly", "monthly", "yearly", "yearly", None],
    }
)


def learnt(rows: pd.DataFrame = LEARNT, *, most_levels: int = 9, fewest: int = 1) -> Encoding:
    attributes = (TENURE, CHARGES, TERM)
    return learn_encoding(rows, attributes, most_levels=most_levels, fewest_of_level=fewest)


def test_a_number_has_an_input_for_being_unknown_only_where_it_was_once() -> None:
    assert list(learnt().inputs) == [
        "attribute_tenure",
        "attribute_charges",
        "attribute_charges_is_unknown",
        "attribute_term_is_monthly",
        "attribute_term_is_yearly",
        "attribute_term_is_unknown",
    ]
    assert [one.median for one in learnt().numbers] == [4.0, 20.0]


def test_a_number_never_known_and_no_rows_at_all_have_a_median_of_zero() -> None:
    nothing = pd.DataFrame({"tenure": [None, None], "charges": [1.0, 1.0], "term": [None, None]})
    nothing["tenure"] = nothing["tenure"].astype(float)
    assert learnt(nothing).numbers[0].median == 0.0
    assert learnt(LEARNT[:0]).categories[0].levels == ()


@pytest.mark.parametrize(
    ("most_levels", "fewest", "levels"), [(9, 2, ("b", "a")), (1, 1, ("b",)), (9, 4, ())]
)
def test_rare_levels_and_those_beyond_the_commonest_are_taken_together(
    most_levels: int, fewest: int, levels: tuple[str, ...]
) -> None:
    rows = pd.DataFrame({"term": ["a", "a", "b", "b", "b", "c"]})
    found = learn_encoding(rows, [TERM], most_levels=most_levels, fewest_of_level=fewest)
    assert found.categories[0].levels == levels
    assert found.categories[0].has_other
    assert list(found.inputs)[-1] == "attribute_term_is_another"


def test_levels_as_common_as_one_another_stand_by_name() -> None:
    rows = pd.DataFrame({"term": ["b", "a", "c"]})
    found = learn_encoding(rows, [TERM], most_levels=2, fewest_of_level=1)
    assert found.categories[0].levels == ("a", "b")


def test_inputs_have_names_of_their_own_whatever_signs_and_letters_levels_have() -> None:
    rows = pd.DataFrame({"term": ["Yes", "yes", "y.e's", "y`e s", "да", "нет"]})
    names = list(learn_encoding(rows, [TERM], most_levels=9, fewest_of_level=1).inputs)
    assert len({name.lower() for name in names}) == 6
    assert all(name.replace("_", "").isalnum() and name.isascii() for name in names)


def test_what_is_not_known_is_the_median_and_a_new_level_one_of_the_others(
    spark: SparkSession,
) -> None:
    encoding = learnt(LEARNT[:4], fewest=2)  # two of each term, none rare, none unknown
    with_rare = learnt(pd.concat([LEARNT, LEARNT.assign(term="weekly")[:1]]), fewest=2)
    rows = contracts(
        spark,
        [
            contract("a", None, {"tenure": 7.0, "charges": None}, {"term": "yearly"}),
            contract("b", None, {"tenure": None}, {"term": "daily"}),
            contract("c", None, {"tenure": 1.0, "charges": 2.0}, {"term": None}),
        ],
    )
    read = with_attributes(rows, "customer_id")
    found = {row[0]: list(row[1:]) for row in encoded(read, encoding, "customer_id").collect()}
    # tenure, charges, charges is unknown, term is monthly, term is yearly
    assert found["a"] == [7.0, 20.0, 1.0, 0.0, 1.0]
    assert found["b"] == [3.0, 20.0, 1.0, 0.0, 0.0]
    assert found["c"] == [1.0, 2.0, 0.0, 0.0, 0.0]
    others = {row[0]: list(row[4:]) for row in encoded(read, with_rare, "customer_id").collect()}
    # term is monthly, is yearly, is another, is unknown
    assert others == {"a": [0, 1, 0, 0], "b": [0, 0, 1, 0], "c": [0, 0, 0, 1]}
    assert Encoding.of(with_rare.spec()) == with_rare


def test_attributes_are_found_by_name_numbers_first(spark: SparkSession) -> None:
    rows = [
        contract("a", None, {"tenure": None}, {"term": None}),
        contract("b", None, {"charges": 1.0}, {}),
    ]
    assert attributes_of(contracts(spark, rows)) == (CHARGES, TENURE, TERM)
    assert attributes_of(contracts(spark, [])) == ()
