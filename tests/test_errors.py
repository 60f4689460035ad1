"""Errors in words: every fault at once, and none hidden among those of another."""

from __future__ import annotations

from crm_spark.errors import listed


def test_one_fault_stands_on_the_line_of_its_title() -> None:
    assert (
        listed("a model cannot be had", ["too few rows"]) == "a model cannot be had: too few rows"
    )


def test_faults_of_a_fault_stand_further_in() -> None:
    churn = listed("churn cannot be had", ["this", "that"])
    assert listed("models that cannot be had", [churn, "segments: all alike"]) == (
        "models that cannot be had: 2 faults\n"
        "  - churn cannot be had: 2 faults\n"
        "    - this\n"
        "    - that\n"
        "  - segments: all alike"
    )
