"""Churn where the truth is known: contributions are exact, chance is no champion, chances are true.

scripts/prove churn --seed 17; `--only decisions` runs one of the four parts, `--times 20` draws
less often. Needs the package shap, of the extra benchmark.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from models.churn.made_customers import (
    CUTOFFS,
    NAMES,
    VARYING,
    on_test,
    persisted,
    snapshots,
    to_spark,
)
from pyspark.sql import DataFrame, SparkSession
from scipy.stats import binom

from crm_spark.features.families import FEATURES
from crm_spark.models.binary_metrics import (
    Floats,
    Metric,
    brier,
    count_arrays,
    expected_calibration_error,
    roc_auc,
)
from crm_spark.models.calibration import fit_platt
from crm_spark.models.calibration_gate import CALIBRATION_LIMIT
from crm_spark.models.choice import Choice
from crm_spark.models.churn.candidates import RULES, candidates_of
from crm_spark.models.churn.definition import Churn
from crm_spark.models.churn.labels import LABEL
from crm_spark.models.churn.model import ChurnModel
from crm_spark.models.churn.reason_words import theme_of
from crm_spark.models.churn.reasons import Explainer, with_reasons
from crm_spark.models.churn.section import ChurnSection
from crm_spark.models.churn.subgroups import FEATURES_OF_GROUPS, Group, fault_of, groups_of
from crm_spark.models.churn.train import step_of as churn_step
from crm_spark.models.classifiers.average import mean_of
from crm_spark.models.classifiers.classifier import PROBABILITY, RAW_SCORE, Classifier, score
from crm_spark.models.classifiers.figures import AUC_GAIN, best_rule, figures
from crm_spark.models.classifiers.forest import fit_forest
from crm_spark.models.classifiers.logistic_regression import (
    fit_logistic_regression as fit_regression,
)
from crm_spark.models.classifiers.settings import (
    AVERAGE,
    FOREST,
    LOGISTIC_REGRESSION,
    ForestParams,
)
from crm_spark.models.classifiers.step import Fitted, Outcomes
from crm_spark.models.grade import grade
from crm_spark.models.logistic import sigmoid
from crm_spark.models.mllib_trees import read_trees
from crm_spark.models.paired_gain import Flags
from crm_spark.models.results import Measured, Tested
from crm_spark.models.tree_shap import CoveredTree, TreeExplainer
from crm_spark.runtime.session import open_session
from proofs.kills import SPARK

LEARNING = (FOREST, LOGISTIC_REGRESSION, AVERAGE)
FEW, MANY = 2_300, 20_000
SMALL = 1e-6


@dataclass(frozen=True)
class Proved:
    """What was measured, and the limit it was held against; without one it is told only."""

    what: str
    found: str
    limit: str = ""
    holds: bool = True


def at_most(what: str, found: float, most: float, *, form: str = ".4f") -> Proved:
    return Proved(what, format(found, form), f"at most {format(most, form)}", found <= most)


def counted_at_most(what: str, n: int, times: int, most: int) -> Proved:
    return Proved(what, f"{n} of {times}", f"at most {most}", n <= most)


def counted_at_least(what: str, n: int, times: int, least: int) -> Proved:
    return Proved(what, f"{n} of {times}", f"at least {least}", n >= least)


def progress(what: str, done: int, of: int, start: float) -> None:
    """Say four times how far it is."""
    if done == of or done % max(1, of // 4) == 0:
        print(f"  {what}: {done} of {of}, {time.monotonic() - start:.0f} s", flush=True)


# --- contributions -------------------------------------------------------------------------------

N_INPUTS, N_ROWS, N_OF_SHAP = 60, 10_000, 1_000


def customers_of_all_kinds(seed: int) -> pd.DataFrame:
    """Give rows whose features are counts, amounts, mostly zeros or unknown, and who leaves."""
    random = np.random.default_rng(seed)
    names = NAMES[:N_INPUTS]
    table = pd.DataFrame({name: np.full(N_ROWS, 7.0) for name in NAMES})
    draws = (
        lambda: random.integers(0, 12, N_ROWS).astype(float),
        lambda: random.lognormal(3, 1, N_ROWS),
        lambda: np.where(random.random(N_ROWS) < 0.8, 0.0, random.normal(0, 5, N_ROWS)),
        lambda: np.where(random.random(N_ROWS) < 0.2, np.nan, random.uniform(0, 90, N_ROWS)),
    )
    logit = np.full(N_ROWS, -1.5)
    for place, name in enumerate(names):
        table[name] = draws[place % len(draws)]()
        if place < N_INPUTS // 3:
            known = table[name].fillna(table[name].mean())
            logit += random.normal(0, 0.4) * ((known - known.mean()) / known.std()).to_numpy()
    table.insert(0, "customer_id", [f"c{number:05}" for number in range(N_ROWS)])
    table.insert(1, "as_of_date", CUTOFFS.training[0])
    return table.assign(**{LABEL: (random.random(N_ROWS) < sigmoid(logit)).astype(float)})


def with_trees(model: Classifier, folder: Path) -> Classifier:
    """Save a model's forest as MLflow does, and read its trees; a rule has none."""
    if model.pipeline is None:
        return model
    with tempfile.TemporaryDirectory(dir=folder) as saved:
        model.pipeline.write().overwrite().save(f"{saved}/forest")
        return replace(model, trees=read_trees(Path(saved) / "forest"))


