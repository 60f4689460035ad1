"""How far to trust churn, on the page: each candidate beside the trivial rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from crm_spark.features.words import feature_in_words
from crm_spark.models.candidate_report import unseen
from crm_spark.models.churn.candidates import CANDIDATES, RULES
from crm_spark.models.churn.facts import ChurnFacts, WalkedAuc
from crm_spark.models.churn.subgroups import fault_of, groups_of_figures, selection_leaks
from crm_spark.models.classifiers.report import FIGURES, verdict_on_champion
from crm_spark.models.grade import grade_of_champion, is_calibrated
from crm_spark.models.records import MetricRow
from crm_spark.report import charts
from crm_spark.report.blocks import Block, Picture, Section, Text, TextTable
from crm_spark.report.words import day_in_words, figure, share, with_interval
from crm_spark.words import are, counted

# What learns first.
WORDS = {
    one.name: one.in_words for one in sorted(CANDIDATES, key=lambda candidate: candidate.is_rule)
}


_AS_IT_IS_USED = (
    "Tested as it is used: on a later date, learnt from dates whose outcome was known by then. "
    "Customers split at random between learning and test, outcomes that were not known yet, and "
    "attributes that are filled in for those who stay all make a model look better than it will "
    "be; none of it is done here."
)


def quality_section(facts: ChurnFacts) -> Section | None:
    """Give each model beside its trivial rules, on customers that no model had seen."""
    rows = facts.metrics
    if not rows:
        return None
    models = [name for name in WORDS if any(row.model_name == name for row in rows)]
    blocks: list[Block] = []
    if facts.decision:
        blocks.append(verdict_on_champion(facts.decision, WORDS, grade_of(facts), rows))
    blocks += [Text(_AS_IT_IS_USED), _quality_table(facts, models)]
    drawn = _drawn(facts, models)
    bins = {model: _bins(rows, model) for model in drawn}
    known = {model: of_model for model, of_model in bins.items() if of_model}
    if known:
        blocks += [_gain_block(known), _reliability_picture(known)]
    blocks += _groups_table(facts)
    blocks += _importance_picture(rows)
    blocks.append(_walk_picture(facts.walked, drawn))
    return Section("churn-quality", "How far to trust it", blocks)


def grade_of(facts: ChurnFacts) -> str:
    """Give the champion's grade with its reason, by the figures quoted; nothing without them."""
    if facts.decision is None:
        return ""
    return grade_of_champion(_of_champion(facts), is_rule=facts.decision.kind in RULES)


def caveat(facts: ChurnFacts) -> str:
    """Say what not to do with probabilities that do not pass the gate; nothing of others."""
    if is_calibrated(_of_champion(facts)) is not False:
        return ""
    return "the probabilities are not calibrated: take the order of customers, and no sums"


def _of_champion(facts: ChurnFacts) -> dict[str, MetricRow]:
    kind = facts.decision.kind if facts.decision else None
    return {row.metric: row for row in facts.metrics if row.model_name == kind}


def _drawn(facts: ChurnFacts, models: Sequence[str]) -> list[str]:
    """Give what pictures show: the champion, the best rule, and the best of what is left.

    Seven lines in one picture are none.
    """
    auc = {row.model_name: row.value or 0.0 for row in facts.metrics if row.metric == "auc"}
    ranked = sorted(models, key=lambda name: -auc.get(name, 0.0))
    champion = [facts.decision.kind] if facts.decision and facts.decision.kind in models else []
    rule = [name for name in ranked if name in RULES][:1]
    first = list(dict.fromkeys([*champion, *rule, *ranked]))[:3]
    return [name for name in models if name in first]


def _quality_table(facts: ChurnFacts, models: Sequence[str]) -> TextTable:
    rows = facts.metrics
    value = {(row.model_name, row.metric): row for row in rows}
    n = max(row.n for row in rows)
    return TextTable(
        f"On {counted(n, 'customer')} as of {day_in_words(rows[0].cutoff)}, "
        f"{unseen(facts.decision)}; in brackets the 95 % interval",
        ["Model", *FIGURES.values()],
        [
            [WORDS[model], *(with_interval(value.get((model, name))) for name in FIGURES)]
            for model in models
        ],
        numbers=list(FIGURES.values()),
    )


def _groups_table(facts: ChurnFacts) -> list[Block]:
    """Show how the champion did on groups of customers, and where it serves them badly."""
    if facts.decision is None:
        return []
    of_kind = {row.metric: row for row in facts.metrics if row.model_name == facts.decision.kind}
    groups = groups_of_figures(of_kind)
    if not groups:
        return []
    faults = [fault_of(one) for one in groups]
    n_bad = sum(fault is not None for fault in faults)
    told = "none is served badly for sure"
    if n_bad:
        told = f"{counted(n_bad, 'group')} {are(n_bad)} served badly"
    leaks = [f"{one.in_words[:1].upper()}{one.in_words[1:]}." for one in selection_leaks(groups)]
    return [
        TextTable(
            f"How it does on groups of these customers: {told}",
            ["Group", "Customers", "Expected to leave", "Left", "AUC", "Take care"],
            [
                [
                    one.in_words,
                    f"{one.n:,}",
                    share(one.predicted),
                    share(one.observed),
                    figure(one.auc, 3),
                    fault or "",
                ]
                for one, fault in zip(groups, faults, strict=True)
            ],
            numbers=["Customers", "Expected to leave", "Left", "AUC"],
        ),
        *[Text(leak, is_verdict=True) for leak in leaks],
    ]


def _importance_picture(rows: Sequence[MetricRow]) -> list[Block]:
    explained = [row for row in rows if row.metric.startswith("importance.")]
    kind = explained[0].model_name if explained else ""
    found = [
        (row.metric.removeprefix("importance."), row.value)
        for row in explained
        if row.model_name == kind and row.value is not None
    ]
    first = sorted(found, key=lambda pair: -pair[1])[:12]
    telling = [(feature_in_words(name), value) for name, value in first if value > 0]
    if not telling:
        return []
    names, title = [name for name, _ in telling], WORDS.get(kind, kind)
    return [
        Picture(
            charts.lying_bars(
                "importance",
                f"The most telling features of the {title}: " + ", ".join(names[:5]),
                names,
                [value for _, value in telling],
                x_label="AUC lost when the feature is shuffled",
            ),
            f"The most telling features of the {title}: how much AUC on the unseen customers it "
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


def _gain_block(bins: Mapping[str, Sequence[Bin]]) -> Block:
    """Draw the share of leavers found; of nobody there are no shares."""
    if not any(group.left for of_model in bins.values() for group in of_model):
        return Text("None of these customers left, so that no model could find any.")
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
            ticks=_day_ticks(days),
        ),
        "Walking forward: AUC on past cut-offs, each with a model trained on what was known then.",
    )


def _day_ticks(days: Sequence[date]) -> dict[float, str]:
    """Give some of the days with how they are written, the year only where there are several."""
    every = -(-len(days) // 6)
    form = "%d %b" if days[0].year == days[-1].year else "%d %b %y"
    return {float(day.toordinal()): f"{day:{form}}" for day in days[::every]}
