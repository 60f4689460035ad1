"""Fit, calibrate and test every candidate on one step of walking forward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.errors import DataError
from crm_spark.features.families.family import Feature
from crm_spark.models.binary_metrics import (
    Floats,
    Metric,
    ScoreCounts,
    all_metrics,
    best_f1_threshold,
    bin_figures,
    count_arrays,
    roc_auc,
)
from crm_spark.models.calibration import PlattCalibration, fit_platt
from crm_spark.models.calibration_gate import CALIBRATION_LIMIT, gate
from crm_spark.models.churn.candidates import (
    CANDIDATES,
    ChurnCandidate,
    candidate_named,
    mean_of,
    usable_features,
)
from crm_spark.models.churn.labels import LABEL
from crm_spark.models.churn.model import PROBABILITY, RAW_SCORE, ChurnModel, score
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.churn.subgroups import (
    FEATURES_OF_GROUPS,
    Group,
    attribute,
    group_figures,
    groups_of,
)
from crm_spark.models.cutoffs import Cutoffs
from crm_spark.models.paired_gain import Flags, Gain, auc_gains, brier_gains
from crm_spark.models.results import Measured
from crm_spark.models.rows import sampled_customers

# Of more customers a sample by hash calibrates and tests: the standard error of an AUC is then at
# most .002, and what is tested fits the driver.
TESTED_ROWS = 200_000
# By how much a candidate is better than the best rule, and how far chance alone would be off.
AUC_GAIN, BRIER_GAIN = "auc_gain", "brier_gain"
CALIBRATION_BY_CHANCE = "calibration_by_chance"
_SHUFFLED = "_shuffled_"
# Which input a copy of a row has shuffled; no feature can be called so.
_COPY_OF = "_copy_of"


@dataclass(frozen=True)
class Outcomes:
    """Customers of a cut-off, by their id: whether they left, and what they were given.

    `features` and `attributes` are those by whose values they are grouped. As long as a model is
    not calibrated its raw scores stand for probabilities.
    """

    has_left: Flags
    probability: Floats
    features: Mapping[str, Floats]
    attributes: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)

    @cached_property
    def counts(self) -> ScoreCounts:
        """Customers by probability."""
        return count_arrays(self.probability, self.has_left)


@dataclass(frozen=True)
class Fitted:
    """A candidate after one step: the model, its metrics on the test cut-off, and the outcomes.

    `is_calibrated` where there was a cut-off to calibrate it on.
    """

    model: ChurnModel
    metrics: tuple[Metric, ...]
    outcomes: Outcomes
    is_calibrated: bool = True

    @property
    def name(self) -> str:
        """The candidate: forest, or the rule it is."""
        return self.model.kind

    @cached_property
    def groups(self) -> list[Group]:
        """The groups of the test's customers, and how the model did on each."""
        tested = self.outcomes
        return groups_of(tested.features, tested.has_left, tested.probability, tested.attributes)

    @property
    def counts(self) -> ScoreCounts:
        """Customers of the test cut-off by probability."""
        return self.outcomes.counts

    def value(self, metric: str) -> float | None:
        """Give one metric's value."""
        return next(measured.value for measured in self.metrics if measured.name == metric)


@dataclass(frozen=True)
class Importance:
    """What the test AUC loses when one feature's values are shuffled among customers."""

    feature: str
    auc_loss: float


def candidate_names() -> tuple[str, ...]:
    """Give all candidates, the trivial rules first."""
    return tuple(candidate.name for candidate in CANDIDATES)


def fit_candidate(
    name: str,
    frame: DataFrame,
    cutoffs: Cutoffs,
    params: ChurnSection,
    *,
    features: Sequence[Feature] | None = None,
) -> Fitted:
    """Fit one candidate on the training cut-offs and test it on the later one."""
    used = usable_features(learnt_rows(frame, cutoffs)) if features is None else features
    return StepOfChurn(frame, cutoffs, params, used).fitted(candidate_named(name))


def learnt_rows(frame: DataFrame, cutoffs: Cutoffs) -> DataFrame:
    """Give the rows of the training cut-offs but for that to calibrate on, where there is one."""
    kept_back = cutoffs.calibration if len(cutoffs.training) > 1 else None
    return frame.where(
        F.col("as_of_date").isin([day for day in cutoffs.training if day != kept_back])
    )


