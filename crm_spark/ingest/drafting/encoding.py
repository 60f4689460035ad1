"""The encoding of a text file, told from its bytes."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
WINDOWS = "windows-1252"


@dataclass(frozen=True)
class Encoding:
    """An encoding, by Java's name; `is_guess` where the bytes fit many, and one is the usual."""

    name: str
    is_guess: bool = False

    @property
    def is_wide(self) -> bool:
        """Whether a character is more than a byte throughout: lines cannot be told by bytes."""
        return self.name.startswith(("UTF-16", "UTF-32"))

    def decode(self, data: bytes) -> str:
        """Give the text of bytes that may be cut off within a character."""
        name = "utf-8-sig" if self.name == "UTF-8" else self.name
        decoder = codecs.getincrementaldecoder(name)(errors="replace")
        return decoder.decode(data)


def encoding_of(data: bytes) -> Encoding:
    """Tell the encoding of a file from its first bytes."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return Encoding(name)
    if wide := _without_mark(data):
        return Encoding(wide)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
        return Encoding("UTF-8")
    except UnicodeDecodeError:
        return Encoding(WINDOWS, is_guess=True)


def foreign_words(text: str, n: int = 3) -> list[str]:
    """Give words with letters beyond ASCII, by which a person sees whether an encoding is right."""
    found = re.findall(r"\w*[^\x00-\x7f\s]\w*", text)
    return list(dict.fromkeys(found))[:n]


def _without_mark(data: bytes) -> str | None:
    """Tell UTF-16 by the zeros that ASCII has in it."""
    even, odd = data[0:2000:2], data[1:2000:2]
    if len(odd) < 4:
        return None
    if odd.count(0) > 0.4 * len(odd) and even.count(0) < 0.1 * len(even):
        return "UTF-16LE"
    if even.count(0) > 0.4 * len(even) and odd.count(0) < 0.1 * len(odd):
        return "UTF-16BE"
    return None
