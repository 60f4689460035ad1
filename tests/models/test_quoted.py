"""Which figures of a training are quoted, and by which it is chosen."""

from __future__ import annotations

from datetime import date

from crm_spark.models.candidate_report import quoted
from crm_spark.models.choice import CHOSE_ITSELF, Choice
from crm_spark.models.churn.definition import Churn
from crm_spark.models.cutoffs import Cutoffs, Plan
from crm_spark.models.records import MetricRow
from crm_spark.models.results import Measured, Tested
from crm_spark.models.train import decision_in_words, metric_rows

TEST, EARLIER, FIRST = date(2024, 6, 3), date(2024, 5, 6), date(2024, 4, 8)


def candidate(name: str, auc: float | None) -> Tested[None]:
    """Give a candidate with an AUC and a Brier score."""
    figures = (Measured("auc", auc, 9, 0.1, 0.9), Measured("brier", 0.2, 9))
    return Tested(name, name != "forest", None, figures)


def test_only_the_figures_of_the_newest_cutoff_are_quoted() -> None:
    rows = [MetricRow("forest", day, "auc", 0.7, 9) for day in (EARLIER, TEST, FIRST)]
    assert quoted(rows) == (rows[1],)
    assert quoted([]) == ()


def test_every_figure_of_every_candidate_is_a_row_of_its_cutoff() -> None:
    rows = metric_rows(TEST, [candidate("recency", 0.6), candidate("forest", None)])
    assert [(row.model_name, row.metric, row.value) for row in rows] == [
        ("recency", "auc", 0.6),
        ("recency", "brier", 0.2),
        ("forest", "auc", None),
        ("forest", "brier", 0.2),
    ]
    assert {row.cutoff for row in rows} == {TEST}
    assert (rows[0].low, rows[0].high, rows[0].n) == (0.1, 0.9, 9)


def test_the_decision_says_where_it_was_made_or_that_the_figures_chose_themselves() -> None:
    choice = Choice("forest", ("recency", "forest"), "the forest beats the best rule")
    step = Cutoffs(TEST, (EARLIER, FIRST))
    apart = Plan(step, Cutoffs(EARLIER, (FIRST,)))
    assert decision_in_words(choice, apart, False).endswith("; chosen on 2024-05-06")
    assert decision_in_words(choice, Plan(step), True).endswith(f"; {CHOSE_ITSELF}")
    assert decision_in_words(choice, apart, True).endswith(f"; {CHOSE_ITSELF}")


def test_a_cutoff_with_one_class_cannot_choose() -> None:
    assert Churn().tells([candidate("recency", 0.6), candidate("forest", 0.7)])
    assert Churn().tells([candidate("recency", 0.6), candidate("forest", None)])
    assert not Churn().tells([candidate("recency", None), candidate("forest", None)])
    assert not Churn().tells([])
