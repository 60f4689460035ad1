"""The recommender: ALS in Arrow workers and by MLlib beside `implicit`, and lists for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Row, run_python
from benchmarks.pairs import pairs

RANK, ITERATIONS, ALPHA, REGULARIZATION, AT = 64, 15, 1.0, 0.1, 10
# MLlib takes minutes from there on.
MOST_PAIRS_OF_MLLIB = 5_000_000
# The share of implicit's nDCG that ours may lack: each ends in a minimum of its own.
NOISE = 0.05


def measured(place: Path, *, n_pairs: int, repeats: int) -> Iterator[Row]:
    """Give a row for the fit of each engine, and one for the lists of all customers.

    Raises ValueError where ours finds less of what is held out than implicit or than popularity.
    """
    data, target = pairs(place, n_pairs), place / "lists"
    engines = ["arrow", *(["mllib"] if n_pairs <= MOST_PAIRS_OF_MLLIB else [])]
    peers, runs = [], {engine: [] for engine in engines}
    for _ in range(repeats):
        peers.append(run_python(["-m", "benchmarks.recommender_implicit", str(data.folder)]))
        for engine in engines:
            ours = ["-m", "benchmarks.recommender_ours", str(data.folder), engine, str(target)]
            runs[engine].append(run_python(ours))
    theirs = peers[0].found["ndcg"]
    for engine in engines:
        first = runs[engine][0].found
        ndcg, popular = first["ndcg"]["als"], first["ndcg"]["popular"]
        if first["engine"] != engine or ndcg < max(popular, (1 - NOISE) * theirs):
            raise ValueError(f"{engine} gives {first}, implicit an nDCG of {theirs:.4f}")
        n = peers[0].found["n_pairs"]
        yield Row.of_runs(
            "recommender",
            f"fit by {engine}, {n:,} pairs (nDCG {ndcg:.4f}, popular {popular:.4f})",
            runs[engine],
            f"implicit (nDCG {theirs:.4f})",
            peers,
            goal=3.0 if engine == "arrow" else None,
            n_rows=n,
        )
    found = runs["arrow"][0].found
    yield Row(
        "recommender",
        f"{AT} of {found['n_products']:,} products for {found['n_customers']:,} customers",
        [run.found["top_als"] for run in runs["arrow"]],
        "implicit",
        [run.found["top"] for run in peers],
        2.0,
        found["n_customers"],
        max(run.peak_bytes for run in runs["arrow"]),
        max(run.peak_bytes for run in peers),
    )
