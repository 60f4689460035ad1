"""Visits, feedback and contacts as of a date: a few rows, the expected features beside them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from crm_spark.features.families.contacts import contact_features
from crm_spark.features.families.feedback import feedback_features
from crm_spark.features.families.visits import visit_features
from crm_spark.lake.contract import Table
from crm_spark.tables.core import CAMPAIGN_CONTACTS, EVENTS, FEEDBACK

DAY, LATER = date(2017, 6, 15), date(2017, 7, 15)


def at(text: str | None) -> datetime | None:
    """Read "06-01 12:00" as a UTC instant of 2017; New York is four hours earlier."""
    return datetime.fromisoformat(f"2017-{text}").replace(tzinfo=UTC) if text else None


def frame(spark: SparkSession, table: Table, rows: list[dict[str, Any]]) -> DataFrame:
    """Give the rows as the table, known when they happened unless they say otherwise."""
    assert table.event_time is not None
    whole = []
    for number, row in enumerate(rows):
        happened = row[table.event_time]
        cells = {
            "customer_id": "c",
            table.key[0]: str(number),
            "arrived_at": happened,
            "is_deleted": False,
            **row,
        }
        whole.append(tuple(cells.get(name) for name in table.schema.names))
    return spark.createDataFrame(whole, table.schema)


Found = dict[tuple[str, date], dict[str, Any]]


def found(df: DataFrame) -> Found:
    return {(row["customer_id"], row["as_of_date"]): row.asDict() for row in df.collect()}


@pytest.fixture(scope="module")
def visits(spark: SparkSession) -> Found:
    rows = [
        {"occurred_at": at("06-15 03:59"), "duration_seconds": 10.0},  # age 1 in New York
        {"occurred_at": at("06-15 04:00"), "duration_seconds": 99.0},  # the date itself
        {"occurred_at": at("05-18 12:00"), "duration_seconds": 20.5},  # age 28
        {"occurred_at": at("05-17 12:00")},  # age 29, duration not known
        {"occurred_at": at("06-01 12:00"), "arrived_at": at("06-20 12:00")},  # known later
        {"occurred_at": at("06-02 12:00"), "superseded_at": at("06-10 12:00")},  # void by then
        {"occurred_at": at("06-03 12:00"), "superseded_at": at("06-20 12:00")},  # void later
        {"customer_id": "new", "occurred_at": at("07-01 12:00"), "duration_seconds": 1.0},
    ]
    return found(visit_features(frame(spark, EVENTS, rows), dates=[DAY, LATER]))


def test_visits_are_counted_as_they_were_known_on_the_date(visits: Found) -> None:
    row = visits["c", DAY]
    assert (row["n_visits_28d"], row["n_visits_84d"]) == (3, 4)
    assert row["days_since_last_visit"] == 0
    assert row["mean_visit_seconds"] == 15.25
    later = visits["c", LATER]
    assert (later["n_visits_84d"], later["days_since_last_visit"]) == (5, 29)


def test_who_has_not_visited_before_the_date_has_no_row(visits: Found) -> None:
    assert set(visits) == {("c", DAY), ("c", LATER), ("new", LATER)}


def test_feedback_counts_complaints_and_gives_the_newest_answer(spark: SparkSession) -> None:
    rows = [
        {"given_at": at("06-01 12:00"), "nps_score": 3, "rating": 2.0, "is_complaint": True},
        {"given_at": at("06-10 12:00"), "nps_score": 9, "csat_score": 4},
        {"given_at": at("06-12 12:00"), "rating": 5.0, "csat_score": 5},
        {"given_at": at("06-20 12:00"), "nps_score": 0, "is_complaint": True},
        {"customer_id": "mute", "given_at": at("06-01 12:00"), "text": "hello"},
    ]
    made = found(feedback_features(frame(spark, FEEDBACK, rows), dates=[DAY]))
    row = made["c", DAY]
    assert (row["n_feedback_365d"], row["n_complaints_365d"]) == (3, 1)
    assert (row["last_nps_score"], row["mean_csat_score"], row["mean_rating"]) == (9.0, 4.5, 3.5)
    assert row["days_since_last_complaint"] == 13
    mute = made["mute", DAY]
    assert (mute["n_feedback_365d"], mute["n_complaints_365d"]) == (1, 0)
    names = ("last_nps_score", "mean_csat_score", "mean_rating", "days_since_last_complaint")
    assert [mute[name] for name in names] == [None] * 4


def test_what_a_contact_led_to_is_known_only_once_it_happened(spark: SparkSession) -> None:
    rows = [
        {
            "campaign_id": "1",
            "sent_at": at("06-01 12:00"),
            "opened_at": at("06-02 12:00"),
            "converted_at": at("06-20 12:00"),
            "cost_amount": Decimal("0.10"),
        },
        {"campaign_id": "2", "sent_at": at("06-10 12:00")},
        {"campaign_id": "0", "sent_at": at("01-01 12:00"), "opened_at": at("01-02 12:00")},
    ]
    made = found(contact_features(frame(spark, CAMPAIGN_CONTACTS, rows), dates=[DAY, LATER]))
    shares = {
        day: [
            made["c", day][f"{what}_contacts_share_180d"]
            for what in ("opened", "clicked", "converted")
        ]
        for day in (DAY, LATER)
    }
    assert shares == {DAY: [2 / 3, 0.0, 0.0], LATER: [0.5, 0.0, 0.5]}
    assert made["c", DAY]["n_contacts_180d"] == 3
    assert made["c", LATER]["days_since_last_contact"] == 34
