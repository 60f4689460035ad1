"""What page and console say of next purchase, from facts made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from crm_spark.models.decisions import Decision
from crm_spark.models.next_purchase.candidates import CANDIDATES
from crm_spark.models.next_purchase.facts import (
    FEWEST_ORDER_DAYS,
    OVERDUE_GAPS,
    Due,
    NextPurchaseFacts,
    Overdue,
)
from crm_spark.models.next_purchase.report import GLOSSARY, WORDS, show_next_purchase
from crm_spark.models.records import MetricRow
from crm_spark.report.blocks import Text, TextTable
from crm_spark.report.subject import Subject

TEST, LONG_TEST = date(2024, 6, 3), date(2024, 4, 2)
CHOSEN_ON, LONG_CHOSEN_ON = date(2024, 5, 6), date(2024, 3, 5)


def metric(
    model: str, name: str, value: float | None, n: int = 2_000, *, cutoff: date | None = None
) -> MetricRow:
    usual = LONG_TEST if name.endswith(".90d") else TEST
    return MetricRow(model, cutoff or usual, name, value, n)


DECISION = Decision(
    model_name="crm_spark_next_purchase",
    version="1",
    kind="hazard_regression",
    as_of=date(2024, 7, 1),
    is_champion=True,
    why="the hazard_regression beats the best rule: hazard_regression log loss 0.4000, AUC 0.8000; "
    "own_gap log loss 0.5000, AUC 0.7000; gain 0.1000, 95 % interval 0.0500 to 0.1500",
    chose_itself=False,
    training_key="key",
    training_run_id="run",
    decided_at=datetime(2024, 7, 1, tzinfo=UTC),
    run_id="run",
)
DUE = (Due(7, 400, 350.2), Due(28, 600, 390.6), Due(90, 500, 130.0), Due(None, 500, 9.7))
DUE_TESTED = (
    metric("hazard_regression", "due_within_7_days.90d", 0.627, 400),
    metric("hazard_regression", "due_within_28_days.90d", 0.7049, 500),
    metric("hazard_regression", "due_within_90_days.90d", 0.66, 610),
    metric("hazard_regression", "due_after_90_days.90d", 0.8, 490),
)
OVERDUE = (
    Overdue("c17", 1_020, 2.04, 30, 0.1249),
    Overdue("c5", 3, 0.5, 1, 0.449),
)
FACTS = NextPurchaseFacts(
    n=2_000,
    horizon_days=28,
    by_horizon=((7, 450.0), (28, 880.7), (90, 1_420.0)),
    due=DUE,
    n_overdue=130,
    n_overdue_expected=17.4,
    overdue=OVERDUE,
    metrics=(
        metric("hazard_regression", "log_loss", 0.4),
        metric("hazard_regression", "calibration_error", 0.0123),
        metric("hazard_regression", "auc", 0.8),
        metric("hazard_regression", "auc.7d", 0.75),
        metric("hazard_regression", "auc.90d", 0.85),
        metric("hazard_regression", "days_off.90d", 12.4),
        metric("hazard_regression", "crps_days.90d", 9.26),
        metric("hazard_regression", "coverage_80_percent.90d", 0.81),
        metric("hazard_regression", "expected_coverage.90d", 0.847),
        metric("hazard_regression", "last_plus_gap_days_off.90d", 21.3),
        *DUE_TESTED,
        metric("usual_share", "log_loss", 0.65),
        metric("usual_share", "auc", 0.5),
        metric("usual_share", "auc.7d", None),
        metric("usual_share", "auc.90d", 0.5),
        metric("usual_share", "days_off.90d", 30.2),
        metric("usual_share", "last_plus_gap_days_off.90d", 21.3),
        metric("usual_share", "due_within_7_days.90d", None, 0),
    ),
    decision=DECISION,
)


def texts(subject: Subject) -> list[Text]:
    (section,) = subject.sections
    return [block for block in section.blocks if isinstance(block, Text)]


def tables(subject: Subject) -> list[TextTable]:
    (section,) = subject.sections
    return [block for block in section.blocks if isinstance(block, TextTable)]


def test_it_begins_with_how_many_are_expected_to_order() -> None:
    subject = show_next_purchase(FACTS)
    assert texts(subject)[0].text == (
        "881 of 2,000 customers are expected to order in the next 28 days (44%); "
        "450 in 7 days, 1,420 in 90 days."
    )
    (tile,) = subject.tiles
    assert (tile.label, tile.value) == ("Customers to order", "881")
    assert tile.note == "in the next 28 days"


def test_a_horizon_that_was_not_learnt_is_left_out() -> None:
    facts = replace(FACTS, by_horizon=((7, 450.0), (28, 880.0), (90, None)), due=DUE[:2])
    subject = show_next_purchase(facts)
    assert texts(subject)[0].text.endswith("(44%); 450 in 7 days.")
    assert "90" not in subject.lines[1]


def test_one_horizon_alone_says_nothing_of_others() -> None:
    subject = show_next_purchase(replace(FACTS, by_horizon=((28, 880.0),)))
    assert texts(subject)[0].text.endswith("in the next 28 days (44%).")


def test_everybody_who_is_due_has_a_row_by_when() -> None:
    due, *_ = tables(show_next_purchase(FACTS))
    assert due.columns == [
        "Due",
        "Customers",
        "To order in 28 days",
        "Due so then",
        "Right then",
    ]
    assert due.numbers == due.columns[1:]
    assert due.rows == [
        # Of 2,000 who were looked at 400, 500, 610 and 490 were due so.
        ["within 7 days", "400", "350", "20%", "63%"],
        ["after 7 to 28 days", "600", "391", "25%", "70%"],
        ["after 28 to 90 days", "500", "130", "30%", "66%"],
        ["later than 90 days", "500", "10", "24%", "80%"],
    ]
    assert due.caption.startswith(
        "When the next order is due; and of 2,000 customers looked at on 2 April 2024 the share "
        "that was due so"
    )


def test_shares_of_who_was_due_are_of_who_was_looked_at_not_of_who_is_scored() -> None:
    metrics = tuple(replace(row, n=10 * row.n) for row in FACTS.metrics)
    due, *_ = tables(show_next_purchase(replace(FACTS, metrics=metrics)))
    then, *_ = tables(show_next_purchase(FACTS))
    assert due.rows == then.rows
    assert "of 20,000 customers looked at" in due.caption


def test_days_of_the_test_are_those_of_the_champion() -> None:
    facts = replace(FACTS, decision=replace(DECISION, kind="usual_share"))
    due, *_ = tables(show_next_purchase(facts))
    assert [row[3:] for row in due.rows] == [["0%", ""], ["", ""], ["", ""], ["", ""]]


def test_without_a_test_of_the_days_only_today_is_shown() -> None:
    kept = tuple(row for row in FACTS.metrics if not row.metric.startswith("days_off"))
    for facts in (replace(FACTS, metrics=kept), replace(FACTS, decision=None)):
        due, *_ = tables(show_next_purchase(facts))
        assert due.columns == ["Due", "Customers", "To order in 28 days"]
        assert due.caption == "When the next order is due"
        assert {len(row) for row in due.rows} == {3}


def names_of_due(horizons: tuple[int, ...], due: tuple[int | None, ...]) -> list[str]:
    """Give the rows' names where these horizons are learnt, and somebody is due in some of them."""
    facts = replace(
        FACTS,
        horizon_days=horizons[0],
        by_horizon=tuple((days, 10.0) for days in horizons),
        due=tuple(Due(days, 10, 5.0) for days in due),
    )
    table, *_ = tables(show_next_purchase(facts))
    return [row[0] for row in table.rows]


