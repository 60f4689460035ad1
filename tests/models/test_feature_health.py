"""Feature health: the figures are those of numpy and scikit-learn, and leaks do not get through."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from scipy.stats import chi2, spearmanr
from sklearn.metrics import roc_auc_score

from crm_spark.features.families import FEATURES
from crm_spark.models import feature_health
from crm_spark.models.binary_metrics import Floats
from crm_spark.models.feature_health import (
    MeasuredFeatures,
    measure_features,
    population_stability,
    rank_correlation,
    single_feature_strength,
)
from crm_spark.models.feature_selection import Dropped, Selection, select_features, suspicion_at

TEST = date(2024, 6, 1)
NEWEST, MIDDLE, OLDEST = TRAINING = (date(2024, 5, 1), date(2024, 4, 3), date(2024, 3, 6))
DAYS = (*TRAINING, TEST)
N_CUSTOMERS = 300
NAMES = [feature.name for feature in FEATURES]
# Blind to the label and to one another, unless a test plants something.
NOISE = ("days_since_last_order", "tenure_days", "spend_amount_28d", "median_gap_days")
SIGNAL, WITH_NULLS = "n_orders", "median_gap_days"
LEAKY = "spend_per_order"


def labelled_rows(n: int = N_CUSTOMERS, seed: int = 1) -> pd.DataFrame:
    """Draw labelled rows of all cut-offs: SIGNAL is lower for leavers, NOISE is not."""
    random = np.random.default_rng(seed)
    rows = len(DAYS) * n
    table = pd.DataFrame({name: np.full(rows, 7.0) for name in NAMES})
    for name in NOISE:
        table[name] = random.integers(0, 60, rows).astype(float)
    table.loc[random.random(rows) < 0.2, WITH_NULLS] = np.nan
    table["label"] = (random.random(rows) < 0.3).astype(float)
    table[SIGNAL] = np.round(random.normal(8 - 2 * table["label"], 2))
    table.insert(0, "customer_id", [f"c{place:04}" for place in range(n)] * len(DAYS))
    table.insert(1, "as_of_date", np.repeat(np.array(DAYS, dtype=object), n))
    return table


def with_leak(table: pd.DataFrame, on: pd.Series | None = None) -> pd.DataFrame:
    """Let LEAKY be the label in disguise where `on` holds, and chance elsewhere."""
    random = np.random.default_rng(3)
    leak = random.normal(40 - 30 * table["label"], 4)
    if on is not None:
        leak = np.where(on, leak, random.normal(25, 16, len(table)))
    return table.assign(**{LEAKY: leak})


def to_spark(spark: SparkSession, table: pd.DataFrame) -> DataFrame:
    return spark.createDataFrame(pa.Table.from_pandas(table, preserve_index=False))


def measured(frame: DataFrame) -> MeasuredFeatures:
    return measure_features(frame, training=TRAINING, test=TEST, label="label")


def measure(spark: SparkSession, table: pd.DataFrame) -> MeasuredFeatures:
    return measured(to_spark(spark, table))


def blurred(table: pd.DataFrame) -> pd.Series:
    """Give SIGNAL in almost the same order, and somewhat weaker: leavers of a value move up."""
    return table[SIGNAL] + 0.4 * table["label"]


def on_training(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["as_of_date"] != TEST]


def filled(table: pd.DataFrame, name: str) -> Floats:
    fill = next(feature.fill for feature in FEATURES if feature.name == name)
    return table[name].fillna(fill).to_numpy()


def direction_free(labels: Floats | pd.Series, values: Floats) -> float:
    auc = float(roc_auc_score(labels, values))
    return max(auc, 1 - auc)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return labelled_rows()


@pytest.fixture(scope="module")
def frame(spark: SparkSession, table: pd.DataFrame) -> Iterator[DataFrame]:
    rows = to_spark(spark, table).persist()
    yield rows
    rows.unpersist()


@pytest.fixture(scope="module")
def healthy(frame: DataFrame) -> MeasuredFeatures:
    """Measure rows with a signal that is weaker than a leak, and without one."""
    return measured(frame)


def health_of(found: MeasuredFeatures, name: str) -> feature_health.FeatureHealth:
    return next(health for health in found.health if health.feature == name)


def reasons(selection: Selection) -> dict[str, str]:
    """Give why features are dropped, those left aside that are the same for everybody anyway."""
    return {
        name: dropped.reason
        for name, dropped in selection.dropped.items()
        if dropped.reason != "constant" or name in (*NOISE, SIGNAL, LEAKY)
    }


# --- leaks ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def leaking(spark: SparkSession, table: pd.DataFrame) -> MeasuredFeatures:
    return measure(spark, with_leak(table))


def test_a_label_in_disguise_is_found_and_dropped(leaking: MeasuredFeatures) -> None:
    selection = select_features(leaking)
    assert [(suspicion.feature, suspicion.cutoff) for suspicion in selection.suspicions] == [
        (LEAKY, None)
    ]
    assert reasons(selection) == {LEAKY: "suspected leak"}
    assert selection.dropped[LEAKY].figure == selection.suspicions[0].auc > 0.99
    assert set(selection.kept) == {SIGNAL, *NOISE}


def test_a_feature_that_was_proved_clean_is_used_and_still_named(leaking: MeasuredFeatures) -> None:
    selection = select_features(leaking, trusted=[LEAKY, SIGNAL])
    assert LEAKY in selection.kept and LEAKY not in selection.dropped
    assert selection.suspicions == ()
    assert [suspicion.feature for suspicion in selection.trusted] == [LEAKY]


def test_a_signal_is_no_leak_and_noise_is_neither(
    healthy: MeasuredFeatures, table: pd.DataFrame
) -> None:
    selection = select_features(healthy)
    assert selection.suspicions == selection.trusted == ()
    assert reasons(selection) == {LEAKY: "constant"}
    assert 0.7 < (health_of(healthy, SIGNAL).strength.auc or 0) < 0.85
    for name in NOISE:
        strength = health_of(healthy, name).strength
        assert strength.low is not None and strength.low < 0.5 < (strength.auc or 0) < 0.56


def test_a_leak_in_a_part_of_history_is_found_with_its_cutoff(
    spark: SparkSession, table: pd.DataFrame
) -> None:
    found = measure(spark, with_leak(table, on=table["as_of_date"] == OLDEST))
    assert (health_of(found, LEAKY).strength.auc or 1) < 0.85
    selection = select_features(found)
    assert [(suspicion.feature, suspicion.cutoff) for suspicion in selection.suspicions] == [
        (LEAKY, OLDEST)
    ]
    assert LEAKY in selection.dropped


def test_being_unknown_can_leak_too(spark: SparkSession, table: pd.DataFrame) -> None:
    values = table[WITH_NULLS].fillna(30.0).where(table["label"] == 0)
    selection = select_features(measure(spark, table.assign(**{WITH_NULLS: values})))
    assert [suspicion.feature for suspicion in selection.suspicions] == [WITH_NULLS]


def test_a_leak_on_the_test_cutoff_alone_is_seen_and_does_not_decide(
    spark: SparkSession, table: pd.DataFrame
) -> None:
    found = measure(spark, with_leak(table, on=table["as_of_date"] == TEST))
    selection = select_features(found)
    assert LEAKY in selection.kept and selection.suspicions == ()
    late = [suspicion_at(health, TEST) for health in found.health]
    assert [suspicion.feature for suspicion in late if suspicion] == [LEAKY]


def test_a_few_rows_make_nobody_a_suspect(spark: SparkSession, table: pd.DataFrame) -> None:
    leavers = table["label"] == 1
    nth_leaver = leavers.groupby(table["as_of_date"]).cumsum()
    few = with_leak(table)[~leavers | (nth_leaver <= 3)]
    found = measure(spark, few)
    assert health_of(found, LEAKY).strength.n_rarer == 9
    assert (health_of(found, LEAKY).strength.auc or 0) > 0.99
    assert select_features(found).suspicions == ()


def test_a_good_feature_above_the_limit_by_chance_on_one_cutoff_is_no_suspect(
    healthy: MeasuredFeatures,
) -> None:
    health = health_of(healthy, SIGNAL)
    lucky = replace(health.strength, auc=0.91, low=0.88, n_rarer=40)
    lasting = replace(health.strength, auc=0.92, low=0.905, n_rarer=40)
    assert suspicion_at(replace(health, strength_by_cutoff={NEWEST: lucky}), NEWEST) is None
    assert suspicion_at(replace(health, strength_by_cutoff={NEWEST: lasting}), NEWEST) is not None


# --- nothing to say ------------------------------------------------------------------------------


def test_what_is_never_known_or_never_varies_is_dropped_and_named(
    spark: SparkSession, table: pd.DataFrame
) -> None:
    is_test = table["as_of_date"] == TEST
    changed = table.assign(
        n_products=np.nan,
        discount_share=np.where(is_test, table[SIGNAL], np.nan),  # known on the test cut-off only
        n_departments=np.where(is_test, table[SIGNAL], 4.0),  # varies on the test cut-off only
        mean_gap_days=np.where(np.arange(len(table)) % 3 == 0, np.nan, 5.0),
    )
    found = measure(spark, changed)
    selection = select_features(found)
    by_name = {name: dropped.reason for name, dropped in selection.dropped.items()}
    assert by_name["n_products"] == by_name["discount_share"] == "never known"
    assert by_name["n_departments"] == "constant"
    # Whether it is known tells customers apart.
    assert "mean_gap_days" in selection.kept
    assert health_of(found, "n_products").missing_share == 1
    assert health_of(found, "n_products").variance is None
    assert health_of(found, "n_departments").variance == 0


def test_shares_and_variances_are_those_of_the_training_rows(
    healthy: MeasuredFeatures, table: pd.DataFrame
) -> None:
    rows = on_training(table)
    for name in (*NOISE, SIGNAL):
        health = health_of(healthy, name)
        assert health.missing_share == pytest.approx(rows[name].isna().mean())
        assert health.variance == pytest.approx(rows[name].var())
        counts = rows[name].value_counts(normalize=True, dropna=False)
        assert health.most_common_share == pytest.approx(counts.iloc[0])
        assert not health.is_near_constant


def test_near_constant_is_judged_by_the_most_common_value(
    spark: SparkSession, table: pd.DataFrame
) -> None:
    rare = np.arange(len(table)) % 100
    changed = table.assign(
        n_products=np.where(rare < 4, 1.0, np.nan),
        n_departments=np.where(rare < 7, rare, 30.0),
    )
    found = measure(spark, changed)
    assert health_of(found, "n_products").is_near_constant
    assert not health_of(found, "n_departments").is_near_constant
    # That is advice: a rare value may be the telling one.
    assert {"n_products", "n_departments"} <= set(select_features(found).kept)


def test_no_rows_and_one_row_are_measured_without_a_figure(frame: DataFrame) -> None:
    nothing = measured(frame.limit(0))
    assert select_features(nothing).kept == ()
    assert {dropped.reason for dropped in select_features(nothing).dropped.values()} == {
        "never known"
    }
    single = measured(frame.where(f"customer_id = 'c0001' AND as_of_date = DATE'{OLDEST}'"))
    assert health_of(single, SIGNAL).strength.auc is None
    assert health_of(single, SIGNAL).variance is None
    assert select_features(single).kept == ()


# --- redundancy ----------------------------------------------------------------------------------


def test_of_features_that_say_the_same_the_stronger_is_kept(
    spark: SparkSession, table: pd.DataFrame
) -> None:
    random = np.random.default_rng(8)
    changed = table.assign(
        n_products=-np.exp(table["tenure_days"] / 10),  # a copy for any tree: a tie
        spend_amount=blurred(table),
        n_items_28d=table[SIGNAL] + random.normal(0, 1.5, len(table)),  # not that alike
    )
    found = measure(spark, changed)
    selection = select_features(found)
    assert reasons(selection) | {LEAKY: "constant"} == {
        "n_products": "redundant",
        "spend_amount": "redundant",
        LEAKY: "constant",
    }
    assert selection.dropped["n_products"] == Dropped(
        "n_products", "redundant", -1.0, "tenure_days"
    )
    dropped = selection.dropped["spend_amount"]
    rows = on_training(changed)
    assert dropped.same_as == SIGNAL
    assert dropped.figure == pytest.approx(spearmanr(rows[SIGNAL], rows["spend_amount"])[0])
    assert {"tenure_days", SIGNAL, "n_items_28d"} <= set(selection.kept)


def test_the_stronger_is_kept_where_it_comes_later_in_the_catalogue(
    spark: SparkSession, table: pd.DataFrame
) -> None:
    swapped = table.assign(n_products=table[SIGNAL], **{SIGNAL: blurred(table)})
    dropped = select_features(measure(spark, swapped)).dropped
    assert dropped[SIGNAL].same_as == "n_products" and "n_products" not in dropped


def test_nothing_is_dropped_for_saying_the_same_as_what_is_not_used(
    leaking: MeasuredFeatures,
) -> None:
    alike = replace_correlation(leaking, LEAKY, SIGNAL, 0.99)
    assert select_features(alike).kept == select_features(leaking).kept
    assert SIGNAL not in select_features(alike, trusted=[LEAKY]).kept


def replace_correlation(found: MeasuredFeatures, a: str, b: str, value: float) -> MeasuredFeatures:
    places = NAMES.index(a), NAMES.index(b)
    correlation = found.correlation.copy()
    correlation[places] = correlation[places[::-1]] = value
    return replace(found, correlation=correlation)


def test_rank_correlation_is_spearmans_with_ties_and_constants() -> None:
    random = np.random.default_rng(2)
    values = pd.DataFrame(
        {"a": random.integers(0, 9, 200), "b": random.integers(0, 4, 200), "c": 1}
    )
    values["d"] = values["a"] + values["b"]
    found = rank_correlation(values)
    expected = spearmanr(values[["a", "b", "d"]])[0]
    assert found[np.ix_([0, 1, 3], [0, 1, 3])] == pytest.approx(expected, abs=1e-9)
    assert (found[2, [0, 1, 3]] == 0).all()


# --- stability -----------------------------------------------------------------------------------


def test_the_stability_index_is_the_one_computed_by_hand() -> None:
    before = np.append(np.arange(1.0, 81.0), np.full(20, np.nan))  # eight to a bin, 20 unknown
    after = np.concatenate([np.full(10, 3.0), np.full(20, 80.0), np.full(5, 99.0), [np.nan] * 15])
    # After: 10 in the first bin, 25 in the last, 15 unknown, half a row in each other one.
    e = np.array([8, 8, 20] + [8] * 8) / 100
    a = np.array([10, 25, 15] + [0.5] * 8) / 50
    found = population_stability(before, after)
    assert found.psi == pytest.approx(((a - e) * np.log(a / e)).sum())
    assert found.n == 50
    assert found.by_chance == pytest.approx(chi2.ppf(0.95, 10) * (1 / 100 + 1 / 50), rel=0.005)
    assert found.is_unstable


def test_rows_of_one_value_stay_in_one_bin() -> None:
    before, after = (
        np.repeat([0.0, 1.0, 2.0], [80, 15, 5]),
        np.repeat([0.0, 1.0, 2.0], [40, 40, 20]),
    )
    e, a = np.array([0.8, 0.15, 0.05]), np.array([0.4, 0.4, 0.2])
    assert population_stability(before, after).psi == pytest.approx(((a - e) * np.log(a / e)).sum())


def test_the_same_spread_has_no_shift_and_few_rows_excuse_a_large_one() -> None:
    random = np.random.default_rng(4)
    values = random.normal(size=1000)
    assert population_stability(values, values).psi == 0
    unknown = np.full(30, np.nan)
    assert population_stability(unknown, unknown).psi == 0
    few = population_stability(values, np.repeat(np.sort(values)[::100], 1)[:4])
    assert few.psi > 0.25 and not few.is_unstable


def test_each_cutoff_is_compared_with_all_before_it(
    healthy: MeasuredFeatures, table: pd.DataFrame
) -> None:
    shifts = health_of(healthy, WITH_NULLS).shift_by_cutoff
    assert list(shifts) == [MIDDLE, NEWEST, TEST]
    for day in shifts:
        before = table[table["as_of_date"] < day][WITH_NULLS].to_numpy()
        now = table[table["as_of_date"] == day][WITH_NULLS].to_numpy()
        assert shifts[day] == population_stability(before, now)
        assert not shifts[day].is_unstable


def test_an_unstable_feature_is_reported_and_kept(spark: SparkSession, table: pd.DataFrame) -> None:
    rises = table["tenure_days"] + 60 * (table["as_of_date"] >= NEWEST)
    found = measure(spark, table.assign(tenure_days=rises))
    shifts = health_of(found, "tenure_days").shift_by_cutoff
    assert [shifts[day].is_unstable for day in (MIDDLE, NEWEST, TEST)] == [False, True, True]
    assert "tenure_days" in select_features(found).kept


# --- strength ------------------------------------------------------------------------------------


def test_the_strength_is_sklearns_auc_with_ties_and_nulls(
    healthy: MeasuredFeatures, table: pd.DataFrame
) -> None:
    for name in (*NOISE, SIGNAL):
        health = health_of(healthy, name)
        rows = on_training(table)
        assert health.strength.auc == pytest.approx(
            direction_free(rows["label"], filled(rows, name))
        )
        assert list(health.strength_by_cutoff) == [OLDEST, MIDDLE, NEWEST, TEST]
        for day, found in health.strength_by_cutoff.items():
            rows = table[table["as_of_date"] == day]
            expected = direction_free(rows["label"], filled(rows, name))
            assert found.auc == pytest.approx(expected)
            assert found.n == N_CUSTOMERS
            assert found.low is not None and found.high is not None
            assert found.low < expected < found.high


def test_strength_does_not_ask_for_the_direction() -> None:
    random = np.random.default_rng(6)
    labels = (random.random(400) < 0.4).astype(float)
    values = np.round(random.normal(labels, 1.0), 1)
    assert single_feature_strength(values, labels) == single_feature_strength(-values, labels)


def test_one_class_only_has_no_strength() -> None:
    found = single_feature_strength(np.arange(5.0), np.ones(5))
    assert (found.auc, found.low, found.high, found.n, found.n_rarer) == (None, None, None, 5, 0)
    single = single_feature_strength(np.arange(5.0), np.array([0.0, 0, 0, 0, 1]))
    assert (single.auc, single.low, single.high) == (1.0, None, None)


# --- what the choice may and may not depend on ---------------------------------------------------


def test_how_the_rows_are_spread_changes_no_figure(
    frame: DataFrame, healthy: MeasuredFeatures
) -> None:
    spread = frame.repartition(5, "n_orders").sortWithinPartitions(F.desc("customer_id"))
    again = measured(spread)
    assert again.health == healthy.health
    assert (again.correlation == healthy.correlation).all()


@pytest.mark.parametrize("most_rows", [100_000, 300])
def test_the_test_cutoff_has_no_say_in_the_choice(
    spark: SparkSession,
    table: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    most_rows: int,
) -> None:
    monkeypatch.setattr(feature_health, "MOST_ROWS", most_rows)
    random = np.random.default_rng(9)
    with_copy = table.assign(n_products=blurred(table))
    is_test = with_copy["as_of_date"] == TEST
    other = with_copy.copy()
    # All labels turned round, a leak, a feature without a copy, a new feature and twice the rows.
    other.loc[is_test, "label"] = 1 - other.loc[is_test, "label"]
    other.loc[is_test, "n_products"] = random.random(N_CUSTOMERS)
    other.loc[is_test, "n_departments"] = other.loc[is_test, "label"]
    other.loc[is_test, "tenure_days"] = other.loc[is_test, "label"]
    more = other[is_test].assign(customer_id=lambda rows: "d" + rows["customer_id"])
    found, again = (measure(spark, rows) for rows in (with_copy, pd.concat([other, more])))
    assert "n_products" in select_features(found).dropped
    assert select_features(again) == select_features(found)
    # Though the test cut-off itself looks otherwise.
    late = [
        health_of(features, "tenure_days").strength_by_cutoff[TEST].auc
        for features in (found, again)
    ]
    assert (late[0] or 1) < 0.7 and late[1] == 1


def test_of_many_rows_a_sample_by_customer_is_looked_at(
    frame: DataFrame, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_health, "MOST_ROWS", 300)
    found = measured(frame)
    n = {day: strength.n for day, strength in health_of(found, SIGNAL).strength_by_cutoff.items()}
    assert len(set(n.values())) == 1  # the same customers at each cut-off
    assert 200 < found.n_sample == 3 * n[TEST] < 400
    again = measured(frame.repartition(7, "tenure_days"))
    assert again.health == found.health
    health = health_of(found, WITH_NULLS)
    assert health.missing_share == pytest.approx(on_training(table)[WITH_NULLS].isna().mean())
    assert health.values.n_rows == 3 * N_CUSTOMERS