def of_shap(trees: Sequence[CoveredTree]) -> dict[str, object]:
    """Give the mean of trees in the form that the package shap reads."""
    return {
        "trees": [
            {
                "children_left": tree.left,
                "children_right": tree.right,
                "children_default": tree.left,
                "features": np.where(tree.left < 0, -1, tree.column),
                "thresholds": tree.threshold,
                "values": tree.value[:, None] / len(trees),
                "node_sample_weight": tree.cover,
            }
            for tree in trees
        ],
        "internal_dtype": np.float64,
        "input_dtype": np.float64,
    }


def contributions(spark: SparkSession, folder: Path, seed: int) -> Iterator[Proved]:
    """Hold base and contributions against MLlib's scores, and against the package shap."""
    import shap

    features = FEATURES[:N_INPUTS]
    table = customers_of_all_kinds(seed)
    params = ChurnSection(seed=seed)
    start = time.monotonic()
    with persisted(spark, table) as frame:
        forest = with_trees(fit_forest(frame, features, params), folder)
        regression = fit_regression(frame, features, params)
        average = replace(mean_of([forest, regression]), trees=forest.trees)
        depth = max(most_levels(tree) for tree in forest.trees)
        print(
            f"  a forest of {len(forest.trees)} trees, up to {depth} levels, "
            f"{np.mean([len(tree.left) for tree in forest.trees]):.0f} nodes each, "
            f"{time.monotonic() - start:.0f} s",
            flush=True,
        )
        for model in (forest, regression, average):
            explainer = Explainer.of(model).contributions
            scored = score(model, frame, keep=["customer_id"]).toPandas()
            raw = table["customer_id"].map(scored.set_index("customer_id")[RAW_SCORE]).to_numpy()
            values = table[list(explainer.features)].to_numpy(float)
            began = time.monotonic()
            added, _ = explainer.of_rows(values)
            seconds = time.monotonic() - began
            off = float(np.abs(explainer.base + added.sum(axis=1) - raw).max())
            yield at_most(
                f"{model.kind}: base and contributions less raw score, {N_ROWS:,} rows",
                off,
                SMALL,
                form=".1e",
            )
            if model is forest:
                yield Proved("rows a second, ours", f"{N_ROWS / seconds:,.0f}")
    fills = np.array([one.fill for one in forest.inputs])
    values = table[[one.name for one in forest.inputs]].to_numpy(float)[:N_OF_SHAP]
    values = np.where(np.isnan(values), fills, values)
    n_trees = len(forest.trees)
    ours = TreeExplainer(forest.trees, n_columns=N_INPUTS, scale=1 / n_trees)
    theirs = shap.TreeExplainer(
        of_shap(forest.trees), feature_perturbation="tree_path_dependent", data=None
    )
    predicted = np.abs(theirs.model.predict(values).ravel() - ours.values(values)).max()
    yield at_most("shap predicts what ours predicts", float(predicted), SMALL, form=".1e")
    began = time.monotonic()
    found = np.asarray(theirs.shap_values(values)).reshape(values.shape)
    seconds = time.monotonic() - began
    off = float(np.abs(found - ours.contributions(values)).max())
    yield at_most(f"contributions less those of shap, {N_OF_SHAP:,} rows", off, SMALL, form=".1e")
    base = float(np.ravel(theirs.expected_value)[0])
    yield at_most("base less that of shap", abs(base - ours.expected), SMALL, form=".1e")
    yield Proved("rows a second, shap", f"{N_OF_SHAP / seconds:,.0f}")


