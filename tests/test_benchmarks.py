"""The table of benchmarks: medians, ratios, goals that are missed, and what sections work out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.__main__ import SECTIONS, _numbers, _parser, table
from benchmarks.churn_forest import RULES_BEFORE
from benchmarks.cluster import properties
from benchmarks.cutoffs import N_DATES, ONE_DATE, TWELVE_DATES, n_dates
from benchmarks.executors import Scaling, scaled_row
from benchmarks.forest import require_equal
from benchmarks.growth import growth_exponent, growth_row
from benchmarks.made_customers import CHANCE, N_FEATURES, NAMES, draw_customers
from benchmarks.measure import EXECUTOR, Row, Run, run_python
from benchmarks.pipeline import Whole, costs
from crm_spark.models.churn.candidates import RULES
from crm_spark.models.churn.labels import LABEL

BESIDE_A_PEER = Row(
    "ingest", "9 lines", [40.0, 20.0, 30.0], "plain Spark", [10.0, 8.0], 3.0, 9000, 2 * 10**9, 10**9
)
ALONE = Row("small", "run_pipeline", [61.0], goal=60.0)


def cells(row: Row) -> list[str]:
    """Give the cells of a row in the table."""
    return [cell.strip() for cell in table([row]).splitlines()[-1].strip("|").split("|")]


def test_a_row_gives_medians_with_their_spread_beside_the_peers() -> None:
    assert cells(BESIDE_A_PEER) == [
        *("ingest", "9 lines", "30.0 (20.0 to 40.0)", "plain Spark", "9.0 (8.0 to 10.0)"),
        *("3.33", "3, missed", "300", "2.0 / 1.0"),
    ]
    assert not Row("a", "b", [30.0], "c", [10.0], goal=3.0).is_missed


def test_a_goal_without_a_peer_is_in_seconds() -> None:
    assert cells(ALONE) == ["small", "run_pipeline", "61.0", "", "", "", "60 s, missed", "", ""]
    assert not Row("small", "run_pipeline", [60.0], goal=60.0).is_missed
    assert not Row("small", "run_pipeline", [600.0]).is_missed


def test_a_row_as_json_names_what_is_compared() -> None:
    assert json.loads(json.dumps(BESIDE_A_PEER.as_json())) == {
        **{"section": "ingest", "case": "9 lines", "ours_seconds": 30.0, "peer": "plain Spark"},
        **{"peer_seconds": 9.0, "ratio": 30 / 9, "goal": 3.0},
    }
    assert ALONE.as_json()["ratio"] is None


def test_a_command_is_measured_with_its_memory() -> None:
    held = "x = bytearray(300_000_000); import time; time.sleep(1); print('{\"seconds\": 0.5}')"
    run = run_python(["-c", held])
    assert run.said_seconds == 0.5
    assert run.seconds >= 1
    assert 300_000_000 <= run.peak_bytes < 600_000_000


def test_memory_of_children_counts_and_that_of_executors_is_none_of_the_drivers() -> None:
    held = "x = bytearray(%d); import time; time.sleep(1.5)"
    started = f"""
