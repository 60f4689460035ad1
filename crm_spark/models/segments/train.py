"""Fit segments: prepare the features, choose how many, find the centres, order and name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.clustering import KMeans
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql import types as T

from crm_spark.errors import DataError
from crm_spark.features.families import FEATURES
from crm_spark.features.families.family import Feature
from crm_spark.models.results import Measured
from crm_spark.models.rows import fixed_rows, sampled_customers
from crm_spark.models.segments.model import (
    CLUSTER,
    NamedSegment,
    SegmentInput,
    SegmentModel,
    order_group,
    standardised,
)
from crm_spark.models.segments.names import agreed_levels, segment_names
from crm_spark.models.segments.section import SegmentsSection
from crm_spark.words import are, counted, verb

KMEANS = "kmeans"
# The trivial rule beside k-means: as many groups of equal size, cut by spend alone.
SPEND_GROUPS = "spend_groups"
# What the groups, and the order of segment ids, go by.
SPEND = "spend_amount"
N_ORDERS = "n_orders"
# Groups of customers by number of orders, for the medians that stand for unknown values: the last
# is of 64 orders and more.
N_GROUPS = 7
FEWEST_PER_SEGMENT = 10
SILHOUETTE, STABILITY = "silhouette.k", "stability.k"
# A convention of ours for what Steinley (2004) calls good agreement of two partitions; above .9 he
# calls it excellent, below .65 poor.
STABLE = 0.8
# So many resamples are clustered; all pairs of them are compared.
N_RESAMPLES = 20
# Beyond this many customers the medians and cuts come from a sample by hash.
QUANTILE_ROWS = 1_000_000
_TOLERANCE = 1e-6

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Customers drawn by hash: their standardised inputs, and what they bought."""

    inputs: Matrix
    spend: Matrix

    def __len__(self) -> int:
        return len(self.inputs)

    def every_second(self, first: int) -> Sample:
        """Give every second customer, in the order of the draw."""
        return Sample(self.inputs[first::2], self.spend[first::2])


@dataclass(frozen=True)
class PreparedCustomers:
    """The customers of one snapshot as they are segmented, and the samples that are measured.

    On the customers of `choosing` the numbers of segments are measured. The comparison with the
    rule is measured on those of `quoted`, with centres found on those of `fitting`: other
    customers. The inputs are fitted on all.
    """

    rows: DataFrame
    n_customers: int
    inputs: tuple[SegmentInput, ...]
    choosing: Sample
    fitting: Sample
    quoted: Sample


@dataclass(frozen=True)
class FittedSegments:
    """The model, its figures by kind, of how many customers, and why this many segments."""

    model: SegmentModel
    measured: Mapping[str, tuple[Measured, ...]]
    n_sample: int
    why: str


def fit_segments(snapshot: DataFrame, params: SegmentsSection) -> FittedSegments:
    """Fit k-means on one snapshot of features.customer_snapshot, choosing how many segments.

    Of several starts the one with the least sum of squared distances is kept. Segment ids are
    ordered by mean spend, 1 the highest, so that they do not depend on a seed. Raises DataError
    with too few customers, or without a feature that tells any two of them apart.
    """
    rows = spread_customers(snapshot, params).persist()
    try:
        prepared = prepare_customers(rows, params)
        numbers = measure_numbers(prepared, params)
        k, why = choose_number(numbers, params)
        model = fit_centers(prepared, params, k=k)
    finally:
        rows.unpersist()
    measured = beside_spend_groups(prepared, params, k=k)
    measured[KMEANS] = (*numbers, *measured[KMEANS])
    return FittedSegments(model, measured, len(prepared.quoted), why)


def spread_customers(snapshot: DataFrame, params: SegmentsSection) -> DataFrame:
    """Give the columns that segments are found by, spread in the same way wherever it runs."""
    kept = ("customer_id", SPEND, N_ORDERS)
    return fixed_rows(
        snapshot.select(*kept, *[name for name in params.features if name not in kept]),
        key=("customer_id",),
        rows_per_partition=params.rows_per_partition,
    )


def prepare_customers(
    rows: DataFrame, params: SegmentsSection, features: Sequence[Feature] = FEATURES
) -> PreparedCustomers:
    """Fit the inputs on all customers, and draw the sample. Raises DataError as fit_segments()."""
    n_customers = rows.count()
    _require_customers(n_customers, params)
    inputs = fit_inputs(rows, params, n_customers=n_customers, features=features)
    sample = _sample(rows, inputs, params)
    fitting, quoted = sample.every_second(0), sample.every_second(1)
    # With a given number nothing is chosen: it is measured on all of them.
    return PreparedCustomers(
        rows, n_customers, inputs, sample if params.k else fitting, fitting, quoted
    )


