"""scikit-learn's forest of the same settings on a file of made customers; scores others.

python -m benchmarks.sklearn_forest LEARNT OTHERS SCORES N_TREES MAX_DEPTH
"""

from __future__ import annotations

import json
import sys
import time

import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from benchmarks.made_customers import NAMES
from crm_spark.models.churn.labels import LABEL
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.classifiers.settings import ForestParams


def main(learnt: str, others: str, scores: str, n_trees: str, max_depth: str) -> None:
    """Print the seconds from the file to the model; Python's start and scoring are left out."""
    forest = RandomForestClassifier(
        n_estimators=int(n_trees),
        max_depth=int(max_depth),
        min_samples_leaf=ForestParams().min_instances_per_node,
        max_features="sqrt",
        n_jobs=2,
        random_state=ChurnSection().seed,
    )
    start = time.perf_counter()
    table = pd.read_parquet(learnt)
    forest.fit(table[list(NAMES)], table[LABEL])
    seconds = time.perf_counter() - start
    scored = pd.read_parquet(others).sort_values("customer_id")
    found = forest.predict_proba(scored[list(NAMES)])[:, 1]
    pd.DataFrame({"customer_id": scored["customer_id"], "score": found}).to_parquet(scores)
    sys.stdout.write(json.dumps({"seconds": seconds}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
