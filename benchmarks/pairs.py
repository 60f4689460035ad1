"""Customers and the products they bought, drawn for the recommender's benchmark; nDCG of lists.

python -m benchmarks.pairs FOLDER N_PAIRS
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.measure import run_python
from crm_spark.runtime.progress import log

SEED = 1
PAIRS_A_CUSTOMER = 58
N_TASTES = 20
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """A folder with what customers bought (bought.parquet) and what is held out of it."""

    folder: Path

    def bought(self) -> pa.Table:
        """Give customer and product (numbers), customer_id, product_id, n_orders, and recency."""
        return pq.read_table(self.folder / "bought.parquet")

    def ndcg(self, customers: Ints, ranks: Ints, products: Ints) -> float:
        """Give the mean nDCG at 10 of lists of products, over customers with something held out."""
        held = pq.read_table(self.folder / "held_out.parquet")
        of_customer, product = (held[name].to_numpy() for name in ("customer", "product"))
        size = int(max(product.max(), products.max())) + 1
        is_hit = np.isin(customers * size + products, of_customer * size + product)
        n = int(max(of_customer.max(), customers.max())) + 1
        gains = np.bincount(customers, is_hit / np.log2(ranks + 1), minlength=n)
        n_held = np.bincount(of_customer, minlength=n)
        ideal = np.cumsum(1 / np.log2(np.arange(2, 12)))
        is_tested = n_held > 0
        return float((gains[is_tested] / ideal[np.minimum(n_held[is_tested], 10) - 1]).mean())


def pairs(place: Path, n: int) -> Pairs:
    """Give about so many pairs, drawn where they are not there yet."""
    folder = place / f"{n}_pairs"
    if not (folder / "held_out.parquet").exists():
        log.info("drawing %s pairs", f"{n:,}")
        run_python(["-m", "benchmarks.pairs", str(folder), str(n)])
    return Pairs(folder)


def numbers(ids: pa.ChunkedArray) -> Ints:
    """Give the numbers in ids."""
    found: Ints = pc.utf8_slice_codeunits(ids, 1).cast(pa.int64()).to_numpy()
    return found


def _draw(n: int) -> tuple[Ints, Ints, Ints]:
    """Draw customers, products and orders: popular products, and those of a customer's taste."""
    rng = np.random.default_rng(SEED)
    n_customers = max(100, n // PAIRS_A_CUSTOMER)
    n_products = int(np.clip(n_customers // 15, 1000, 20_000))
    popularity = 1 / (np.arange(n_products) + 20.0) ** 0.8
    of_product = rng.integers(0, N_TASTES, n_products)
    # Some pairs are drawn twice, and a tenth is held out.
    lengths = 2 + rng.geometric(1 / (1.4 * PAIRS_A_CUSTOMER), n_customers)
    customers = np.repeat(np.arange(n_customers), np.minimum(lengths, n_products // 2))
    taste = rng.integers(0, N_TASTES, n_customers)[customers]
    products = np.empty(len(customers), np.int64)
    for one in range(N_TASTES):
        share = np.cumsum(np.where(of_product == one, 10, 1) * popularity)
        is_one = taste == one
        at = rng.random(int(is_one.sum())) * share[-1]
        products[is_one] = np.searchsorted(share, at, side="right")
    keys, orders = np.unique(customers * n_products + products, return_counts=True)
    chosen = np.sort(rng.permutation(len(keys))[: int(n / 0.9)])
    return keys[chosen] // n_products, keys[chosen] % n_products, orders[chosen]


def _ids(prefix: str, values: Ints) -> pa.Array:
    names = pa.array([f"{prefix}{number:07}" for number in range(int(values.max()) + 1)])
    return pa.DictionaryArray.from_arrays(pa.array(values), names).cast(pa.string())


def main(folder: str, n: str) -> None:
    """Write the two files."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    customers, products, orders = _draw(int(n))
    is_held = np.random.default_rng(SEED + 1).random(len(customers)) < 0.1
    columns: dict[str, Any] = {"customer": customers[~is_held], "product": products[~is_held]}
    columns["customer_id"] = _ids("c", columns["customer"])
    columns["product_id"] = _ids("p", columns["product"])
    columns["n_orders"] = orders[~is_held].astype(np.float64)
    columns["days_since_last_order"] = np.zeros((~is_held).sum(), np.int64)
    pq.write_table(pa.table(columns), place / "bought.parquet", row_group_size=1_000_000)
    held = pa.table({"customer": customers[is_held], "product": products[is_held]})
    pq.write_table(held, place / "held_out.parquet")
    sys.stdout.write(json.dumps({"seconds": 0, "n_pairs": int((~is_held).sum())}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
