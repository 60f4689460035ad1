"""The candidates: a random forest on all features, and the trivial rules that it has to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pyspark.ml import Pipeline
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import GeneralizedLinearRegression, RandomForestRegressor
from pyspark.sql import DataFrame

from crm_spark.features.families import FEATURES
from crm_spark.features.families.family import Feature
from crm_spark.models.churn.labels import LABEL
from crm_spark.models.churn.model import RAW_SCORE, ChurnModel, Input, assembled
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.feature_health import value_ranges
from crm_spark.models.rows import fixed_rows

FOREST = "forest"
# Each rule is a logistic regression on the logarithms of these features.
RULES: dict[str, tuple[str, ...]] = {
    "recency": ("days_since_last_order",),
    "recency_frequency_tenure": ("days_since_last_order", "n_orders", "tenure_days"),
}


def usable_features(
    frame: DataFrame, features: Sequence[Feature] = FEATURES
) -> tuple[Feature, ...]:
    """Give the features with at least two different values on the training rows."""
    ranges = value_ranges(frame, features)
    return tuple(feature for feature in features if ranges[feature.name].tells_customers_apart)


@dataclass(frozen=True)
class ChurnCandidate:
    """One way to say who leaves: how it is fitted on labelled snapshot rows, and its settings.

    `fit` gets the rows, the features that may be used, and the section.
    """

    name: str
    is_rule: bool
    fit: Callable[[DataFrame, Sequence[Feature], ChurnSection], ChurnModel]
    settings: Callable[[ChurnSection], Mapping[str, object]] = lambda _: {}


def fit_forest(frame: DataFrame, features: Sequence[Feature], params: ChurnSection) -> ChurnModel:
    """Grow a forest on labelled snapshot rows.

    A regression on the 0/1 label, since MLlib 4.2's classifier merges sibling leaves of one
    predicted class and so coarsens probabilities (SPARK-34591); the splits are the same, variance
    being half of the Gini impurity. Rows are not reweighted: rare churn stays rare.
    """
    inputs = tuple(Input(feature.name, feature.fill) for feature in features)
    forest = RandomForestRegressor(
        featuresCol="features",
        labelCol=LABEL,
        predictionCol=RAW_SCORE,
        numTrees=params.forest.n_trees,
        maxDepth=params.forest.max_depth,
        minInstancesPerNode=params.forest.min_instances_per_node,
        maxBins=params.forest.max_bins,
        featureSubsetStrategy="sqrt",
        subsamplingRate=1.0,
        maxMemoryInMB=1024,
        # The same trees: each row remembers its node, and is not taken through the trees again
        # from their roots at every level.
        cacheNodeIds=True,
        seed=params.seed,
    )
    return _fit(FOREST, forest, frame, inputs, params)


def fit_rule(name: str, frame: DataFrame, params: ChurnSection) -> ChurnModel:
    """Fit one trivial rule on the same labelled rows."""
    inputs = tuple(Input(feature, fill=0.0, is_logged=True) for feature in RULES[name])
    regression = GeneralizedLinearRegression(
        featuresCol="features",
        labelCol=LABEL,
        predictionCol=RAW_SCORE,
        family="binomial",
        link="logit",
        regParam=1e-6,
    )
    return _fit(name, regression, frame, inputs, params)


def _fit_only_rule(
    frame: DataFrame, _: Sequence[Feature], params: ChurnSection, *, name: str
) -> ChurnModel:
    return fit_rule(name, frame, params)


# The trivial rules first. A further family of models is a further line.
CANDIDATES: tuple[ChurnCandidate, ...] = (
    *[ChurnCandidate(name, True, partial(_fit_only_rule, name=name)) for name in RULES],
    ChurnCandidate(FOREST, False, fit_forest, lambda params: params.forest.model_dump()),
)


def _fit(
    kind: str, predictor: object, frame: DataFrame, inputs: tuple[Input, ...], params: ChurnSection
) -> ChurnModel:
    assembler = VectorAssembler(
        inputCols=[feature.name for feature in inputs], outputCol="features"
    )
    read = assembled(frame, inputs, keep=["customer_id", "as_of_date", LABEL])
    rows = fixed_rows(
        read,
        key=("customer_id", "as_of_date"),
        rows_per_partition=params.forest.rows_per_partition,
    )
    pipeline = Pipeline(stages=[assembler, predictor]).fit(rows)  # type: ignore[list-item]
    return ChurnModel(kind, inputs, pipeline, params.horizon_days, params.active_days)
