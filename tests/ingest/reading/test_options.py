"""Options that Spark would silently leave out; no Spark."""

from __future__ import annotations

import pytest

from crm_spark.ingest.reading.options import misspelt_options
from crm_spark.ingest.reading.place import PlaceSection


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("headr", "header"),
        ("seperator", "sep"),
        ("separator", "sep"),
        ("multi_line", "multiLine"),
        ("inferschma", "inferSchema"),
        ("encodng", "encoding"),
    ],
)
def test_a_misspelt_option_is_a_fault_with_the_one_that_is_meant(name: str, meant: str) -> None:
    assert misspelt_options([name]) == [f"options: Spark has no {name}, did you mean {meant!r}?"]


@pytest.mark.parametrize(
    "name", ["header", "HEADER", "sep", "delimiter", "multiline", "recursiveFileLookup", "rowTag"]
)
def test_spark_s_options_whatever_their_case_and_those_of_other_readers_are_none(name: str) -> None:
    assert misspelt_options([name]) == []


def test_all_of_a_source_are_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"headr.*seperator"):
        PlaceSection(path="a.csv", format="csv", options={"headr": True, "seperator": ";"})
