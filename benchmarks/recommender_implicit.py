"""What `implicit` takes to fit ALS and to recommend to all customers, on one machine.

python -m benchmarks.recommender_implicit FOLDER
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from implicit.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from benchmarks.pairs import Pairs
from benchmarks.recommender import ALPHA, AT, ITERATIONS, RANK, REGULARIZATION


def main(folder: str) -> None:
    """Print the seconds of the fit and of the lists, and nDCG; reading is left out.

    The objective is ours but for lambda, which is one for all rows here: that of a customer with
    the mean number of ratings.
    """
    pairs = Pairs(Path(folder))
    bought = pairs.bought()
    customers, products = bought["customer"].to_numpy(), bought["product"].to_numpy()
    confidence = 1 + ALPHA * np.log1p(bought["n_orders"].to_numpy())
    matrix = csr_matrix((confidence.astype(np.float32), (customers, products)))
    # Its own advice: its threads are one a core already.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=RANK,
            iterations=ITERATIONS,
            regularization=REGULARIZATION * matrix.nnz / matrix.shape[0],
            alpha=1.0,
            use_gpu=False,
            random_state=1,
        )
        start = time.perf_counter()
        model.fit(matrix, show_progress=False)
        seconds = time.perf_counter() - start
        start = time.perf_counter()
        everybody = np.unique(customers)
        offered, _ = model.recommend(
            everybody, matrix[everybody], N=AT, filter_already_liked_items=True
        )
        top_seconds = time.perf_counter() - start
    ndcg = pairs.ndcg(
        np.repeat(everybody, AT),
        np.tile(np.arange(1, AT + 1), len(everybody)),
        offered.ravel().astype(np.int64),
    )
    found = {"seconds": seconds, "top": top_seconds, "ndcg": ndcg}
    sys.stdout.write(json.dumps({**found, "n_pairs": int(matrix.nnz)}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
