"""Counts in words: one thing is one, and whatever speaks of counts says so by the same helper."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from crm_spark.words import are, counted, noun, verb

PACKAGE = Path(__file__).resolve().parents[1] / "crm_spark"
THINGS = (
    "columns|copies|customers|cut-offs|dates|days|features|files|folders|inputs|jobs|keys|lines|"
    "models|months|names|offers|orders|outputs|points|products|purchases|rows|runs|seconds|"
    "segments|sources|tables|tasks|versions|weeks"
)
COUNT = re.compile(rf"\s(?:(?!of |has |with )[a-z-]+ )?(?:{THINGS})\b")
# What is never one, where it is said.
SEVERAL = {
    "fewest",  # days of history that churn needs: two horizons at least
    "fewest * FEWEST_PER_SEGMENT",
    "enough",
    "len(cutoffs.training)",  # said of more than one
    "len(days)",  # walked cut-offs: drawn from two on
    "len(uris)",  # one file has a sentence of its own
    "limit",  # days without data: a fortnight at least
    "longest.n_days",
    "total",  # "1 of 8 tasks"
}


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


def counts_by_hand() -> Iterator[tuple[str, str]]:
    """Give every place of an f-string that has a number before the plural of a thing."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts = node.values if isinstance(node, ast.JoinedStr) else []
            # Delta's properties speak SQL.
            is_sql = bool(parts) and "interval" in ast.unparse(parts[0])
            for value, text in pairwise(parts):
                if not isinstance(value, ast.FormattedValue) or not isinstance(text, ast.Constant):
                    continue
                written = ast.unparse(value.value)
                is_count = COUNT.match(str(text.value)) and not is_sql
                if is_count and written not in SEVERAL and not is_settled(written):
                    yield f"{path.relative_to(PACKAGE)}:{node.lineno}", f"{{{written}}}{text.value}"


def is_settled(written: str) -> bool:
    """Whether the helper was asked, or all is constants of ours."""
    names = set(re.findall(r"[A-Za-z_]+", written)) - {"len"}
    return written.startswith(("counted(", "are(")) or all(name.isupper() for name in names)


def test_nothing_that_speaks_of_a_number_of_things_leaves_the_helper_out() -> None:
    found = [f"{place}: {text}" for place, text in counts_by_hand()]
    assert not found, "\n".join(found)
