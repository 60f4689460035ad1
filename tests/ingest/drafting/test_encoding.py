"""The encoding of a file, told from its bytes."""

from __future__ import annotations

import pytest

from crm_spark.ingest.drafting.encoding import Encoding, encoding_of, foreign_words

TEXT = "Kunde;Ort\nMüller;Zürich\n"


@pytest.mark.parametrize(
    ("encoding", "name", "is_guess"),
    [
        ("utf-8", "UTF-8", False),
        ("utf-8-sig", "UTF-8", False),
        ("utf-16", "UTF-16", False),
        ("utf-16-le", "UTF-16LE", False),
        ("utf-16-be", "UTF-16BE", False),
        ("utf-32", "UTF-32", False),
        ("cp1252", "windows-1252", True),
    ],
)
def test_an_encoding_is_told_and_its_text_read(encoding: str, name: str, is_guess: bool) -> None:
    data = TEXT.encode(encoding)
    found = encoding_of(data)
    assert found == Encoding(name, is_guess)
    assert found.decode(data).lstrip("\ufeff") == TEXT


def test_a_character_that_is_cut_off_is_no_other_encoding() -> None:
    data = "Zürich, Ü".encode()[:-1]
    assert encoding_of(data) == Encoding("UTF-8")
    assert encoding_of(data).decode(data) == "Zürich, "


def test_ascii_and_nothing_are_utf_8() -> None:
    assert encoding_of(b"a,b\n1,2\n") == Encoding("UTF-8")
    assert encoding_of(b"") == Encoding("UTF-8")


def test_words_to_judge_by_are_those_beyond_ascii() -> None:
    assert foreign_words("Ann, Zoë, Müller 5 €, Zoë") == ["Zoë", "Müller", "€"]
