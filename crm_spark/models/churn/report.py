"""Churn on the page and on the console: who is about to leave, and how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import functions as F

from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.features.words import feature_in_words
from crm_spark.models.candidate_report import decision_of, metrics_of, quoted, unseen
from crm_spark.models.churn.feature_checks import FEATURES_MODEL
from crm_spark.models.churn.section import ChurnSection, latest_closed
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.models.decisions import Decision
from crm_spark.models.records import MetricRow
from crm_spark.report import charts
from crm_spark.report.blocks import Block, Picture, Section, Text, TextTable, Tile
from crm_spark.report.section import ReportSection
from crm_spark.report.subject import ReportRequest, Subject
from crm_spark.report.words import day_in_words, in_words, money, number, share, with_interval
from crm_spark.tables.ops import METRICS

MODEL, TRAINED, WALKED = "crm_spark_churn", "train_churn", "backtest_churn"
N_FIRST = 10
WORDS = {
    "forest": "random forest",
    "recency": "rule: days since the last order",
    "recency_frequency_tenure": "rule: last order, number of orders, tenure",
}
GLOSSARY = (
    ("AUC", "Chance that a customer who leaves is ranked above one who stays; .5 is a coin"),
    ("Brier score", "Mean squared distance of probability and outcome; lower is better"),
    ("Calibration error", "How far probabilities lie from what comes true, on average"),
    ("Lift at 10 %", "How many times more leavers the riskiest tenth holds than any tenth"),
)
CHURN_METRICS = {
    "auc": "AUC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
    "lift_at_10_percent": "Lift at 10 %",
}
_SHORT = ("AUC", "avg precision", "Brier", "calib. error", "lift at 10 %")


@dataclass(frozen=True)
class ChurnScores:
    """The scores of a date: how many customers, how many are expected to leave, how they spread.

    `histogram` counts customers by tenths of probability; `top` is the mean of the first decile.
    """

    n: int
    expected: float
    horizon_days: int
    top: float
    n_top: int
    histogram: tuple[int, ...]
    version: str = ""


@dataclass(frozen=True)
class Reason:
    """A feature that raises a customer's probability, its value, and by how much it does."""

    feature: str
    value: float | None
    effect: float


@dataclass(frozen=True)
class FirstToCall:
    """A customer with much at risk: probability times what was bought in the last 84 days."""

    customer_id: str
    churn_probability: float
    spend: float
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class WalkedAuc:
    """The AUC of a candidate on one cut-off that was tested, by training or by the backtest."""

    model_name: str
    cutoff: date
    value: float | None


@dataclass(frozen=True)
class ChurnFacts:
    """What is known of churn on a date; what a run did not make is empty."""

    scores: ChurnScores | None = None
    first: tuple[FirstToCall, ...] = ()
    metrics: tuple[MetricRow, ...] = ()
    walked: tuple[WalkedAuc, ...] = ()
    decision: Decision | None = None


def read_churn(request: ReportRequest, params: ChurnSection) -> ChurnFacts:
    """Read scores, figures of the training that decided, and past tests."""
    decision = decision_of(request, MODEL)
    metrics = metrics_of(request, TRAINED, decision)
    return ChurnFacts(
        scores=_scores(request),
        first=_first_to_call(request),
        metrics=quoted(row for row in metrics if row.model_name != FEATURES_MODEL),
        walked=_walked(request, params),
        decision=decision,
    )


def _scores(request: ReportRequest) -> ChurnScores | None:
    rows = request.of_date(CUSTOMER_CHURN)
    if rows is None:
        return None
    p, is_top = F.col("churn_probability"), F.col("churn_decile") == 1
    row = rows.agg(
        F.count(F.lit(1)).alias("n"),
        F.sum(p).alias("expected"),
        F.max("horizon_days").alias("horizon_days"),
        F.avg(F.when(is_top, p)).alias("top"),
        F.count_if(is_top).alias("n_top"),
        F.max("model_version").alias("version"),
        *[
            F.count_if(F.least(F.floor(p * 10), F.lit(9)) == place).alias(f"bin_{place}")
            for place in range(10)
        ],
    ).collect()[0]
    return ChurnScores(
        row["n"],
        row["expected"],
        row["horizon_days"],
        row["top"],
        row["n_top"],
        tuple(row[f"bin_{place}"] for place in range(10)),
        row["version"],
    )


