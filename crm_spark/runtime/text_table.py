"""Tables as text: columns side by side, as many as fit a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

WIDTH = 100
_WIDEST = 40


def text_table(
    names: Sequence[str], rows: Sequence[Sequence[Any]], *, width: int = WIDTH, more: str = ""
) -> list[str]:
    """Give the lines of a table; columns that do not fit are named at the end, with what to do."""
    cells = [[_text(value) for value in row] for row in rows]
    widths = [
        min(_WIDEST, max([len(name), *[len(row[index]) for row in cells]]))
        for index, name in enumerate(names)
    ]
    fitting, used = 0, 0
    while fitting < len(names) and (fitting == 0 or used + widths[fitting] + 2 <= width):
        used += widths[fitting] + 2
        fitting += 1

    def line(row: Sequence[str]) -> str:
        sized = zip(row[:fitting], widths, strict=False)
        return "  ".join(cell[:size].ljust(size) for cell, size in sized).rstrip()

    lines = [line(names), "  ".join("-" * size for size in widths[:fitting])]
    lines += [line(row) for row in cells]
    if fitting < len(names):
        lines.append(f"not shown: {', '.join(names[fitting:])}{more}")
    return lines


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 100 else f"{value:,.2f}"
    if isinstance(value, list):
        return "; ".join(_text(item) for item in value)
    if hasattr(value, "asDict"):
        return " ".join(_text(field) for field in value)
    return str(value)
