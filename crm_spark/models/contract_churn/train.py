"""Fit, calibrate and test every candidate: out of fold inside the training part, then once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from crm_spark.models.binary_metrics import all_metrics
from crm_spark.models.calibration_choice import fit_calibration
from crm_spark.models.classifiers.classifier import LABEL, Classifier
from crm_spark.models.classifiers.figures import best_rule, figures
from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.learners import learners_of
from crm_spark.models.classifiers.step import (
    TEST,
    USE,
    Fitted,
    Outcomes,
    Step,
    calibrated_threshold,
)
from crm_spark.models.contract_churn.attributes import Attribute
from crm_spark.models.contract_churn.candidates import rules_of
from crm_spark.models.contract_churn.data import ContractData
from crm_spark.models.contract_churn.encoding import Encoding, learn_encoding
from crm_spark.models.contract_churn.model import ContractModel, encoded
from crm_spark.models.contract_churn.parts import HELD_OUT, PART
from crm_spark.models.contract_churn.section import ContractChurnSection
from crm_spark.models.contract_churn.strength import strengths_of
from crm_spark.models.results import Measured, Tested

# What figures of cross-validation are called: they choose, those without it are quoted.
CROSS_VALIDATED: Final = "cross_validated."


@dataclass(frozen=True)
class Split:
    """Customers to learn from and others that none of it has seen, under one encoding.

    What is learnt of values, and which attribute a rule goes by, comes of the former alone.
    """

    encoding: Encoding
    learners: tuple[Learner, ...]
    step: Step


def split_of(
    data: ContractData,
    used: Sequence[Attribute],
    params: ContractChurnSection,
    fold: int | None = None,
) -> Split:
    """Give the split that keeps a fold back, or, without one, the customers held out."""
    learnt = data.sample.learnt(without=fold)
    encoding = learn_encoding(
        learnt.values, used, most_levels=params.most_levels, fewest_of_level=params.fewest_of_level
    )
    # What may be used was settled on all folds: a rule goes by whatever the models learn from.
    trusted = [one.name for one in used]
    strengths = strengths_of(learnt.values, learnt.labels, encoding, trusted=trusted)
    part = F.col(PART)
    is_unseen = part == (HELD_OUT if fold is None else fold)
    step = Step(
        _read(data.rows.where((part != HELD_OUT) & ~is_unseen), encoding),
        _read(data.rows.where(is_unseen), encoding).withColumn(USE, F.lit(TEST)),
        params,
        encoding.features,
        lacking=(
            "contract_churn: there is nobody to learn from",
            "contract_churn: there is nobody to test on",
        ),
    )
    return Split(encoding, (*rules_of(encoding, strengths), *learners_of(params)), step)


def _read(rows: DataFrame, encoding: Encoding) -> DataFrame:
    return encoded(rows, encoding, "customer_id", "as_of_date", LABEL)


def measured_candidates(
    data: ContractData,
    used: Sequence[Attribute],
    params: ContractChurnSection,
    *,
    on_split: Callable[[str], None] = lambda _: None,
) -> tuple[Tested[ContractModel], ...]:
    """Give every candidate with its figures on the customers held out, and out of fold.

    Each fold is scored by what learnt from the others. From these scores a candidate's calibration
    is fitted, and the candidates are compared; then each is fitted on all folds, and measured on
    the customers held out, who had no part in it. `on_split` is told of each split.
    """
    raw: dict[str, list[Outcomes]] = {}
    for fold in range(params.n_folds):
        on_split(f"fold {fold + 1} of {params.n_folds}")
        split = split_of(data, used, params, fold)
        for learner in split.learners:
            _, outcomes, _ = split.step.scored(learner)
            raw.setdefault(learner.name, []).append(outcomes)
    on_split("all folds, measured on the customers held out")
    split = split_of(data, used, params)
    quoted, crossed = [], []
    for learner in split.learners:
        classifier, held_out, _ = split.step.scored(learner)
        out_of_fold = _pooled(raw[learner.name])
        calibration = fit_calibration(out_of_fold.counts)
        threshold = params.threshold or calibrated_threshold(calibration, out_of_fold)
        classifier = replace(classifier, calibration=calibration, threshold=threshold)
        quoted.append(_measured(classifier, held_out, params.seed))
        crossed.append(_measured(classifier, out_of_fold, params.seed))
    is_rule = {learner.name: learner.is_rule for learner in split.learners}
    rule = best_rule([one for one in crossed if is_rule[one.name]]).name
    return tuple(
        Tested(
            one.name,
            is_rule[one.name],
            ContractModel(split.encoding, one.model),
            (
                *_figures(one, quoted, is_rule, rule, params.seed),
                *_named(_figures(other, crossed, is_rule, rule, params.seed)),
            ),
        )
        for one, other in zip(quoted, crossed, strict=True)
    )


def _pooled(folds: Sequence[Outcomes]) -> Outcomes:
    return Outcomes(
        np.concatenate([one.is_positive for one in folds]),
        np.concatenate([one.probability for one in folds]),
    )


def _measured(classifier: Classifier, raw: Outcomes, seed: int) -> Fitted:
    """Give a calibrated candidate, measured by what it makes of raw scores."""
    probability = classifier.calibration.probabilities(raw.probability)
    outcomes = Outcomes(raw.is_positive, probability)
    metrics = all_metrics(outcomes.counts, threshold=classifier.threshold, seed=seed)
    return Fitted(classifier, tuple(metrics), outcomes, is_calibrated=True)


def _figures(
    one: Fitted, all_: Sequence[Fitted], is_rule: dict[str, bool], rule: str, seed: int
) -> list[Measured]:
    """Give the figures of a candidate, beside the best rule of the cross-validation."""
    beside = next(other for other in all_ if other.name == rule)
    return figures(one, None if is_rule[one.name] else beside, seed=seed)


def _named(measured: Sequence[Measured]) -> list[Measured]:
    return [replace(one, name=f"{CROSS_VALIDATED}{one.name}") for one in measured]


def cross_validated(tested: Tested[ContractModel]) -> Tested[ContractModel]:
    """Give a candidate with its figures of cross-validation alone, by their plain names."""
    metrics = tuple(
        replace(one, name=one.name.removeprefix(CROSS_VALIDATED))
        for one in tested.metrics
        if one.name.startswith(CROSS_VALIDATED)
    )
    return replace(tested, metrics=metrics)
