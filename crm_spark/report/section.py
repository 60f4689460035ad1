"""The report section."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ReportSection(BaseModel):
    """Where the report goes and what it is called.

    Without `path` it lies in the lake, at reports/<as_of>.html; a path may be of any Hadoop
    filesystem, and is written anew each time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str | None = None
    title: str = "Customers"
    # Before every amount, for example "EUR ".
    currency: str = ""
    example_customers: int = Field(default=4, ge=0, le=20)
