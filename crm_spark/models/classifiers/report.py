"""What reports of classifiers have in common: scores of a date, and candidates beside rules."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F

from crm_spark.models.calibration_gate import CALIBRATION_ERROR
from crm_spark.models.candidate_report import champion_on_console
from crm_spark.models.classifiers.figures import ISOTONIC_KNOTS
from crm_spark.models.decisions import Decision
from crm_spark.models.records import MetricRow
from crm_spark.report.blocks import Text
from crm_spark.report.words import in_words
from crm_spark.tables.columns import CHURN_DECILE, CHURN_PROBABILITY
from crm_spark.words import counted

# The figures of a candidate, with what the page and the console call them.
FIGURES = {
    "auc": "AUC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    CALIBRATION_ERROR: "Calibration error",
    "lift_at_10_percent": "Lift at 10 %",
}
_SHORT = ("AUC", "avg precision", "Brier", "calib. error", "lift at 10 %")


def glossary(grade_of: str) -> tuple[tuple[str, str], ...]:
    """Give what the words for the figures mean; `grade_of` is the subject of the grade."""
    return (
        ("AUC", "Chance that a customer who leaves is ranked above one who stays; .5 is a coin"),
        (
            "Average precision",
            "Share of leavers among the riskiest, on average down to each leaver; at random it is "
            "the share of all who leave",
        ),
        ("Brier score", "Mean squared distance of probability and outcome; lower is better"),
        ("Calibration error", "How far probabilities lie from what comes true, on average"),
        (
            f"Grade of {grade_of}",
            "A: surely better than the best rule, by .005 of AUC or more, and calibrated; B: "
            "surely better, and calibrated; C: the rest",
        ),
        ("Lift at 10 %", "How many times more leavers the riskiest tenth has than one at random"),
    )


def sums_of_scores() -> list[Column]:
    """Give as columns n, expected, top, n_top and version of the scores of a date.

    How many customers, how many of them are expected to leave, the mean probability and the number
    of those in the first tenth, and the version that scored.
    """
    p, is_top = F.col(CHURN_PROBABILITY), F.col(CHURN_DECILE.name) == 1
    return [
        F.count(F.lit(1)).alias("n"),
        F.sum(p).alias("expected"),
        F.avg(F.when(is_top, p)).alias("top"),
        F.count_if(is_top).alias("n_top"),
        F.max("model_version").alias("version"),
    ]


def candidates_on_console(
    head: Sequence[str],
    rows: Iterable[MetricRow],
    models: Iterable[str],
    decision: Decision | None,
    grade: str,
) -> tuple[str, ...]:
    """Show each candidate beside the rules below a `head`, the champion with its grade last."""
    value = {(row.model_name, row.metric): row.value for row in rows}
    lines = [*head, "  " + " " * 26 + "".join(f"{title:>14}" for title in _SHORT)]
    for model in models:
        cells = [value.get((model, metric)) for metric in FIGURES]
        shown = "".join(" " * 14 if cell is None else f"{cell:>14.4f}" for cell in cells)
        lines.append(f"  {model:<26}{shown}")
    graded = textwrap.wrap(grade, 96, initial_indent="  ", subsequent_indent="    ")
    return (*lines, *champion_on_console(decision), *graded)


def verdict_on_champion(
    decision: Decision, words: Mapping[str, str], grade: str, rows: Iterable[MetricRow]
) -> Text:
    """Say which kind scores, why, its grade, and that its map is isotonic, where it is.

    `words` are those for the kinds, `rows` the figures of all.
    """
    kind = words.get(decision.kind, decision.kind)
    graded = f" {grade}." if grade else ""
    why = in_words(decision.why, words)
    return Text(
        f"The {kind} scores (version {decision.version}): {why}.{graded}"
        f"{_isotonic_in_words(rows, decision.kind)}",
        is_verdict=True,
    )


def _isotonic_in_words(rows: Iterable[MetricRow], kind: str) -> str:
    """Say of a kind that an isotonic map calibrates it; nothing of Platt's, which is the usual."""
    for row in rows:
        if row.model_name == kind and row.metric == ISOTONIC_KNOTS and row.value:
            return (
                f" An isotonic map of {counted(row.value, 'knot')} calibrates it: in "
                "cross-validation it was surely nearer than Platt's."
            )
    return ""


def reasons_in_words(reasons: Iterable[tuple[str, float]], *, is_explained: bool) -> str:
    """Write reasons with the points that each takes off the probability where it is gone."""
    shown = [f"{text} (+{counted(round(100 * effect), 'point')})" for text, effect in reasons]
    return "; ".join(shown) or ("nothing by itself" if is_explained else "not looked at")
