"""Families that the configuration names: how they are found, and every fault that they may have."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import get_args

import pytest
import yaml

from crm_spark.config import Config, load_config, load_local_config
from crm_spark.errors import ConfigError
from crm_spark.features.families import FAMILIES, FEATURES
from crm_spark.features.families.family import Unit
from crm_spark.features.own_families import RESERVED, own_families
from crm_spark.features.tables import CUSTOMER_SNAPSHOT, snapshot_table
from crm_spark.features.targets import snapshot_targets
from crm_spark.lake.state import Target
from crm_spark.models.churn.labels import LABEL
from crm_spark.models.classifiers.classifier import RAW_SCORE
from crm_spark.pipeline.dictionary import data_dictionary
from crm_spark.pipeline.settings import feature_settings
from crm_spark.pipeline.tables import tables_with

HEAD = "from crm_spark.features.families.family import Family, Feature, count_feature\n"
LUCK = HEAD + 'FAMILY = Family((Feature("luck", "how lucky", "share"),))\n'
DAY = date(2024, 7, 1)
_numbers = itertools.count()

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Give what writes a module that can be imported, and gives its name: another each time."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(code: str) -> str:
        name = f"my_families_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        return name

    return make


def document(*modules: str, **sections: object) -> str:
    columns = {"customer_id": "c", "order_id": "o", "ordered_at": "t", "amount": "a"}
    transactions = {"path": "a.csv", "format": "csv", "columns": columns}
    whole: dict[str, object] = {
        "storage": {"root": "lake"},
        "sources": {"transactions": transactions},
        **sections,
    }
    if modules:
        whole["features"] = {"families": list(modules)}
    return yaml.safe_dump(whole)


def load(*modules: str, **sections: object) -> Config:
    return load_config(document(*modules, **sections), name="my.yml")


def fault(*modules: str, **sections: object) -> str:
    """Give the message of the ConfigError that these modules end in."""
    with pytest.raises(ConfigError) as raised:
        load(*modules, **sections)
    assert raised.value.exit_code == 2
    return str(raised.value)


# --- what is given --------------------------------------------------------------------------------


def test_a_module_gives_one_family_or_several(write: Write) -> None:
    one = write(LUCK)
    many = write(
        HEAD
        + 'FAMILIES = [Family((Feature("charm", "how charming", "share"),)),\n'
        + '            Family((count_feature("n_visits_to_shop", "visits", "visits"),))]\n'
    )
    first, second = own_families([one, many])
    assert (first.module, len(first.families)) == (one, 1)
    assert (second.module, len(second.families)) == (many, 2)


def test_its_features_come_after_ours_in_the_snapshot_and_in_the_dictionary(write: Write) -> None:
    settings = feature_settings(load(write(LUCK)))
    assert settings.families[: len(FAMILIES)] == FAMILIES
    assert [feature.name for feature in settings.features[len(FEATURES) :]] == ["luck"]
    table = snapshot_table(settings.features)
    assert table.name == CUSTOMER_SNAPSHOT.name
    assert table.column("luck").comment == "how lucky [share; never null]"
    tables = tables_with((), settings.features)
    assert table in tables
    assert CUSTOMER_SNAPSHOT not in tables
    page = data_dictionary(tables, settings.features)
    assert "| `luck` | how lucky | share | never null |" in page
    assert "| luck |" not in page


def test_without_families_of_ones_own_all_is_as_it_was() -> None:
    settings = feature_settings(load())
    assert settings.families == FAMILIES
    assert snapshot_table(settings.features) == CUSTOMER_SNAPSHOT
    (target,) = snapshot_targets(settings, [DAY])
    assert target.settings == {"time_zone": "UTC", "horizon_days": 28}


def test_a_snapshot_depends_on_what_the_module_says(write: Write) -> None:
    def made_with(name: str) -> Target:
        (target,) = snapshot_targets(feature_settings(load(name)), [DAY])
        return target

    first, same, other = (write(text) for text in (LUCK, LUCK, LUCK + "# another formula\n"))
    hashes = [own_families([name])[0].source_hash for name in (first, same, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert made_with(other).settings["families"] == {other: hashes[2]}
    (without,) = snapshot_targets(feature_settings(load()), [DAY])
    assert made_with(first).fingerprint != without.fingerprint


def test_a_flag_names_families_too(write: Write) -> None:
    name = write(LUCK)
    config = load_config(document(), name="my.yml", overrides=[f"features.families=[{name}]"])
    assert [own.module for own in config.own_families] == [name]


def test_models_may_name_its_features_and_no_others(write: Write) -> None:
    name = write(LUCK)
    sections = {"segments": {"features": ["luck"]}, "churn": {"trusted_features": ["luck"]}}
    assert load(name, **sections).segments.features == ("luck",)
    message = fault(**sections)
    assert "segments.features: unknown feature 'luck'" in message
    assert "churn.trusted_features: unknown feature 'luck'" in message
    assert "did you mean 'luck'" in fault(name, segments={"features": ["lucky"]})


def test_the_folder_of_the_configuration_is_looked_in_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", sys.path[:])
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "families_beside_it.py").write_text(LUCK, encoding="utf-8")
    (folder / "yaml.py").write_text("raise RuntimeError\n", encoding="utf-8")
    (folder / "my.yml").write_text(document("families_beside_it"), encoding="utf-8")
    config = load_local_config(str(folder / "my.yml"))
    assert [own.module for own in config.own_families] == ["families_beside_it"]
    assert sys.path[-1] == str(folder)
    load_local_config(str(folder / "my.yml"))
    assert sys.path.count(str(folder)) == 1


# --- faults ---------------------------------------------------------------------------------------


def test_a_module_that_is_not_there_says_where_python_looked(tmp_path: Path, write: Write) -> None:
    message = fault("my_shop.no_such_families")
    assert "features.families: my_shop.no_such_families: there is no module 'my_shop'" in message
    assert str(tmp_path) in message
    assert "--py-files" in message
    assert "without .py" in fault(f"{write(LUCK)}.py")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("\n\nx = 1 / 0\n", "ZeroDivisionError: division by zero, line 3"),
        ("FAMILY = (\n", "SyntaxError: '(' was never closed"),
        (HEAD + "raise ValueError\n", "ValueError, line 2"),
        (HEAD, "has neither FAMILY nor FAMILIES"),
        (LUCK + "FAMILIES = (FAMILY,)\n", "has both FAMILY and FAMILIES"),
        ("FAMILY = 'luck'\n", "FAMILY is a str, expected a Family"),
        (LUCK + "FAMILIES, FAMILY = FAMILY, None\n", "has both"),
        (LUCK + "FAMILIES = FAMILY\ndel FAMILY\n", "FAMILIES is a Family, expected a tuple"),
        ("FAMILIES = ()\n", "FAMILIES is empty"),
        (HEAD + "FAMILIES = (Family(()), 7)\n", "FAMILIES holds an int"),
        (
            HEAD + 'FAMILY = Family(Feature("luck", "how lucky", "share"))\n',
            "features is a Feature, expected a tuple of Feature",
        ),
        (HEAD + 'FAMILY = Family(("luck",))\n', "features holds a str"),
        (HEAD + "FAMILY = Family((), sums={})\n", "sums is a dict, expected a function"),
        (HEAD + "FAMILY = Family((), derived={})\n", "derived is a dict, expected a function"),
        (HEAD + "FAMILY = Family((), table='visits')\n", "table is a str, expected a function"),
    ],
)
def test_what_is_wrong_with_a_module_is_said(code: str, says: str, write: Write) -> None:
    name = write(code)
    message = fault(name)
    assert f"{name}: " in message
    assert says in message


@pytest.mark.parametrize(
    ("feature", "says"),
    [
        ('"n_orders", "orders", "orders"', "n_orders is a feature of crm_spark"),
        ('"Luck", "how lucky", "share"', "'Luck' is no column name"),
        ('"_luck", "how lucky", "share"', "'_luck' is no column name"),
        ('"2nd_luck", "how lucky", "share"', "'2nd_luck' is no column name"),
        ('"my luck", "how lucky", "share"', "'my luck' is no column name"),
        ('7, "how lucky", "share"', "7 is no column name"),
        ('"customer_id", "customer", "share"', "customer_id is reserved"),
        ('"as_of_date", "date", "share"', "as_of_date is reserved"),
        ('"run_id", "run", "share"', "run_id is reserved"),
        ('"label", "outcome", "share"', "label is reserved"),
        ('"luck", "", "share"', "luck has no formula"),
        ('"luck", "how lucky", ""', "luck has no unit"),
        ('"luck", "how lucky", "share", ""', "luck has no null rule"),
        ('"luck", "how lucky", "share", fill=None', "fill of luck is None"),
        ('"luck", "how lucky", "share", fill=float("nan")', "fill of luck is nan"),
    ],
)
def test_what_is_wrong_with_a_feature_is_said(feature: str, says: str, write: Write) -> None:
    assert says in fault(write(f"{HEAD}FAMILY = Family((Feature({feature}),))\n"))


def test_a_feature_of_two_families_is_refused(write: Write) -> None:
    first, second = write(LUCK), write(LUCK)
    assert f"{second}: luck is a feature of {first}, too" in fault(first, second)
    twice = 'Feature("luck", "how lucky", "share"), ' * 2
    name = write(f"{HEAD}FAMILY = Family(({twice}))\n")
    assert f"{name}: luck is a feature of {name}, too" in fault(name)


def test_a_module_that_is_named_twice_is_refused(write: Write) -> None:
    name = write(LUCK)
    message = fault(name, name)
    assert f"{name} is named twice" in message
    assert "luck" not in message


def test_all_faults_are_listed_at_once_and_with_those_of_other_sections(write: Write) -> None:
    broken = write(HEAD + 'FAMILY = Family((Feature("Luck", "x", "share"),))\n')
    message = fault("no_such_module_of_mine", broken, churn={"horizon_days": 0})
    for says in (
        "no_such_module_of_mine: there is no module",
        "'Luck' is no column name",
        "churn.horizon_days",
    ):
        assert says in message


def test_with_broken_families_features_that_others_name_are_not_called_unknown(
    write: Write,
) -> None:
    message = fault(write("x = 1 / 0"), segments={"features": ["luck"]})
    assert "division by zero" in message
    assert "unknown feature" not in message


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ({"families": "my_shop"}, "features.families: expected a list"),
        ({"families": [7]}, "features.families.0: expected a text"),
        ({"familys": []}, "features.familys: unknown key, did you mean 'families'"),
        ([], "features: expected keys of its own"),
    ],
)
def test_a_section_that_is_none_is_refused(features: object, says: str) -> None:
    assert says in fault(features=features)


def test_what_models_put_beside_the_features_is_reserved() -> None:
    assert {"customer_id", "as_of_date", "run_id", LABEL, RAW_SCORE, "features"} <= RESERVED


def test_our_units_are_those_that_are_listed() -> None:
    assert {feature.unit for feature in FEATURES} <= set(get_args(Unit))
