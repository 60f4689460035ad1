"""The CDNOW sample as Fader and Hardie cut it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

FILE = Path(__file__).resolve().parents[4] / "shared" / "data" / "cdnow" / "CDNOW_sample.txt"
CALIBRATION_END, HOLD_OUT_END = pd.Timestamp("1997-09-30"), pd.Timestamp("1998-06-30")
HOLD_OUT_WEEKS = 39.0


def order_days() -> pd.DataFrame:
    """Give one row a customer and day, with the dollars of that day."""
    assert FILE.is_file(), f"{FILE} is missing"
    names = ["cohort_id", "customer", "day", "cds", "dollars"]
    rows = pd.read_csv(FILE, sep=r"\s+", header=None, names=names)
    rows["day"] = pd.to_datetime(rows["day"].astype(str))
    return rows.groupby(["customer", "day"], as_index=False)["dollars"].sum()


def calibration() -> pd.DataFrame:
    """Give x, t_x and T in weeks of each customer, the mean repeat amount, and later orders."""
    days = order_days()
    known = days[days["day"] <= CALIBRATION_END]
    of_customer = known.groupby("customer")["day"]
    first, last = of_customer.min(), of_customer.max()
    found = pd.DataFrame(
        {
            "x": of_customer.size() - 1.0,
            "t_x": (last - first).dt.days / 7,
            "T": (CALIBRATION_END - first).dt.days / 7,
        }
    )
    repeats = known[known["day"] > known["customer"].map(first)]
    found["mean"] = repeats.groupby("customer")["dollars"].mean()
    later = days[(days["day"] > CALIBRATION_END) & (days["day"] <= HOLD_OUT_END)]
    found["later"] = later.groupby("customer").size()
    gaps = known.groupby("customer")["day"].diff().dt.days / 7
    found["log_gaps"] = np.log(gaps).groupby(known["customer"]).sum()
    return found.fillna({"later": 0.0})
