"""main(): parse, load the configuration, open the Spark session, run the job, print its summary."""

from __future__ import annotations

import argparse
import sys
import traceback
from typing import NoReturn

import crm_spark
from crm_spark.config import Config, load_config, load_local_config, parse_date
from crm_spark.errors import ConfigError, CrmSparkError, nearest
from crm_spark.jobs.catalogue import JOBS, Job, job_of, needs_config
from crm_spark.runtime.executors import missing_on_executors
from crm_spark.runtime.progress import configure_logging, log, redact
from crm_spark.runtime.run import RunSummary

_AS_OF_HELP = (
    "YYYY-MM-DD: use what was known before this day (default: the day after the newest order)"
)
EXIT_CODES = """\
exit codes: 0 succeeded, 2 configuration, 3 data, 4 another run is in the way (try again),
5 environment: Java, cluster, storage or tracking server (try again), 1 anything else.
The last line on standard output is one JSON object: the summary of the run, failed or not."""


def main(job: str | None = None) -> None:
    """Run the command line; `job` is given by the scripts of jobs/, which are one job each.

    Returns normally on success; ends the process with the error's exit code otherwise.
    """
    arguments = sys.argv[1:] if job is None else [job, *sys.argv[1:]]
    configure_logging(verbose="--verbose" in arguments)
    try:
        options = parse(arguments)
    except CrmSparkError as error:
        _fail(error, RunSummary(job or (arguments[0] if arguments else "crm_spark")))
    summary = RunSummary(options.job, as_of=getattr(options, "as_of", None))
    try:
        summary = _run(options)
    except KeyboardInterrupt as error:
        _fail(error, getattr(error, "summary", summary))
    except Exception as error:  # noqa: BLE001 - the one place that turns errors into exit codes
        _fail(missing_on_executors(error) or error, getattr(error, "summary", summary))
    _print_summary(summary)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line strictly. Raises ConfigError with what is wrong and what is near."""
    parser = _Parser(
        prog="crm-spark",
        description="Spark batch jobs that turn purchase records into decisions about customers.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"crm-spark {crm_spark.__version__}")
    commands = parser.add_subparsers(dest="job", required=True, metavar="JOB", title="jobs")
    for name in JOBS:
        job = job_of(name)
        command = commands.add_parser(
            name,
            help=job.DESCRIPTION,
            description=job.DESCRIPTION,
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        _add_common(command, job)
    if arguments and not arguments[0].startswith("-") and arguments[0] not in JOBS:
        known = ", ".join(JOBS)
        hint = nearest(arguments[0], JOBS) or f", known: {known}"
        raise ConfigError(f"unknown job {arguments[0]!r}{hint}")
    for argument in arguments:
        given = argument.removeprefix("--conf=")
        if given.startswith("spark.") and "=" in given:
            raise ConfigError(
                f"{given} is a Spark property: give it to spark-submit as --conf {given}, "
                "before the script's name, or in the spark: section"
            )
    return parser.parse_args(arguments)


def _add_common(command: argparse.ArgumentParser, job: Job) -> None:
    if needs_config(job):
        _add_config(command)
    if job.NEEDS_AS_OF:
        command.add_argument(
            "--as-of",
            type=parse_date,
            metavar="DATE",
            help=getattr(job, "AS_OF_HELP", _AS_OF_HELP),
        )
    if add_arguments := getattr(job, "add_arguments", None):
        add_arguments(command)
    command.add_argument("--verbose", action="store_true", help="log more, and Spark's own log")


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config",
        required=True,
        metavar="FILE",
        help="YAML file: a local path, a name given by --files, or a Hadoop path",
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="A.B=C",
        help="set one key of the configuration; may be given many times",
    )


class _Parser(argparse.ArgumentParser):
    """Raises instead of exiting, so that every error ends in the same last lines."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message} (see {self.prog} --help)")


def _run(options: argparse.Namespace) -> RunSummary:
    from crm_spark.models.tracking import check_tracking
    from crm_spark.runtime.session import open_session, require_shared_tracking

    job = job_of(options.job)
    config: Config | None = None
    if needs_config(job) and not _is_remote(options.config):
        config = load_local_config(
            _shipped(options.config), name=options.config, overrides=options.overrides
        )
        check_tracking(config.tracking)
    with open_session(
        options.job,
        time_zone=config.time_zone if config else "UTC",
        properties=config.spark.as_properties() if config else {},
    ) as spark:
        if needs_config(job) and config is None:
            from crm_spark.ingest.reading.rows import read_text

            config = _load(options, read_text(spark, options.config))
            check_tracking(config.tracking)
            spark.conf.set("spark.sql.session.timeZone", config.time_zone)
        if config is not None:
            require_shared_tracking(spark, config.tracking.uri)
        extra = {
            key: value
            for key, value in vars(options).items()
            if key not in ("job", "config", "overrides", "as_of", "verbose")
        }
        summary: RunSummary = job.run(spark, config, getattr(options, "as_of", None), **extra)
        return summary


def _load(options: argparse.Namespace, text: str) -> Config:
    return load_config(text, name=options.config, overrides=options.overrides)


def _is_remote(path: str) -> bool:
    return "://" in path and not path.startswith("file:")


def _shipped(path: str) -> str:
    """Give where a configuration given by its name and shipped by --files lies."""
    from pathlib import Path

    from crm_spark.runtime.session import is_submitted

    path = path.removeprefix("file://")
    if Path(path).is_file() or not is_submitted() or Path(path).name != path:
        return path
    from pyspark import SparkContext, SparkFiles

    SparkContext.getOrCreate()
    return SparkFiles.get(path)


def _fail(error: BaseException, summary: RunSummary) -> NoReturn:
    """Log the error, print the failed summary, end with the error's exit code."""
    code = error.exit_code if isinstance(error, CrmSparkError) else 1
    message = str(error) if isinstance(error, CrmSparkError) else _unforeseen(error)
    if code == 1:
        log.error("%s", "".join(traceback.format_exception(error)))
    summary.finish("failed", redact(message))
    # First the words, then the summary: spark-submit merges both streams, and the JSON comes last.
    sys.stderr.write(f"error: {redact(message)}\n")
    sys.stderr.flush()
    _print_summary(summary)
    sys.exit(code)


def _print_summary(summary: RunSummary) -> None:
    """Write the summary as the last line on standard output."""
    sys.stdout.write(summary.as_json() + "\n")
    sys.stdout.flush()


def _unforeseen(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"[:500]
