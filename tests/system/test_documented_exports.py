"""docs/exports.md: each export that it shows loads by the configuration beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from pyspark.sql import SparkSession
from system.exports import Export

PAGE = Path(__file__).resolve().parents[2] / "docs" / "exports.md"
_BLOCK = re.compile(r"```(csv|json|yaml)(?: (\S+))?\n(.*?)```", re.DOTALL)
_CUSTOMER = re.compile(r"(\S+) (\d+) orders? ([\d.]+)")


@dataclass(frozen=True)
class Documented:
    """A part of the page: files by name, the configuration, and what it says is loaded."""

    title: str
    files: dict[str, str]
    config: str
    loads: str


def documented() -> list[Documented]:
    """Give the parts of the page that load something."""
    parts = []
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        title, _, text = part.partition("\n")
        blocks = _BLOCK.findall(text)
        loads = re.search(r"^Loads: (.+)$", text, re.MULTILINE)
        if loads is None:
            continue
        config = next(content for kind, _, content in blocks if kind == "yaml")
        path = yaml.safe_load(config)["sources"]["transactions"].get("path", "")
        files = {name or path: content for kind, name, content in blocks if kind != "yaml"}
        parts.append(Documented(title, files, config, loads[1]))
    return parts


def test_the_page_shows_exports_of_a_dozen_systems() -> None:
    assert len(documented()) >= 10


@pytest.mark.parametrize("part", documented(), ids=lambda part: part.title.split(":")[0])
def test_a_documented_export_loads_as_the_page_says(
    spark: SparkSession, tmp_path: Path, part: Documented
) -> None:
    folder = tmp_path / "input"
    folder.mkdir()
    for name, content in part.files.items():
        (folder / name).write_text(content, encoding="utf-8")
    config = "storage: {root: lake}\n" + re.sub(r"(?<=path: )", f"{folder}/", part.config)
    (tmp_path / "config.yml").write_text(config, encoding="utf-8")
    export = Export(spark, tmp_path)
    export.check()
    counts = export.ingest()
    expected = {
        name: (int(n), Decimal(amount)) for name, n, amount in _CUSTOMER.findall(part.loads)
    }
    assert export.customers() == expected
    rejected = re.search(r"(\d+) rows? rejected", part.loads)
    assert counts.rows_rejected == (int(rejected[1]) if rejected else 0)
