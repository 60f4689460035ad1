"""promote_model: another version scores, and the former champion comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pytest
from pyspark.sql import SparkSession
from shop import shop_config, write_shop

from crm_spark.config import Config
from crm_spark.errors import DataError
from crm_spark.jobs import build_features, ingest_sources, promote_model, score_churn, train_churn
from crm_spark.lake.delta import Lake
from crm_spark.models.churn.tables import CUSTOMER_CHURN
from crm_spark.models.decisions import Decision, deciding, decisions
from crm_spark.models.tracking import Tracker

AS_OF = date(2024, 7, 1)
NAME = "crm_spark_churn"


@dataclass(frozen=True)
class Trained:
    """A lake on which churn was trained, and its two versions: who scores, and the other."""

    spark: SparkSession
    config: Config
    champion: Decision
    other: Decision

    @property
    def lake(self) -> Lake:
        return Lake(self.spark, self.config.storage, "test")

    def scored_by(self) -> set[str]:
        score_churn.run(self.spark, self.config, AS_OF)
        rows = self.lake.read_date(CUSTOMER_CHURN, AS_OF).select("model_version").distinct()
        return {row["model_version"] for row in rows.collect()}

    def promote(self, to: str) -> str:
        summary = promote_model.run(self.spark, self.config, AS_OF, model="churn", to=to)
        return summary.models[NAME]

    def in_force(self) -> Decision:
        found = deciding(self.lake, NAME, AS_OF)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def trained(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    folder = tmp_path_factory.mktemp("promote")
    write_shop(folder / "shop.csv")
    config = shop_config(
        folder,
        "lake",
        "models=[churn]",
        "churn.n_training_cutoffs=2",
        "churn.candidates=[logistic_regression]",
    )
    ingest_sources.run(spark, config, None)
    build_features.run(spark, config, AS_OF)
    train_churn.run(spark, config, AS_OF)
    made = decisions(Lake(spark, config.storage, "test"), NAME)
    champion = next(one for one in made if one.is_champion)
    other = next(one for one in made if not one.is_champion)
    yield Trained(spark, config, champion, other)


def test_another_version_scores_and_the_former_comes_back(trained: Trained) -> None:
    assert trained.scored_by() == {trained.champion.version}
    assert trained.promote(trained.other.version) == trained.other.version
    assert trained.scored_by() == {trained.other.version}
    why = trained.in_force().why
    assert f"in place of version {trained.champion.version}" in why and "by hand" in why
    tracker = Tracker(trained.config.tracking, lake_root=trained.lake.root)
    aliases = [tracker.alias(NAME, alias) for alias in ("champion", "previous")]
    assert aliases == [trained.other.version, trained.champion.version]
    assert trained.promote("previous") == trained.champion.version
    assert trained.scored_by() == {trained.champion.version}
    # What it said when it was tested is still there, once.
    assert trained.in_force().why.endswith(trained.champion.why)
    assert trained.in_force().why.count("when it was tested") == 1


def test_a_version_that_scores_already_leaves_no_decision(trained: Trained) -> None:
    n_before = len(decisions(trained.lake, NAME))
    current = trained.in_force().version
    assert trained.promote(current) == current
    assert len(decisions(trained.lake, NAME)) == n_before


def test_a_version_that_there_is_not_is_refused_with_those_that_there_are(
    trained: Trained,
) -> None:
    with pytest.raises(DataError, match=r"decided on version 99: choose among .*previous") as told:
        trained.promote("99")
    assert trained.champion.version in str(told.value)


def test_a_day_without_a_training_under_these_settings_is_refused(trained: Trained) -> None:
    with pytest.raises(DataError, match=r"no training as of 2024-06-01 .*train_churn --as-of"):
        promote_model.run(
            trained.spark, trained.config, date(2024, 6, 1), model="churn", to="previous"
        )
    horizon = trained.config.churn.horizon_days + 1
    section = trained.config.churn.model_copy(update={"horizon_days": horizon})
    longer = trained.config.model_copy(update={"churn": section})
    with pytest.raises(DataError, match="no training as of 2024-07-01 or before under these"):
        promote_model.run(trained.spark, longer, AS_OF, model="churn", to="previous")