def _require_customers(n_customers: int, params: SegmentsSection) -> None:
    fewest = min(params.candidates())
    if n_customers < fewest * FEWEST_PER_SEGMENT:
        raise DataError(
            f"{counted(n_customers, 'customer')} {are(n_customers)} too few for "
            f"{counted(fewest, 'segment')}: at least {fewest * FEWEST_PER_SEGMENT} are needed"
        )


def fit_inputs(
    rows: DataFrame,
    params: SegmentsSection,
    *,
    n_customers: int,
    features: Sequence[Feature] = FEATURES,
) -> tuple[SegmentInput, ...]:
    """Give each feature's medians, winsorising cuts, mean and standard deviation.

    Features with one value only, once they are winsorised, are left out. Raises DataError where
    none is left.
    """
    units = {feature.name: feature.unit for feature in features}
    sample = sampled_customers(rows, n_rows=n_customers, most=QUANTILE_ROWS)
    cuts = (0.5, params.winsorize_share, 1 - params.winsorize_share)
    quantiles = sample.agg(
        *[F.percentile(name, F.array(*map(F.lit, cuts))).alias(name) for name in params.features]
    ).collect()[0]
    medians = {name: quantiles[name][0] for name in params.features if quantiles[name] is not None}
    group_fills = _group_medians(sample, medians) if params.fill == "group_median" else {}
    raw = [
        SegmentInput(
            name,
            units[name] not in ("share", "-1 to 1"),
            fill=float(median),
            low=float(low),
            high=float(high),
            group_fills=group_fills.get(name, ()),
        )
        for name in medians
        for median, low, high in [quantiles[name]]
    ]
    spread = rows.agg(
        *[F.avg(feature.kept_in()).alias(f"mean_{feature.name}") for feature in raw] or [F.lit(0)],
        *[F.stddev_samp(feature.kept_in()).alias(f"std_{feature.name}") for feature in raw],
    ).collect()[0]
    inputs = tuple(
        replace(feature, mean=spread[f"mean_{feature.name}"], std=spread[f"std_{feature.name}"])
        for feature in raw
        if (spread[f"std_{feature.name}"] or 0.0) > 1e-12
    )
    if not inputs:
        raise DataError(
            f"customers cannot be segmented: {', '.join(params.features)} "
            f"{verb(len(params.features), 'has', 'have')} the same value for all "
            f"{counted(n_customers, 'customer')}; name other features in segments.features"
        )
    return inputs


def _group_medians(sample: DataFrame, medians: Mapping[str, float]) -> dict[str, tuple[float, ...]]:
    """Give each feature's median by number of orders, that of all where a group knows none."""
    by_group = (
        sample.groupBy(order_group(N_GROUPS).alias("_group"))
        .agg(*[F.percentile(name, F.lit(0.5)).alias(name) for name in medians])
        .collect()
    )  # a row a group
    known = {(row["_group"], name): row[name] for row in by_group for name in medians}
    return {
        name: tuple(
            float(median if (group_median := known.get((group, name))) is None else group_median)
            for group in range(N_GROUPS)
        )
        for name, median in medians.items()
    }


def _sample(rows: DataFrame, inputs: Sequence[SegmentInput], params: SegmentsSection) -> Sample:
    """Draw customers by hash: at most `sample_rows` to choose on, and as many to quote."""
    drawn = standardised(rows, inputs, keep=["customer_id", F.col(SPEND).alias("_spend")])
    frame = (
        drawn.orderBy(F.xxhash64("customer_id", F.lit(params.seed)), "customer_id")
        .limit(params.sample_rows if params.k else 2 * params.sample_rows)
        .toPandas()  # at most twice sample_rows
    )
    matrix = frame[[feature.name for feature in inputs]].to_numpy(float)
    return Sample(matrix, frame["_spend"].fillna(0.0).to_numpy(float))


def measure_numbers(prepared: PreparedCustomers, params: SegmentsSection) -> tuple[Measured, ...]:
    """Give silhouette.k<k> and stability.k<k> of each number of segments, on the sample.

    Silhouette: Rousseeuw (1987), mean over customers. Stability: whether other customers of the
    same kind would have given the same segments, see `stability_of`. The sample's order must not
    depend on the partitioning, since resamples are drawn by position. Raises DataError with fewer
    than ten customers a segment.
    """
    from sklearn.cluster import KMeans as SampleKMeans
    from sklearn.metrics import silhouette_score

    sample = prepared.choosing.inputs
    measured: list[Measured] = []
    for k in _possible_numbers(prepared, params):
        starts = [
            SampleKMeans(k, n_init=10, random_state=params.seed + start, tol=_TOLERANCE).fit(sample)
            for start in range(params.n_starts)
        ]
        best = min(starts, key=lambda start: start.inertia_)
        silhouette = float(silhouette_score(sample, best.labels_))
        stability = stability_of(sample, k, seed=params.seed)
        measured += [
            Measured(f"{SILHOUETTE}{k}", silhouette, len(sample)),
            Measured(f"{STABILITY}{k}", stability, len(sample)),
        ]
    return tuple(measured)


