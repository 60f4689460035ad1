"""Scores of dates and the orders after them, as arrays of customers times dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd

from crm_spark.models.churn.alert_policies import Days, Lapses, Watched
from crm_spark.models.churn.section import ChurnSection
from crm_spark.tables.columns import CHURN_PROBABILITY

SILENT = "days_since_last_order"


def watched_of(
    frames: Mapping[str, pd.DataFrame],
    orders: pd.DataFrame,
    section: ChurnSection,
    *,
    dates: Sequence[date],
    known_to: date,
) -> tuple[dict[str, Watched], Lapses]:
    """Put scores of each model and the order days of the same customers into arrays.

    `frames` have customer_id, as_of_date, days_since_last_order and churn_probability, `orders`
    customer_id and order_date. Silences that go on at the end of what is known have no next order.
    """
    names = np.sort(orders["customer_id"].unique())
    watched_on = np.array([day.toordinal() for day in dates])
    last = known_to.toordinal()
    customer = np.searchsorted(names, orders["customer_id"].to_numpy())
    ordered = np.array([day.toordinal() for day in orders["order_date"]], np.int64)
    # One number a customer and day, so that the next order is looked up at once.
    width = int(max(ordered.max(initial=0), watched_on.max())) + 2
    keys = np.sort(customer * width + ordered)
    next_order = _next_orders(keys, width, watched_on, len(names), never=last + section.lapse_days)
    shape = (len(names), len(watched_on))
    watched = {}
    for kind, frame in frames.items():
        row = np.searchsorted(names, frame["customer_id"].to_numpy())
        place = np.searchsorted(watched_on, [day.toordinal() for day in frame["as_of_date"]])
        silent, probability = np.full(shape, np.nan), np.full(shape, np.nan)
        # 0 is an order on the day before the date.
        silent[row, place] = frame[SILENT].to_numpy(float) + 1
        probability[row, place] = frame[CHURN_PROBABILITY].to_numpy(float)
        watched[kind] = Watched(
            watched_on,
            silent,
            probability,
            next_order,
            section.lapse_days,
            section.horizon_days,
        )
    return watched, _lapses(keys, width, section.lapse_days, last)


def _next_orders(keys: Days, width: int, dates: Days, n_customers: int, *, never: int) -> Days:
    """Give the first order on or after each date, [customers, dates]."""
    asked = np.arange(n_customers)[:, None] * width + dates[None, :]
    place = np.searchsorted(keys, asked)
    found = keys[np.minimum(place, len(keys) - 1)]
    is_own = (place < len(keys)) & (found // width == asked // width)
    return np.where(is_own, found % width, never)


def _lapses(keys: Days, width: int, lapse_days: int, known_to: int) -> Lapses:
    """Give the silences of lapse_days or more that can be seen in what is known."""
    customer, day = keys // width, keys % width
    following = np.append(day[1:], 0)
    is_last = np.append(customer[1:] != customer[:-1], True)
    ended = np.where(is_last, known_to, following)
    is_lapse = (ended - day >= lapse_days) & (day + lapse_days <= known_to)
    return Lapses(customer[is_lapse], day[is_lapse])