def _first_to_call(request: ReportRequest) -> tuple[FirstToCall, ...]:
    rows = request.of_date(CUSTOMER_CHURN)
    if rows is None:
        return ()
    spend = request.lake.read_date(CUSTOMER_SNAPSHOT, request.day).select(
        "customer_id", F.col("spend_amount_84d").alias("spend")
    )
    at_risk = F.col("churn_probability") * F.col("spend")
    first = rows.join(spend, "customer_id").orderBy(F.desc(at_risk), "customer_id").limit(N_FIRST)
    return tuple(
        FirstToCall(
            row["customer_id"],
            row["churn_probability"],
            row["spend"],
            tuple(Reason(**reason.asDict()) for reason in row["reasons"]),
        )
        for row in first.select("customer_id", "churn_probability", "spend", "reasons").collect()
    )


def _walked(request: ReportRequest, params: ChurnSection) -> tuple[WalkedAuc, ...]:
    """Give the AUC of each candidate on every tested cut-off whose outcome was known on the date.

    A cut-off tested more than once counts with its newest test.
    """
    if not request.lake.exists(METRICS):
        return ()
    rows = request.lake.read(METRICS).where(
        (F.col("metric") == "auc")
        & F.col("job").isin(TRAINED, WALKED)
        & (F.col("cutoff_date") <= F.lit(latest_closed(params, request.day)))
    )
    newest = rows.groupBy("model_name", "cutoff_date").agg(
        F.max_by("value", F.struct("as_of_date", "job", "recorded_at")).alias("value")
    )
    return tuple(
        WalkedAuc(row["model_name"], row["cutoff_date"], row["value"])
        for row in newest.orderBy("cutoff_date", "model_name").collect()
    )


def show_churn(facts: ChurnFacts, day: date, style: ReportSection) -> Subject:
    """Lay out who is about to leave, and how far to trust it."""
    sections = [_scores_section(facts, day, style), _quality_section(facts)]
    return Subject(
        tuple(section for section in sections if section is not None),
        _tiles(facts),
        (*_score_lines(facts), *_quality_lines(facts)),
    )


def _tiles(facts: ChurnFacts) -> tuple[Tile, ...]:
    if facts.scores is None:
        return ()
    scores = facts.scores
    note = f"of {scores.n:,} active customers, in {scores.horizon_days} days"
    return (Tile("Expected to leave", f"{scores.expected:,.0f}", note),)


def _score_lines(facts: ChurnFacts) -> tuple[str, ...]:
    if facts.scores is None:
        return ()
    scores = facts.scores
    return (
        "Churn (scores.customer_churn)",
        f"  of {scores.n:,} active customers {scores.expected:,.0f} are expected to place no order "
        f"in the next {scores.horizon_days} days",
        f"  the tenth most at risk: {scores.top:.0%} on average   "
        f"(model {MODEL} version {scores.version})",
    )


def _quality_lines(facts: ChurnFacts) -> tuple[str, ...]:
    """Show each model beside its trivial rules, on the rows none of them learnt from."""
    rows = [row for row in facts.metrics if row.metric in CHURN_METRICS]
    if not rows:
        return ()
    value = {(row.model_name, row.metric): row.value for row in rows}
    lines = [
        f"How good churn is: {rows[0].n:,} customers on {rows[0].cutoff}, "
        + unseen(facts.decision),
        "  " + " " * 26 + "".join(f"{title:>14}" for title in _SHORT),
    ]
    for model in sorted({row.model_name for row in rows}):
        cells = [value.get((model, metric)) for metric in CHURN_METRICS]
        shown = "".join(" " * 14 if cell is None else f"{cell:>14.4f}" for cell in cells)
        lines.append(f"  {model:<26}{shown}")
    if facts.decision:
        reason = facts.decision.why.split(":")[0]
        lines.append(f"  champion: {facts.decision.kind} ({reason})")
    return tuple(lines)


