"""The data dictionary is what the code says, and the catalogue is whole."""

from __future__ import annotations

from pathlib import Path

from crm_spark.features.families import FEATURES
from crm_spark.pipeline.dictionary import data_dictionary
from crm_spark.pipeline.tables import ALL_TABLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data_dictionary.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == data_dictionary(), "run scripts/build_docs"


def test_every_column_of_every_table_has_a_comment() -> None:
    silent = [
        f"{table.name}.{column.name}"
        for table in ALL_TABLES
        for column in table.columns
        if not column.comment
    ]
    assert silent == []


def test_every_feature_has_a_formula_a_unit_and_a_null_rule_and_its_own_name() -> None:
    assert all(feature.formula and feature.unit and feature.null_rule for feature in FEATURES)
    names = [feature.name for feature in FEATURES]
    assert len(set(names)) == len(names)


def test_fills_lie_outside_what_a_feature_can_be() -> None:
    lowest = {"-1 to 1": -1.0}
    assert all(feature.fill < lowest.get(feature.unit, 0.0) for feature in FEATURES)
