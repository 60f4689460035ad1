"""Axes of charts: every tick is written once, with the digits that its range needs."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.ticker import AutoLocator

from crm_spark.report import charts
from crm_spark.report.charts import Chart, Line
from crm_spark.report.ticks import tick_label


def written(chart: Chart, axis: str) -> list[str]:
    """Give what stands at the ticks of an axis, in order."""
    parts = re.split(rf'<g id="[\w-]*-{axis}tick_\d+">', chart.svg)[1:]
    texts = [re.search(r"<text[^>]*>(.*?)</text>", part, re.DOTALL) for part in parts]
    return [html.unescape(text[1]) for text in texts if text]


def as_numbers(labels: Sequence[str]) -> list[float]:
    return [float(label.replace(",", "").rstrip("%")) for label in labels]


def assert_sound(labels: Sequence[str]) -> None:
    """Assert that an axis has at least two ticks, rising by equal steps, and no signed zero."""
    numbers = as_numbers(labels)
    steps = [after - before for before, after in pairwise(numbers)]
    assert len(labels) > 1
    assert len(set(labels)) == len(labels), labels
    assert steps == pytest.approx([steps[0]] * len(steps), rel=0.05)
    assert not [label for label in labels if re.fullmatch(r"-[0.,]+%?", label)], labels


def bars(values: Sequence[float], *, are_counts: bool = False) -> list[str]:
    labels = [str(place) for place in range(len(values))]
    chart = charts.bars("c", "alt", labels, values, y_label="y", are_counts=are_counts)
    return written(chart, "y")


@pytest.mark.parametrize(
    ("value", "ticks", "is_share", "label"),
    [
        (0.0, [0.0, 0.2, 0.4], False, "0.0"),
        (-1e-17, [-0.2, -1e-17, 0.2], False, "0.0"),
        (0.2 + 0.1, [0.1, 0.2, 0.2 + 0.1], False, "0.3"),
        (2.5, [0.0, 2.5, 5.0], False, "2.5"),
        (-10_000.0, [-20_000.0, -10_000.0, 0.0], False, "-10,000"),
        (2e-6, [1e-6, 2e-6, 3e-6], False, "0.000002"),
        (1e9, [0.0, 5e8, 1e9], False, "1,000,000,000"),
        (0.25, [0.0, 0.25, 0.5], True, "25%"),
        (0.002, [0.0, 0.002, 0.004], True, "0.2%"),
        (-0.0, [-0.5, -0.0, 0.5], True, "0%"),
        (0.0, [0.0], False, "0"),
        (1e-6, [1e-6], False, "0.000001"),
        (7.0, [], False, "7"),
    ],
)
def test_a_tick_has_the_digits_that_the_axis_needs(
    value: float, ticks: Sequence[float], is_share: bool, label: str
) -> None:
    assert tick_label(value, ticks, is_share=is_share) == label


@settings(deadline=None, max_examples=300)
@given(
    low=st.floats(-1e9, 1e9),
    width=st.floats(1e-6, 1e9),
    is_share=st.booleans(),
)
def test_whatever_the_range_ticks_are_told_apart_and_say_their_value(
    low: float, width: float, is_share: bool
) -> None:
    # Of a range in the last digits of its values there is nothing to draw.
    high = low + max(width, 1e-9 * abs(low))
    ticks = [float(tick) for tick in AutoLocator().tick_values(low, high)]
    labels = [tick_label(tick, ticks, is_share=is_share) for tick in ticks]
    assert len(set(labels)) == len(labels)
    assert not [label for label in labels if re.fullmatch(r"-[0.,]+%?", label)]
    numbers = [number / 100 if is_share else number for number in as_numbers(labels)]
    step = min(after - before for before, after in pairwise(ticks))
    assert numbers == pytest.approx(ticks, abs=step / 50, rel=0)


@pytest.mark.parametrize(
    "values",
    [
        [0.0] * 12,
        [3.0] * 12,
        [7.25],
        [1e-6, 3e-6, 2e-6],
        [1e9, 2e9],
        [1e-6, 1e9],
        [-3.0, -1.0],
        [-50_000.0, 6000.0],
        [-0.4, 0.3],
        [1_000_000.0, 1_000_000.25],
    ],
)
def test_bars_of_any_height_stand_on_a_sound_axis(values: list[float]) -> None:
    labels = bars(values)
    assert_sound(labels)
    assert "0" in [label.replace("0.", "").rstrip("0") or "0" for label in labels]


def test_counts_have_no_fractions_at_the_axis() -> None:
    assert bars([1, 1, 1], are_counts=True) == ["0", "1"]
    assert bars([0, 0], are_counts=True) == ["0", "1"]
    assert bars([2, 1], are_counts=True) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("y", "are_shares"),
    [
        ([0.5, 0.5, 0.5], False),
        ([0.0, 0.0, 0.0], False),
        ([1e-6, 2e-6, 3e-6], False),
        ([1e9, 1e9 + 1, 1e9 + 2], False),
        ([-2.0, -1.0, -4.0], False),
        ([0.001, 0.002, 0.0015], True),
        ([0.0, 0.0, 0.0], True),
        ([1.0, 1.0, 1.0], True),
    ],
)
def test_lines_run_over_sound_axes(y: list[float], are_shares: bool) -> None:
    chart = charts.lines(
        "c", "alt", [Line("a", y, y)], x_label="x", y_label="y", are_shares=are_shares
    )
    assert_sound(written(chart, "y"))
    assert_sound(written(chart, "x"))
    # A number that is added to all ticks, in a corner, is easily missed.
    assert "1e" not in chart.svg.replace("#", "")


def test_a_single_point_has_axes_around_it() -> None:
    chart = charts.lines("c", "alt", [Line("a", [4.0], [0.37])], x_label="x", y_label="y")
    for axis, value in (("x", 4.0), ("y", 0.37)):
        labels = written(chart, axis)
        assert_sound(labels)
        assert min(as_numbers(labels)) <= value <= max(as_numbers(labels))


def test_shares_that_are_all_zero_keep_an_axis_of_a_percent() -> None:
    line = Line("a", [0.0, 0.0], [0.0, 0.0])
    chart = charts.lines(
        "c", "alt", [line], x_label="x", y_label="y", diagonal="even", are_shares=True
    )
    assert written(chart, "y") == ["0.0%", "0.2%", "0.4%", "0.6%", "0.8%", "1.0%"]


@pytest.mark.parametrize("values", [[1e-6, 2e-6], [0.011, 0.002], [1e9], [0.5, 0.5]])
def test_lying_bars_have_a_sound_axis(values: list[float]) -> None:
    labels = [str(place) for place in range(len(values))]
    assert_sound(written(charts.lying_bars("c", "alt", labels, values, x_label="x"), "x"))