def _scores_section(facts: ChurnFacts, day: date, style: ReportSection) -> Section | None:
    """Give the distribution of the churn probabilities, and whom to call first."""
    churn = facts.scores
    if churn is None:
        return None
    labels = [f"{low} %" for low in range(0, 100, 10)]
    above_half = sum(churn.histogram[5:])
    blocks: list[Block] = [
        Text(
            f"Of {churn.n:,} active customers, {churn.expected:,.0f} are expected to place "
            f"no order in the {churn.horizon_days} days from {day_in_words(day)}. The tenth most "
            f"at risk ({churn.n_top:,} customers) leaves with a probability of "
            f"{churn.top:.0%} on average."
        ),
        Picture(
            charts.bars(
                "churn-distribution",
                f"How many active customers have which churn probability: {churn.histogram[0]:,}"
                f" below 10 %, {above_half:,} of 50 % or more",
                labels,
                churn.histogram,
                y_label="customers",
                x_label="probability to leave, from",
                format_value=lambda value: f"{value:,.0f}",
            ),
            "Active customers by their probability of placing no order in the horizon.",
        ),
    ]
    if facts.first:
        blocks.append(_first_table(facts.first, style))
    return Section("churn", "Who is about to leave", blocks)


def _first_table(first: Sequence[FirstToCall], style: ReportSection) -> TextTable:
    return TextTable(
        "Whom to call first: probability times what was bought in the last 84 days",
        ["Customer", "Probability", "Bought, 84 days", "At risk", "What raises it"],
        [
            [
                row.customer_id,
                share(row.churn_probability),
                money(style, row.spend),
                money(style, row.churn_probability * row.spend),
                _reasons(row.reasons),
            ]
            for row in first
        ],
        numbers=["Probability", "Bought, 84 days", "At risk"],
    )


def _reasons(reasons: Sequence[Reason]) -> str:
    shown = [
        f"{feature_in_words(reason.feature)}: {number(reason.value)} "
        f"(+{100 * reason.effect:.0f} points)"
        for reason in reasons
    ]
    return "; ".join(shown) or "no single feature"


def _quality_section(facts: ChurnFacts) -> Section | None:
    """Give each model beside its trivial rules, on customers that no model had seen."""
    rows = facts.metrics
    if not rows:
        return None
    models = [name for name in WORDS if any(row.model_name == name for row in rows)]
    blocks: list[Block] = []
    if facts.decision:
        decision = facts.decision
        kind = WORDS.get(decision.kind, decision.kind)
        verdict = f"The {kind} scores (version {decision.version}): "
        blocks.append(Text(f"{verdict}{in_words(decision.why, WORDS)}.", is_verdict=True))
    blocks.append(_quality_table(facts, models))
    bins = {model: _bins(rows, model) for model in models}
    known = {model: of_model for model, of_model in bins.items() if of_model}
    if known:
        blocks += [_gain_picture(known), _reliability_picture(known)]
    blocks += _importance_picture(rows)
    blocks.append(_walk_picture(facts.walked, models))
    return Section("churn-quality", "How far to trust it", blocks)


def _quality_table(facts: ChurnFacts, models: Sequence[str]) -> TextTable:
    rows = facts.metrics
    value = {(row.model_name, row.metric): row for row in rows}
    n = max(row.n for row in rows)
    return TextTable(
        f"On {n:,} customers as of {day_in_words(rows[0].cutoff)}, {unseen(facts.decision)}; in "
        "brackets the 95 % interval",
        ["Model", *CHURN_METRICS.values()],
        [
            [WORDS[model], *(with_interval(value.get((model, name))) for name in CHURN_METRICS)]
            for model in models
        ],
        numbers=list(CHURN_METRICS.values()),
    )


def _importance_picture(rows: Sequence[MetricRow]) -> list[Block]:
    found = [
        (row.metric.removeprefix("importance."), row.value)
        for row in rows
        if row.metric.startswith("importance.") and row.value is not None
    ]
    first = sorted(found, key=lambda pair: -pair[1])[:12]
    telling = [(feature_in_words(name), value) for name, value in first if value > 0]
    if not telling:
        return []
    names = [name for name, _ in telling]
    return [
        Picture(
            charts.lying_bars(
                "importance",
                "The most telling features of the forest: " + ", ".join(names[:5]),
                names,
                [value for _, value in telling],
                x_label="AUC lost when the feature is shuffled",
            ),
            "The most telling features of the forest: how much AUC on the unseen customers it "
            "loses when the feature's values are shuffled among them.",
        )
    ]