def test_buckets_are_named_by_where_they_begin_and_end() -> None:
    assert names_of_due((1,), (1, None)) == ["within 1 day", "later than 1 day"]
    assert names_of_due((28,), (28,)) == ["within 28 days"]
    assert names_of_due((7, 28), (7, 28)) == ["within 7 days", "after 7 to 28 days"]


def test_a_horizon_in_which_nobody_is_due_changes_no_name_of_the_others() -> None:
    horizons = (7, 28, 90)
    assert names_of_due(horizons, (28, None)) == ["after 7 to 28 days", "later than 90 days"]
    assert names_of_due(horizons, (7, 90)) == ["within 7 days", "after 28 to 90 days"]
    assert names_of_due(horizons, (90,)) == ["after 28 to 90 days"]
    assert names_of_due(horizons, (None,)) == ["later than 90 days"]
    # In whatever order horizons stand.
    assert names_of_due((28, 7, 90), (28, 90)) == ["after 7 to 28 days", "after 28 to 90 days"]


def test_a_horizon_that_was_not_learnt_names_no_row() -> None:
    facts = replace(
        FACTS,
        by_horizon=((7, 450.0), (28, 880.0), (90, None)),
        due=(Due(28, 600, 390.0), Due(None, 1_400, 300.0)),
        metrics=(
            metric("hazard_regression", "days_off.28d", 5.0, 1_000),
            metric("hazard_regression", "due_within_28_days.28d", 0.7, 300),
            metric("hazard_regression", "due_after_28_days.28d", 0.9, 450),
        ),
    )
    due, *_ = tables(show_next_purchase(facts))
    assert due.rows == [
        ["after 7 to 28 days", "600", "390", "30%", "70%"],
        ["later than 28 days", "1,400", "300", "45%", "90%"],
    ]