def _possible_numbers(prepared: PreparedCustomers, params: SegmentsSection) -> list[int]:
    n_customers, sample = prepared.n_customers, prepared.choosing.inputs
    n_distinct = len(np.unique(sample, axis=0))
    possible = [
        k
        for k in params.candidates()
        if k * FEWEST_PER_SEGMENT <= n_customers and k < min(n_distinct, len(sample))
    ]
    if not possible:
        fewest = min(params.candidates())
        raise DataError(
            f"{counted(n_customers, 'customer')} ({n_distinct:,} different in the sample) "
            f"{are(n_customers)} too few for {counted(fewest, 'segment')}: at least "
            f"{fewest * FEWEST_PER_SEGMENT} customers, {fewest + 1} of them different, are needed"
        )
    return possible


def choose_number(measured: Sequence[Measured], params: SegmentsSection) -> tuple[int, str]:
    """Choose the number of segments by silhouette among the stable ones, and say why.

    Below STABLE a number is taken only where none reaches it, and then the most stable
    one.
    """
    silhouette = _by_number(measured, SILHOUETTE)
    stability = _by_number(measured, STABILITY)
    possible = sorted(silhouette)
    stable = [k for k in possible if stability[k] >= STABLE]
    if stable:
        k = max(stable, key=lambda number: (silhouette[number], -number))
        reason = f"the highest silhouette of the stable among {possible[0]} to {possible[-1]}"
    else:
        k = max(possible, key=lambda number: (stability[number], -number))
        reason = f"none of {possible[0]} to {possible[-1]} is stable, the most stable"
    if params.k:
        reason = "the configured number"
    n = next(one.n for one in measured if one.name == f"{SILHOUETTE}{k}")
    figures = f"silhouette {silhouette[k]:.3f}, stability {stability[k]:.3f}"
    return k, f"{counted(k, 'segment')}, {reason}: {figures}, of {counted(n, 'customer')}"


def _by_number(measured: Sequence[Measured], metric: str) -> dict[int, float]:
    return {
        int(one.name.removeprefix(metric)): one.value
        for one in measured
        if one.name.startswith(metric) and one.value is not None
    }


def stability_of(sample: Matrix, k: int, *, seed: int) -> float:
    """Give how alike the segments come out of resampled customers: 1 the same, 0 as by chance.

    Each bootstrap sample of the rows is clustered by itself, and all rows are assigned to its
    nearest centres; given is the mean adjusted Rand index (Hubert and Arabie, 1985) of all pairs of
    these assignments (Dolnicar and Leisch, 2010, Marketing Letters 21; of subsamples: Ben-Hur,
    Elisseeff and Guyon, 2002). Every k gets the same resamples.
    """
    from sklearn.metrics import adjusted_rand_score

    random = np.random.default_rng(seed)
    assignments: list[NDArray[np.int64]] = []
    for resample in range(N_RESAMPLES):
        drawn = sample[random.integers(0, len(sample), len(sample))]
        assignments.append(_assigned(sample, drawn, k, n_starts=3, seed=seed + resample))
    agreements = [
        adjusted_rand_score(one, other)
        for index, one in enumerate(assignments)
        for other in assignments[:index]
    ]
    return float(np.mean(agreements))


def _assigned(
    sample: Matrix, fitting: Matrix, k: int, *, n_starts: int, seed: int
) -> NDArray[np.int64]:
    """Give the nearest of k centres to each customer, found on these or other customers."""
    from sklearn.cluster import KMeans as SampleKMeans

    n_clusters = min(k, len(np.unique(fitting, axis=0)))  # few customers may be alike
    kmeans = SampleKMeans(n_clusters, n_init=n_starts, random_state=seed, tol=_TOLERANCE)
    assigned: NDArray[np.int64] = kmeans.fit(fitting).predict(sample)
    return assigned


