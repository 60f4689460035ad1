"""Every learner on made-up customers: it finds what is planted, is stored whole, and explains."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from models.churn.made_customers import (
    CUTOFFS,
    HIGH,
    N_CUSTOMERS,
    PARAMS,
    PLANTED,
    VARYING,
    on_test,
    persisted,
    planted_snapshots,
)
from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from crm_spark.features.families import FEATURES
from crm_spark.models.churn.candidates import candidate_named
from crm_spark.models.churn.section import closed_after
from crm_spark.models.churn.train import learnt_rows, step_of
from crm_spark.models.classifiers.classifier import (
    RAW_SCORE,
    Classifier,
    has_pipeline,
    load_classifier,
    score,
)
from crm_spark.models.classifiers.contributions import Contributions
from crm_spark.models.classifiers.learners import LEARNERS, learner_named
from crm_spark.models.classifiers.settings import (
    AVERAGE,
    BOOSTED_TREES,
    LINEAR_SVM,
    XGBOOST,
    BoostedTreesParams,
    XgboostParams,
)
from crm_spark.models.classifiers.step import Fitted
from crm_spark.models.mllib_trees import read_trees

USED = [feature for feature in FEATURES if feature.name in VARYING]
SETTINGS = PARAMS.model_copy(
    update={
        "boosted_trees": BoostedTreesParams(n_trees=8),
        "xgboost": XgboostParams(n_trees=40, learning_rate=0.2),
    }
)
NAMES = [one.name for one in LEARNERS if one.name != XGBOOST or find_spec("xgboost")]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return planted_snapshots()


@pytest.fixture(scope="module")
def frame(spark: SparkSession, table: pd.DataFrame) -> Iterator[DataFrame]:
    with persisted(spark, table) as made:
        yield made


@pytest.fixture(scope="module")
def fitted(frame: DataFrame) -> Mapping[str, Fitted]:
    """Give all learners, and the rule that a signal has to be told from."""
    step = step_of(frame, CUTOFFS, SETTINGS, USED)
    return {name: step.fitted(candidate_named(name)) for name in ("recency", *NAMES)}


@pytest.fixture(scope="module")
def loaded(
    fitted: Mapping[str, Fitted], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Classifier]:
    """Give all as they come back from where they are stored, with the trees that explain."""
    return {name: stored(fitted[name].model, tmp_path_factory.mktemp(name)) for name in NAMES}


def stored(classifier: Classifier, folder: Path) -> Classifier:
    spec = json.loads(classifier.spec_json())
    assert has_pipeline(spec) == (classifier.pipeline is not None)
    if classifier.pipeline is None:
        return load_classifier(spec)
    classifier.pipeline.write().save(str(folder / "pipeline"))
    saved = folder / "pipeline"
    return load_classifier(spec, PipelineModel.load(str(saved)), read_trees(saved))


def raw_scores(classifier: Classifier, frame: DataFrame) -> pd.Series:
    rows = score(classifier, frame, keep=["customer_id", "as_of_date"]).toPandas()
    return rows.set_index(["as_of_date", "customer_id"])[RAW_SCORE].sort_index()


@pytest.mark.parametrize("name", NAMES)
def test_a_learner_finds_what_the_rule_does_not_know(
    fitted: Mapping[str, Fitted], name: str
) -> None:
    auc = {one: fitted[one].value("auc") or 0.0 for one in ("recency", name)}
    assert auc["recency"] < 0.6
    assert auc[name] > auc["recency"] + 0.1
    assert fitted[name].model.kind == name


@pytest.mark.parametrize("name", NAMES)
def test_scores_lie_between_0_and_1_and_probabilities_are_those_that_were_planted(
    fitted: Mapping[str, Fitted], frame: DataFrame, table: pd.DataFrame, name: str
) -> None:
    raw = raw_scores(fitted[name].model, frame)
    assert raw.notna().all() and ((raw > 0) & (raw < 1)).all()
    is_high = on_test(table).sort_values("customer_id")[PLANTED].to_numpy() > HIGH
    probability = fitted[name].outcomes.probability
    assert probability[is_high].mean() > probability[~is_high].mean() + 0.1
    share = fitted[name].outcomes.is_positive.mean()
    assert probability.mean() == pytest.approx(share, abs=0.09)


@pytest.mark.parametrize("name", NAMES)
def test_a_classifier_scores_the_same_after_it_was_stored(
    fitted: Mapping[str, Fitted], loaded: Mapping[str, Classifier], frame: DataFrame, name: str
) -> None:
    before, again = fitted[name].model, loaded[name]
    assert again.spec_json() == before.spec_json()
    assert (raw_scores(again, frame) == raw_scores(before, frame)).all()


@pytest.mark.parametrize("name", NAMES)
def test_contributions_add_up_to_the_score_that_spark_gives(
    loaded: Mapping[str, Classifier], frame: DataFrame, name: str
) -> None:
    classifier = loaded[name]
    unknown = [F.lit(None).cast("double").alias(one) for one in classifier.features]
    rows = frame.select("customer_id", *classifier.features).unionByName(
        frame.limit(3).select("customer_id", *unknown)
    )
    found = score(classifier, rows, keep=["customer_id", *classifier.features]).toPandas()
    explained = Contributions.of(classifier)
    added, raw = explained.of_rows(found[list(classifier.features)].to_numpy(float))
    assert len(found) == 3 + N_CUSTOMERS * len(CUTOFFS.all)
    assert np.abs(raw - found[RAW_SCORE].to_numpy()).max() < 1e-6
    assert np.abs(explained.base + added.sum(axis=1) - raw).max() < 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_the_planted_cause_adds_most_to_the_score_of_whom_it_drives(
    loaded: Mapping[str, Classifier], table: pd.DataFrame, name: str
) -> None:
    classifier = loaded[name]
    driven = on_test(table)
    driven = driven[driven[PLANTED] > HIGH]
    added, _ = Contributions.of(classifier).of_rows(
        driven[list(classifier.features)].to_numpy(float)
    )
    strongest = np.array(classifier.features)[added.argmax(axis=1)]
    assert (strongest == PLANTED).mean() > 0.6


@pytest.mark.parametrize("name", [one for one in NAMES if one != AVERAGE])
def test_the_same_rows_spread_otherwise_make_the_same_classifier(
    fitted: Mapping[str, Fitted], frame: DataFrame, name: str
) -> None:
    spread = frame.repartition(5, "n_orders").sortWithinPartitions(F.desc("tenure_days"))
    fit = learner_named(name).fit
    assert fit is not None
    again = fit(learnt_rows(spread, CUTOFFS, closed_after(SETTINGS)), USED, SETTINGS)
    before = raw_scores(fitted[name].model, frame)
    # Sums of what is no whole number arrive in another order on a cluster.
    assert raw_scores(again, frame).to_numpy() == pytest.approx(before.to_numpy(), abs=1e-9)


def test_a_classifier_keeps_the_settings_that_it_was_fitted_by(
    fitted: Mapping[str, Fitted],
) -> None:
    settings = {name: dict(one.model.settings) for name, one in fitted.items()}
    assert settings["recency"] == {}
    assert settings[BOOSTED_TREES] == SETTINGS.boosted_trees.model_dump()
    assert settings[LINEAR_SVM] == {"penalty": SETTINGS.linear_svm.penalty}
    assert settings[AVERAGE] == {**settings["forest"], **settings["logistic_regression"]}
    assert replace(fitted[AVERAGE].model, settings={}).spec()["settings"] == {}


def test_xgboost_on_spark_grows_the_trees_of_the_driver(frame: DataFrame) -> None:
    pytest.importorskip("xgboost")
    fit = learner_named(XGBOOST).fit
    assert fit is not None
    learnt = learnt_rows(frame, CUTOFFS, closed_after(SETTINGS))
    on_spark = SETTINGS.model_copy(
        update={"xgboost": SETTINGS.xgboost.model_copy(update={"n_workers": 1})}
    )
    scores = [raw_scores(fit(learnt, USED, one), frame) for one in (SETTINGS, on_spark)]
    assert scores[1].to_numpy() == pytest.approx(scores[0].to_numpy(), abs=1e-4)