def test_what_was_learnt_but_not_tested_has_no_figures_of_then() -> None:
    # Days of up to 28 were tested: who is due later than 90 days was not told from others then.
    kept = tuple(
        replace(row, metric=row.metric.replace(".90d", ".28d"), cutoff=TEST)
        for row in FACTS.metrics
        if "90_days" not in row.metric and row.metric != "auc.90d"
    )
    later = metric("hazard_regression", "due_after_28_days.28d", 0.9, 1_100)
    due, *_ = tables(show_next_purchase(replace(FACTS, metrics=(*kept, later))))
    assert [row[3:] for row in due.rows] == [["20%", "63%"], ["25%", "70%"], ["", ""], ["", ""]]
    assert "looked at on 3 June 2024" in due.caption


def test_who_is_overdue_is_said_with_how_many_come_all_the_same() -> None:
    said = texts(show_next_purchase(FACTS))[1].text
    assert said.startswith(
        f"130 customers are overdue: with at least {FEWEST_ORDER_DAYS} order days, and silent for "
        f"more than {OVERDUE_GAPS} of their own mean gaps. 17 of them are expected to order in the "
        "next 28 days all the same"
    )


def test_one_customer_is_overdue() -> None:
    facts = replace(FACTS, n_overdue=1, n_overdue_expected=0.2)
    said = texts(show_next_purchase(facts))[1].text
    assert said.startswith("1 customer is overdue: ")
    # A number of people is whole.
    assert ". 0 of them are expected" in said


def test_where_nobody_is_overdue_nothing_is_said_of_it() -> None:
    with_some = show_next_purchase(FACTS)
    without = show_next_purchase(replace(FACTS, n_overdue=0, n_overdue_expected=0.0, overdue=()))
    assert len(texts(with_some)) - len(texts(without)) == 1
    assert len(tables(with_some)) - len(tables(without)) == 1
    (section,) = without.sections
    assert "verdue" not in repr(section.blocks)


def test_where_all_who_are_overdue_are_expected_nobody_is_named() -> None:
    subject = show_next_purchase(replace(FACTS, overdue=()))
    assert texts(subject)[1].text.startswith("130 customers are overdue: ")
    assert "Customer" not in [table.columns[0] for table in tables(subject)]
    assert len(tables(subject)) == len(tables(show_next_purchase(FACTS))) - 1


@pytest.mark.parametrize("n", [0.4, 2.5, 1_234.5, 17.0])
def test_numbers_of_people_are_whole(n: float) -> None:
    whole = f"{round(n):,}"
    facts = replace(
        FACTS,
        by_horizon=((7, n), (28, n), (90, n)),
        due=tuple(Due(days, 500, n) for days in (7, 28, 90, None)),
        n_overdue_expected=n,
        metrics=(),
    )
    subject = show_next_purchase(facts)
    lead, overdue = (one.text for one in texts(subject))
    assert lead.startswith(f"{whole} of 2,000 customers")
    assert f"; {whole} in 7 days, {whole} in 90 days." in lead
    assert f". {whole} of them are expected" in overdue
    assert {row[2] for row in tables(subject)[0].rows} == {whole}
    assert subject.tiles[0].value == whole
    assert f"{whole} in 7 days, {whole} in 28 days, {whole} in 90 days" in subject.lines[1]


def test_who_is_overdue_has_a_row_below_the_sentence() -> None:
    subject = show_next_purchase(FACTS)
    _, table, *_ = tables(subject)
    assert table.columns == [
        "Customer",
        "Order days",
        "Mean gap, days",
        "Silent for",
        "Chance to order",
    ]
    assert table.numbers == table.columns[1:]
    assert table.rows == [
        ["c17", "1,020", "2.0", "30 days", "12%"],
        ["c5", "3", "0.5", "1 day", "45%"],
    ]
    assert table.caption.startswith("About to be lost: ")
    assert "to order in the next 28 days is below a half" in table.caption
    # Whoever it is stands on the page only.
    assert not any("c17" in line for line in subject.lines)


