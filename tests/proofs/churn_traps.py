"""What makes churn look better than it is, on the demo: measured beside the honest test.

scripts/prove churn_traps, after scripts/demo; some four minutes. Needs scikit-learn, of the extra
benchmark: its forests can be grown out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd
from pyspark.sql import functions as F
from pyspark.sql import types as T
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score

from crm_spark.config import load_local_config
from crm_spark.features.build import snapshots
from crm_spark.models.churn.inputs import labelled
from crm_spark.models.churn.labels import LABEL
from crm_spark.models.churn.section import closed_after
from crm_spark.models.registry import find_model
from crm_spark.pipeline.lifecycle import Run
from crm_spark.pipeline.models import model_run
from crm_spark.pipeline.settings import feature_settings
from crm_spark.runtime.run import RunSummary
from crm_spark.runtime.session import open_session
from crm_spark.tables.core import CUSTOMERS

KNOWN_TO, TEST = date(2018, 1, 1), date(2017, 12, 1)
# Cut-offs so close that a customer is nearly the same on several of them.
EVERY, OLDEST = timedelta(days=7), date(2017, 5, 1)
AGE = "age_is_known"


def labelled_cutoffs(root: str) -> tuple[pd.DataFrame, Sequence[str], timedelta]:
    """Give the active customers of all cut-offs with features and labels, and the features."""
    config = load_local_config("conf/demo.yml", overrides=[f"storage.root={root}"])
    dates = [TEST - place * EVERY for place in range((TEST - OLDEST) // EVERY + 1)]
    with open_session("churn_traps", time_zone=config.time_zone) as spark:
        job = Run(spark, config, RunSummary("churn_traps", as_of=KNOWN_TO))
        run = model_run(job, find_model("churn"))
        section = run.section.model_copy(update={"subgroups": ()})
        names = [feature.name for feature in run.features]
        # The label of the newest closes three days before what is known ends.
        rows = labelled(job.lake, snapshots(job, feature_settings(config), dates), dates, section)
        known = job.lake.read(CUSTOMERS).where("age_group IS NOT NULL")
        known = known.select("customer_id", F.lit(1.0).alias(AGE)).distinct()
        columns = [F.col(name).cast(T.DoubleType()).alias(name) for name in names]
        found = rows.join(known, "customer_id", "left").select(
            "customer_id", "as_of_date", LABEL, F.coalesce(AGE, F.lit(0.0)).alias(AGE), *columns
        )
        return found.toPandas(), names, closed_after(section)


def auc_of(
    learnt: pd.DataFrame, tested: pd.DataFrame, names: Sequence[str], *, is_grown_out: bool = False
) -> float:
    """Give the AUC of a forest learnt on some rows and tested on others."""
    depth, leaf = (None, 1) if is_grown_out else (8, 20)
    forest = RandomForestClassifier(
        200, max_depth=depth, min_samples_leaf=leaf, random_state=1, n_jobs=-1
    )
    forest.fit(learnt[list(names)].fillna(-1), learnt[LABEL])
    probability = forest.predict_proba(tested[list(names)].fillna(-1))[:, 1]
    return float(roc_auc_score(tested[LABEL], probability))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the AUC of each way to test; 1 where a trap does not look better than the test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="demo/lake", help="the lake that scripts/demo leaves")
    rows, names, closes = labelled_cutoffs(parser.parse_args(arguments).root)
    day = pd.to_datetime(rows["as_of_date"]).dt.date
    test = rows[day == TEST]
    closed, before = rows[day <= TEST - closes], rows[day < TEST]
    honest = auc_of(closed, test, names)
    is_test = np.random.default_rng(1).random(len(rows)) < 0.25
    figures = {
        "tested on a later cut-off, learnt from labels known by then": honest,
        "learnt from labels that were not known yet, too": auc_of(before, test, names),
        "rows of overlapping cut-offs split at random": auc_of(
            rows[~is_test], rows[is_test], names
        ),
        "the same, trees grown out": auc_of(
            rows[~is_test], rows[is_test], names, is_grown_out=True
        ),
        "trees grown out, tested as the first": auc_of(closed, test, names, is_grown_out=True),
        "whether an age is known beside the features": auc_of(closed, test, [*names, AGE]),
    }
    print(f"{rows['as_of_date'].nunique()} cut-offs from {OLDEST} to {TEST}, {len(rows):,} rows")
    for name, auc in figures.items():
        print(f"{name:<64}{auc:.4f}")
    for known, title in ((1.0, "known"), (0.0, "not known")):
        of = test[test[AGE] == known]
        print(f"age {title:<10}{len(of):>6,} active customers, {of[LABEL].mean():.1%} leave")
    return int(min(list(figures.values())[1:4]) <= honest)


if __name__ == "__main__":
    sys.exit(main())
