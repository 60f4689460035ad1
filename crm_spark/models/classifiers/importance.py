"""What a classifier loses when one of its features tells nothing any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.models.binary_metrics import ScoreCounts, roc_auc
from crm_spark.models.classifiers.classifier import LABEL, PROBABILITY, Classifier, score

_SHUFFLED = "_shuffled_"
# Which input a copy of a row has shuffled; no feature can be called so.
_COPY_OF = "_copy_of"


@dataclass(frozen=True)
class Importance:
    """What the test AUC loses when one feature's values are shuffled among customers."""

    feature: str
    auc_loss: float


def permutation_importance(
    classifier: Classifier, test: DataFrame, *, n_rows: int, seed: int
) -> list[Importance]:
    """Give each input's importance on the rows of the test, the largest first. Breiman (2001).

    `test` has customer_id, label and the features. All shuffled copies are scored in one Spark job,
    on at most `n_rows` customers drawn by hash. Losses below the noise of shuffling can be
    negative. The driver holds these customers twice, as they are and with each input shuffled; the
    copies, a whole one for each input, are made where they are scored.
    """
    columns = list(classifier.features)
    order = F.xxhash64("customer_id", F.lit(seed))
    sample = (
        test.select("customer_id", LABEL, *[F.col(name).cast(T.DoubleType()) for name in columns])
        .orderBy(order, "customer_id")
        .limit(n_rows)
        .toPandas()  # at most n_rows
    )
    random = np.random.default_rng(seed)
    shuffled = {
        f"{_SHUFFLED}{name}": sample[name].to_numpy()[random.permutation(len(sample))]
        for name in columns
    }
    both = pa.Table.from_pandas(
        pd.concat([sample.drop(columns="customer_id"), pd.DataFrame(shuffled)], axis=1),
        schema=pa.schema([(name, pa.float64()) for name in (LABEL, *columns, *shuffled)]),
        preserve_index=False,
    )
    copies = _shuffled_copies(test.sparkSession.createDataFrame(both), columns)
    scored = score(classifier, copies, keep=[_COPY_OF, LABEL])
    counted = (
        scored.groupBy(_COPY_OF, F.round(PROBABILITY, 6).alias("p"))
        .agg(F.count(F.lit(1)).alias("n"), F.sum(LABEL).alias("n_positive"))
        .toPandas()  # at most n_rows for each input
    )
    auc = {name: _auc(group) for name, group in counted.groupby(_COPY_OF)}
    losses = [Importance(name, (auc[""] or 0.0) - (auc[name] or 0.0)) for name in columns]
    return sorted(losses, key=lambda loss: (-loss.auc_loss, loss.feature))


def _shuffled_copies(rows: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Give the rows as they are, _copy_of being empty, and once more for each input shuffled."""
    copies = rows.withColumn(_COPY_OF, F.explode(F.array(*map(F.lit, ("", *columns)))))
    taken = [
        F.when(F.col(_COPY_OF) == name, F.col(f"{_SHUFFLED}{name}"))
        .otherwise(F.col(name))
        .alias(name)
        for name in columns
    ]
    return copies.select(_COPY_OF, LABEL, *taken)


def _auc(group: pd.DataFrame) -> float | None:
    ordered = group.sort_values("p", ascending=False)
    return roc_auc(
        ScoreCounts(
            ordered["p"].to_numpy(float),
            ordered["n"].to_numpy(float),
            ordered["n_positive"].to_numpy(float),
        )
    )
