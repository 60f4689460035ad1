"""Static charts as SVG that takes its colours from the page, so that light and dark both fit."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from crm_spark.report.ticks import label_ticks

# Colours that stand for the page's own: replaced by CSS variables in the finished SVG.
INK, MUTED, GRID = "#0a0b01", "#0a0b02", "#0a0b03"
SERIES = ("#0a0b04", "#0a0b05", "#0a0b06", "#0a0b07")
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--line)",
    **{colour: f"var(--series-{place})" for place, colour in enumerate(SERIES, start=1)},
}
# Told apart without colour, too.
_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
_MARKERS = ("o", "s", "^", "D")
WIDTH, HEIGHT = 5.4, 3.0


@dataclass(frozen=True)
class Chart:
    """A finished chart: SVG for the page, and what it shows in words."""

    svg: str
    alt: str


def _chart(name: str, alt: str, draw: Callable[[Any], None], *, height: float = HEIGHT) -> Chart:
    """Draw on one pair of axes and give SVG that can stand inside HTML."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # rc_context: the settings of whoever uses matplotlib beside us stay as they are.
    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": name,
            "text.parse_math": False,  # a dollar sign is one
            "font.size": 9,
            "text.color": INK,
            "axes.labelcolor": MUTED,
            "axes.edgecolor": GRID,
            "xtick.color": MUTED,
            "ytick.color": MUTED,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "legend.frameon": False,
        }
    ):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots()
        axes.grid(axis="y", color=GRID, linewidth=0.7)
        draw(axes)
        figure.patch.set_alpha(0)
        axes.patch.set_alpha(0)
        text = io.StringIO()
        figure.savefig(
            text,
            format="svg",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    return Chart(_for_html(text.getvalue(), name, alt), alt)


def _for_html(svg: str, name: str, alt: str) -> str:
    """Strip what is not HTML, take the page's colours and font, and make every id unique."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # It would style the whole page.
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*</defs>", "", svg)
    svg = re.sub(r"<[^>]+>", lambda tag: _tag_for_html(tag[0], name), svg)
    head = f'<svg class="chart" role="img" aria-label="{escape(alt, quote=True)}" '
    svg = re.sub(
        r'<svg [^>]*?(viewBox="[^"]+")[^>]*>', lambda found: f"{head}{found[1]}>", svg, count=1
    )
    return svg.strip()


def _tag_for_html(tag: str, name: str) -> str:
    tag = re.sub(r"font-family: [^;\"]*", "font-family: inherit", tag)
    tag = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1; font-family: inherit", tag)
    for colour, variable in _VARIABLES.items():
        tag = tag.replace(colour, variable)
    tag = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', tag)
    tag = tag.replace("url(#", f"url(#{name}-")
    return re.sub(r'(?:xlink:)?href="#', f'href="#{name}-', tag)


def bars(
    name: str,
    alt: str,
    labels: Sequence[str],
    values: Sequence[float],
    *,
    y_label: str,
    x_label: str = "",
    format_value: Callable[[float], str] | None = None,
    are_counts: bool = False,
) -> Chart:
    """Draw upright bars, with the value above each where there are few."""

    def draw(axes: Any) -> None:
        drawn = axes.bar(range(len(values)), values, color=SERIES[0], width=0.72)
        axes.set_xticks(range(len(labels)), labels)
        if len(labels) > 8:
            every = -(-len(labels) // 6)
            axes.set_xticks(range(0, len(labels), every), list(labels)[::every])
        if format_value and len(values) <= 12:
            axes.bar_label(
                drawn, [format_value(value) for value in values], padding=2, fontsize=8, color=MUTED
            )
        if not any(values):
            axes.set_ylim(0, 1)  # all of nothing: an axis around zero would go below it
        elif min(values) < 0:
            axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        label_ticks(axes.yaxis, is_count=are_counts)

    return _chart(name, alt, draw)


def pairs_of_bars(
    name: str,
    alt: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float]],
    *,
    x_label: str,
) -> Chart:
    """Draw lying bars of shares, one of each series beside one another for every label."""

    def draw(axes: Any) -> None:
        thickness = 0.8 / len(series)
        for place, (title, values) in enumerate(series.items()):
            at = [row + (place - (len(series) - 1) / 2) * thickness for row in range(len(labels))]
            drawn = axes.barh(at, values, height=thickness * 0.9, color=SERIES[place], label=title)
            axes.bar_label(
                drawn, [f"{value:.0%}" for value in values], padding=2, fontsize=8, color=MUTED
            )
        axes.set_yticks(range(len(labels)), labels)
        axes.tick_params(axis="y", labelcolor=INK, length=0)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=GRID, linewidth=0.7)
        axes.set_xlabel(x_label)
        axes.margins(x=0.12)
        label_ticks(axes.xaxis, is_share=True)
        axes.legend(loc="lower right", fontsize=8)

    return _chart(name, alt, draw, height=max(1.6, 0.6 + 0.52 * len(labels)))


def lying_bars(
    name: str, alt: str, labels: Sequence[str], values: Sequence[float], *, x_label: str
) -> Chart:
    """Draw lying bars, the first label on top."""

    def draw(axes: Any) -> None:
        axes.barh(range(len(values)), values, color=SERIES[0], height=0.7)
        axes.set_yticks(range(len(labels)), labels)
        axes.tick_params(axis="y", labelcolor=INK, length=0)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=GRID, linewidth=0.7)
        axes.set_xlabel(x_label)
        label_ticks(axes.xaxis)

    return _chart(name, alt, draw, height=max(1.6, 0.7 + 0.27 * len(labels)))


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    title: str
    x: Sequence[float]
    y: Sequence[float]


def lines(
    name: str,
    alt: str,
    series: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    diagonal: str | None = None,
    ticks: Mapping[float, str] | None = None,
    are_shares: bool = False,
    from_zero: bool = False,
) -> Chart:
    """Draw lines with markers; `diagonal` names a reference from corner to corner.

    With `from_zero` heights are as the amounts are, and small changes look small.
    """

    def draw(axes: Any) -> None:
        if diagonal:
            # At least a percent: where nothing happened, the axis is no dust around zero.
            limit = max([*(value for line in series for value in [*line.x, *line.y]), 0.01])
            axes.plot(
                [0, limit],
                [0, limit],
                color=MUTED,
                linewidth=1,
                linestyle=(0, (2, 3)),
                label=diagonal,
            )
        for place, line in enumerate(series):
            style = place % len(SERIES)
            axes.plot(
                line.x,
                line.y,
                color=SERIES[style],
                linestyle=_DASHES[style],
                marker=_MARKERS[style],
                markersize=4,
                linewidth=1.8,
                label=line.title,
            )
        if ticks:
            axes.set_xticks(list(ticks), list(ticks.values()))
        else:
            label_ticks(axes.xaxis, is_share=are_shares)
        if from_zero:
            axes.set_ylim(bottom=0)
        label_ticks(axes.yaxis, is_share=are_shares)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.legend(fontsize=8)

    return _chart(name, alt, draw)
