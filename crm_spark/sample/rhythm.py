"""Season, weekdays and hours: evenly flowing time is bent, so that orders come as they do in shops.

Orders are drawn in flowing time, where their rate never changes. Bending it to the calendar is
rising in it, so that it keeps the order and, on average, the gaps (the time change of a point
process: Cinlar 1975, Introduction to Stochastic Processes, chapter 4). All times here are days on
the local clock since 1970, as doubles.
"""

from __future__ import annotations

import math

from pyspark.sql import Column
from pyspark.sql import functions as F

from crm_spark.sample.draws import warped
from crm_spark.sample.settings import SEASON_AMPLITUDE, SEASON_PEAK_DAY, TIME_ZONE

YEAR_DAYS = 365.25
WEEKDAY_WEIGHTS = (0.8, 0.8, 0.9, 1.0, 1.3, 1.5, 0.7)  # from Monday
# From midnight on.
_NIGHT = (0.1, 0.05, 0.05, 0.05, 0.05, 0.1)
_MORNING = (0.3, 0.6, 1.0, 1.3, 1.5, 1.6)
_AFTERNOON = (1.7, 1.5, 1.3, 1.3, 1.5, 1.8)
_EVENING = (2.0, 2.0, 1.7, 1.2, 0.7, 0.3)
HOUR_WEIGHTS = (*_NIGHT, *_MORNING, *_AFTERNOON, *_EVENING)
# 1970 began on a Thursday.
EPOCH_WEEKDAY = 3
_TURN = 2 * math.pi / YEAR_DAYS
# Each step leaves SEASON_AMPLITUDE of the error, which is two weeks at first: under a second.
_STEPS = 14


def flowing_time(day: Column) -> Column:
    """Give the flowing time of a calendar time: the season's rate, summed up to it, in days.

    The rate is 1 + amplitude * cos(2 pi (day - peak) / year): over whole years its mean is 1.
    """
    return day + SEASON_AMPLITUDE / _TURN * F.sin(_TURN * (day - SEASON_PEAK_DAY))


def calendar_time(flowing: Column) -> Column:
    """Give the calendar time of a flowing time: season, then weekdays, then hours."""
    return _by_hour(_by_weekday(_by_season(flowing)))


def _by_season(flowing: Column) -> Column:
    # Kepler's equation, by its fixed point: Newton's steps would each repeat the one before thrice.
    day = flowing
    for _ in range(_STEPS):
        day = flowing - SEASON_AMPLITUDE / _TURN * F.sin(_TURN * (day - SEASON_PEAK_DAY))
    return day


def _by_weekday(day: Column) -> Column:
    weeks = (day + EPOCH_WEEKDAY) / 7
    return _moved_within(weeks, WEEKDAY_WEIGHTS) * 7 - EPOCH_WEEKDAY


def _by_hour(day: Column) -> Column:
    return _moved_within(day, HOUR_WEIGHTS)


def hour_of_day(draw: Column) -> Column:
    """Give a part of a day at which orders come, from a uniform draw."""
    return warped(draw, HOUR_WEIGHTS)


def _moved_within(spans: Column, weights: tuple[float, ...]) -> Column:
    # As a function of an array's element, so that the time, a long expression, is computed once.
    return F.transform(
        F.array(spans), lambda span: F.floor(span) + warped(span - F.floor(span), weights)
    )[0]


def instant(day: Column) -> Column:
    """Give the instant (UTC), to the second, of a time on the local clock; null where that is.

    It does not depend on the session's time zone.
    """
    seconds = F.floor(day * 86_400).cast("long")
    return F.to_utc_timestamp(F.timestamp_seconds(seconds), TIME_ZONE)