def most_levels(tree: CoveredTree) -> int:
    """Give how many splits the longest path has."""
    level = np.zeros(len(tree.left), int)
    for node in np.flatnonzero(tree.left >= 0):
        level[[tree.left[node], tree.right[node]]] = level[node] + 1
    return int(level.max())


# --- decisions -----------------------------------------------------------------------------------

# Logits of who leaves, and how much of noise the rule's score has.
MEAN_LOGIT, SPREAD, NOISE = -2.0, 1.5, 1.0
TRUE_GAIN = 0.03
PURE_NOISE = np.inf


@dataclass(frozen=True)
class Drawn:
    """Customers whose logits are known, and who of them left."""

    logit: Floats
    has_left: Flags

    @classmethod
    def of(cls, n: int, random: np.random.Generator) -> Drawn:
        logit = MEAN_LOGIT + SPREAD * random.normal(size=n)
        return cls(logit, random.random(n) < sigmoid(logit))

    def seen(self, noise: float, random: np.random.Generator) -> Floats:
        """Give a score that knows the truth but for the noise, which may be all it is."""
        drawn = random.normal(size=len(self.logit))
        if noise == PURE_NOISE:
            return sigmoid(MEAN_LOGIT + SPREAD * drawn)
        return sigmoid(self.logit + noise * drawn)


def candidate(
    name: str, noise: float, earlier: Drawn, test: Drawn, random: np.random.Generator
) -> Fitted:
    """Give a candidate that sees the truth through noise, calibrated on an earlier draw."""
    known = count_arrays(earlier.seen(noise, random), earlier.has_left)
    probability = fit_platt(known).probabilities(test.seen(noise, random))
    outcomes = Outcomes(test.has_left, probability)
    counts = outcomes.counts
    metrics = (
        Metric("auc", roc_auc(counts)),
        Metric("brier", brier(counts)),
        Metric("calibration_error", expected_calibration_error(counts)),
    )
    return Fitted(Classifier(name), metrics, outcomes)


def chosen(fitted: Sequence[Fitted], seed: int) -> tuple[Choice, list[Tested[ChurnModel]]]:
    """Choose as a training of churn does."""
    rule = best_rule([one for one in fitted if one.name in RULES])
    tested = [
        Tested(
            one.name,
            one.name in RULES,
            ChurnModel(one.model, 28, 84),
            tuple(figures(one, None if one.name in RULES else rule, seed=seed)),
        )
        for one in fitted
    ]
    return Churn().choose(ChurnSection(), tested), tested


def auc_of_noise(noise: float) -> float:
    """Give the AUC of a score with so much noise, of a million customers."""
    random = np.random.default_rng(0)
    many = Drawn.of(1_000_000, random)
    found = roc_auc(count_arrays(many.seen(noise, random), many.has_left))
    assert found is not None
    return found


def noise_of_gain(gain: float) -> float:
    """Give how much noise a score has that ranks better than the rule by `gain`."""
    wanted = auc_of_noise(NOISE) + gain
    low, high = 0.0, NOISE
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if auc_of_noise(middle) > wanted else (low, middle)
    return (low + high) / 2


