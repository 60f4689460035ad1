"""A line of a drafted mapping: what a column of ours is made of, and what is doubtful in it."""

from __future__ import annotations

from dataclasses import dataclass

from crm_spark.ingest.drafting.column import Column

NEEDED = {
    "customer_id": "who ordered; without it nothing can be said of a customer",
    "order_id": "which lines are one order; frequency and the gaps between orders count these",
    "ordered_at": "when it was ordered; every feature and model is as of a date",
    "amount": "what was paid; spend, monetary scores and values are sums of it",
}


@dataclass(frozen=True)
class Entry:
    """The expression of a column of ours; None where there is none, and `questions` say why."""

    key: str
    expression: str | None
    columns: tuple[Column, ...] = ()
    questions: tuple[str, ...] = ()
    # What might be meant, as an expression to be made sure of.
    suggestion: str | None = None

    @property
    def examples(self) -> str:
        """Example values of the columns that it reads."""
        if len(self.columns) == 1:
            return self.columns[0].examples
        return "; ".join(f"{column.name}: {column.examples}" for column in self.columns)
