"""The candidates: the trivial rules, and what has to beat the best of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pyspark.ml import Pipeline
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import RandomForestRegressor
from pyspark.sql import DataFrame

from crm_spark.features.families import FEATURES
from crm_spark.features.families.family import Feature
from crm_spark.models.churn.labels import LABEL
from crm_spark.models.churn.linear import fit_linear
from crm_spark.models.churn.model import RAW_SCORE, ChurnModel, Input, assembled
from crm_spark.models.churn.section import AVERAGE, FOREST, LOGISTIC_REGRESSION, ChurnSection
from crm_spark.models.feature_health import value_ranges
from crm_spark.models.rows import fixed_rows

# Each rule is a logistic regression on these features.
RULES: dict[str, tuple[str, ...]] = {
    "recency": ("days_since_last_order",),
    "order_days": ("n_order_days_84d",),
    "recency_frequency_tenure": ("days_since_last_order", "n_orders", "tenure_days"),
    "decayed_orders": (
        "n_orders_half_life_7d",
        "n_orders_half_life_21d",
        "n_orders_half_life_60d",
    ),
}
# A rule is not to be held back; the penalty keeps what parts the outcomes from running away.
_PENALTY_OF_RULE = 1e-3


def usable_features(
    frame: DataFrame, features: Sequence[Feature] = FEATURES
) -> tuple[Feature, ...]:
    """Give the features with at least two different values on the training rows."""
    ranges = value_ranges(frame, features)
    return tuple(feature for feature in features if ranges[feature.name].tells_customers_apart)


@dataclass(frozen=True)
class ChurnCandidate:
    """One way to say who leaves: how it is fitted on labelled snapshot rows, and its settings.

    `fit` gets the rows, the features that may be used, and the section. One without is the mean of
    other candidates, its `parts`, and fits nothing but its calibration.
    """

    name: str
    is_rule: bool
    fit: Callable[[DataFrame, Sequence[Feature], ChurnSection], ChurnModel] | None
    settings: Callable[[ChurnSection], Mapping[str, object]] = lambda _: {}
    parts: tuple[str, ...] = ()


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
    assembler = VectorAssembler(
        inputCols=[feature.name for feature in inputs], outputCol="features"
    )
    read = assembled(frame, inputs, keep=["customer_id", "as_of_date", LABEL])
    rows = fixed_rows(
        read,
        key=("customer_id", "as_of_date"),
        rows_per_partition=params.forest.rows_per_partition,
    )
    pipeline = Pipeline(stages=[assembler, forest]).fit(rows)
    return ChurnModel(
        FOREST, params.horizon_days, params.active_days, inputs=inputs, forest=pipeline
    )


def fit_logistic_regression(
    frame: DataFrame, features: Sequence[Feature], params: ChurnSection
) -> ChurnModel:
    """Fit a logistic regression on all features, held back by a ridge penalty."""
    names = [feature.name for feature in features]
    linear = fit_linear(frame, names, label=LABEL, penalty=params.logistic_penalty)
    return ChurnModel(LOGISTIC_REGRESSION, params.horizon_days, params.active_days, linear=linear)


def fit_rule(name: str, frame: DataFrame, params: ChurnSection) -> ChurnModel:
    """Fit one trivial rule on the same labelled rows."""
    linear = fit_linear(frame, RULES[name], label=LABEL, penalty=_PENALTY_OF_RULE)
    return ChurnModel(name, params.horizon_days, params.active_days, linear=linear)


def mean_of(parts: Sequence[ChurnModel], params: ChurnSection) -> ChurnModel:
    """Give the model whose raw score is the mean of a forest's and a logistic regression's."""
    return ChurnModel(
        AVERAGE,
        params.horizon_days,
        params.active_days,
        inputs=next(part.inputs for part in parts if part.forest is not None),
        forest=next(part.forest for part in parts if part.forest is not None),
        linear=next(part.linear for part in parts if part.linear is not None),
    )


def _fit_rule(
    frame: DataFrame, _: Sequence[Feature], params: ChurnSection, *, name: str
) -> ChurnModel:
    return fit_rule(name, frame, params)


# The trivial rules first, and what is made of others last.
CANDIDATES: tuple[ChurnCandidate, ...] = (
    *[ChurnCandidate(name, True, partial(_fit_rule, name=name)) for name in RULES],
    ChurnCandidate(FOREST, False, fit_forest, lambda params: params.forest.model_dump()),
    ChurnCandidate(
        LOGISTIC_REGRESSION,
        False,
        fit_logistic_regression,
        lambda params: {"logistic_penalty": params.logistic_penalty},
    ),
    ChurnCandidate(
        AVERAGE,
        False,
        None,
        lambda params: {**params.forest.model_dump(), "logistic_penalty": params.logistic_penalty},
        parts=(FOREST, LOGISTIC_REGRESSION),
    ),
)


def candidate_named(name: str) -> ChurnCandidate:
    """Give a candidate by its name."""
    return next(candidate for candidate in CANDIDATES if candidate.name == name)


def candidates_of(params: ChurnSection) -> tuple[ChurnCandidate, ...]:
    """Give the rules, and the candidates that the section names."""
    return tuple(one for one in CANDIDATES if one.is_rule or one.name in params.candidates)