def decisions(times: int, seed: int) -> Iterator[Proved]:
    """Count how often a challenger is promoted that is as good as the rule, worse, or better."""
    better = noise_of_gain(TRUE_GAIN)
    print(
        f"  AUC of the rule {auc_of_noise(NOISE):.4f}, of the better one "
        f"{auc_of_noise(better):.4f}",
        flush=True,
    )
    rule, most = ("recency",), int(binom.ppf(0.99, times, 0.025))
    n_better = max(1, times // 2)
    for n in (FEW, MANY):
        what = f"as good as the rule, {n:,} customers: promoted"
        n_good = promoted(what, n, times, seed, rule, {FOREST: NOISE})
        yield counted_at_most(what, n_good, times, most)
        what = f"labels shuffled, {n:,} customers: promoted"
        n_blind = promoted(what, n, times, seed, rule, {FOREST: PURE_NOISE})
        yield counted_at_most(what, n_blind, times, 0)
        what = f"a true gain of {TRUE_GAIN}, {n:,} customers: promoted"
        n_gained = promoted(what, n, n_better, seed, rule, {FOREST: better})
        if n == MANY:
            yield counted_at_least(what, n_gained, n_better, n_better)
        else:
            yield Proved(what, f"{n_gained} of {n_better}")
    what = f"three challengers, four rules, all as good, {FEW:,} customers: promoted"
    n_good = promoted(what, FEW, times, seed, tuple(RULES), dict.fromkeys(LEARNING, NOISE))
    yield Proved(what, f"{n_good} of {times}")


def promoted(
    what: str, n: int, times: int, seed: int, rules: Sequence[str], challengers: dict[str, float]
) -> int:
    """Count the draws in which a challenger becomes champion."""
    start, found = time.monotonic(), 0
    for turn in range(times):
        random = np.random.default_rng([seed, n, turn])
        earlier, test = Drawn.of(n, random), Drawn.of(n, random)
        noises = dict.fromkeys(rules, NOISE) | challengers
        fitted = [candidate(name, noise, earlier, test, random) for name, noise in noises.items()]
        choice, _ = chosen(fitted, seed)
        found += choice.champion in challengers
        progress(f"{what} {found}", turn + 1, times, start)
    return found


# --- a planted truth -----------------------------------------------------------------------------

# The higher, the sooner somebody leaves, each of another theme; no rule reads them.
CAUSES = ("median_gap_days", "n_products", "discount_share")
# A cause drives who has so much more of the logit by it than others, and no more by another cause.
DRIVEN = 0.75
N_BY_CHANCE, TREES_BY_CHANCE = 2_000, 20
MOST_OFF, LEAST_FIRST, LEAST_COVERED = 0.02, 0.90, 0.85


def in_steps(table: pd.DataFrame) -> Floats:
    """Give what each cause adds to the logit, [rows, causes]: a lot above 55, which trees find."""
    is_high = table[list(CAUSES)].to_numpy(float) > 55
    return 2.2 * (is_high - is_high.mean(axis=0))


def in_logarithms(table: pd.DataFrame) -> Floats:
    """Give what each cause adds by its logarithm, as in a logistic regression; unknown: nothing."""
    bent = np.log1p(table[list(CAUSES)].to_numpy(float))
    return 1.2 * np.nan_to_num(bent - np.nanmean(bent, axis=0))


# The world, and who has the form of it: these and the champion are held to the limit.
WORLDS = {
    "steps": (in_steps, (FOREST,)),
    "logarithms": (in_logarithms, LEARNING),
}


def redrawn(n: int, seed: int) -> tuple[pd.DataFrame, np.random.Generator]:
    """Give made customers of all cut-offs, other ones for each seed."""
    random = np.random.default_rng(seed)
    table = snapshots(n)
    for name in VARYING:
        table[name] = table[name].to_numpy()[random.permutation(len(table))]
    return table, random


def step_of(frame: DataFrame, params: ChurnSection) -> dict[str, Fitted]:
    """Fit all candidates on one step of walking forward."""
    used = [feature for feature in FEATURES if feature.name in VARYING]
    step = churn_step(frame, CUTOFFS, params, used)
    return {one.name: step.fitted(one) for one in candidates_of(params)}


def planted(spark: SparkSession, folder: Path, seed: int, *, n: int) -> Iterator[Proved]:
    """Hold probabilities against the true ones, and the first reason against the cause."""
    for world, (pushes_of, formed) in WORLDS.items():
        start = time.monotonic()
        params = ChurnSection(seed=seed, forest=ForestParams(n_trees=50))
        table, random = redrawn(n, seed)
        pushes = pushes_of(table)
        risk = sigmoid(-1.9 + pushes.sum(axis=1))
        has_left = (random.random(len(table)) < risk).astype(float)
        is_driven = (pushes.max(axis=1) > DRIVEN) & ((pushes > 0).sum(axis=1) == 1)
        cause = np.where(is_driven, pushes.argmax(axis=1), -1)
        table = table.assign(**{LABEL: has_left})
        test = on_test(table.assign(risk=risk, cause=cause))
        with persisted(spark, table) as frame:
            fitted = step_of(frame, params)
        print(f"  {world}: all candidates fitted, {time.monotonic() - start:.0f} s", flush=True)
        choice, tested = chosen(list(fitted.values()), seed)
        yield Proved(
            f"{world}, {n:,} customers a cut-off: champion",
            choice.champion,
            "no rule",
            choice.champion not in RULES,
        )
        rows = to_spark(spark, on_test(table)).persist()
        for one in tested:
            if not one.is_rule:
                model = with_trees(one.fitted.classifier, folder)
                is_held = one.name in (choice.champion, *formed)
                yield true_chances(world, model, rows, test, one, is_held=is_held)
                yield first_reasons(world, model, rows, test)
                print(f"  {one.name} explained, {time.monotonic() - start:.0f} s", flush=True)
        rows.unpersist()


def true_chances(
    world: str,
    model: Classifier,
    rows: DataFrame,
    test: pd.DataFrame,
    tested: Tested[ChurnModel],
    *,
    is_held: bool,
) -> Proved:
    """Compare what is said of ten bins of customers with their true risk."""
    said = score(model, rows, keep=["customer_id"]).toPandas().set_index("customer_id")
    probability = test["customer_id"].map(said[PROBABILITY]).to_numpy()
    truth = test["risk"].to_numpy()
    parts = np.array_split(np.argsort(probability, kind="stable"), 10)
    off = float(np.mean([abs(probability[part].mean() - truth[part].mean()) for part in parts]))
    what = f"{world}, {model.kind}: said less true risk, mean of ten bins"
    if is_held:
        return at_most(what, off, MOST_OFF)
    error, limit = tested.value("calibration_error"), tested.value(CALIBRATION_LIMIT)
    assert error is not None and limit is not None
    return Proved(what, f"{off:.4f}; the gate {'passes' if error <= limit else 'refuses'} it")


def first_reasons(world: str, model: Classifier, rows: DataFrame, test: pd.DataFrame) -> Proved:
    """Count how often the cause is the first reason of those whom it alone drives."""
    explained = with_reasons(model, rows, n=3, n_rows=len(test)).toPandas()
    reasons = explained.set_index("customer_id")["reasons"]
    driven = test[test["cause"] >= 0]
    n_first = sum(
        len(reasons[key]) > 0 and reasons[key][0]["theme"] == theme_of(CAUSES[cause])
        for key, cause in zip(driven["customer_id"], driven["cause"], strict=True)
    )
    return Proved(
        f"{world}, {model.kind}: the cause is the first reason, {len(driven):,} customers",
        f"{n_first / len(driven):.1%}",
        f"at least {LEAST_FIRST:.0%}",
        n_first >= LEAST_FIRST * len(driven),
    )


def by_chance(spark: SparkSession, seed: int, *, times: int) -> Iterator[Proved]:
    """Train on labels that nothing knows."""
    start = time.monotonic()
    n_promoted = 0
    not_c, covers = [], dict.fromkeys((*RULES, *LEARNING), 0)
    for turn in range(times):
        params = ChurnSection(seed=seed + turn, forest=ForestParams(n_trees=TREES_BY_CHANCE))
        table, random = redrawn(N_BY_CHANCE, seed + turn)
        table = table.assign(**{LABEL: (random.random(len(table)) < 0.2).astype(float)})
        with persisted(spark, table) as frame:
            fitted = step_of(frame, params)
        choice, tested = chosen(list(fitted.values()), params.seed)
        n_promoted += choice.champion not in RULES
        for one in tested:
            found = {metric.name: metric for metric in one.metrics}
            low, high = found["auc"].low, found["auc"].high
            assert low is not None and high is not None
            covers[one.name] += low <= 0.5 <= high
            if not one.is_rule and (letter := letter_of(found)) != "C":
                not_c.append(f"{one.name} {letter}, seed {params.seed}")
        progress(f"random labels, {N_BY_CHANCE:,} customers", turn + 1, times, start)
    what = f"random labels, {N_BY_CHANCE:,} customers"
    yield counted_at_most(f"{what}: promoted", n_promoted, times, 0)
    graded = f"{len(not_c)} of {times * len(LEARNING)}" + "".join(f"; {one}" for one in not_c)
    yield Proved(f"{what}: graded A or B", graded, "at most 0", not not_c)
    for name in LEARNING:
        least = int(np.ceil(LEAST_COVERED * times))
        yield counted_at_least(f"{what}, {name}: interval has .5", covers[name], times, least)
    of_rules = min(covers[name] for name in RULES)
    yield Proved(f"{what}: interval has .5, the rule with the fewest", f"{of_rules} of {times}")


def letter_of(found: dict[str, Measured]) -> str:
    """Grade by the figures quoted, as the report does."""
    gain, error, limit = (
        found[name] for name in (AUC_GAIN, "calibration_error", CALIBRATION_LIMIT)
    )
    assert error.value is not None and limit.value is not None
    is_calibrated = error.value <= limit.value
    return grade(gain.value, gain.low, gain.high, is_calibrated=is_calibrated).letter


# --- subgroups -----------------------------------------------------------------------------------

OFF_BY = 0.1
MOST_FALSE, LEAST_TOLD = 0.05, 0.95


def in_groups(
    n: int, random: np.random.Generator, *, blind: bool
) -> tuple[dict[str, Floats], Floats]:
    """Draw what customers are grouped by, and their true risks, which may depend on it."""
    logit = MEAN_LOGIT + SPREAD * random.normal(size=n)
    # Between orders of nobody: a tenth have ordered on one day only.
    gap = np.where(random.random(n) < 0.1, np.nan, random.lognormal(2.3, 0.9, n))
    tenure, spend = random.gamma(1.2, 330, n), random.lognormal(5, 1, n)
    if not blind:
        known = np.where(np.isnan(gap), 30.0, gap)
        logit = MEAN_LOGIT + 0.8 * random.normal(size=n) + 0.9 * (np.log(known) - 2.3)
        logit -= 0.4 * (np.log(spend) - 5) + 0.3 * (np.log1p(tenure) - 5.5)
    features = dict(zip(FEATURES_OF_GROUPS, (tenure, gap, spend), strict=True))
    return features, sigmoid(logit)


def is_off(group: Group) -> bool:
    """Whether it is warned that a group's probabilities did not come true."""
    return "were expected to leave" in (fault_of(group) or "")


def subgroups(times: int, seed: int) -> Iterator[Proved]:
    """Count warnings of subgroups where all is right, and where one group's chances are off."""
    for n in (FEW, MANY):
        for blind in (True, False):
            n_off, n_ranked, n_any = 0, 0, 0
            for turn in range(times):
                random = np.random.default_rng([seed, n, turn])
                features, risk = in_groups(n, random, blind=blind)
                has_left = random.random(n) < risk
                warned = [one for one in groups_of(features, has_left, risk) if fault_of(one)]
                of_probability = [is_off(one) for one in warned]
                n_any, n_off = n_any + bool(warned), n_off + any(of_probability)
                n_ranked += not all(of_probability)
            kind = "no group differs" if blind else "risk differs by group"
            what = f"{kind}, {n:,} customers, all right: a group warned of"
            yield Proved(
                what,
                f"{n_any / times:.1%} (probabilities {n_off / times:.1%}, ranking "
                f"{n_ranked / times:.1%}) of {times:,}",
                f"at most {MOST_FALSE:.0%}",
                n_any <= MOST_FALSE * times,
            )
        n_told, sizes = 0, []
        for turn in range(times):
            random = np.random.default_rng([seed, n, turn])
            features, risk = in_groups(n, random, blind=True)
            has_left = random.random(n) < risk
            is_new = features["tenure_days"] < 90
            said = np.where(is_new, np.minimum(risk + OFF_BY, 0.999), risk)
            groups = groups_of(features, has_left, said)
            (new,) = (one for one in groups if (one.grouping, one.name) == ("tenure", "1"))
            n_told += is_off(new)
            sizes.append(new.n)
        yield Proved(
            f"new customers off by {OFF_BY}, some {np.mean(sizes):,.0f} of {n:,}: told",
            f"{n_told / times:.1%} of {times:,}",
            f"at least {LEAST_TOLD:.0%}",
            n_told >= LEAST_TOLD * times,
        )


# --- all of it -----------------------------------------------------------------------------------

PARTS = ("contributions", "decisions", "planted", "subgroups")


def parts_of(given: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Iterator[Proved]]]:
    """Give each part that is asked for; Spark runs only as long as it is needed."""
    wanted = given.only or PARTS
    if "decisions" in wanted:
        yield "decisions", decisions(given.times, given.seed)
    if "subgroups" in wanted:
        yield "subgroups", subgroups(5 * given.times, given.seed)
    if "contributions" in wanted or "planted" in wanted:
        with open_session("prove", time_zone="America/New_York", properties=SPARK) as spark:
            if "contributions" in wanted:
                yield "contributions", contributions(spark, folder, given.seed)
            if "planted" in wanted:
                yield "a planted truth", planted(spark, folder, given.seed, n=given.customers)
                yield "random labels", by_chance(spark, given.seed, times=given.trainings)


