"""Fit learners on the same rows, calibrate them on others, and test them on others again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import DataFrame

from crm_spark.errors import DataError
from crm_spark.features.families.family import Feature
from crm_spark.models.binary_metrics import (
    Floats,
    Metric,
    ScoreCounts,
    all_metrics,
    best_f1_threshold,
    count_arrays,
)
from crm_spark.models.calibration import Calibration
from crm_spark.models.calibration_choice import fit_calibration
from crm_spark.models.classifiers.average import mean_of
from crm_spark.models.classifiers.classifier import LABEL, RAW_SCORE, Classifier, score
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.learners import learner_named
from crm_spark.models.classifiers.search import Tried, searched
from crm_spark.models.classifiers.settings import LearnerSettings
from crm_spark.models.paired_gain import Flags
from crm_spark.models.rows import sampled_customers

# Of more customers a sample by hash calibrates and tests: the standard error of an AUC is then at
# most .002, and what is tested fits the driver.
TESTED_ROWS = 200_000
# The column that says of rows that no learner sees what they are for.
USE: Final = "use"
CALIBRATION: Final = "calibration"
TEST: Final = "test"


@dataclass(frozen=True)
class Outcomes:
    """Customers, by their id: whether the label is 1, and what they were given.

    `kept` are further columns of their rows. As long as a classifier is not calibrated its raw
    scores stand for probabilities.
    """

    is_positive: Flags
    probability: Floats
    kept: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @cached_property
    def counts(self) -> ScoreCounts:
        """Customers by probability."""
        return count_arrays(self.probability, self.is_positive)


@dataclass(frozen=True)
class Fitted:
    """A candidate: the classifier, its metrics on the rows of the test, and their outcomes.

    `is_calibrated` where there were rows to calibrate it on; `tried` are the settings that a search
    compared.
    """

    model: Classifier
    metrics: tuple[Metric, ...]
    outcomes: Outcomes
    is_calibrated: bool = True
    tried: tuple[Tried, ...] = ()

    @property
    def name(self) -> str:
        """The candidate: forest, or the rule it is."""
        return self.model.kind

    @property
    def counts(self) -> ScoreCounts:
        """Customers of the test by probability."""
        return self.outcomes.counts

    def value(self, metric: str) -> float | None:
        """Give one metric's value."""
        return next(measured.value for measured in self.metrics if measured.name == metric)


