"""Alerts on watched silences: once in each, and measured by what became of them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crm_spark.models.churn.alert_arrays import watched_of
from crm_spark.models.churn.alert_backtest import (
    policy_for,
    rule_of,
    spans_until,
)
from crm_spark.models.churn.alert_policies import (
    LAPSE_PROBABILITY,
    LEVEL,
    RISE,
    SILENCE,
    WARNING_GAIN,
    Lapses,
    Policy,
    Span,
    Warned,
    Watched,
    chosen_policy,
    fitted_policy,
    raised,
    warned,
    warning_figures,
    warning_gain,
)
from crm_spark.models.churn.alert_table import policy_table
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.records import MetricRow

pytestmark = pytest.mark.unit

LAPSE, HORIZON = 8, 4
FIRST = date(2024, 3, 1)
SECTION = ChurnSection(
    horizon_days=HORIZON,
    active_days=12,
    alerts={
        "lapse_days": LAPSE,
        "silent_days": 4,
        "cool_down_days": 5,
        "backtest_days": 40,
        "backtest_every_days": 1,
    },
)


def _watched(
    orders: dict[str, list[int]], n_days: int, probability: Any = 0.5
) -> tuple[Watched, Lapses]:
    """Watch customers who ordered on these days, counted from the first date, daily."""
    dates = [FIRST + timedelta(days=place) for place in range(n_days)]
    rows = []
    for name, days in orders.items():
        for place, day in enumerate(dates):
            before = [one for one in days if one < place]
            if before and place - max(before) <= SECTION.active_days:
                p = probability(name, place) if callable(probability) else probability
                rows.append((name, day, place - max(before) - 1, p))
    columns = ["customer_id", "as_of_date", "days_since_last_order", "churn_probability"]
    placed = [(name, FIRST + timedelta(days=day)) for name, days in orders.items() for day in days]
    watched, lapses = watched_of(
        {"forest": pd.DataFrame(rows, columns=columns)},
        pd.DataFrame(placed, columns=["customer_id", "order_date"]),
        SECTION,
        dates=dates,
        known_to=FIRST + timedelta(days=n_days),
    )
    return watched["forest"], lapses


def _days(flags: np.ndarray, customer: int = 0) -> list[int]:
    return [int(place) for place in np.flatnonzero(flags[customer])]


def _span(first: int, end: int) -> Span:
    begin = FIRST.toordinal()
    return Span(begin + first, begin + end)


def test_the_rule_alerts_once_in_a_silence_and_again_in_the_next() -> None:
    watched, _ = _watched({"a": [0, 7, 20]}, 40)
    found = raised(watched, Policy(SILENCE, 4), cool_down_days=0)
    # The silence of day 0 is 4 days long on day 4, that of day 7 on day 11, that of 20 on 24.
    assert _days(found) == [4, 11, 24]


def test_an_order_on_the_day_of_an_alert_begins_a_new_silence() -> None:
    # As of day 4 the order of day 4 is not known.
    watched, _ = _watched({"a": [0, 4, 20]}, 40)
    assert _days(raised(watched, Policy(SILENCE, 4), cool_down_days=0)) == [4, 8, 24]


def test_an_alert_is_followed_by_none_in_the_cool_down() -> None:
    watched, _ = _watched({"a": [0, 5, 12]}, 40)
    assert _days(raised(watched, Policy(SILENCE, 4), cool_down_days=0)) == [4, 9, 16]
    # 9 is 5 days after 4 and allowed with 5, but not with 6: then the silence has its alert later.
    assert _days(raised(watched, Policy(SILENCE, 4), cool_down_days=5)) == [4, 9, 16]
    assert _days(raised(watched, Policy(SILENCE, 4), cool_down_days=6)) == [4, 10, 16]


def test_who_has_lapsed_already_is_not_named() -> None:
    watched, _ = _watched({"a": [0]}, 40)
    assert _days(raised(watched, Policy(SILENCE, LAPSE), cool_down_days=0)) == []
    assert _days(raised(watched, Policy(SILENCE, LAPSE - 1), cool_down_days=0)) == [LAPSE - 1]


def test_the_probability_of_a_lapse_is_of_the_days_that_are_left() -> None:
    watched, _ = _watched({"a": [0]}, 40, 0.25)
    signal = watched.signal(LAPSE_PROBABILITY)[0]
    # 4 days left are one horizon, 6 days one and a half, 1 day a quarter.
    assert signal[4] == pytest.approx(0.25)
    assert signal[2] == pytest.approx(0.25**1.5)
    assert signal[7] == pytest.approx(0.25**0.25)
    assert np.isnan(signal[0])  # no order before: no score


def test_a_rise_is_above_the_least_of_the_customers_own_scores_before() -> None:
    watched, _ = _watched({"a": [0]}, 40, lambda _, day: 0.5 if day != 3 else 0.2)
    signal = watched.signal(RISE)[0]
    assert np.isnan(signal[1])  # the first score has none before
    assert signal[3] == pytest.approx(-0.3)
    assert signal[5] == pytest.approx(0.3)
    # 3 is 8 days before 11, and 9 before 12: no longer looked at.
    assert signal[11] == pytest.approx(0.3)
    assert signal[12] == pytest.approx(0.0)


def test_alerts_are_measured_by_what_became_of_the_silences() -> None:
    orders = {
        "returns": [0, 6],  # 6 days silent, then 8 and more: a lapse that began on day 6
        "lapses": [1],
        "often": list(range(0, 40, 2)),
    }
    watched, lapses = _watched(orders, 40)
    found = warned(watched, lapses, Policy(SILENCE, 4), _span(0, 10), cool_down_days=0)
    # "lapses" from day 5 to 9, "returns" in vain on day 4 and rightly on day 10, seen on day 14.
    assert (found.n_alerts, found.n_true, found.n_lapses) == (3, 2, 2)
    assert sorted(found.lead_days) == [4, 4]
    assert found.warning_days == 4
    assert found.precision == pytest.approx(2 / 3)
    # A lapse without an alert counts with no day of warning.
    late = warned(watched, lapses, Policy(SILENCE, 7.5), _span(0, 10), cool_down_days=0)
    assert (late.n_alerts, late.n_lapses, late.warning_days) == (0, 2, 0)


def test_silences_that_go_on_are_lapses_where_they_can_be_seen() -> None:
    _, seen = _watched({"a": [2], "b": [33]}, 40)
    began = [int(day) - FIRST.toordinal() for day in seen.began]
    assert began == [2]  # b has been silent for 7 days only


def test_a_threshold_warns_longest_at_the_precision_that_is_asked() -> None:
    # Those whose probability is .9 from day 2 on lapse; those of .6 order again on day 5.
    orders = {f"gone{n}": [0] for n in range(10)}
    orders |= {f"back{n}": [0, 5, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36] for n in range(10)}
    watched, lapses = _watched(
        orders, 40, lambda name, day: (0.9 if name.startswith("gone") else 0.6) if day >= 2 else 0.1
    )
    policy = fitted_policy(watched, lapses, LEVEL, _span(0, 1), precision=0.9, cool_down_days=0)
    assert policy is not None
    assert 0.6 < policy.threshold <= 0.9
    rule = warned(watched, lapses, Policy(SILENCE, 4), _span(0, 1), cool_down_days=0)
    by_level = warned(watched, lapses, policy, _span(0, 1), cool_down_days=0)
    assert (rule.precision, by_level.precision) == (0.5, 1.0)
    assert (rule.warning_days, by_level.warning_days) == (4, 6)
    gain = warning_gain(by_level, rule)
    assert gain is not None
    assert (gain.name, gain.value, gain.low, gain.high) == (WARNING_GAIN, 2, 2, 2)
    used = chosen_policy({LEVEL: (policy, by_level)}, (Policy(SILENCE, 4), rule))
    assert used == policy
    assert (
        fitted_policy(watched, lapses, RISE, _span(0, 1), precision=1.01, cool_down_days=0) is None
    )


def _result(warning: list[float]) -> Warned:
    n = len(warning)
    return Warned(n, n, n, 0.5, np.array(warning), np.array(warning), np.ones(n), 1.0)


def test_what_warns_longer_by_chance_alone_leaves_the_rule() -> None:
    rule = (Policy(SILENCE, 4), _result([4.0] * 8))
    by_chance = (Policy(LEVEL, 0.5), _result([0, 0, 0, 0, 0, 0, 0, 40.0]))
    for_sure = (Policy(LAPSE_PROBABILITY, 0.5), _result([4.5, 5, 4.5, 5, 4.5, 5, 4.5, 5]))
    assert chosen_policy({LEVEL: by_chance}, rule) == rule[0]
    assert chosen_policy({LAPSE_PROBABILITY: for_sure}, rule) == for_sure[0]
    assert chosen_policy({}, rule) == rule[0]
    gain = warning_gain(by_chance[1], rule[1])
    assert gain is not None
    assert gain.low is not None
    assert gain.low < 0 < (gain.value or 0)


def test_silences_to_choose_by_are_over_before_those_to_measure_by_begin() -> None:
    spans = spans_until(SECTION, FIRST + timedelta(days=40))
    assert spans.dates[0] == FIRST
    assert spans.choice.end + LAPSE <= spans.quoted.first
    assert spans.quoted.end + LAPSE <= spans.known_to.toordinal()
    late = SECTION.model_copy(update={"grace_days": 3})
    last = spans_until(late, FIRST + timedelta(days=43)).quoted
    assert last.end + LAPSE + 3 <= (FIRST + timedelta(days=43)).toordinal()


def test_alerts_of_a_thousand_are_of_the_dates_that_are_scored() -> None:
    # Ten customers, of whom each has one alert in 28 days: one in 28 rows.
    orders = {f"c{n}": [n % 8, 28 + n % 8] for n in range(8)}
    watched, lapses = _watched(orders, 60)
    found = warned(watched, lapses, Policy(SILENCE, 4), _span(5, 33), cool_down_days=0)
    n_scores = (~np.isnan(watched.silent_days[:, 5:33])).sum()
    alerts = raised(watched, Policy(SILENCE, 4), cool_down_days=0)[:, 5:33].sum()
    assert found.per_1000 == pytest.approx(28_000 * alerts / n_scores)
    nothing = warned(watched, lapses, Policy(SILENCE, 4), _span(100, 101), cool_down_days=0)
    assert (nothing.n_alerts, nothing.per_1000, nothing.precision) == (0, 0.0, None)


def test_without_a_measured_policy_the_rule_is_used() -> None:
    assert policy_for(SECTION, None, "forest") == rule_of(SECTION) == Policy(SILENCE, 4)


def test_the_table_marks_what_is_used_and_fits_a_console() -> None:
    found = warning_figures(_result([4.0, 6.0]), Policy(LEVEL, 0.5))
    day = FIRST
    rows = [
        MetricRow(f"alerts.{kind}", day, f"{name}.{one.name}", one.value, one.n)
        for kind in ("forest", "recency_frequency_tenure")
        for name in (SILENCE, LEVEL)
        for one in found
    ]
    chosen = {
        "forest": Policy(LEVEL, 0.5),
        "recency_frequency_tenure": Policy(SILENCE, 4),
    }
    lines = policy_table(rows, _span(0, 10), chosen)
    assert max(map(len, lines)) <= 100
    assert sum("*" in line for line in lines) == 2
    assert any(line.startswith("forest") and "level *" in line for line in lines)