ONE = replace(
    FACTS,
    n=1,
    horizon_days=1,
    by_horizon=((1, 1.0),),
    due=(Due(1, 1, 1.0),),
    metrics=(),
    decision=None,
)


def test_one_customer_is_expected() -> None:
    lead = texts(show_next_purchase(ONE))[0].text
    assert lead == "1 of 1 customer is expected to order in the next 1 day (100%)."


def test_one_day_is_written_so() -> None:
    subject = show_next_purchase(replace(ONE, n_overdue=0, overdue=()))
    (table,) = tables(subject)
    assert table.columns[2] == "To order in 1 day"
    assert [row[0] for row in table.rows] == ["within 1 day"]
    assert subject.tiles[0].note == "in the next 1 day"


def test_one_day_is_written_so_on_the_console() -> None:
    assert show_next_purchase(ONE).lines[1] == "  of 1 customer expected to order: 1 in 1 day"


def test_every_candidate_stands_beside_the_rules_those_first() -> None:
    _, _, chances, days = tables(show_next_purchase(FACTS))
    assert chances.columns == [
        "Model",
        "Log loss",
        "Chances off",
        "AUC 7 days",
        "AUC 28 days",
        "AUC 90 days",
    ]
    assert chances.rows == [
        ["rule: the usual share of customers", "0.650", "", "", "0.500", "0.500"],
        ["regression by steps of days", "0.400", "0.012", "0.750", "0.800", "0.850"],
    ]
    assert chances.caption.startswith("28 days from 3 June 2024 on, which no model had seen: ")
    assert "; 90 days from 2 April 2024 on, by what had been learnt before" in chances.caption
    assert days.columns == ["Model", "Days off", "CRPS", "In the interval", "Said"]
    assert days.rows == [
        ["rule: the usual share of customers", "30.2", "", "", ""],
        ["regression by steps of days", "12.4", "9.3", "81%", "85%"],
    ]
    assert "told on 2 April 2024 for 90 days" in days.caption
    assert "With the last order plus the customer's own mean gap, days off are 21.3" in days.caption
    for table in (chances, days):
        assert table.numbers == table.columns[1:]


def test_horizons_without_figures_have_no_column() -> None:
    kept = tuple(row for row in FACTS.metrics if not row.metric.endswith(".90d"))
    _, _, chances = tables(show_next_purchase(replace(FACTS, metrics=kept)))
    assert chances.columns[-1] == "AUC 28 days"
    assert "90 days" not in chances.caption
    assert chances.caption.count("2024") == 1


def test_every_longer_horizon_is_named_with_its_cut_off() -> None:
    longer = tuple(
        metric(name, f"auc.{days}d", 0.6, cutoff=cutoff)
        for name in ("hazard_regression", "usual_share")
        for days, cutoff in ((60, date(2024, 5, 2)), (180, date(2024, 1, 3)))
    )
    by_horizon = tuple((days, 100.0) for days in (7, 28, 60, 90, 180))
    facts = replace(FACTS, by_horizon=by_horizon, metrics=(*FACTS.metrics, *longer))
    chances = tables(show_next_purchase(facts))[2]
    assert [one for one in chances.columns if one.startswith("AUC")] == [
        f"AUC {days} days" for days in (7, 28, 60, 90, 180)
    ]
    places = [
        chances.caption.index(one)
        for one in (
            "28 days from 3 June 2024 on",
            "60 days from 2 May 2024 on",
            "90 days from 2 April 2024 on",
            "180 days from 3 January 2024 on",
        )
    ]
    assert places == sorted(places)
    # A shorter one is of the same customers as the first.
    assert " 7 days from" not in chances.caption


def test_of_two_cut_offs_the_newest_is_quoted_whatever_stands_first() -> None:
    older = tuple(
        replace(
            row,
            cutoff=CHOSEN_ON if row.cutoff == TEST else LONG_CHOSEN_ON,
            value=0.111,
            n=99,
        )
        for row in FACTS.metrics
    )
    for metrics in ((*older, *FACTS.metrics), (*FACTS.metrics, *older)):
        assert show_next_purchase(replace(FACTS, metrics=metrics)) == show_next_purchase(FACTS)