@dataclass(frozen=True)
class Bin:
    """One of ten groups by probability: what was predicted, what came true, and how many."""

    predicted: float
    left: float
    n: int


def _bins(rows: Sequence[MetricRow], model: str) -> list[Bin]:
    """Give the groups, the riskiest first."""
    of_model = {row.metric: row for row in rows if row.model_name == model}
    found = []
    for place in range(1, 11):
        predicted = of_model.get(f"bin.{place:02d}.predicted")
        observed = of_model.get(f"bin.{place:02d}.observed")
        if predicted and observed:
            found.append(Bin(predicted.value or 0.0, observed.value or 0.0, predicted.n))
    return found


def _gain_picture(bins: Mapping[str, Sequence[Bin]]) -> Picture:
    lines = []
    for model, of_model in bins.items():
        total = sum(group.n for group in of_model)
        leavers = sum(group.left * group.n for group in of_model) or 1.0
        x, y, called, found = [0.0], [0.0], 0, 0.0
        for group in of_model:
            called += group.n
            found += group.left * group.n
            x.append(called / total)
            y.append(found / leavers)
        lines.append(charts.Line(WORDS[model], x, y))
    first = lines[0]
    reach = next((y for x, y in zip(first.x, first.y, strict=True) if x >= 0.195), first.y[-1])
    return Picture(
        charts.lines(
            "gain",
            f"Share of all leavers found when the riskiest customers are called first: "
            f"{first.title} finds {reach:.0%} of them among the first fifth",
            lines,
            x_label="customers called, riskiest first",
            y_label="leavers found",
            diagonal="at random",
            are_shares=True,
        ),
        "Lift: how many of all leavers are found by calling the riskiest customers first.",
    )


def _reliability_picture(bins: Mapping[str, Sequence[Bin]]) -> Picture:
    lines = [
        charts.Line(
            WORDS[model],
            [group.predicted for group in of_model],
            [group.left for group in of_model],
        )
        for model, of_model in bins.items()
    ]
    top = lines[0]
    return Picture(
        charts.lines(
            "reliability",
            f"Predicted probability against the share that really left, in ten groups; the riskiest"
            f" group of the {top.title} was given {top.x[0]:.0%} and {top.y[0]:.0%} of it left",
            lines,
            x_label="predicted probability",
            y_label="really left",
            diagonal="exactly as predicted",
            are_shares=True,
        ),
        "Reliability: predicted probability and what came true, in ten groups of equal size.",
    )


def _walk_picture(walked: Sequence[WalkedAuc], models: Sequence[str]) -> Block:
    """Show AUC on every past cut-off that was tested."""
    auc = {
        (row.model_name, row.cutoff): row.value
        for row in walked
        if row.value is not None and row.model_name in models
    }
    days = sorted({day for _, day in auc})
    if len(days) < 2:
        return Text(
            "Only one cut-off was tested so far. The job backtest_churn trains before each of "
            "several past cut-offs and tests on it; its picture then stands here."
        )
    drawn = [
        charts.Line(
            WORDS[model],
            [float(day.toordinal()) for day in days if (model, day) in auc],
            [auc[model, day] for day in days if (model, day) in auc],
        )
        for model in models
        if any((model, day) in auc for day in days)
    ]
    first = drawn[0]
    return Picture(
        charts.lines(
            "walk-forward",
            f"AUC on {len(days)} cut-offs from {days[0]} to {days[-1]}, each model trained on what "
            f"was known before it; {first.title}: {min(first.y):.3f} to {max(first.y):.3f}",
            drawn,
            x_label="cut-off",
            y_label="AUC",
            ticks={float(day.toordinal()): f"{day:%d %b}" for day in _some(days)},
        ),
        "Walking forward: AUC on past cut-offs, each with a model trained on what was known then.",
    )


def _some(days: Sequence[date]) -> Sequence[date]:
    every = -(-len(days) // 6)
    return days[::every]
