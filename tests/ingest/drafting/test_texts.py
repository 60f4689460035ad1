"""Formats by what a file holds, and not by its name."""

from __future__ import annotations

import pytest

from crm_spark.ingest.drafting.texts import format_of, is_json_lines


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"PAR1rest", "parquet"),
        (b"ORCrest", "orc"),
        (b'{"a": 1}\n{"a": 2}\n', "json"),
        (b'[\n  {\n "a": 1}]', "json"),
        (b'\xef\xbb\xbf{"a": 1}', "json"),
        (b"[]", "json"),
        (b"a,b\n1,2\n", "csv"),
        (b"[note],b\n1,2\n", "csv"),
        (b"{x},b\n1,2\n", "csv"),
        (b"%PDF-1.7", "pdf"),
        (b"\x1f\x8brest", "packed"),
    ],
)
def test_a_format_is_told_by_the_first_bytes(head: bytes, kind: str) -> None:
    assert format_of(head, "x.csv") == kind


@pytest.mark.parametrize(
    ("head", "is_lines"),
    [
        (b'{"a": 1}\n{"a": 2}\n', True),
        (b'{"a": 1}\n\n', True),
        (b'{\n "a": 1\n}\n', False),
        (b'[{"a": 1},\n{"a": 2}]', False),
        (b'[{"a": 1}]', False),
        (b"", False),
    ],
)
def test_lines_are_told_from_documents(head: bytes, is_lines: bool) -> None:
    assert is_json_lines(head) == is_lines
