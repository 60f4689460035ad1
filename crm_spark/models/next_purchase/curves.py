"""Chances to have ordered by days from a date on: as steps, and as the day they are reached on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from crm_spark.models.binary_metrics import Floats


def chances_by_steps(hazards: Floats) -> Floats:
    """Give the chance to have ordered by the end of each step, a column a step.

    `hazards` are the chances to order in a step of who has not ordered before it.
    """
    return np.asarray(1 - np.cumprod(1 - hazards, axis=1), np.float64)


def day_reached(chances: Floats, steps_days: Sequence[int], share: float) -> Floats:
    """Give the day by which the chance to have ordered reaches a share; infinite after the last.

    Day 1 is the date itself. Within a step whoever has not ordered does so at a constant rate.
    """
    ends = np.concatenate([np.zeros((len(chances), 1)), chances], axis=1)
    days = np.array([0, *steps_days], float)
    # The first step at whose end the share is reached; a chance of 1 ends everything.
    reached = chances >= share
    place = np.argmax(reached, axis=1)
    rows = np.arange(len(chances))
    before, after = ends[rows, place], ends[rows, place + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.log((1 - before) / (1 - share)) / np.log((1 - before) / (1 - after))
    part = np.where(np.isfinite(part), np.clip(part, 0, 1), 1.0)
    found = days[place] + part * (days[place + 1] - days[place])
    day = np.maximum(np.ceil(found - 1e-9), days[place] + 1)
    return np.where(reached.any(axis=1), day, np.inf)


def chances_by_days(chances: Floats, steps_days: Sequence[int]) -> Floats:
    """Give the chance to have ordered by each day up to the end of the last step, a column a day.

    Within a step whoever has not ordered does so at a constant rate.
    """
    still = np.concatenate([np.ones((len(chances), 1)), 1 - chances], axis=1)
    days = np.array([0, *steps_days])
    found = []
    for step, (begins, ends) in enumerate(pairwise(days)):
        part = np.arange(1, ends - begins + 1) / (ends - begins)
        before, after = still[:, [step]], still[:, [step + 1]]
        with np.errstate(divide="ignore", invalid="ignore"):
            left = before * np.where(before > 0, after / before, 0.0) ** part
        found.append(1 - left)
    return np.asarray(np.concatenate(found, axis=1), np.float64)
