"""What a backtest of alerts says on the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from crm_spark.models.churn.alert_policies import (
    OF_SCORES,
    SILENCE,
    WARNING_GAIN,
    Policy,
    PolicyName,
    Span,
)
from crm_spark.models.records import MetricRow

# What ops.metrics calls the alerts that a kind of model raises: this and its name.
ALERTS_OF = "alerts."
_COLUMNS = {
    "precision": "precision",
    "recall": "recall",
    "warning_days": "warning",
    "lead_days": "lead",
    "alerts_per_1000": "per 1000",
    WARNING_GAIN: "gain",
}


def policy_table(
    rows: Sequence[MetricRow], quoted: Span, chosen: Mapping[str, Policy]
) -> list[str]:
    """Lay out the rule and each model's policies on what is quoted; * is what is used."""
    cutoff = date.fromordinal(quoted.first)
    value = {(row.model_name, row.metric): row.value for row in rows if row.cutoff == cutoff}
    lines = [
        f"alerts of silences that began from {cutoff} to {date.fromordinal(quoted.end - 1)}, which "
        "chose nothing;",
        "warning, and its gain on the rule: mean days a lapse; lead: median days; alerts of 1,000 "
        "in 28 days",
        f"{'scores':<26}{'alert by':<20}" + "".join(f"{title:>9}" for title in _COLUMNS.values()),
    ]

    def line(kind: str, name: PolicyName, shown: str, mark: str) -> str:
        cells = [value.get((f"{ALERTS_OF}{kind}", f"{name}.{metric}")) for metric in _COLUMNS]
        figures = "".join(f"{'-' if cell is None else f'{cell:.3f}':>9}" for cell in cells)
        return f"{shown:<26}{name + mark:<20}{figures}"

    for number, (kind, used) in enumerate(chosen.items()):
        if not number:  # the rule is the same for all
            lines.append(line(kind, SILENCE, "any", ""))
        tried = [one for one in OF_SCORES if (f"{ALERTS_OF}{kind}", f"{one}.precision") in value]
        lines += [line(kind, one, kind, " *" if used.name == one else "") for one in tried]
        if used.name == SILENCE:
            lines.append(f"{kind:<26}{SILENCE} *")
    return lines