def test_days_are_quoted_of_the_longest_horizon_that_could_be_tested() -> None:
    # The cut-off that chose is too early for 90 days: its days are of 28.
    shorter = tuple(
        metric("hazard_regression", f"{name}.28d", 3.0, cutoff=CHOSEN_ON)
        for name in ("days_off", "crps_days", "coverage_80_percent", "due_within_7_days")
    )
    facts = replace(FACTS, metrics=(*FACTS.metrics, *shorter))
    assert show_next_purchase(facts) == show_next_purchase(FACTS)


def test_why_it_scores_is_said_in_words() -> None:
    verdict = texts(show_next_purchase(FACTS))[2]
    assert verdict.is_verdict
    assert verdict.text.startswith(
        "The regression by steps of days beats the best rule: regression by steps of days log loss "
        "0.4000, AUC 0.8000; rule: the own gap, and how much of it passed log loss 0.5000"
    )


def test_every_candidate_has_its_words() -> None:
    assert list(WORDS) == [one.name for one in CANDIDATES]


def test_words_of_the_tables_are_explained() -> None:
    due, *_, days = tables(show_next_purchase(FACTS))
    columns = " ".join([*due.columns, *days.columns]).lower()
    for word, _ in GLOSSARY:
        assert word.lower() in columns


def test_figures_that_chose_too_are_told_so() -> None:
    decision = replace(DECISION, chose_itself=True)
    subject = show_next_purchase(replace(FACTS, decision=decision))
    assert "which chose the kind, too" in tables(subject)[2].caption
    assert "which chose the kind, too" in " ".join(one.strip() for one in subject.lines)


def test_without_any_figures_only_who_is_due_and_overdue_is_shown() -> None:
    subject = show_next_purchase(replace(FACTS, metrics=(), decision=None))
    assert len(texts(subject)) == 2
    assert len(tables(subject)) == 2
    assert len(subject.lines) == 2


def test_the_console_says_the_same() -> None:
    lines = show_next_purchase(FACTS).lines
    assert lines[0] == "Next purchase (scores.customer_next_purchase)"
    assert lines[1] == (
        "  of 2,000 customers expected to order: 450 in 7 days, 881 in 28 days, 1,420 in 90 days"
    )
    rows = [line.split() for line in lines]
    assert ["usual_share", "0.650", "0.500", "30.200"] in rows
    assert ["hazard_regression", "0.400", "0.800", "12.400"] in rows
    assert lines[-1] == (
        "  champion: hazard_regression (the hazard_regression beats the best rule)"
    )
    # Figures stand below their titles, though one is not known.
    titles = next(line for line in lines if "log loss" in line)
    for name in ("usual_share", "hazard_regression"):
        (row,) = [line for line in lines if line.startswith(f"  {name} ")]
        assert len(row) == len(titles)


def long_facts(horizons: tuple[int, ...], *, chose_itself: bool) -> NextPurchaseFacts:
    """Give facts of ten million customers, with all candidates and a long reason."""
    doubtful = replace(
        DECISION,
        kind="recency_frequency",
        why="the hazard_regression does not surely beat the best rule: " + "figures " * 20,
        chose_itself=chose_itself,
    )
    return replace(
        FACTS,
        n=10_000_000,
        by_horizon=tuple((days, 2_000_000.4) for days in horizons),
        due=tuple(Due(days, 2_000_000, 1_000_000.0) for days in (*horizons, None)),
        n_overdue=2_000_000,
        n_overdue_expected=123_456.7,
        horizon_days=horizons[-1],
        metrics=tuple(
            metric(one, figure, 123.456)
            for one in WORDS
            for figure in ("log_loss", "auc", "calibration_error", "days_off.90d", "crps_days.90d")
        ),
        decision=doubtful,
    )


@pytest.mark.parametrize("chose_itself", [False, True])
@pytest.mark.parametrize(
    "horizons", [(7, 28, 90), (14, 30, 60, 90, 180, 365)], ids=["three horizons", "six horizons"]
)
def test_the_console_fits_its_lines(horizons: tuple[int, ...], chose_itself: bool) -> None:
    subject = show_next_purchase(long_facts(horizons, chose_itself=chose_itself))
    assert [line for line in subject.lines if len(line) > 98] == []
    # And nothing is lost where a line goes on below.
    words = " ".join(" ".join(subject.lines).split())
    for days in horizons:
        assert f" 2,000,000 in {days} days" in words
