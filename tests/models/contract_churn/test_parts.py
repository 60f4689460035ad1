"""Who is held out and who is in which fold: as many of each label, the same on every run."""

from __future__ import annotations

from collections import Counter

import pytest
from pyspark.sql import DataFrame, SparkSession

from crm_spark.models.contract_churn.parts import HELD_OUT, PART, with_parts

N_LEFT, N_STAYED = 53, 147


@pytest.fixture(scope="module")
def customers(spark: SparkSession) -> DataFrame:
    """Give 53 who left and 147 who stayed."""
    rows = [(f"c{place}", float(place < N_LEFT)) for place in range(N_LEFT + N_STAYED)]
    return spark.createDataFrame(rows, "customer_id string, label double")


def parts(df: DataFrame, *, seed: int = 1) -> dict[str, tuple[float, int]]:
    found = with_parts(df, label="label", test_share=0.25, n_folds=5, seed=seed).collect()
    return {row["customer_id"]: (row["label"], row[PART]) for row in found}


def test_each_customer_has_one_part_and_each_label_is_spread_alike(customers: DataFrame) -> None:
    found = parts(customers)
    assert len(found) == N_LEFT + N_STAYED
    n = Counter(found.values())
    assert (n[1.0, HELD_OUT], n[0.0, HELD_OUT]) == (13, 37)
    assert sorted(n[1.0, fold] for fold in range(5)) == [8, 8, 8, 8, 8]
    assert sorted(n[0.0, fold] for fold in range(5)) == [22] * 5


def test_parts_do_not_depend_on_the_partitioning_or_order_and_do_on_the_seed(
    customers: DataFrame,
) -> None:
    found = parts(customers)
    assert parts(customers.repartition(7).orderBy("customer_id")) == found
    assert parts(customers, seed=2) != found


def test_one_customer_and_none_are_parted(customers: DataFrame) -> None:
    assert parts(customers.where("customer_id = 'c1'")) == {"c1": (1.0, 0)}
    assert parts(customers.where("false")) == {}
