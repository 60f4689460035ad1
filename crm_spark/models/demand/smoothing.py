"""Exponential smoothing of all series at once; intermittent ones by Teunter, Syntetos and Babai."""

from __future__ import annotations

from itertools import product

import numpy as np

from crm_spark.models.demand.series import Bools, Floats, Sales

# Smoothing of the level, of a trend, and how a trend fades (1: no trend is tried).
_ALPHAS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)
_TRENDS = ((0.0, 0.0), (0.05, 0.8), (0.05, 0.95), (0.2, 0.8), (0.2, 0.95))
_SIZES, _CHANCES = (0.05, 0.1, 0.2, 0.3), (0.02, 0.05, 0.1, 0.2)
# The level begins as the mean of as many periods, whose errors do not count.
_BEGIN = 4
# A sale in less than one of 1.32 periods: Syntetos, Boylan and Croston (2005), "On the
# categorization of demand patterns".
MOST_PERIODS_PER_SALE = 1.32
# Sales of so many periods weigh as much as all series together in saying how a week goes.
_SEASON_EVIDENCE = 28
_SEASON_WEEKS = 8
# Of a weekday with less of a mean day than this nothing is learnt but that.
_CLOSED = 0.05


def is_intermittent(sales: Sales) -> Bools:
    """Whether a series has so many periods without a sale that it has no level to be smoothed.

    Reads the total as the first series: a period in which nothing at all was sold, as the shop was
    closed, says nothing.
    """
    is_open = (~np.isnan(sales.values)) & (np.nan_to_num(sales.values[:1]) > 0)
    n_sold = (np.nan_to_num(sales.values) > 0).sum(axis=1)
    return np.asarray(is_open.sum(axis=1) > MOST_PERIODS_PER_SALE * n_sold, np.bool_)


def exponential_smoothing(sales: Sales, horizon: int, season: int) -> Floats:
    """Give what exponential smoothing expects, the total first.

    A level with or without a damped trend (Gardner and McKenzie 1985, "Forecasting trends in time
    series"), whichever has the least corrected Akaike information (Hurvich and Tsai 1989) of its
    errors one period ahead; days are smoothed without their weekday's share, which comes back in
    the end. Intermittent series by tsb(). Never below zero.
    """
    is_rare = is_intermittent(sales)
    found = np.zeros((len(sales.values), horizon))
    factors = weekday_factors(sales, season)
    n = sales.n_periods
    ahead = factors[:, (n + np.arange(horizon)) % season] if season == 7 else 1.0
    smoothed = sales.values
    if season == 7:
        of_day = factors[:, np.arange(n) % season]
        # A day on which the shop is closed says nothing of the level.
        is_open = of_day > _CLOSED
        smoothed = np.divide(smoothed, of_day, out=np.full(smoothed.shape, np.nan), where=is_open)
    if (~is_rare).any():
        found[~is_rare] = _damped_trend(smoothed[~is_rare], horizon)
    if is_rare.any():
        found[is_rare] = tsb(sales.values[is_rare])[:, None]
    return np.maximum(found * ahead, 0.0)


def weekday_factors(sales: Sales, season: int) -> Floats:
    """Give how much each place in the week has of a mean day, a column each; 1 but for days.

    By the last eight weeks: those of the series itself as far as it sold, else those of the total.
    """
    if season != 7:
        return np.ones((len(sales.values), season))
    n = sales.n_periods
    last = sales.values[:, -7 * _SEASON_WEEKS :]
    is_known, last = ~np.isnan(last), np.nan_to_num(last)
    place = np.arange(n - last.shape[1], n) % 7
    sums = np.stack([last[:, place == one].sum(axis=1) for one in range(7)], axis=1)
    days = np.stack([is_known[:, place == one].sum(axis=1) for one in range(7)], axis=1)
    means = sums / np.maximum(days, 1)
    n_places = np.maximum((days > 0).sum(axis=1, keepdims=True), 1)
    usual = means.sum(axis=1, keepdims=True) / n_places
    own = np.divide(means, usual, out=np.ones_like(means), where=(usual > 0) & (days > 0))
    evidence = (last > 0).sum(axis=1, keepdims=True)
    mixed = (evidence * own + _SEASON_EVIDENCE * own[:1]) / (evidence + _SEASON_EVIDENCE)
    return np.asarray(mixed, np.float64)


def _damped_trend(values: Floats, horizon: int) -> Floats:
    """Smooth rows of values by every setting at once, and forecast by the best of each row."""
    settings = np.array([(a, *trend) for a, trend in product(_ALPHAS, _TRENDS)])
    alpha, beta, phi = settings.T
    is_known = ~np.isnan(values)
    place = np.cumsum(is_known, axis=1)
    filled = np.nan_to_num(values)
    first = np.where((place <= _BEGIN) & is_known, filled, 0.0).sum(axis=1)
    level = np.repeat((first / np.clip(place[:, -1], 1, _BEGIN))[:, None], len(settings), axis=1)
    slope = np.zeros_like(level)
    squares = np.zeros_like(level)
    for at in range(values.shape[1]):
        runs = is_known[:, at, None]
        expected = level + phi * slope
        error = filled[:, at, None] - expected
        squares += np.where(runs & (place[:, at, None] > _BEGIN), error**2, 0.0)
        level = np.where(runs, expected + alpha * error, level)
        slope = np.where(runs, phi * slope + alpha * beta * error, slope)
    n = np.maximum(place[:, -1:] - _BEGIN, 1)
    n_parameters = np.where(phi > 0, 4, 2)
    least = np.finfo(float).tiny
    information = n * np.log(np.maximum(squares / n, least)) + 2 * n_parameters
    information += 2 * n_parameters * (n_parameters + 1) / np.maximum(n - n_parameters - 1, 0.5)
    best = np.argmin(information, axis=1)
    rows = np.arange(len(values))
    faded = np.cumsum(phi[best, None] ** np.arange(1, horizon + 1), axis=1)
    return level[rows, best, None] + faded * slope[rows, best, None]


def tsb(values: Floats) -> Floats:
    """Give what is expected of rows of intermittent sales in each period to come.

    The chance of a sale times its size, each smoothed, the chance in every period: Teunter,
    Syntetos and Babai (2011), "Intermittent demand: linking forecasting to inventory obsolescence".
    The smoothing with the least squared error one period ahead is taken, row by row.
    """
    settings = np.array(list(product(_SIZES, _CHANCES)))
    of_size, of_chance = settings.T
    is_known = ~np.isnan(values)
    filled = np.nan_to_num(values)
    n_known = np.maximum(is_known.sum(axis=1), 1)
    n_sold = (filled > 0).sum(axis=1)
    start = filled.sum(axis=1) / np.maximum(n_sold, 1)
    size = np.repeat(start[:, None], len(settings), axis=1)
    chance = np.repeat((n_sold / n_known)[:, None], len(settings), axis=1)
    squares = np.zeros_like(size)
    for at in range(values.shape[1]):
        runs, value = is_known[:, at, None], filled[:, at, None]
        sold = (value > 0) * 1.0
        squares += np.where(runs, (value - chance * size) ** 2, 0.0)
        chance = np.where(runs, chance + of_chance * (sold - chance), chance)
        size = np.where(runs & (sold > 0), size + of_size * (value - size), size)
    best = np.argmin(squares, axis=1)
    rows = np.arange(len(values))
    return (chance * size)[rows, best]
