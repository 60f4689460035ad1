"""Run sections, print their rows as a table of Markdown, and write them as JSON."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks import (
    cutoffs,
    day,
    demand,
    executors,
    features,
    forest,
    growth,
    increment,
    ingest,
    one_customer,
    pipeline,
    recommender,
    small,
    small_tables,
    value,
)
from benchmarks.measure import Row, machine

HEADER = (
    "| section | case | ours, s | peer | peer, s | ratio | goal | lines a second | memory, GB |\n"
    "|---|---|---:|---|---:|---:|---:|---:|---|"
)


# Of a section that looks at one size; --customers gives others.
N_CUSTOMERS = 10_000


def _each_size(
    measured: Callable[..., Iterator[Row]], *, is_repeated: bool = True
) -> Callable[[Path, argparse.Namespace], Iterator[Row]]:
    """Give a section that measures every size that is asked for."""

    def rows(place: Path, given: argparse.Namespace) -> Iterator[Row]:
        repeats = {"repeats": given.repeats} if is_repeated else {}
        for n_customers in given.customers or [N_CUSTOMERS]:
            yield from measured(place, n_customers=n_customers, **repeats)

    return rows


SECTIONS: dict[str, Callable[[Path, argparse.Namespace], Iterator[Row]]] = {
    "small": lambda place, given: small.measured(place, repeats=given.repeats),
    "small_tables": lambda _, given: small_tables.measured(repeats=given.repeats),
    "ingest": _each_size(ingest.measured),
    "increment": _each_size(increment.measured, is_repeated=False),
    "day": _each_size(day.measured, is_repeated=False),
    "features": _each_size(features.measured),
    "cutoffs": _each_size(cutoffs.measured),
    "one_customer": _each_size(one_customer.measured, is_repeated=False),
    "recommender": lambda place, given: recommender.measured(
        place, n_pairs=given.pairs, repeats=given.repeats
    ),
    "forest": lambda place, given: forest.measured(place, repeats=given.repeats),
    "value": lambda place, given: value.measured(place, repeats=given.repeats),
    "demand": lambda place, given: demand.measured(place, repeats=given.repeats),
    "executors": _each_size(executors.measured, is_repeated=False),
    "pipeline": lambda place, given: pipeline.measured(
        place, sizes=given.customers or pipeline.SIZES
    ),
    "growth": lambda place, given: growth.measured(place, sizes=given.customers or pipeline.SIZES),
}


def main() -> None:
    """Run what the command line asks for."""
    parser = _parser()
    given = parser.parse_args()
    if unknown := sorted(set(given.section) - set(SECTIONS)):
        parser.error(f"no such section: {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    place = Path(given.folder).resolve()
    place.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in given.section or SECTIONS:
        for row in SECTIONS[name](place, given):
            # As it comes: a section can take half an hour, and be cut off.
            sys.stderr.write(_line(row) + "\n")
            rows.append(row)
    sys.stdout.write(table(rows) + "\n")
    if given.json:
        text = json.dumps([row.as_json() for row in rows], indent=2)
        Path(given.json).write_text(text + "\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description=__doc__)
    parser.add_argument("section", nargs="*", help=f"{', '.join(SECTIONS)} (default: all)")
    parser.add_argument(
        "--customers",
        type=_numbers,
        metavar="N[,N...]",
        help="sizes of the sample, some 100 lines a customer (default: "
        f"{N_CUSTOMERS}; of pipeline and growth {','.join(map(str, pipeline.SIZES))})",
    )
    parser.add_argument(
        "--pairs", type=int, default=2_000_000, help="of customer and product, for the recommender"
    )
    parser.add_argument("--repeats", type=int, default=3, help="medians are given (default: 3)")
    parser.add_argument("--folder", default="benchmark", help="where data are made and kept")
    parser.add_argument("--json", metavar="FILE", help="write the rows there, too")
    return parser


def _numbers(text: str) -> list[int]:
    """Read the numbers of --customers."""
    return [int(number) for number in text.split(",")]


def table(rows: Iterable[Row]) -> str:
    """Write rows as a table, with the machine, the versions and the date."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("pyspark", "delta-spark"))
    where = (
        f"{machine()}, Python {platform.python_version()}, {versions}, {datetime.now(UTC):%Y-%m-%d}"
    )
    return "\n".join([where, "", HEADER, *map(_line, rows)])


def _line(row: Row) -> str:
    is_seconds = row.ratio is None
    goal = "" if row.goal is None else f"{row.goal:.3g} s" if is_seconds else f"{row.goal:.3g}"
    cells = [
        row.section,
        row.case,
        _spread(row.ours),
        row.peer or "",
        _spread(row.peers),
        "" if row.ratio is None else f"{row.ratio:.2f}",
        f"{goal}, missed" if row.is_missed else goal,
        "" if row.n_rows is None else f"{row.n_rows / row.ours_seconds:,.0f}",
        " / ".join(f"{n / 1e9:.1f}" for n in (row.ours_peak_bytes, row.peer_peak_bytes) if n),
    ]
    return f"| {' | '.join(cells)} |"


def _spread(seconds: Sequence[float]) -> str:
    """Give the median with least and most, where there are several."""
    if len(seconds) < 2:
        return "".join(map(_short, seconds))
    return f"{_short(median(seconds))} ({_short(min(seconds))} to {_short(max(seconds))})"


def _short(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2f}"


if __name__ == "__main__":
    main()
