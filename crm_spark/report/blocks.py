"""What a page is made of, and how it becomes HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources

import jinja2

from crm_spark.report.charts import Chart


@dataclass(frozen=True)
class Tile:
    """One figure of the head of the page."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph; a verdict stands out."""

    text: str
    is_verdict: bool = False
    kind: str = field(default="text", init=False)


@dataclass(frozen=True)
class Picture:
    """A chart with its caption."""

    chart: Chart
    caption: str
    kind: str = field(default="picture", init=False)


@dataclass(frozen=True)
class TextTable:
    """A table; columns named in `numbers` are set to the right."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[str] = ()
    kind: str = field(default="table", init=False)

    @property
    def is_wide(self) -> bool:
        """Whether a phone has to show each row as a list, since no width would hold it."""
        widths = [
            max([len(name), *(len(row[place]) for row in self.rows)])
            for place, name in enumerate(self.columns)
        ]
        return sum(widths) > 60


@dataclass(frozen=True)
class Cell:
    """One cell of a heat map: what it says, and how strong its shade is, from 0 to 1."""

    text: str
    note: str
    shade: float

    @property
    def percent(self) -> int:
        """The shade as a whole percentage, never so strong that text gets hard to read."""
        return round(55 * self.shade)


@dataclass(frozen=True)
class HeatMap:
    """A grid of shaded cells."""

    caption: str
    row_title: str
    column_title: str
    rows: Sequence[tuple[str, Sequence[Cell]]]
    columns: Sequence[str]
    kind: str = field(default="heat_map", init=False)


@dataclass(frozen=True)
class Card:
    """A box with a heading and some named lists."""

    title: str
    subtitle: str
    lists: Sequence[tuple[str, Sequence[str]]]


@dataclass(frozen=True)
class Cards:
    """Boxes side by side."""

    cards: Sequence[Card]
    kind: str = field(default="cards", init=False)


Block = Text | Picture | TextTable | HeatMap | Cards


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading."""

    anchor: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """The whole page; `alerts` stand above all else."""

    title: str
    subtitle: str
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    footer: str
    alerts: Sequence[str] = ()


def render(page: Page) -> str:
    """Give the page as one HTML document that needs nothing else."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = resources.files("crm_spark.report").joinpath("page.html").read_text("utf-8")
    return environment.from_string(template).render(page=page)