import subprocess, sys
one = subprocess.Popen([sys.executable, "-c", "{held % 300_000_000}", "{EXECUTOR}"])
other = subprocess.Popen([sys.executable, "-c", "{held % 200_000_000}"])
one.wait(), other.wait()
print('{{"seconds": 0.5}}')
"""
    run = run_python(["-c", started])
    assert 500_000_000 <= run.peak_bytes < 700_000_000
    assert 200_000_000 <= run.driver_bytes < 300_000_000


# --- sections and sizes --------------------------------------------------------------------------


def test_every_section_of_the_issue_is_there() -> None:
    assert {
        *("small", "ingest", "features", "cutoffs", "increment", "forest"),
        *("pipeline", "growth", "executors"),
    } <= set(SECTIONS)


def test_sizes_are_numbers_with_commas() -> None:
    assert _parser().parse_args(["growth", "--customers", "3000,10000"]).customers == [3000, 10_000]
    assert _numbers("300000") == [300_000]
    with pytest.raises(SystemExit):
        _parser().parse_args(["--customers", "many"])


# --- growth --------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 1.05, 2.0])
def test_the_exponent_of_a_power_is_found(exponent: float) -> None:
    lines = [300_000, 1_000_000, 3_000_000]
    assert growth_exponent(lines, [7 * n**exponent for n in lines]) == pytest.approx(exponent)


def test_the_exponent_is_that_of_least_squares() -> None:
    lines, seconds = [300_000, 1_000_000, 3_000_000], [60.0, 90.0, 250.0]
    expected = np.polyfit(np.log(lines), np.log(seconds), 1)[0]
    assert growth_exponent(lines, seconds) == pytest.approx(expected)


def test_growth_of_one_size_is_none() -> None:
    with pytest.raises(ValueError, match="two sizes at least"):
        growth_exponent([1_000, 1_000], [1.0, 2.0])


def whole(n_lines: int, seconds: float, **jobs: float) -> Whole:
    """Give a pipeline of so many lines, with the seconds of its jobs."""
    found = {"jobs": [{"job": job, "seconds": value} for job, value in jobs.items()]}
    return Whole(Run(seconds, seconds, 0, found), n_lines)


@pytest.mark.parametrize(("last", "is_missed"), [(104.0, False), (125.0, True)])
def test_the_goal_of_growth_is_the_exponent_and_not_the_ratio_of_seconds(
    last: float, is_missed: bool
) -> None:
    sizes = [whole(1_000, 10.0), whole(10_000, last)]
    row = growth_row("run_pipeline", sizes, [one.run.said_seconds for one in sizes], goal=1.05)
    assert row.ratio == pytest.approx(np.log10(last / 10))
    assert row.is_missed is is_missed
    assert row.as_json()["peer_seconds"] == 100.0
    assert cells(row)[6] == ("1.05, missed" if is_missed else "1.05")


def test_a_job_that_runs_twice_counts_twice() -> None:
    run = Run(0.0, 0.0, 0, {"jobs": [{"job": "a", "seconds": 1.5}, {"job": "a", "seconds": 2.0}]})
    assert Whole(run, 1).seconds_of("a") == 3.5
    assert Whole(run, 1).seconds_of("b") is None


def test_costs_are_those_of_the_summary() -> None:
    summary: dict[str, Any] = {"shuffle_bytes": 2_340_000_000, "spill_bytes": 0}
    assert costs({**summary, "core_seconds": 1234.5}) == (
        "2.3 GB shuffled, 0.0 GB spilled, 1,234 core-seconds"
    )
    nothing = dict.fromkeys(["shuffle_bytes", "spill_bytes", "core_seconds"])
    assert costs(nothing) == "? GB shuffled, ? GB spilled, ? core-seconds"


# --- executors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("two", "is_missed"),
    [
        (100 / 1.6, False),  # as much as the machine
        (100 / (0.86 * 1.6), False),
        (100 / (0.84 * 1.6), True),
        (100.0, True),  # nothing gained
    ],
)
def test_executors_are_held_against_what_the_machine_gains(two: float, is_missed: bool) -> None:
    scaling = Scaling(alone=8.0, twice_at_once=10.0)
    assert scaling.speedup == 1.6
    row = scaled_row(9, scaling, one=100.0, two=two)
    assert row.is_missed is is_missed
    assert row.ratio == pytest.approx(two / (100 / 1.6))


def test_executors_have_the_cores_that_are_asked_for() -> None:
    assert properties(2, 1)["spark.master"].startswith("local-cluster[2,1,")


# --- cut-offs ------------------------------------------------------------------------------------

CONFIG = """
storage: {root: lake}
sources:
  transactions:
    path: lines
    format: parquet
    columns:
      customer_id: customer_id
      order_id: order_id
      product_id: product_id
      ordered_at: ordered_at
      quantity: quantity
      amount: amount
"""


def test_twelve_cutoffs_are_twelve_dates_beside_one(tmp_path: Path) -> None:
    config = tmp_path / "sample.yml"
    config.write_text(CONFIG, encoding="utf-8")
    assert n_dates(str(config), TWELVE_DATES) == N_DATES
    assert n_dates(str(config), ONE_DATE) == 1


# --- the forest ----------------------------------------------------------------------------------


def test_forests_that_rank_alike_are_equal() -> None:
    require_equal({"ours": 0.7983, "scikit-learn": 0.8010, "at best": 0.85})


@pytest.mark.parametrize("ours", [0.79, 0.81])
def test_forests_that_do_not_rank_alike_are_told_with_what_differs(ours: float) -> None:
    with pytest.raises(AssertionError, match=f"ours is {ours:.4f}, of scikit-learn's 0.8000"):
        require_equal({"ours": ours, "scikit-learn": 0.8, "at best": 0.85})


def test_rules_are_fitted_before_on_what_made_customers_have() -> None:
    assert RULES_BEFORE == ("recency", "order_days", "recency_frequency_tenure")
    assert {feature for name in RULES_BEFORE for feature in RULES[name]} <= set(NAMES)


def test_made_customers_leave_as_often_as_their_chance_says() -> None:
    table = draw_customers(20_000, seed=3)
    assert len(NAMES) == N_FEATURES == 40
    assert list(table.columns) == ["customer_id", "as_of_date", *NAMES, CHANCE, LABEL]
    assert table["customer_id"].is_unique
    high = table[CHANCE] > table[CHANCE].median()
    for is_in in (high, ~high):
        # The standard error of a share of 10,000 is 0.005 at most.
        assert table[LABEL][is_in].mean() == pytest.approx(table[CHANCE][is_in].mean(), abs=0.02)
    assert draw_customers(20_000, seed=3).equals(table)
    assert not draw_customers(20_000, seed=4)[LABEL].equals(table[LABEL])
