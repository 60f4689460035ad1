"""Our forest as train_churn grows it, on a file of made customers; scores others.

python -m benchmarks.churn_forest LEARNT OTHERS SCORES N_TREES MAX_DEPTH [after_rules]
"""

from __future__ import annotations

import json
import sys
import time

from benchmarks.made_customers import LEARNT, NAMES
from crm_spark.models.churn.candidates import RULES, candidate_named
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.classifiers.classifier import PROBABILITY, score
from crm_spark.models.classifiers.forest import fit_forest
from crm_spark.models.classifiers.settings import ForestParams
from crm_spark.runtime.session import open_session

# Those whose features made customers have.
RULES_BEFORE = tuple(name for name, features in RULES.items() if set(features) <= set(NAMES))


def main(learnt: str, others: str, scores: str, n_trees: str, max_depth: str, *before: str) -> None:
    """Print the seconds from the file to the model; the start of Spark and scoring are left out.

    With `after_rules` trivial rules are fitted first, as train_churn does: Java has compiled by
    then what reads rows.
    """
    params = ChurnSection(forest=ForestParams(n_trees=int(n_trees), max_depth=int(max_depth)))
    with open_session("forest") as spark:
        for name in RULES_BEFORE if before else ():
            fit = candidate_named(name).fit
            assert fit is not None
            fit(spark.read.parquet(learnt), LEARNT, params)
        start = time.perf_counter()
        model = fit_forest(spark.read.parquet(learnt), LEARNT, params)
        seconds = time.perf_counter() - start
        scored = score(model, spark.read.parquet(others), keep=["customer_id"])
        frame = scored.toPandas().sort_values("customer_id")  # as many rows as OTHERS has
        frame.rename(columns={PROBABILITY: "score"}).to_parquet(scores, index=False)
    sys.stdout.write(json.dumps({"seconds": seconds}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
