"""Who is about to leave, and how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from crm_spark.report import charts
from crm_spark.report.blocks import (
    Block,
    Picture,
    Section,
    Text,
    TextTable,
)
from crm_spark.report.content.inputs import ReportInputs, Values
from crm_spark.report.content.words import (
    MODELS,
    day_in_words,
    feature_in_words,
    in_words,
    money,
    number,
    share,
    with_interval,
)

CHURN_METRICS = {
    "auc": "AUC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
    "lift_at_10_percent": "Lift at 10 %",
}


def churn_section(held: ReportInputs) -> Section | None:
    """Give the distribution of the churn probabilities, and whom to call first."""
    churn = held.churn
    if churn is None:
        return None
    labels = [f"{low} %" for low in range(0, 100, 10)]
    horizon = churn["horizon_days"]
    above_half = sum(churn["histogram"][5:])
    blocks: list[Block] = [
        Text(
            f"Of {churn['n']:,} active customers, {churn['expected']:,.0f} are expected to place "
            f"no order in the {horizon} days from {day_in_words(held.as_of)}. The tenth most at "
            f"risk ({churn['n_top']:,} customers) leaves with a probability of "
            f"{churn['top']:.0%} on average."
        ),
        Picture(
            charts.bars(
                "churn-distribution",
                f"How many active customers have which churn probability: {churn['histogram'][0]:,}"
                f" below 10 %, {above_half:,} of 50 % or more",
                labels,
                churn["histogram"],
                y_label="customers",
                x_label="probability to leave, from",
                format_value=lambda value: f"{value:,.0f}",
            ),
            "Active customers by their probability of placing no order in the horizon.",
        ),
    ]
    if held.churn_first:
        blocks.append(
            TextTable(
                "Whom to call first: probability times what was bought in the last 84 days",
                ["Customer", "Probability", "Bought, 84 days", "At risk", "What raises it"],
                [
                    [
                        row["customer_id"],
                        share(row["churn_probability"]),
                        money(held, row["spend"]),
                        money(held, row["churn_probability"] * row["spend"]),
                        _reasons(row["reasons"]),
                    ]
                    for row in held.churn_first
                ],
                numbers=["Probability", "Bought, 84 days", "At risk"],
            )
        )
    return Section("churn", "Who is about to leave", blocks)


def _reasons(reasons: Sequence[Values]) -> str:
    told = [
        f"{feature_in_words(held['feature'])}: {number(held['value'])} "
        f"(+{100 * held['effect']:.0f} points)"
        for held in reasons
    ]
    return "; ".join(told) or "no single feature"


def churn_quality_section(held: ReportInputs) -> Section | None:
    """Give each model beside its trivial rules, on customers that no model had seen."""
    rows = held.churn_metrics
    if not rows:
        return None
    champion = held.champions.get("crm_spark_churn")
    models = [name for name in MODELS if any(row["model_name"] == name for row in rows)]
    value = {(row["model_name"], row["metric"]): row for row in rows}
    cutoff = rows[0]["cutoff_date"]
    n = max(row["n"] for row in rows)
    table = TextTable(
        f"On {n:,} customers as of {day_in_words(cutoff)}, which no model had seen; in brackets "
        "the 95 % interval",
        ["Model", *CHURN_METRICS.values()],
        [
            [MODELS[model], *(with_interval(value.get((model, name))) for name in CHURN_METRICS)]
            for model in models
        ],
        numbers=list(CHURN_METRICS.values()),
    )
    blocks: list[Block] = []
    if champion:
        told = MODELS.get(champion["kind"], champion["kind"])
        verdict = f"The {told} scores (version {champion['version']}): {in_words(champion['why'])}."
        blocks.append(Text(verdict, is_verdict=True))
    blocks.append(table)
    bins = {model: _bins(rows, model) for model in models}
    known = {model: held_bins for model, held_bins in bins.items() if held_bins}
    if known:
        blocks += [_gain_picture(known), _reliability_picture(known)]
    importance = sorted(
        (row for row in rows if row["metric"].startswith("importance.")),
        key=lambda row: -row["value"],
    )[:12]
    telling = [row for row in importance if row["value"] > 0]
    if telling:
        names = [feature_in_words(row["metric"].removeprefix("importance.")) for row in telling]
        blocks.append(
            Picture(
                charts.lying_bars(
                    "importance",
                    "The most telling features of the forest: " + ", ".join(names[:5]),
                    names,
                    [row["value"] for row in telling],
                    x_label="AUC lost when the feature is shuffled",
                ),
                "The most telling features of the forest: how much AUC on the unseen customers it "
                "loses when the feature's values are shuffled among them.",
            )
        )
    blocks.append(_walk_forward(held, models))
    return Section("churn-quality", "How far to trust it", blocks)


def _bins(rows: Sequence[Values], model: str) -> list[tuple[float, float, int]]:
    """Give mean probability, share that left and customers of each bin, the riskiest first."""
    of_model = {row["metric"]: row for row in rows if row["model_name"] == model}
    found = []
    for place in range(1, 11):
        predicted = of_model.get(f"bin.{place:02d}.predicted")
        observed = of_model.get(f"bin.{place:02d}.observed")
        if predicted and observed:
            found.append((predicted["value"], observed["value"], predicted["n"]))
    return found


def _gain_picture(bins: Mapping[str, Sequence[tuple[float, float, int]]]) -> Picture:
    held = []
    for model, of_model in bins.items():
        total = sum(n for _, _, n in of_model)
        leavers = sum(left * n for _, left, n in of_model) or 1.0
        x, y, called, found = [0.0], [0.0], 0, 0.0
        for _, left, n in of_model:
            called += n
            found += left * n
            x.append(called / total)
            y.append(found / leavers)
        held.append(charts.Line(MODELS[model], x, y))
    first = held[0]
    reach = next((y for x, y in zip(first.x, first.y, strict=True) if x >= 0.195), first.y[-1])
    return Picture(
        charts.lines(
            "gain",
            f"Share of all leavers found when the riskiest customers are called first: "
            f"{first.title} finds {reach:.0%} of them among the first fifth",
            held,
            x_label="customers called, riskiest first",
            y_label="leavers found",
            diagonal="at random",
            are_shares=True,
        ),
        "Lift: how many of all leavers are found by calling the riskiest customers first.",
    )


def _reliability_picture(bins: Mapping[str, Sequence[tuple[float, float, int]]]) -> Picture:
    held = [
        charts.Line(MODELS[model], [one[0] for one in of_model], [one[1] for one in of_model])
        for model, of_model in bins.items()
    ]
    top = held[0]
    return Picture(
        charts.lines(
            "reliability",
            f"Predicted probability against the share that really left, in ten groups; the riskiest"
            f" group of the {top.title} was given {top.x[0]:.0%} and {top.y[0]:.0%} of it left",
            held,
            x_label="predicted probability",
            y_label="really left",
            diagonal="exactly as predicted",
            are_shares=True,
        ),
        "Reliability: predicted probability and what came true, in ten groups of equal size.",
    )


def _walk_forward(held: ReportInputs, models: Sequence[str]) -> Block:
    """Show AUC on every past cut-off that was tested."""
    auc = {
        (row["model_name"], row["cutoff_date"]): row["value"]
        for row in held.walk_forward
        if row["metric"] == "auc" and row["value"] is not None and row["model_name"] in models
    }
    days = sorted({day for _, day in auc})
    if len(days) < 2:
        return Text(
            "Only one cut-off was tested so far. The job backtest_churn trains before each of "
            "several past cut-offs and tests on it; its picture then stands here."
        )
    drawn = [
        charts.Line(
            MODELS[model],
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
