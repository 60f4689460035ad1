"""Segments on a made-up base: planted groups, scikit-learn beside it, and what must not matter."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from crm_spark.errors import DataError
from crm_spark.models.segments.model import SegmentModel, assign_segments, load_segment_model
from crm_spark.models.segments.section import SegmentsSection
from crm_spark.models.segments.train import (
    STABILITY,
    STABLE,
    FittedSegments,
    PreparedCustomers,
    Sample,
    beside_spend_groups,
    choose_number,
    fit_inputs,
    fit_segments,
    measure_numbers,
)

FEATURES = ("days_since_last_order", "n_orders", "spend_amount")
SHARE = 0.01
# Days of silence, orders, spend: medians of the planted groups, the last spends most.
PLANTED = ((200, 2, 20.0), (10, 3, 60.0), (150, 30, 500.0), (5, 60, 4000.0))
N_OF_GROUP = 100
PARAMS = SegmentsSection(k=4, n_starts=3)
SCHEMA = (
    "customer_id string, days_since_last_order bigint, n_orders bigint, spend_amount double, "
    "net_spend_amount double, n_departments bigint"
)
Floats = np.ndarray[Any, np.dtype[np.float64]]


def drawn_base() -> pd.DataFrame:
    """Draw customers around the planted medians."""
    random = np.random.default_rng(5)
    rows = []
    for group, (days, orders, spend) in enumerate(PLANTED):
        for number in range(N_OF_GROUP):
            bent = np.exp(random.normal(0, 0.15, 3))
            amount = round(spend * bent[2], 2)
            rows.append(
                (
                    f"g{group}n{number:03}",
                    round(days * bent[0]),
                    max(1, round(orders * bent[1])),
                    amount,
                    -amount if group == 1 else amount,
                    7,
                )
            )
    return pd.DataFrame(rows, columns=[field.split()[0] for field in SCHEMA.split(", ")])


BASE = drawn_base()
GROUP = {customer: int(customer[1]) for customer in BASE["customer_id"]}


@pytest.fixture(scope="module")
def base(spark: SparkSession) -> DataFrame:
    """Give the drawn customers as rows of a snapshot."""
    return spark.createDataFrame(BASE, SCHEMA).coalesce(1).cache()


def figures_of(fitted: FittedSegments) -> dict[tuple[str, str], float | None]:
    """Give every figure by kind and name."""
    return {
        (kind, figure.name): figure.value
        for kind, of_kind in fitted.measured.items()
        for figure in of_kind
    }


@pytest.fixture(scope="module")
def fitted(base: DataFrame) -> FittedSegments:
    """Give four segments of the base."""
    return fit_segments(base, PARAMS)


@pytest.fixture(scope="module")
def assigned(base: DataFrame, fitted: FittedSegments) -> pd.DataFrame:
    """Give the segments of the base."""
    return assignment(fitted.model, base)


def assignment(model: SegmentModel, df: DataFrame) -> pd.DataFrame:
    found = assign_segments(model, df, keep=["customer_id"]).toPandas()
    return found.sort_values("customer_id", ignore_index=True)


def standardised_by_hand(frame: pd.DataFrame, features: tuple[str, ...] = FEATURES) -> Floats:
    """Give what the model reads, as the docstring has it, in numpy."""
    columns = []
    for name in features:
        raw = frame[name].to_numpy(float)
        low, high = np.nanquantile(raw, [SHARE, 1 - SHARE])
        kept = np.clip(np.where(np.isnan(raw), np.nanmedian(raw), raw), low, high)
        logged = np.sign(kept) * np.log1p(np.abs(kept))
        columns.append((logged - logged.mean()) / logged.std(ddof=1))
    return np.column_stack(columns)


def centers_of(model: SegmentModel) -> Floats:
    return np.array([segment.center for segment in model.segments])


def distances(matrix: Floats, centers: Floats) -> Floats:
    return np.sqrt(((matrix[:, None, :] - centers[None, :, :]) ** 2).sum(axis=2))


def test_inertia_is_within_one_percent_of_scikit_learn(fitted: FittedSegments) -> None:
    matrix = standardised_by_hand(BASE)
    expected = KMeans(4, n_init=10, random_state=0).fit(matrix).inertia_
    found = (distances(matrix, centers_of(fitted.model)).min(axis=1) ** 2).sum()
    assert found == pytest.approx(expected, rel=0.01)


def test_planted_groups_are_found_and_the_first_segment_spends_most(
    assigned: pd.DataFrame,
) -> None:
    # Planted with rising spend: the last group is segment 1.
    expected = [4 - GROUP[customer] for customer in assigned["customer_id"]]
    assert assigned["segment_id"].tolist() == expected
    spend = BASE.set_index("customer_id")["spend_amount"]
    means = spend.loc[assigned["customer_id"]].groupby(assigned["segment_id"].to_numpy()).mean()
    assert means.sort_values(ascending=False).index.tolist() == [1, 2, 3, 4]


def test_the_nearest_centre_is_chosen_and_its_distance_is_numpys(
    fitted: FittedSegments, assigned: pd.DataFrame
) -> None:
    by_hand = distances(standardised_by_hand(BASE), centers_of(fitted.model))
    assert assigned["segment_id"].tolist() == (by_hand.argmin(axis=1) + 1).tolist()
    assert assigned["distance_to_center"].to_numpy() == pytest.approx(by_hand.min(axis=1), abs=1e-9)


def test_a_segment_has_the_name_of_its_id(fitted: FittedSegments, assigned: pd.DataFrame) -> None:
    names = {segment.segment_id: segment.name for segment in fitted.model.segments}
    assert assigned["segment_name"].tolist() == [
        names[segment_id] for segment_id in assigned["segment_id"]
    ]
    assert names[1] == "frequent, high spend, recent"
    assert len(set(names.values())) == 4


def test_five_seeds_give_the_same_ids_and_names(
    base: DataFrame, fitted: FittedSegments, assigned: pd.DataFrame
) -> None:
    names = [(segment.segment_id, segment.name) for segment in fitted.model.segments]
    for seed in (2, 3, 5, 8):
        other = fit_segments(base, SegmentsSection(k=4, n_starts=3, seed=seed)).model
        assert [(segment.segment_id, segment.name) for segment in other.segments] == names
        found = assignment(other, base)["segment_id"]
        assert adjusted_rand_score(found, assigned["segment_id"]) >= 0.95
        assert (found == assigned["segment_id"]).mean() >= 0.95


def test_the_planted_number_is_chosen_from_a_range_and_is_stable(base: DataFrame) -> None:
    fitted = fit_segments(base, SegmentsSection(k_from=2, k_to=7, n_starts=3))
    assert len(fitted.model.segments) == 4
    figures = figures_of(fitted)
    assert figures["kmeans", "stability.k4"] == pytest.approx(1.0, abs=0.01)
    assert figures["kmeans", "n_segments"] == 4
    silhouettes = {k: figures["kmeans", f"silhouette.k{k}"] for k in range(2, 8)}
    assert max(silhouettes, key=lambda k: silhouettes[k]) == 4
    assert fitted.why.startswith("4 segments, the highest silhouette of the stable among 2 to 7")


def numbers_of(sample: Floats, params: SegmentsSection) -> tuple[dict[int, float], int, str]:
    """Give the stability of each number of segments on a sample, the chosen number, and why."""
    rows = cast("DataFrame", None)  # what is measured is the sample alone
    drawn = Sample(sample, np.zeros(len(sample)))
    prepared = PreparedCustomers(rows, len(sample), (), drawn, fitting=drawn, quoted=drawn)
    measured = measure_numbers(prepared, params)
    k, why = choose_number(measured, params)
    stability = {
        int(one.name.removeprefix(STABILITY)): one.value
        for one in measured
        if one.name.startswith(STABILITY) and one.value is not None
    }
    return stability, k, why


def test_customers_without_groups_are_stable_at_no_number_of_segments() -> None:
    blob = np.random.default_rng(3).normal(size=(1000, 3))
    stability, _, why = numbers_of(blob, SegmentsSection(n_starts=2))
    assert set(stability) == {4, 5, 6, 7, 8}
    assert max(stability.values()) < STABLE - 0.1
    assert "none of 4 to 8 is stable" in why
    assert why.endswith("of 1,000 customers")


def test_groups_far_apart_are_perfectly_stable_at_their_number_alone() -> None:
    random = np.random.default_rng(3)
    groups = [
        random.normal(center, 0.1, size=(60, 2)) for center in ((0, 0), (4, 0), (0, 4), (4, 4))
    ]
    sample = np.vstack(groups)
    params = SegmentsSection(k_from=4, k_to=6, n_starts=2)
    stability, k, _ = numbers_of(sample, params)
    assert k == 4
    assert stability[4] == 1.0
    assert max(stability[k] for k in (5, 6)) < 1.0
    # Drawn by a seed: the same figures each time, whatever the number of starts.
    again, _, _ = numbers_of(sample, params.model_copy(update={"n_starts": 4}))
    assert again == stability


def test_customers_that_hardly_differ_can_be_resampled() -> None:
    sample = np.repeat(np.eye(3), 10, axis=0)
    stability, _, _ = numbers_of(sample, SegmentsSection(k=2, n_starts=1))
    assert 0.0 <= stability[2] <= 1.0


def beside(fitting: Floats, quoted: Floats, *, k: int) -> dict[tuple[str, str], float | None]:
    """Compare k segments with groups by the first input, as measured on `quoted`."""
    halves = [Sample(half, half[:, 0]) for half in (fitting, quoted)]
    rows = cast("DataFrame", None)  # what is measured are the samples alone
    n = len(fitting) + len(quoted)
    prepared = PreparedCustomers(rows, n, (), halves[0], fitting=halves[0], quoted=halves[1])
    measured = beside_spend_groups(prepared, SegmentsSection(k=k), k=k)
    assert {one.n for ours in measured.values() for one in ours} == {len(quoted)}
    return {(kind, one.name): one.value for kind, ours in measured.items() for one in ours}


def groups_at(*centers: tuple[float, float]) -> Floats:
    random = np.random.default_rng(3)
    return np.vstack([random.normal(center, 0.1, size=(50, 2)) for center in centers])


def test_explained_share_is_one_less_the_share_within_the_groups() -> None:
    sample = groups_at((0, 0), (0, 4), (4, 0), (4, 4))
    group = np.repeat(range(4), 50)
    means = np.array([sample[group == number].mean(axis=0) for number in range(4)])
    within = ((sample - means[group]) ** 2).sum()
    expected = 1 - within / ((sample - sample.mean(axis=0)) ** 2).sum()
    figures = beside(groups_at((4, 4), (0, 4), (4, 0), (0, 0)), sample, k=4)
    assert figures["kmeans", "explained_share"] == pytest.approx(expected, abs=1e-9)
    assert figures["kmeans", "n_segments"] == 4


def test_the_comparison_does_not_see_groups_of_the_customers_that_it_is_measured_on() -> None:
    # The fitting half has two groups side by side, the quoted half two above one another.
    figures = beside(groups_at((0, 2), (4, 2)), groups_at((0, 0), (0, 4)), k=2)
    explained = figures["kmeans", "explained_share"]
    assert explained is not None
    assert explained < 0.05


def test_without_groups_k_means_is_ahead_of_the_rule_all_the_same() -> None:
    blob = np.random.default_rng(3).normal(size=(2000, 3))
    figures = beside(blob[::2], blob[1::2], k=5)
    ours, rules = (figures[kind, "explained_share"] or 0.0 for kind in ("kmeans", "spend_groups"))
    assert ours > rules + 0.1


def test_where_the_customers_measured_are_all_alike_nothing_is_explained() -> None:
    figures = beside(groups_at((0, 0), (4, 4)), np.zeros((30, 2)), k=2)
    assert figures["kmeans", "explained_share"] is None
    assert ("kmeans", "silhouette") not in figures


def test_the_comparison_is_measured_on_half_of_the_sample(fitted: FittedSegments) -> None:
    figures = figures_of(fitted)
    ours, rules = (figures[kind, "explained_share"] or 0.0 for kind in ("kmeans", "spend_groups"))
    assert 0.9 < ours < 1.0
    assert ours >= rules
    assert fitted.n_sample == len(BASE) / 2


def test_no_level_is_named_that_the_plain_mean_denies(spark: SparkSession) -> None:
    # Two groups by silence and orders: the recent spend 100 each, the others 10 or, a few, 900.
    recent_ones = [(f"r{n:03}", n % 5, 10, 100.0) for n in range(80)]
    silent_ones = [(f"s{n:03}", 300 + n % 5, 2, 10.0 if n % 4 else 900.0) for n in range(80)]
    snapshot = spark.createDataFrame(
        [*recent_ones, *silent_ones],
        "customer_id string, days_since_last_order bigint, n_orders bigint, spend_amount double",
    )
    recent = next(
        segment
        for segment in fit_segments(snapshot, SegmentsSection(k=2, n_starts=2)).model.segments
        if segment.center[0] < 0
    )
    assert recent.center[2] > 0.25  # by logarithms they buy more than the others
    assert recent.name == "frequent, recent"


def test_a_model_read_back_from_its_spec_assigns_alike(
    base: DataFrame, fitted: FittedSegments, assigned: pd.DataFrame
) -> None:
    text = fitted.model.spec_json()
    read = load_segment_model(fitted.model.pipeline, json.loads(text))
    assert read.spec_json() == text
    assert read.inputs == fitted.model.inputs
    assert read.segments == fitted.model.segments
    pd.testing.assert_frame_equal(assignment(read, base), assigned)


def test_repartitioned_input_gives_the_same_model_and_assignment(
    base: DataFrame, fitted: FittedSegments, assigned: pd.DataFrame
) -> None:
    apart = base.repartition(7, "n_orders").sortWithinPartitions(F.desc("customer_id"))
    refitted = fit_segments(apart, PARAMS)
    assert figures_of(refitted) == pytest.approx(figures_of(fitted))
    found = assignment(refitted.model, base)
    assert found["segment_id"].tolist() == assigned["segment_id"].tolist()
    assert found["segment_name"].tolist() == assigned["segment_name"].tolist()
    assert found["distance_to_center"].to_numpy() == pytest.approx(
        assigned["distance_to_center"].to_numpy(), abs=1e-9
    )


def with_holes(spark: SparkSession, unknown: pd.Series[bool]) -> tuple[DataFrame, pd.DataFrame]:
    """Give the base with days since the last order unknown of some, for Spark and for pandas."""
    holes = BASE.copy()
    holes["days_since_last_order"] = holes["days_since_last_order"].astype("Int64")
    holes.loc[unknown, "days_since_last_order"] = pd.NA
    rows = [
        tuple(None if pd.isna(value) else value for value in row)
        for row in holes.astype(object).itertuples(index=False)
    ]
    return spark.createDataFrame(rows, SCHEMA), holes.astype({"days_since_last_order": float})


def test_unknown_features_count_as_the_median(spark: SparkSession) -> None:
    df, table = with_holes(spark, BASE["customer_id"].str.endswith("n050"))
    inputs = fit_inputs(df, PARAMS, n_customers=len(BASE))
    assert inputs[0].fill == table["days_since_last_order"].median()
    found = df.orderBy("customer_id").select(*[one.value() for one in inputs]).collect()
    expected = standardised_by_hand(table)
    assert np.array(found, float) == pytest.approx(expected, abs=1e-9)


def test_unknown_features_count_as_the_median_of_customers_with_as_many_orders(
    spark: SparkSession,
) -> None:
    group = np.log2(BASE["n_orders"]).astype(int).clip(upper=6)
    assert set(group) == {0, 1, 2, 4, 5, 6}
    unknown = BASE["customer_id"].str.endswith("n050") | (group == 2)
    df, table = with_holes(spark, unknown)
    params = PARAMS.model_copy(update={"fill": "group_median", "winsorize_share": 0.0})
    inputs = fit_inputs(df, params, n_customers=len(BASE))
    days = table["days_since_last_order"]
    medians = days.groupby(group).transform("median")
    # Of the group with four to seven orders nothing is known: the median of all stands for it.
    filled = days.fillna(medians).fillna(days.median())
    assert filled[unknown].nunique() >= 4
    found = df.orderBy("customer_id").select("customer_id", inputs[0].value()).toPandas()
    logged = np.log1p(filled)
    expected = ((logged - logged.mean()) / logged.std()).to_numpy()
    order = BASE["customer_id"].argsort(kind="stable")
    assert found.iloc[:, 1].to_numpy() == pytest.approx(expected[order], abs=1e-9)

    model = fit_segments(df, params).model
    read = load_segment_model(model.pipeline, json.loads(model.spec_json()))
    assert read.inputs == model.inputs
    assert len(read.inputs[0].group_fills) == 7
    pd.testing.assert_frame_equal(assignment(read, df), assignment(model, df))


def test_a_constant_feature_is_left_out(base: DataFrame) -> None:
    params = SegmentsSection(features=("n_orders", "n_departments", "spend_amount"), k=2)
    inputs = fit_inputs(base, params, n_customers=len(BASE))
    assert [feature.name for feature in inputs] == ["n_orders", "spend_amount"]


def test_features_that_are_all_constant_are_refused_by_name(base: DataFrame) -> None:
    params = SegmentsSection(features=("n_departments",), k=2)
    with pytest.raises(DataError, match=r"n_departments has the same value for all 400"):
        fit_segments(base, params)


@pytest.mark.parametrize(
    ("n", "params", "needed"),
    [
        (39, SegmentsSection(k=4), "39 customers .* for 4 segments: at least 40 "),
        (20, SegmentsSection(), "20 customers .* for 4 segments: at least 40 "),
    ],
)
def test_too_few_customers_are_told_how_many_are_needed(
    base: DataFrame, n: int, params: SegmentsSection, needed: str
) -> None:
    with pytest.raises(DataError, match=needed):
        fit_segments(base.limit(n), params)


def test_ten_customers_a_segment_are_enough(base: DataFrame) -> None:
    fitted = fit_segments(base.limit(20), SegmentsSection(k=2, n_starts=1))
    assert len(fitted.model.segments) == 2


def test_negative_money_is_a_logarithm_both_ways_from_zero(base: DataFrame) -> None:
    features = ("n_orders", "net_spend_amount")
    params = SegmentsSection(features=features, k=4, n_starts=2)
    model = fit_segments(base, params).model
    by_hand = distances(standardised_by_hand(BASE, features), centers_of(model))
    found = assignment(model, base)
    assert found["distance_to_center"].to_numpy() == pytest.approx(by_hand.min(axis=1), abs=1e-9)
    # Group 1 has the negative sums, spends third, and is a segment of its own.
    group = found["customer_id"].map(GROUP)
    assert set(found.loc[group == 1, "segment_id"]) == {3}
    negative = model.segments[2].center[1]
    money = model.inputs[1]
    logs = np.log1p(BASE.loc[BASE["net_spend_amount"] < 0, "spend_amount"].to_numpy())
    assert money.in_own_unit(negative) == pytest.approx(-np.expm1(logs.mean()), rel=0.02)
