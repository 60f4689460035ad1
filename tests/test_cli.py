"""The command line: what it accepts, and how every run ends: one JSON line and an exit code."""

from __future__ import annotations

import json
import logging
import re
import runpy
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from command_line import (
    REPOSITORY,
    SUMMARY_KEYS,
    Ended,
    assert_failed,
    assert_no_table_was_made,
    write_config,
)
from pyspark.sql import SparkSession

import crm_spark
from crm_spark.cli import main, parse
from crm_spark.errors import BusyError, ConfigError, DataError, EnvironmentFault
from crm_spark.jobs.catalogue import JOBS, job_of, needs_config
from crm_spark.runtime import progress


@pytest.fixture(autouse=True)
def _no_secret_or_handler_outlives_a_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(progress, "_secrets", set())
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Give a function that runs main() in this process with the given arguments."""

    def run(*arguments: str, job: str | None = None) -> Ended:
        monkeypatch.setattr(sys, "argv", ["crm-spark", *arguments])
        code = 0
        try:
            main(job)
        except SystemExit as ended:
            assert isinstance(ended.code, int)
            code = ended.code
        shown = capsys.readouterr()
        return Ended(code, shown.out, shown.err)

    return run


# --- parsing -------------------------------------------------------------------------------------


def test_an_unknown_job_is_reported_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown job 'ingest_source', did you mean 'ingest_sou"):
        parse(["ingest_source", "--config", "x.yml"])


def test_an_unknown_job_with_nothing_near_is_reported_with_all_known_ones() -> None:
    with pytest.raises(ConfigError) as raised:
        parse(["xyz", "--config", "x.yml"])
    assert all(job in str(raised.value) for job in JOBS)


def test_a_job_is_needed() -> None:
    with pytest.raises(ConfigError, match="JOB"):
        parse([])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--conf", "x.yml"],
        ["--conf=x.yml"],
        ["--config", "x.yml", "--verb"],
        ["--config", "x.yml", "--as", "2025-06-30"],
    ],
)
def test_flags_cannot_be_abbreviated(arguments: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"--config|unrecognized"):
        parse(["score_rfm", *arguments])


def test_an_unknown_flag_is_refused() -> None:
    with pytest.raises(ConfigError, match="--as-off"):
        parse(["score_rfm", "--config", "x.yml", "--as-off", "2025-06-30"])


@pytest.mark.parametrize("text", ["2025-13-01", "2025-02-29", "30.06.2025", "yesterday", ""])
def test_a_wrong_date_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--as-of.*is no date, expected YYYY-MM-DD") as raised:
        parse(["score_rfm", "--config", "x.yml", "--as-of", text])
    assert repr(text) in str(raised.value)


def test_the_arguments_are_given_to_the_job_as_they_were_meant() -> None:
    options = parse(
        [
            "score_rfm",
            "--config",
            "x.yml",
            "--as-of",
            "2024-02-29",
            "--set",
            "a.b=1",
            "--set",
            "c=2",
        ]
    )
    assert options.job == "score_rfm"
    assert options.config == "x.yml"
    assert options.as_of == date(2024, 2, 29)
    assert options.overrides == ["a.b=1", "c=2"]
    assert options.verbose is False


def test_a_job_that_needs_no_date_takes_none() -> None:
    with pytest.raises(ConfigError, match="--as-of"):
        parse(["ingest_sources", "--config", "x.yml", "--as-of", "2025-06-30"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config", "x.yml", "spark.sql.shuffle.partitions=8"],
        ["--conf", "spark.sql.shuffle.partitions=8", "--config", "x.yml"],
        ["--conf=spark.sql.shuffle.partitions=8", "--config", "x.yml"],
    ],
    ids=["bare", "conf", "conf_equals"],
)
def test_a_spark_property_after_the_job_is_refused_with_the_place_where_it_belongs(
    arguments: list[str],
) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(["score_rfm", *arguments])
    message = str(raised.value)
    assert "--conf spark.sql.shuffle.partitions=8" in message
    assert "before" in message
    assert "spark-submit" in message


# --- help ----------------------------------------------------------------------------------------


def in_one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def assert_lists_exit_codes(text: str) -> None:
    shown = in_one_line(text)
    for code, meaning in (
        (0, "succeeded"),
        (2, "configuration"),
        (3, "data"),
        (4, "another run"),
        (5, "environment"),
        (1, "anything else"),
    ):
        assert re.search(rf"\b{code}:? {meaning}", shown), (code, meaning)


def test_help_lists_every_job_with_one_line_and_the_exit_codes(call: Any) -> None:
    ended = call("--help")
    assert ended.code == 0
    for job in JOBS:
        description = job_of(job).DESCRIPTION
        assert "\n" not in description
        assert 20 < len(description) <= 100
        assert f" {job} {description}" in in_one_line(ended.out)
    assert_lists_exit_codes(ended.out)


@pytest.mark.parametrize("job", JOBS)
def test_help_of_a_job_tells_what_it_does_its_flags_and_the_exit_codes(job: str, call: Any) -> None:
    ended = call(job, "--help")
    assert ended.code == 0
    shown = in_one_line(ended.out)
    assert f"crm-spark {job}" in shown
    assert job_of(job).DESCRIPTION in shown
    assert ("--config FILE" in shown) == needs_config(job_of(job))
    assert ("--set A.B=C" in shown) == needs_config(job_of(job))
    assert ("--as-of DATE" in shown) == job_of(job).NEEDS_AS_OF
    assert_lists_exit_codes(ended.out)


def test_the_version_is_printed(call: Any) -> None:
    ended = call("--version")
    assert (ended.code, ended.out.strip()) == (0, f"crm-spark {crm_spark.__version__}")


def test_every_job_has_a_script_for_spark_submit_and_a_module() -> None:
    assert {path.stem for path in (REPOSITORY / "jobs").glob("*.py")} == set(JOBS)
    for job in JOBS:
        assert callable(job_of(job).run)


@pytest.mark.parametrize("job", JOBS)
def test_a_script_runs_the_job_of_its_name(
    job: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = REPOSITORY / "jobs" / f"{job}.py"
    assert len(script.read_text().splitlines()) <= 12
    monkeypatch.setattr(sys, "argv", [str(script), "--config", "nowhere.yml"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(script), run_name="__main__")
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    # show wants a table's name first, two jobs a path; the others find no such file.
    assert (ended.value.code, summary["job"]) == (2, job)


# --- how a failed run ends -----------------------------------------------------------------------


def test_a_command_line_that_cannot_be_parsed_ends_with_a_summary(
    call: Any, tmp_path: Path
) -> None:
    assert_failed(
        call("score_rfm", "--config", "x.yml", "--as-of", "soon"),
        code=2,
        job="score_rfm",
        folder=tmp_path,
        says="'soon' is no date",
    )


def test_no_arguments_at_all_end_with_a_summary(call: Any, tmp_path: Path) -> None:
    assert_failed(call(), code=2, job="crm_spark", folder=tmp_path, says="JOB")


def test_a_missing_configuration_file_ends_with_its_near_name(call: Any, tmp_path: Path) -> None:
    write_config(tmp_path)
    assert_failed(
        call("check_config", "--config", "crn.yml"),
        code=2,
        job="check_config",
        folder=tmp_path,
        says="configuration file crn.yml does not exist, did you mean 'crm.yml'?",
    )


def test_all_faults_of_a_configuration_end_in_one_summary(call: Any, tmp_path: Path) -> None:
    path = write_config(tmp_path, churn={"horizon_days": 0}, storge={"root": "x"})
    ended = call("score_rfm", "--config", path, "--as-of", "2025-06-30", "--set", "rfm.methd=x")
    assert_failed(ended, code=2, job="score_rfm", folder=tmp_path, says="3 faults")
    assert ended.summary["as_of"] == "2025-06-30"
    for fault in ("churn.horizon_days", "storge: unknown key", "rfm.methd: unknown key"):
        assert fault in ended.summary["error"]
        assert fault in ended.last_words


def test_a_failed_run_before_spark_knows_no_cost(call: Any, tmp_path: Path) -> None:
    summary = call("check_config", "--config", "none.yml").summary
    assert_no_table_was_made(tmp_path)
    assert (summary["tables"], summary["models"]) == ({}, {})
    for unknown in (
        "as_of",
        "rows_per_second",
        "peak_memory_bytes",
        "shuffle_bytes",
        "spill_bytes",
        "core_seconds",
    ):
        assert summary[unknown] is None


@pytest.mark.parametrize("secret", ["hunter22", "0", "core"], ids=["word", "digit", "key"])
def test_a_secret_is_shown_as_stars_and_the_summary_stays_json(
    secret: str, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_SECRET", secret)
    path = write_config(tmp_path, time_zone="Zone/${env:SHOP_SECRET}/of/mine")
    ended = call("check_config", "--config", path)
    assert_failed(ended, code=2, job="check_config", folder=tmp_path, says="Zone/***/of/mine")
    assert f"Zone/{secret}" not in ended.out + ended.err


# --- with the session there is -------------------------------------------------------------------


@pytest.fixture
def utc_config(tmp_path: Path, spark: SparkSession) -> Iterator[str]:
    """Give a configuration, and the session the time zone it had before."""
    zone = spark.conf.get("spark.sql.session.timeZone")
    assert zone is not None
    yield write_config(tmp_path, time_zone=zone)
    spark.conf.set("spark.sql.session.timeZone", zone)


def test_success_returns_normally_with_a_summary_and_leaves_the_session_running(
    call: Any, spark: SparkSession, utc_config: str, tmp_path: Path
) -> None:
    ended = call("check_config", "--config", utc_config)
    assert ended.code == 0
    assert list(ended.summary) == SUMMARY_KEYS
    assert ended.summary["job"] == "check_config"
    assert ended.summary["status"] == "succeeded"
    assert ended.summary["error"] is None
    assert ended.summary["seconds"] > 0
    assert len(ended.out.splitlines()) == 1
    assert "4 columns" in ended.err
    assert spark.range(3).count() == 3
    # It runs nothing and leaves nothing.
    assert not (tmp_path / "lake").exists()


def test_a_job_without_a_configuration_drafts_one(
    call: Any, spark: SparkSession, utc_config: str, tmp_path: Path
) -> None:
    orders, output = str(tmp_path / "orders.csv"), str(tmp_path / "draft.yml")
    (tmp_path / "orders.csv").write_text("customer,order,day,total\n1,10,2020-01-01,2.50\n")
    ended = call("draft_config", orders, "--output", output)
    assert (ended.code, ended.summary["job"]) == (0, "draft_config")
    assert "is written" in ended.err
    assert call("check_config", "--config", output).code == 0
    again = call("draft_config", orders, "--output", output)
    assert_failed(again, code=2, job="draft_config", folder=tmp_path, says="is there already")


def test_a_job_without_a_configuration_takes_none(call: Any, tmp_path: Path) -> None:
    ended = call("draft_config", "orders.csv", "--config", "x.yml")
    assert_failed(ended, code=2, job="draft_config", folder=tmp_path, says="--config")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("told so"), 2),
        (DataError("told so"), 3),
        (BusyError("told so"), 4),
        (EnvironmentFault("told so"), 5),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_kind_of_error_has_its_exit_code_and_no_traceback(
    error: Exception,
    code: int,
    call: Any,
    utc_config: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(job_of("check_config"), "run", fail)
    ended = call("check_config", "--config", utc_config)
    assert_failed(ended, code=code, job="check_config", folder=tmp_path, says="told so")
    assert "Traceback" not in ended.err


def test_an_unforeseen_error_ends_with_1_and_its_traceback_in_the_log(
    call: Any, utc_config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("a fault of ours\nand its details")

    monkeypatch.setattr(job_of("check_config"), "run", fail)
    ended = call("check_config", "--config", utc_config)
    assert_failed(
        ended,
        code=1,
        job="check_config",
        folder=tmp_path,
        says="RuntimeError: a fault of ours",
    )
    assert "Traceback" in ended.err
    assert "in fail" in ended.err
    assert "and its details" not in ended.summary["error"]


def test_an_interrupted_run_ends_with_a_summary_too(
    call: Any, utc_config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job_of("check_config"), "run", interrupt)
    ended = call("check_config", "--config", utc_config)
    assert_failed(ended, code=1, job="check_config", folder=tmp_path, says="interrupted")