def printed(proved: Sequence[Proved]) -> str:
    """Write a table of what was proved."""
    rows = [("", "found", "limit", ""), *((p.what, p.found, p.limit, _held(p)) for p in proved)]
    widths = [max(len(row[place]) for row in rows) for place in range(4)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _held(proved: Proved) -> str:
    if not proved.limit:
        return ""
    return "holds" if proved.holds else "FAILED"


def main() -> None:
    """Run the proofs; end with 1 where one fails."""
    parser = argparse.ArgumentParser(prog="scripts/prove churn", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, help="run these parts only")
    parser.add_argument("--times", type=int, default=200, help="draws of a decision")
    parser.add_argument("--trainings", type=int, default=20, help="trainings on random labels")
    parser.add_argument("--customers", type=int, default=MANY, help="a cut-off, planted truth")
    parser.add_argument("--seed", type=int, default=17)
    given = parser.parse_args()
    if "contributions" in (given.only or PARTS) and importlib.util.find_spec("shap") is None:
        sys.exit(
            "scripts/prove churn holds contributions against the package shap, which is not "
            "installed:\n  .venv/bin/python -m pip install -c constraints.txt -e '.[benchmark]'\n"
            "or leave that part out: --only decisions planted subgroups"
        )
    proved: list[Proved] = []
    with tempfile.TemporaryDirectory(prefix="crm_spark_proof_") as temporary:
        for name, part in parts_of(given, Path(temporary)):
            print(f"{name} ...", flush=True)
            start = time.monotonic()
            proved += part
            print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
    print(printed(proved))
    failed = [one for one in proved if not one.holds]
    print(f"FAILED: {len(failed)} of {len(proved)}" if failed else "all of it holds")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
