"""Forest: ours as train_churn grows it beside scikit-learn's, at equal AUC on other customers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmarks.made_customers import CHANCE, N_FEATURES, made_customers
from benchmarks.measure import Row, Run, run_python
from crm_spark.models.binary_metrics import from_arrays, roc_auc
from crm_spark.models.churn.labels import LABEL

GOAL = 1.5
N_LEARNT, N_OTHERS, N_TREES, MAX_DEPTH = 100_000, 50_000, 100, 8
# What chance does: three of scikit-learn's forests that differ in the seed alone have .7989, .8000
# and .8018 on the same customers.
NOISE = 0.005
CASES = {"after the rules, as in train_churn": ["after_rules"], "first of its process": []}


def measured(place: Path, *, repeats: int) -> Iterator[Row]:
    """Give the row of a forest within a training, and of one that its process begins with.

    Raises AssertionError where one forest ranks other customers better than chance explains.
    """
    learnt = made_customers(place, N_LEARNT, seed=1)
    others = made_customers(place, N_OTHERS, seed=2)
    runs: dict[str, list[Run]] = {case: [] for case in CASES}
    peers = []
    files = {name: place / f"{name}.parquet" for name in ("ours", "scikit-learn")}
    settings = [str(N_TREES), str(MAX_DEPTH)]
    for _ in range(repeats):
        given = [str(learnt), str(others), str(files["scikit-learn"]), *settings]
        peers.append(run_python(["-m", "benchmarks.sklearn_forest", *given]))
        given[2] = str(files["ours"])
        for case, before in CASES.items():
            runs[case].append(run_python(["-m", "benchmarks.churn_forest", *given, *before]))
    ranked = auc_of_each(others, files)
    require_equal(ranked)
    shown = ", ".join(f"{name} {auc:.4f}" for name, auc in ranked.items())
    for case, of_case in runs.items():
        yield Row.of_runs(
            "forest",
            f"{N_LEARNT:,} x {N_FEATURES}, {N_TREES} trees, depth {MAX_DEPTH}, {case}; AUC {shown}",
            of_case,
            "scikit-learn",
            peers,
            goal=GOAL,
            n_rows=N_LEARNT,
        )


def auc_of_each(others: Path, files: dict[str, Path]) -> dict[str, float]:
    """Give the AUC of the scores in each file, and of the chances that the labels were drawn by."""
    true = pd.read_parquet(others, columns=["customer_id", CHANCE, LABEL])
    found = {}
    for name, file in files.items():
        scored = true.merge(pd.read_parquet(file), on="customer_id", validate="1:1")
        assert len(scored) == len(true), f"{name} scored {len(scored)} of {len(true)} customers"
        found[name] = _auc(scored, "score")
    return {**found, "at best": _auc(true, CHANCE)}


def require_equal(ranked: dict[str, float]) -> None:
    """Raise AssertionError where the AUC of ours and of scikit-learn's differ beyond NOISE."""
    ours, peer = ranked["ours"], ranked["scikit-learn"]
    assert abs(ours - peer) <= NOISE, (
        f"the AUC of ours is {ours:.4f}, of scikit-learn's {peer:.4f}: {abs(ours - peer):.4f} "
        f"apart, and chance explains {NOISE}"
    )


def _auc(scored: pd.DataFrame, column: str) -> float:
    counted = scored.groupby(column)[LABEL].agg(["size", "sum"]).reset_index()
    counts = [counted[name].to_numpy(float) for name in (column, "size", "sum")]
    auc = roc_auc(from_arrays(*counts))
    assert auc is not None, "there is one class only"
    return auc
