"""What ours takes to fit ALS and to rank products for all customers.

python -m benchmarks.recommender_ours FOLDER ENGINE TARGET
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.pairs import Pairs, numbers
from benchmarks.recommender import ALPHA, AT, ITERATIONS, RANK, REGULARIZATION
from crm_spark.models.recommender.als import fit_product_factors
from crm_spark.models.recommender.catalogue import product_catalogue
from crm_spark.models.recommender.ladder import Ladder
from crm_spark.models.recommender.offers import customer_histories, rank_products
from crm_spark.models.recommender.section import RecommendationsSection
from crm_spark.runtime.session import open_session

# The rung that is measured, and the rule beside it.
LISTS = {"als": Ladder(("als",), "new_only"), "popular": Ladder(("popular",), "new_only")}


def main(folder: str, engine: str, target: str) -> None:
    """Print the seconds of fit, histories and lists, and nDCG; the start of Spark is left out."""
    params = RecommendationsSection.model_validate(
        {
            "weight": "n_orders",
            "als": {
                "engine": engine,
                "rank": RANK,
                "iterations": ITERATIONS,
                "alpha": ALPHA,
                "regularization": REGULARIZATION,
                "min_customers": 1,
            },
        }
    )
    pairs = Pairs(Path(folder))
    with open_session("recommender") as spark:
        bought = spark.read.parquet(str(pairs.folder / "bought.parquet"))
        catalogue = product_catalogue(bought, params)
        start = time.perf_counter()
        factors = fit_product_factors(bought, catalogue, params)
        seconds = {"seconds": time.perf_counter() - start}
        catalogue = catalogue.with_factors(factors.frame)
        start = time.perf_counter()
        customers = bought.select("customer_id").distinct()
        histories = customer_histories(customers, bought, catalogue, weight="n_orders").persist()
        n_customers = histories.count()
        seconds["histories"] = time.perf_counter() - start
        ndcg = {}
        for name, ladder in LISTS.items():
            start = time.perf_counter()
            ranked = rank_products(histories, catalogue, {name: ladder}, params.als, n=AT)
            ranked.write.mode("overwrite").parquet(f"{target}/{name}")
            seconds[f"top_{name}"] = time.perf_counter() - start
            lists = pq.read_table(f"{target}/{name}")
            customer, product = numbers(lists["customer_id"]), numbers(lists["product_id"])
            ndcg[name] = pairs.ndcg(customer, lists["rank"].to_numpy(), product)
    found = {**seconds, "ndcg": ndcg, "engine": factors.engine, "reason": factors.reason}
    sys.stdout.write(
        json.dumps({**found, "n_customers": n_customers, "n_products": catalogue.size}) + "\n"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