def fit_centers(prepared: PreparedCustomers, params: SegmentsSection, *, k: int) -> SegmentModel:
    """Find the centres of k segments of all customers, put them in order and name them."""
    rows, inputs = prepared.rows, prepared.inputs
    names = [feature.name for feature in inputs]
    plain = [F.col(name).cast(T.DoubleType()).alias(f"_plain_{name}") for name in names]
    read = standardised(
        rows, inputs, keep=["customer_id", F.col(SPEND).alias("_spend"), *plain]
    ).persist()
    assembler = VectorAssembler(inputCols=names, outputCol="features")
    best: tuple[float, PipelineModel, Any] | None = None
    try:
        for start in range(params.n_starts):
            kmeans = KMeans(
                featuresCol="features",
                predictionCol=CLUSTER,
                k=k,
                solver="block",
                maxIter=params.max_iterations,
                tol=_TOLERANCE,
                seed=params.seed + start,
            )
            pipeline = Pipeline(stages=[assembler, kmeans]).fit(read)
            fitted: Any = pipeline.stages[-1]
            if best is None or fitted.summary.trainingCost < best[0]:
                best = (fitted.summary.trainingCost, pipeline, fitted)
        assert best is not None
        found = (
            best[1]
            .transform(read)
            .groupBy(CLUSTER)
            .agg(
                F.avg("_spend").cast(T.DoubleType()).alias("spend"),
                *[F.sum(f"_plain_{name}").alias(f"sum_{name}") for name in names],
                *[F.count(f"_plain_{name}").alias(f"n_{name}") for name in names],
            )
            .collect()
        )  # a row a segment
    finally:
        read.unpersist()
    centers = [tuple(float(value) for value in center) for center in best[2].clusterCenters()]
    spend = {row[CLUSTER]: row["spend"] for row in found}
    clusters = sorted(spend, key=lambda cluster: (-(spend[cluster] or 0.0), centers[cluster]))
    clusters += [cluster for cluster in range(len(centers)) if cluster not in spend]
    apart = _mean_differences(found, names)
    called = segment_names(
        names,
        [agreed_levels(centers[cluster], apart.get(cluster, ())) for cluster in clusters],
    )
    segments = tuple(
        NamedSegment(position, name, cluster, centers[cluster])
        for position, (cluster, name) in enumerate(zip(clusters, called, strict=True), start=1)
    )
    return SegmentModel(tuple(inputs), segments, best[1])


def _mean_differences(
    found: Sequence[Row], names: Sequence[str]
) -> dict[int, tuple[float | None, ...]]:
    """Give how far each segment's means are from those of all, None where nothing is known."""
    differences: dict[int, list[float | None]] = {row[CLUSTER]: [] for row in found}
    for name in names:
        n_known = sum(row[f"n_{name}"] for row in found)
        of_all = sum(row[f"sum_{name}"] or 0.0 for row in found) / n_known if n_known else 0.0
        for row in found:
            n = row[f"n_{name}"]
            differences[row[CLUSTER]].append(row[f"sum_{name}"] / n - of_all if n else None)
    return {cluster: tuple(values) for cluster, values in differences.items()}


def beside_spend_groups(
    prepared: PreparedCustomers, params: SegmentsSection, *, k: int
) -> dict[str, tuple[Measured, ...]]:
    """Measure k segments and, beside them, as many groups of equal size cut by spend alone.

    The centres are found on other customers of the sample than those measured. All the same,
    k-means seeks to explain the inputs' variance, and the rule does not: without any groups among
    the customers, k-means explains more.
    """
    from sklearn.metrics import silhouette_score

    fitting, sample, n = prepared.fitting.inputs, prepared.quoted.inputs, len(prepared.quoted)
    nearest = _assigned(sample, fitting, k, n_starts=params.n_starts, seed=params.seed)
    ranks = prepared.quoted.spend.argsort(kind="stable").argsort(kind="stable")
    groups = ranks * k // n
    measured: dict[str, tuple[Measured, ...]] = {}
    for name, labels in ((KMEANS, nearest), (SPEND_GROUPS, groups)):
        found = [Measured("explained_share", _explained_share(sample, labels), n)]
        if 1 < len(np.unique(labels)) < n:
            found.append(Measured("silhouette", float(silhouette_score(sample, labels)), n))
        measured[name] = tuple(found)
    measured[KMEANS] += (Measured("n_segments", float(k), n),)
    return measured


def _explained_share(sample: Matrix, labels: NDArray[np.int64]) -> float | None:
    """Give the share of the inputs' variance that lies between the groups; None without any."""
    within = sum(
        ((sample[labels == label] - sample[labels == label].mean(axis=0)) ** 2).sum()
        for label in np.unique(labels)
    )
    total = ((sample - sample.mean(axis=0)) ** 2).sum()
    return float(1 - within / total) if total else None