class StepOfChurn:
    """One step of walking forward: what is fitted on it, and the scores of its customers.

    A model learns from all training cut-offs but the latest, and its calibration map from the
    latest, which it has not seen. It is not fitted again with the latest one added: it would then
    know part of what the map corrects, and a rise in churn would be made up for twice. With a
    single training cut-off there is nothing later to calibrate on, and none is done.
    """

    def __init__(
        self,
        frame: DataFrame,
        cutoffs: Cutoffs,
        params: ChurnSection,
        features: Sequence[Feature],
    ) -> None:
        """Take labelled snapshot rows of all the cut-offs, and the features that may be used."""
        self._cutoffs = cutoffs
        self._params = params
        self._features = features
        self._is_alone = len(cutoffs.training) == 1
        self._learnt = learnt_rows(frame, cutoffs)
        scored = [cutoffs.test] if self._is_alone else [cutoffs.calibration, cutoffs.test]
        rows = frame.where(F.col("as_of_date").isin(scored))
        most = TESTED_ROWS * len(scored)
        self._scored = sampled_customers(rows, n_rows=rows.count(), most=most)
        self._models: dict[str, ChurnModel] = {}
        self._raw: dict[str, dict[date, Outcomes]] = {}

    def fitted(self, candidate: ChurnCandidate) -> Fitted:
        """Fit and calibrate a candidate, and measure it on the test, which is for that alone."""
        model = self._model(candidate)
        raw = self._scores(candidate)
        threshold = self._params.threshold or 0.5
        if self._cutoffs.test not in raw:
            raise DataError(
                f"churn cannot be tested: no customer was active on {self._cutoffs.test}"
            )
        is_calibrated = not self._is_alone and self._cutoffs.calibration in raw
        if is_calibrated:
            counts = raw[self._cutoffs.calibration].counts
            calibration = fit_platt(counts)
            threshold = self._params.threshold or _calibrated_threshold(calibration, counts)
            model = replace(model, calibration=calibration)
        model = replace(model, threshold=threshold)
        of_test = raw[self._cutoffs.test]
        probability = model.calibration.probabilities(of_test.probability)
        tested = replace(of_test, probability=probability)
        metrics = all_metrics(tested.counts, threshold=threshold, seed=self._params.seed)
        return Fitted(model, tuple(metrics), tested, is_calibrated)

    def _model(self, candidate: ChurnCandidate) -> ChurnModel:
        """Fit a candidate without calibration; what is made of others is made of their fits."""
        if candidate.name not in self._models:
            if candidate.fit is None:
                parts = [self._model(candidate_named(name)) for name in candidate.parts]
                model = mean_of(parts, self._params)
            else:
                self._require_learnable()
                model = candidate.fit(self._learnt, self._features, self._params)
            self._models[candidate.name] = model
        return self._models[candidate.name]

    def _require_learnable(self) -> None:
        if not self._models and self._learnt.isEmpty():
            days = ", ".join(day.isoformat() for day in sorted(self._cutoffs.training)[:-1])
            raise DataError(f"churn cannot be trained: no customer was active on {days}")

    def _scores(self, candidate: ChurnCandidate) -> dict[date, Outcomes]:
        """Give the raw scores of the customers to calibrate and to test on, by cut-off."""
        if candidate.name not in self._raw:
            if candidate.parts:
                parts = [self._scores(candidate_named(name)) for name in candidate.parts]
                found = {day: _mean([part[day] for part in parts]) for day in parts[0]}
            else:
                found = raw_outcomes(self._model(candidate), self._scored, self._params.subgroups)
            self._raw[candidate.name] = found
        return self._raw[candidate.name]


def raw_outcomes(
    model: ChurnModel, labelled: DataFrame, subgroups: Sequence[str] = ()
) -> dict[date, Outcomes]:
    """Score labelled rows, which fit the driver; gives raw scores by cut-off."""
    attributes = [attribute(name) for name in subgroups]
    keep = ["customer_id", "as_of_date", LABEL, *FEATURES_OF_GROUPS, *attributes]
    found = score(model, labelled, keep=keep).toPandas().sort_values("customer_id")
    outcomes = {}
    for day in found["as_of_date"].unique():
        of_day = found[found["as_of_date"] == day]
        outcomes[day] = Outcomes(
            of_day[LABEL].to_numpy() == 1,
            of_day[RAW_SCORE].to_numpy(float),
            {name: of_day[name].to_numpy(float) for name in FEATURES_OF_GROUPS},
            {name: of_day[attribute(name)].to_numpy(object) for name in subgroups},
        )
    return outcomes


