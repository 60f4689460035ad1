"""Where the lake is, and how long what is replaced stays."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class StorageSection(BaseModel):
    """Where the lake is, and how long maintain_tables keeps what is old.

    `root` is a path on any Hadoop filesystem. With `catalog` every table is known by name, too, in
    the schemas <catalog>_core, <catalog>_features, <catalog>_scores and <catalog>_ops. Of the
    features and scores the newest `keep_dates` as-of dates are kept, without it all. Replaced files
    stay for `keep_versions_days`: so long a reader may take, and so far back one can travel. With
    `deletion_vectors` new tables of core and features mark what is replaced in place, so that a day
    rewrites few files; readers that know no such marks, as delta-rs and what rests on it, need them
    left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: str = Field(min_length=1)
    catalog: str | None = None
    keep_dates: int | None = Field(default=None, ge=1)
    keep_versions_days: int = Field(default=30, ge=1, le=3650)
    deletion_vectors: bool = True

    def retention_properties(self) -> dict[str, str]:
        """Give the Delta properties of every table that say how long replaced files stay."""
        days = self.keep_versions_days
        return {
            "delta.deletedFileRetentionDuration": f"interval {days} days",
            # The log has to reach back at least as far as the files.
            "delta.logRetentionDuration": f"interval {max(days, 30)} days",
        }
