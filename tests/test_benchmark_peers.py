"""What the peers of build_features make of a few lines: the same 28 columns, and no others pass."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.same_columns import require_same_columns
from benchmarks.windows import WINDOWS

DAY, TIME_ZONE = "2024-07-01", "Europe/London"
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("customer_id", "order_id", "product_id")),
        ("ordered_at", pa.timestamp("us")),
        ("quantity", pa.int32()),
        *((name, pa.decimal128(18, 2)) for name in ("amount", "discount_amount")),
        ("is_return", pa.bool_()),
        ("arrived_at", pa.timestamp("us")),
    ]
)


def line(customer: str, order: str, product: str | None, at: str, **values: Any) -> dict[str, Any]:
    """Give a purchase of one for 10.00, unless told otherwise; stamps are UTC."""
    stamp = datetime.fromisoformat(at)
    usual: dict[str, Any] = {"quantity": 1, "amount": Decimal("10.00"), "is_return": False}
    usual |= {"discount_amount": Decimal("0.00"), "arrived_at": stamp}
    ids = {"customer_id": customer, "order_id": order, "product_id": product}
    return {**ids, "ordered_at": stamp, **usual, **values}


LINES = [
    # A Sunday by the clock of London, and a Saturday by that of UTC; two lines of one product.
    line("a", "1", "x", "2024-06-22T23:30", amount=Decimal("0.10"), quantity=2_000_000_000),
    line("a", "1", "x", "2024-06-22T23:40", amount=Decimal("0.20"), quantity=2_000_000_000),
    line("a", "1", None, "2024-06-22T23:50", discount_amount=Decimal("0.01")),
    # Seven days before; and a Saturday.
    line("a", "2", "y", "2024-06-24T09:00", discount_amount=None),
    line("a", "3", "x", "2024-01-06T09:00", amount=None),
    line("a", "4", "x", "2024-01-06T10:00", amount=Decimal("-0.30"), is_return=True),
    line("a", "4", "y", "2024-01-06T10:00", is_return=None),
    # Returns only: no customer.
    line("b", "5", "x", "2024-05-01T09:00", is_return=True),
    # The last minute before the day begins in London, and what is known or bought later.
    line("c", "6", "x", "2024-06-30T22:59", amount=None, discount_amount=None, quantity=None),
    line("c", "7", "x", "2024-06-30T23:00"),
    line("c", "8", "x", "2024-06-30T12:00", arrived_at=datetime.fromisoformat("2024-06-30T23:00")),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with the lines in two files."""
    for number, lines in enumerate((LINES[:5], LINES[5:])):
        pq.write_table(pa.Table.from_pylist(lines, SCHEMA), tmp_path / f"{number}.parquet")
    return tmp_path


def _made_by_duckdb(folder: Path) -> Path:
    pytest.importorskip("duckdb", reason="of the extra `benchmark`")
    from benchmarks import duckdb_features

    duckdb_features.main(str(folder), DAY, TIME_ZONE, str(folder / "duckdb.made"))
    return folder / "duckdb.made"


def _made_by_polars(folder: Path) -> Path:
    pytest.importorskip("polars", reason="of the extra `benchmark`")
    from benchmarks import polars_features

    polars_features.main(str(folder), DAY, TIME_ZONE, str(folder / "polars.made"))
    return folder / "polars.made"


def test_both_peers_make_the_same_columns(folder: Path) -> None:
    require_same_columns(_made_by_duckdb(folder), _made_by_polars(folder))


def test_the_columns_are_those_that_are_worked_out_by_hand(folder: Path) -> None:
    made = pd.read_parquet(_made_by_polars(folder)).set_index("customer_id").sort_index()
    assert list(made.index) == ["a", "c"]
    assert made.shape[1] == 14 + 2 * len(WINDOWS) == 28
    a, c = made.loc["a"], made.loc["c"]
    assert (a["n_orders"], a["n_order_days"], c["n_orders"], c["n_order_days"]) == (3, 3, 1, 1)
    assert (a["spend_amount"], a["returned_amount"], a["discount_amount"]) == (20.3, 0.3, 0.01)
    assert (a["days_since_last_order"], a["tenure_days"]) == (6, 177)
    assert a["items_per_order"] == (4_000_000_001 + 1 + 1) / 3
    assert (a["lines_per_order"], a["products_per_order"]) == (5 / 3, 1.0)
    assert (a["sunday_orders_share"], c["sunday_orders_share"]) == (1 / 3, 1)
    assert (a["saturday_orders_share"], c["saturday_orders_share"]) == (1 / 3, 0)
    assert a["discounted_orders_share"] == 1 / 3
    assert (a["n_orders_7d"], a["n_orders_14d"], a["n_orders_180d"]) == (1, 2, 3)
    assert (a["spend_amount_7d"], a["spend_amount_14d"], a["spend_amount_180d"]) == (10, 20.3, 20.3)
    assert c[["spend_amount", "discount_amount", "items_per_order"]].isna().all()
    assert (c["spend_amount_7d"], c["days_since_last_order"], c["tenure_days"]) == (0, 0, 1)


# --- what is not the same ------------------------------------------------------------------------

TABLE = pd.DataFrame(
    {
        "customer_id": ["a", "b"],
        "n_orders": [1, 2],
        "spend_amount": [0.1, None],
        "spend_per_order": [0.1, None],
    }
)


def _compare(folder: Path, other: pd.DataFrame) -> None:
    TABLE.to_parquet(folder / "one.parquet")
    other.to_parquet(folder / "other.parquet")
    require_same_columns(folder / "one.parquet", folder / "other.parquet")


def test_the_order_of_customers_and_a_last_digit_of_a_mean_do_not_matter(tmp_path: Path) -> None:
    _compare(tmp_path, TABLE.iloc[::-1])
    _compare(tmp_path, TABLE.assign(spend_per_order=[0.1 * (1 + 1e-13), None]))


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        (TABLE.assign(n_orders=[1, 3]), "{'n_orders': 1}"),
        (TABLE.assign(spend_amount=[0.1 * (1 + 1e-15), None]), "{'spend_amount': 1}"),
        (TABLE.assign(spend_amount=[0.1, 0.0]), "{'spend_amount': 1}"),
        (TABLE.assign(spend_per_order=[0.1 * (1 + 1e-11), None]), "{'spend_per_order': 1}"),
        (TABLE.assign(customer_id=["a", "c"]), "the customers are others"),
        (TABLE.iloc[:1], "the customers are others"),
        (TABLE.drop(columns="n_orders"), "the columns are others"),
    ],
)
def test_any_other_difference_is_told(tmp_path: Path, other: pd.DataFrame, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        _compare(tmp_path, other)


def test_two_empty_tables_are_not_the_same(tmp_path: Path) -> None:
    TABLE.iloc[:0].to_parquet(tmp_path / "empty.parquet")
    with pytest.raises(AssertionError, match="no customer to compare"):
        require_same_columns(tmp_path / "empty.parquet", tmp_path / "empty.parquet")