def _mean(parts: Sequence[Outcomes]) -> Outcomes:
    raw = np.mean([part.probability for part in parts], axis=0)
    return replace(parts[0], probability=raw)


def figures(fitted: Fitted, rule: Fitted | None, *, seed: int) -> list[Measured]:
    """Give the metrics of a tested candidate, how its probabilities came true, and its gain.

    Of ten groups of equal size what bin_figures() gives. Of what is no rule the gains over the best
    `rule` on the same customers, with their 95 % intervals, and the limit that its calibration
    error has to stay within. Of groups of customers group.<grouping>.<number>.<figure>.
    """
    n = fitted.counts.rows
    found = [
        Measured(metric.name, metric.value, n, metric.low, metric.high) for metric in fitted.metrics
    ]
    found += bin_figures(fitted.counts)
    if fitted.is_calibrated:  # else there was nothing to calibrate on, and the gate says nothing
        limits = gate(fitted.counts, seed=seed)
        found.append(Measured(CALIBRATION_LIMIT, limits.limit, n))
        found.append(Measured(CALIBRATION_BY_CHANCE, limits.expected_by_chance, n))
    found += group_figures(fitted.groups)
    if rule is not None:
        found += [
            Measured(name, gain.value, n, gain.low, gain.high)
            for name, gain in _gains(fitted, rule).items()
        ]
    return found


def best_rule(rules: Sequence[Fitted]) -> Fitted:
    """Give the rule that ranks best on the test, ties by their Brier scores."""

    def place(one: Fitted) -> tuple[float, float]:
        auc, brier = one.value("auc"), one.value("brier")
        return (0.0 if auc is None else auc, -1.0 if brier is None else -brier)

    return max(rules, key=place)


def _gains(fitted: Fitted, rule: Fitted) -> dict[str, Gain]:
    has_left = rule.outcomes.has_left
    both = {"rule": rule.outcomes.probability, "candidate": fitted.outcomes.probability}
    return {
        AUC_GAIN: auc_gains(has_left, both, reference="rule")["candidate"],
        BRIER_GAIN: brier_gains(has_left, both, reference="rule")["candidate"],
    }


def _calibrated_threshold(calibration: PlattCalibration, raw: ScoreCounts) -> float:
    """Give the threshold of the highest F1 on the calibration cut-off, as a probability."""
    return float(calibration.probabilities(np.array(best_f1_threshold(raw))))


def permutation_importance(
    model: ChurnModel, frame: DataFrame, cutoffs: Cutoffs, params: ChurnSection
) -> list[Importance]:
    """Give each input's importance on the test cut-off, the largest first. Breiman (2001).

    All shuffled copies are scored in one Spark job, on at most `importance_rows` customers drawn by
    hash. Losses below the noise of shuffling can be negative. The driver holds these customers
    twice, as they are and with each input shuffled; the copies, a whole one for each input, are
    made where they are scored.
    """
    test = frame.where(F.col("as_of_date") == cutoffs.test)
    columns = list(model.features)
    order = F.xxhash64("customer_id", F.lit(params.seed))
    sample = (
        test.select("customer_id", LABEL, *[F.col(name).cast(T.DoubleType()) for name in columns])
        .orderBy(order, "customer_id")
        .limit(params.importance_rows)
        .toPandas()  # at most importance_rows
    )
    random = np.random.default_rng(params.seed)
    shuffled = {
        f"{_SHUFFLED}{name}": sample[name].to_numpy()[random.permutation(len(sample))]
        for name in columns
    }
    both = pa.Table.from_pandas(
        pd.concat([sample.drop(columns="customer_id"), pd.DataFrame(shuffled)], axis=1),
        schema=pa.schema([(name, pa.float64()) for name in (LABEL, *columns, *shuffled)]),
        preserve_index=False,
    )
    copies = _shuffled_copies(frame.sparkSession.createDataFrame(both), columns)
    scored = score(model, copies, keep=[_COPY_OF, LABEL])
    counted = (
        scored.groupBy(_COPY_OF, F.round(PROBABILITY, 6).alias("p"))
        .agg(F.count(F.lit(1)).alias("n"), F.sum(LABEL).alias("n_positive"))
        .toPandas()  # at most importance_rows for each input
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
