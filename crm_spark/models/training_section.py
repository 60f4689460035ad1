"""How often models are trained."""

from __future__ import annotations

from datetime import date, timedelta

from pydantic import BaseModel, ConfigDict, Field

# Periods of days are counted from a Monday, so that those of seven days begin on Mondays.
_FIRST_MONDAY = date(1970, 1, 5)


class TrainingSection(BaseModel):
    """A date is scored by models that were trained as of the newest of every so many days.

    These days do not depend on the date; with 7 they are Mondays, with 1 every date has its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # 7: on Mondays; 28: on every fourth.
    every_days: int = Field(default=1, ge=1)

    def newest_day(self, day: date) -> date:
        """Give the newest training day that is not after a day."""
        return day - timedelta(days=(day - _FIRST_MONDAY).days % self.every_days)
