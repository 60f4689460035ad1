"""What can be set of the learners, as keys of the section of a model that uses them."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

FOREST: Final = "forest"
LOGISTIC_REGRESSION: Final = "logistic_regression"
DECISION_TREE: Final = "decision_tree"
LINEAR_SVM: Final = "linear_svm"
PERCEPTRON: Final = "perceptron"
BOOSTED_TREES: Final = "boosted_trees"
XGBOOST: Final = "xgboost"
AVERAGE: Final = "average"

LearnerName = Literal[
    "forest",
    "logistic_regression",
    "decision_tree",
    "linear_svm",
    "perceptron",
    "boosted_trees",
    "xgboost",
    "average",
]
# Trees depend on how their rows are spread: a number of partitions that follows from the rows alone
# makes them the same everywhere.
ROWS_PER_PARTITION = 50_000


class _Params(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ForestParams(_Params):
    """Random forest settings, as Spark MLlib names them."""

    n_trees: int = Field(default=200, ge=1, le=2000)
    max_depth: int = Field(default=8, ge=1, le=15)
    min_instances_per_node: int = Field(default=20, ge=1)
    max_bins: int = Field(default=32, ge=8)
    # Each partition sends the statistics of every node of all trees: with a fifth of the rows in
    # each, nearly four times as much is shuffled.
    rows_per_partition: int = Field(default=ROWS_PER_PARTITION, ge=100)


class DecisionTreeParams(_Params):
    """Settings of a single tree, as Spark MLlib names them."""

    max_depth: int = Field(default=5, ge=1, le=15)
    min_instances_per_node: int = Field(default=50, ge=1)
    max_bins: int = Field(default=32, ge=8)


class LinearSvmParams(_Params):
    """Settings of a linear support vector machine."""

    # On the squares of the weights of standardised features, beside the sum of squared hinges.
    penalty: float = Field(default=100.0, ge=0)


class PerceptronParams(_Params):
    """Settings of a perceptron with one hidden layer."""

    n_hidden: int = Field(default=4, ge=1, le=64)
    # Few, as nothing else holds it back: after more it learns its rows by heart.
    n_iterations: int = Field(default=15, ge=1, le=1000)


class BoostedTreesParams(_Params):
    """Settings of gradient-boosted trees, as Spark MLlib means them."""

    n_trees: int = Field(default=50, ge=1, le=500)
    max_depth: int = Field(default=3, ge=1, le=10)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    min_instances_per_node: int = Field(default=20, ge=1)
    max_bins: int = Field(default=32, ge=8)


class XgboostParams(_Params):
    """Settings of XGBoost's trees."""

    n_trees: int = Field(default=100, ge=1, le=1000)
    max_depth: int = Field(default=3, ge=1, le=8)
    learning_rate: float = Field(default=0.05, gt=0, le=1)
    # The least sum of p (1 - p) of a leaf's rows.
    min_child_weight: float = Field(default=20.0, ge=0)
    # So many tasks at once learn from all rows; 0: the driver does, from a sample of customers.
    n_workers: int = Field(default=0, ge=0, le=1000)


class LearnerSettings(BaseModel):
    """What learners depend on; the section of a model that uses them extends it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 1
    threshold: float | None = Field(default=None, gt=0, lt=1)
    # What is tried beside the rules; average is the mean of the forest and the regression.
    candidates: tuple[LearnerName, ...] = (FOREST, LOGISTIC_REGRESSION, AVERAGE)
    # How many settings of each candidate are tried, those configured among them.
    search: int = Field(default=0, ge=0, le=20)
    forest: ForestParams = Field(default_factory=ForestParams)
    # On the squares of the weights of standardised features, beside the sum of log losses.
    logistic_penalty: float = Field(default=100.0, ge=0)
    decision_tree: DecisionTreeParams = Field(default_factory=DecisionTreeParams)
    linear_svm: LinearSvmParams = Field(default_factory=LinearSvmParams)
    perceptron: PerceptronParams = Field(default_factory=PerceptronParams)
    boosted_trees: BoostedTreesParams = Field(default_factory=BoostedTreesParams)
    xgboost: XgboostParams = Field(default_factory=XgboostParams)

    @field_validator("candidates")
    @classmethod
    def _can_be_tried(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        lacking = [name for name in (FOREST, LOGISTIC_REGRESSION) if name not in value]
        if AVERAGE in value and lacking:
            raise ValueError(f"average is the mean of others: name {' and '.join(lacking)}, too")
        return tuple(sorted(set(value)))
