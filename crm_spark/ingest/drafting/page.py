"""The text of a draft: YAML with a comment where something is doubtful, in lines of 100 columns."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import yaml

from crm_spark.ingest.drafting.entry import NEEDED, Entry
from crm_spark.ingest.drafting.table import Reading

WIDTH = 100
_QUESTION = "? "


def scalar(text: str) -> str:
    """Give a text as YAML writes it on one line."""
    try:
        is_plain = yaml.safe_load(f"a: {text}") == {"a": text}
    except yaml.YAMLError:
        is_plain = False
    if is_plain and "#" not in text:
        return text
    if text.isprintable() and "'" in text and '"' not in text and "\\" not in text:
        return f'"{text}"'
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text)


def flow(values: Mapping[str, str | bool]) -> str:
    """Give a mapping on one line."""
    shown = {
        key: str(value).lower() if isinstance(value, bool) else value
        for key, value in values.items()
    }
    pairs = [
        f"{key}: {text if isinstance(values[key], bool) else _in_flow(text)}"
        for key, text in shown.items()
    ]
    return "{" + ", ".join(pairs) + "}"


def _in_flow(text: str) -> str:
    """Give a text as YAML writes it within braces."""
    try:
        is_plain = yaml.safe_load(f"{{a: {text}}}") == {"a": text}
    except yaml.YAMLError:
        is_plain = False
    return text if is_plain else json.dumps(text)


def comment(text: str, indent: int = 0, *, is_question: bool = False) -> list[str]:
    """Give a comment, over as many lines as it needs."""
    start = " " * indent + "# "
    mark = _QUESTION if is_question else ""
    return textwrap.wrap(
        mark + text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=start + "  " * (is_question or text.startswith("- ")),
        break_long_words=False,
        break_on_hyphens=False,
    )


def questions(texts: Iterable[str], indent: int) -> list[str]:
    """Give questions, each as a comment."""
    return [line for text in texts for line in comment(text, indent, is_question=True)]


def pair(key: str, text: str, indent: int, note: str = "") -> list[str]:
    """Give a key with its text, and a note beside or above it."""
    line = " " * indent + f"{key}: {scalar(text)}"
    noted = f"{line}   # {note}" if note else line
    if len(noted) <= WIDTH:
        return [noted]
    above = comment(note, indent) if note else []
    if len(line) <= WIDTH:
        return [*above, line]
    inner = " " * (indent + 2)
    return [*above, " " * indent + f"{key}: >-", *_folded(text, inner)]


def _folded(text: str, indent: str) -> list[str]:
    """Break an expression at single blanks, which folding puts back."""
    lines = [""]
    for word in re.split(r"(?<=\S) (?=\S)", text):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and len(indent) + len(longer) > WIDTH:
            lines.append(word)
        else:
            lines[-1] = longer
    return [indent + line for line in lines]


def reading_lines(reading: Reading, indent: int) -> list[str]:
    """Give the keys that say how a table is read."""
    if reading.table is not None:
        return pair("table", reading.table, indent)
    if len(reading.paths) == 1:
        lines = pair("path", reading.paths[0], indent)
    else:
        items = [f"{' ' * (indent + 2)}- {scalar(path)}" for path in reading.paths]
        lines = [" " * indent + "path:", *items]
    lines += pair("format", reading.format or "", indent)
    if reading.options:
        lines.append(" " * indent + f"options: {flow(reading.options)}")
    if reading.skip_lines:
        note = "lines above the header of each file"
        lines.append(f"{' ' * indent}skip_lines: {reading.skip_lines}   # {note}")
    return lines


def input_lines(name: str, reading: Reading, indent: int) -> list[str]:
    """Give an input of a query, on one line where it fits."""
    path = [_in_flow(path) for path in reading.paths]
    listed = f"[{', '.join(path)}]"
    where = f"table: {_in_flow(reading.table)}" if reading.table else ""
    where = where or f"path: {path[0] if len(path) == 1 else listed}"
    how = f", format: {reading.format}" if reading.format else ""
    how += f", options: {flow(reading.options)}" if reading.options else ""
    how += f", skip_lines: {reading.skip_lines}" if reading.skip_lines else ""
    line = f"{' ' * indent}{name}: {{{where}{how}}}"
    if len(line) <= WIDTH:
        return [line]
    return [f"{' ' * indent}{name}:", *reading_lines(reading, indent + 2)]


def entry_lines(entry: Entry, indent: int) -> list[str]:
    """Give a line of the mapping, with its questions above; commented out where it has none."""
    lines = questions(entry.questions, indent)
    if entry.expression is not None:
        return [*lines, *pair(entry.key, entry.expression, indent, entry.examples)]
    if entry.key in NEEDED:
        lines += comment(f"It is needed: {NEEDED[entry.key]}.", indent)
    if entry.columns:
        lines += comment(f"Seen: {entry.examples}", indent)
    return [*lines, " " * indent + f"# {entry.key}: {entry.suggestion or '...'}"]


def columns_lines(entries: Sequence[Entry], indent: int) -> list[str]:
    """Give the mapping."""
    lines = [" " * indent + "columns:"]
    for entry in entries:
        lines += entry_lines(entry, indent + 2)
    return lines