class Step:
    """What is fitted on the same rows, and the scores of rows that none of it has seen.

    `learnt` has customer_id, as_of_date, label and the features. `unseen` has these and the column
    `use`, which is `calibration` or `test`, with one row a customer for each. A classifier learns
    from `learnt`, and its calibration map from the rows to calibrate on. It is not fitted again
    with these added: it would then know part of what the map corrects, and a rise of the label's
    share would be made up for twice. Without rows to calibrate on none is done.

    `keep` are columns of the rows of the test that outcomes have beside the label. `lacking` say
    what is wrong where there are no rows: to learn from, and to test on. Where `settings.search`
    asks for it, each learner's settings are searched first, by the cut-offs of `learnt` alone;
    labels are known `closes_after` their cut-off. `shift` is added to the calibrated log-odds of
    the test, whose level is known to be another; classifiers are without it.
    """

    def __init__(
        self,
        learnt: DataFrame,
        unseen: DataFrame,
        settings: LearnerSettings,
        features: Sequence[Feature],
        *,
        keep: Sequence[str] = (),
        closes_after: timedelta = timedelta(0),
        shift: float = 0.0,
        lacking: tuple[str, str] = ("there is nobody to learn from", "there is nobody to test on"),
    ) -> None:
        self._learnt = learnt
        by_use = unseen.groupBy(USE).count().collect()  # two rows at most
        n_rows, most = sum(row["count"] for row in by_use), TESTED_ROWS * max(1, len(by_use))
        self._unseen = sampled_customers(unseen, n_rows=n_rows, most=most)
        self._settings = settings
        self._features = features
        self._keep = tuple(keep)
        self._closes_after = closes_after
        self._shift = shift
        self._lacking = lacking
        self._classifiers: dict[str, Classifier] = {}
        self._tried: dict[str, tuple[Tried, ...]] = {}
        self._raw: dict[str, dict[str, Outcomes]] = {}

    def fitted(self, learner: Learner) -> Fitted:
        """Fit and calibrate a learner, and measure it on the test, which is for that alone.

        Raises DataError without rows to learn from, or to test on.
        """
        classifier, tested, is_calibrated = self.scored(learner)
        seed = self._settings.seed
        metrics = all_metrics(tested.counts, threshold=classifier.threshold, seed=seed)
        tried = self._tried.get(learner.name, ())
        return Fitted(classifier, tuple(metrics), tested, is_calibrated, tried)

    def scored(self, learner: Learner) -> tuple[Classifier, Outcomes, bool]:
        """Fit and calibrate a learner, and give it with what it gives the customers of the test.

        And whether there were rows to calibrate it on. Raises DataError as fitted() does.
        """
        classifier = self._classifier(learner)
        raw = self._scores(learner)
        threshold = self._settings.threshold or 0.5
        if TEST not in raw:
            raise DataError(self._lacking[1])
        if CALIBRATION in raw:
            counts = raw[CALIBRATION].counts
            calibration = fit_calibration(counts)
            threshold = self._settings.threshold or calibrated_threshold(
                calibration, raw[CALIBRATION]
            )
            classifier = replace(classifier, calibration=calibration)
        classifier = replace(classifier, threshold=threshold)
        of_test = raw[TEST]
        calibrated = classifier.calibration.shifted(self._shift)
        probability = calibrated.probabilities(of_test.probability)
        return classifier, replace(of_test, probability=probability), CALIBRATION in raw

    def _classifier(self, learner: Learner) -> Classifier:
        """Fit a learner without calibration; what is made of others is made of their fits."""
        if learner.name not in self._classifiers:
            if learner.fit is None:
                parts = [self._classifier(learner_named(name)) for name in learner.parts]
                classifier = mean_of(parts)
            else:
                if not self._classifiers and self._learnt.isEmpty():
                    raise DataError(self._lacking[0])
                settings, self._tried[learner.name] = searched(
                    learner,
                    self._learnt,
                    self._features,
                    self._settings,
                    closes_after=self._closes_after,
                )
                classifier = learner.fit(self._learnt, self._features, settings)
                classifier = replace(classifier, settings=dict(learner.settings(settings)))
            self._classifiers[learner.name] = classifier
        return self._classifiers[learner.name]

    def _scores(self, learner: Learner) -> dict[str, Outcomes]:
        """Give the raw scores of the customers to calibrate and to test on, by use."""
        if learner.name not in self._raw:
            if learner.parts:
                parts = [self._scores(learner_named(name)) for name in learner.parts]
                found = {use: _mean([part[use] for part in parts]) for use in parts[0]}
            else:
                found = raw_outcomes(self._classifier(learner), self._unseen, keep=self._keep)
            self._raw[learner.name] = found
        return self._raw[learner.name]


def raw_outcomes(
    classifier: Classifier, unseen: DataFrame, *, keep: Sequence[str] = ()
) -> dict[str, Outcomes]:
    """Score labelled rows, which fit the driver; gives raw scores by their use."""
    columns = ["customer_id", USE, LABEL, *keep]
    found = score(classifier, unseen, keep=columns).toPandas().sort_values("customer_id")
    return {
        str(use): Outcomes(
            of_use[LABEL].to_numpy() == 1,
            of_use[RAW_SCORE].to_numpy(float),
            {name: of_use[name].to_numpy() for name in keep},
        )
        for use, of_use in found.groupby(USE)
    }


def _mean(parts: Sequence[Outcomes]) -> Outcomes:
    raw = np.mean([part.probability for part in parts], axis=0)
    return replace(parts[0], probability=raw)


def calibrated_threshold(calibration: Calibration, raw: Outcomes) -> float:
    """Give the threshold of the highest F1 on the rows to calibrate on, as a probability.

    Of probabilities as they are compared with it, which are rounded.
    """
    probability = calibration.probabilities(raw.probability)
    return best_f1_threshold(count_arrays(probability, raw.is_positive))
