"""The page of every key is what the sections say; no Spark."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, Field

from crm_spark.config import config_class, section_within
from crm_spark.models.registry import MODELS
from crm_spark.pipeline.configuration_page import configuration_page, field_comments

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == configuration_page(), "run scripts/build_docs"


def keys_of(kind: type[BaseModel]) -> set[str]:
    """Give the names of all keys for users, of a section and those within."""
    found: set[str] = set()
    for name, field in kind.model_fields.items():
        if not field.repr:
            continue
        section = section_within(field.annotation)
        found |= {name, *(keys_of(section) if section and section is not kind else ())}
    return found


def test_every_key_stands_on_it_and_none_that_is_not_for_users() -> None:
    page = configuration_page()
    lacking = {key for key in keys_of(config_class(MODELS)) if f"| `{key}` |" not in page}
    assert lacking == set()
    assert "open_days" not in page


@pytest.mark.parametrize(
    "row",
    [
        "| `root` | text | needed |",
        "| `keep_versions_days` | whole number, 1 or more, at most 3650 | `30` |",
        "| `policy` | `all` or `new_only` | `all` |",
        "| `horizons_days` | list of whole number | `[28, 84, 364]` |",
        "| `segments` | list of [keys](#rfmsegments) |",
        "| `deletion_vectors` | true or false | `true` |",
    ],
)
def test_a_row_says_what_a_key_takes_and_its_default(row: str) -> None:
    assert row in configuration_page()


class _Base(BaseModel):
    # Of the base.
    first: int = 1


class _Section(_Base):
    """A section."""

    # What the second is,
    # in two lines.
    second: int = Field(default=2)
    third: int = 3


def test_comments_above_fields_are_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in (_Base, _Section):
        monkeypatch.setattr(one, "__module__", "crm_spark.made_up")
    monkeypatch.setattr("inspect.getsource", lambda one: _SOURCES[one])
    found = field_comments(_Section)
    assert found == {"first": "Of the base.", "second": "What the second is, in two lines."}


_SOURCES = {
    _Base: "class _Base(BaseModel):\n    # Of the base.\n    first: int = 1\n",
    _Section: (
        "class _Section(_Base):\n    # What the second is,\n    # in two lines.\n"
        "    second: int = Field(default=2)\n    third: int = 3\n"
    ),
}
