"""What a sample is made of, and what is to be expected of it: no Spark."""

from __future__ import annotations

import math
from datetime import date
from typing import Any, get_args

import numpy as np
import pytest

from crm_spark.config import load_config
from crm_spark.errors import ConfigError
from crm_spark.sample import settings as planted
from crm_spark.sample.configuration import Format, sample_config
from crm_spark.sample.expected import (
    active_days,
    cause_shares,
    expected_lines,
    heavy_lines,
    return_rates,
)
from crm_spark.sample.products import (
    DEPARTMENTS,
    TASTE_GROUPS,
    department_chances,
    favourite_chances,
)
from crm_spark.sample.settings import SampleSettings
from crm_spark.sample.write import LINES_PER_PARTITION, partitions_for


def test_every_fault_of_the_settings_stands_in_one_message() -> None:
    with pytest.raises(ConfigError) as raised:
        SampleSettings(n_customers=9, n_days=27, n_products=79, start=date(1989, 12, 31))
    message = str(raised.value)
    assert "4 faults" in message
    for flag in ("--customers is 9", "--days is 27", "--products is 79", "--start is 1989-12-31"):
        assert flag in message


def test_the_least_settings_are_taken() -> None:
    least = SampleSettings(n_customers=10, n_days=28, n_products=80)
    assert heavy_lines(least) >= 1
    assert (least.end - least.start).days == least.end_day - least.first_day == 28


@pytest.mark.parametrize("cause", [None, planted.MANY_RETURNS, planted.DISCOUNT_STOPPED])
def test_active_days_are_those_of_lives_that_are_drawn(cause: str | None) -> None:
    draw = np.random.default_rng(5)
    n, days = 40_000, 730
    life = draw.exponential(planted.LIFETIME_DAYS, n)
    raised = draw.exponential(planted.LIFETIME_DAYS / planted.CAUSE_FACTOR, n)
    if cause == planted.MANY_RETURNS:
        life = raised
    elif cause == planted.DISCOUNT_STOPPED:
        stop = draw.exponential(planted.DISCOUNT_DAYS, n)
        life = np.where(stop < life, stop + raised, life)
    joined = draw.uniform(0, days * planted.JOINING_PART, n)
    joined[draw.uniform(size=n) < planted.EXISTING_SHARE] = 0
    there = np.minimum(life, days - joined)
    four_errors = 4 * there.std() / math.sqrt(n)
    assert abs(active_days(days, cause) - there.mean()) < four_errors


def test_the_heavy_customer_is_to_have_its_share_of_all_lines() -> None:
    settings = SampleSettings(n_customers=5_000)
    share = heavy_lines(settings) / expected_lines(settings)
    assert share == pytest.approx(planted.HEAVY_SHARE, rel=1e-3)


def test_return_rates_come_to_the_share_that_is_asked_for() -> None:
    usual, many = return_rates(730)
    lines = {cause: share * active_days(730, cause) for cause, share in cause_shares().items()}
    back = sum(n * (many if cause == planted.MANY_RETURNS else usual) for cause, n in lines.items())
    assert back / sum(lines.values()) == pytest.approx(planted.RETURN_SHARE)
    assert many == pytest.approx(usual * planted.MANY_RETURNS_FACTOR)


def test_chances_add_up_to_one() -> None:
    assert sum(share for share, _ in TASTE_GROUPS.values()) == pytest.approx(1)
    assert sum(favourite_chances()) == pytest.approx(1)
    for group, (_, preferred) in TASTE_GROUPS.items():
        chances = dict(zip(DEPARTMENTS, department_chances(group), strict=True))
        assert sum(chances.values()) == pytest.approx(1)
        assert min(chances[name] for name in preferred) > 2 * min(chances.values())


def test_a_larger_sample_is_made_in_more_parts() -> None:
    small, large = SampleSettings(), SampleSettings(n_customers=100_000)
    assert partitions_for(small) == 2
    assert partitions_for(large) == math.ceil(expected_lines(large) / LINES_PER_PARTITION)


@pytest.mark.parametrize("files", get_args(Format))
def test_the_configuration_is_one_whatever_the_folder_is_called(files: Format) -> None:
    folder = '/a "quoted": folder\\ #1'
    config = load_config(sample_config(SampleSettings(), folder, files), name="sample.yml")
    assert config.storage.root == f"{folder}/lake"
    given: dict[str, Any] = config.sources.model_dump(exclude_none=True)
    assert given["transactions"]["path"] == f"{folder}/transactions"
    assert given["products"]["path"] == f"{folder}/products"
    assert given["transactions"]["format"] == files


def test_a_folder_elsewhere_has_its_tracking_store_here() -> None:
    config = load_config(sample_config(SampleSettings(), "s3a://b/c", "parquet"), name="sample.yml")
    assert config.storage.root == "s3a://b/c/lake"
    assert config.tracking.uri == "sqlite:///mlflow.db"
