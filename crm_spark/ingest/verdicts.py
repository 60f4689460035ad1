"""What an ingest has to say of a source beyond counts: rows of ops.checks, and last lines."""

from __future__ import annotations

from collections.abc import Iterable

from crm_spark.ingest.loading.noticed import Noticed
from crm_spark.ingest.mapping.cleaning import DOUBTFUL
from crm_spark.ingest.planning.found import Found
from crm_spark.ingest.reading.broken import comparable, is_broken
from crm_spark.ingest.settings import Source
from crm_spark.runtime.progress import log
from crm_spark.runtime.run import TableCounts
from crm_spark.tables.checks import Verdict
from crm_spark.words import are, counted, verb

REJECTED_FILE, HIDDEN_FILE, ABSENT_COLUMN = "rejected_file", "hidden_file", "absent_column"
CHANGED_COLUMNS = "changed_columns"
BIGGEST_CUSTOMER, MIXED_CURRENCIES = "biggest_customer", "mixed_currencies"
LINE_IDS = "line_ids"
# Ids of lines move to another order with a correction, which is rare.
MOST_ORDERS_A_LINE = 1.2
OVERLAPPING_FILES, DOUBTFUL_CUSTOMER = "overlapping_files", "doubtful_customer"
THREE_DECIMALS, ROUNDED_AMOUNTS = "three_decimals", "rounded_amounts"

# One customer's share of a delivery that is told, in deliveries of so many rows.
LARGEST_SHARE, FEWEST_ROWS = 0.1, 1000
# The share of rows, the same as one of another file, that is told.
SMALLEST_OVERLAP = 0.01


def file_verdicts(found: Found) -> list[Verdict]:
    """Judge the files of a source: those lost, those left out, and how their columns differ."""
    return [*_rejected(found), *_hidden(found), *_absent(found), *_changed(found)]


def row_verdicts(source: Source, rows: Noticed, currencies: tuple[str, ...]) -> list[Verdict]:
    """Judge what was noticed of a delivery's rows; `currencies` are of all that is loaded."""
    return [
        *_biggest_customer(source.name, rows),
        *_doubtful_customer(source.name, rows),
        *_currencies(source.name, currencies),
        *_overlap(source.name, rows),
        *_line_ids(source, rows),
        *_decimals(source, rows),
    ]


def _biggest_customer(name: str, rows: Noticed) -> list[Verdict]:
    if rows.n_usable < FEWEST_ROWS or _share(rows.n_of_biggest, rows) <= LARGEST_SHARE:
        return []
    loaded = counted(rows.n_usable, "row")
    found = f"{_percent(_share(rows.n_of_biggest, rows))} of the {loaded} loaded"
    message = (
        f"{name}: one customer has {found}. If it is a test account, or stands for sales without a "
        "customer, name it in cleaning.test_customers or cleaning.placeholders"
    )
    needed = f"at most {_percent(LARGEST_SHARE)}"
    return [Verdict(BIGGEST_CUSTOMER, name, found, needed, "warning", message)]


def _doubtful_customer(name: str, rows: Noticed) -> list[Verdict]:
    if not rows.n_doubtful:
        return []
    found = f"{counted(rows.n_doubtful, 'row')} of customer {DOUBTFUL}"
    message = (
        f"{name}: {rows.n_doubtful:,} of the {counted(rows.n_usable, 'row')} loaded "
        f"{are(rows.n_doubtful)} of customer {DOUBTFUL}. If that stands for sales without a "
        "customer, add it to cleaning.placeholders"
    )
    return [Verdict(DOUBTFUL_CUSTOMER, name, found, "a customer of that id", "warning", message)]


def _currencies(name: str, currencies: tuple[str, ...]) -> list[Verdict]:
    if len(currencies) < 2:
        return []
    found = " and ".join(currencies)
    message = (
        f"{name}: amounts are in {found}, and are added up as if they were of one currency. Give "
        "currencies: {reporting: ...} and sources.exchange_rates, or keep one of them by where"
    )
    needed = "one currency, or currencies: and exchange rates"
    return [Verdict(MIXED_CURRENCIES, name, found, needed, "error", message)]


def _overlap(name: str, rows: Noticed) -> list[Verdict]:
    if _share(rows.n_repeated, rows) < SMALLEST_OVERLAP:
        return []
    found = (
        f"{rows.n_repeated:,} of the {counted(rows.n_usable, 'row')} loaded "
        f"({_percent(_share(rows.n_repeated, rows))})"
    )
    message = (
        f"{name}: {found} {are(rows.n_repeated)} the same as a row of another file, and "
        f"{verb(rows.n_repeated, 'counts', 'count')} again. If the exports overlap, set cleaning: "
        "{duplicates: exact_line}"
    )
    needed = f"below {_percent(SMALLEST_OVERLAP)}"
    return [Verdict(OVERLAPPING_FILES, name, found, needed, "warning", message)]


def _line_ids(source: Source, rows: Noticed) -> list[Verdict]:
    """Judge whether ids of lines are used again in other orders, as numbers within an order are."""
    if rows.n_order_lines <= rows.n_line_ids * MOST_ORDERS_A_LINE:
        return []
    name, columns = source.name, source.section.columns
    ids = counted(rows.n_line_ids, "id of a line", "ids of lines")
    found = f"about {ids} in {counted(rows.n_order_lines, 'line of an order', 'lines of orders')}"
    message = (
        f"{name}: {found}. Rows that share a line_id are versions of one line, of which the latest "
        "alone counts. If it is the number of a line within its order, map line_id: "
        f"concat_ws('-', {columns['order_id']}, {columns['line_id']}), and ingest with --rebuild"
    )
    needed = "ids that no other order uses"
    return [Verdict(LINE_IDS, name, found, needed, "error", message)]


def _decimals(source: Source, rows: Noticed) -> list[Verdict]:
    name, found, decimals = source.name, rows.decimals, "at most two decimals"
    if found.may_be_thousands(rows.n_usable):
        what = f"{found.n_of_three:,} of {found.n_with_point:,} amounts with a point"
        message = (
            f"{name}: {what} have three decimals, such as {found.of_three}, and are rounded to "
            "two. If the point parts thousands, take it out: "
            f"replace({source.section.columns['amount']}, '.', '')"
        )
        return [Verdict(THREE_DECIMALS, name, what, decimals, "warning", message)]
    if found.n_rounded:
        what = f"{found.n_rounded:,} of {rows.n_usable:,} amounts"
        message = f"{name}: {what} have more than two decimals, and are rounded to two"
        return [Verdict(ROUNDED_AMOUNTS, name, what, decimals, "advice", message)]
    return []


def _share(n: int, rows: Noticed) -> float:
    return n / rows.n_usable if rows.n_usable else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def name_files(counts: TableCounts, found: Found) -> None:
    """Put the files that are not loaded into the summary."""
    counts.files_rejected = [_name(found, file) for file in sorted(found.broken)]
    counts.files_skipped = [_name(found, file) for file in found.listing.hidden]


def log_verdicts(verdicts: Iterable[Verdict]) -> None:
    """Say errors and warnings, as the last words of a run."""
    for verdict in verdicts:
        if verdict.level == "error":
            log.error(verdict.message)
        elif verdict.level == "warning":
            log.warning(verdict.message)
        elif verdict.level == "advice":
            log.info(verdict.message)


def _rejected(found: Found) -> list[Verdict]:
    needed = "a file that can be read and has the columns that are mapped"
    return [_rejected_file(found, file, why, needed) for file, why in sorted(found.broken.items())]


def _rejected_file(found: Found, file: str, why: str, needed: str) -> Verdict:
    name, source = _name(found, file), found.source.name
    message = (
        f"{source}: the file {name} is not loaded, all its rows are missing: {why}. Mend the file "
        "or the mapping, and ingest again"
    )
    return Verdict(REJECTED_FILE, f"{source}: {name}", why, needed, "error", message)


def _hidden(found: Found) -> list[Verdict]:
    source, verdicts = found.source.name, []
    for name in (_name(found, file) for file in found.listing.hidden):
        if name.endswith("/"):
            message = (
                f"{source}: the folder {name} is left out, as only files of the folder itself are "
                "read: to load those below it, too, give options: {recursiveFileLookup: true}"
            )
            what, needed = "a folder within the folder", "recursiveFileLookup, if it holds data"
        else:
            message = (
                f"{source}: the file {name} is left out, as names that begin with _ or . are of no "
                "data: rename it to load it"
            )
            what, needed = "a name that begins with _ or .", "another name, if it holds data"
        subject = f"{source}: {name}"
        verdicts.append(Verdict(HIDDEN_FILE, subject, what, needed, "warning", message))
    return verdicts


def _absent(found: Found) -> list[Verdict]:
    source, verdicts = found.source.name, []
    files: dict[str, list[str]] = {}
    for uri, layout in found.layouts.items():
        absent = found.absent.get(layout)
        if absent is not None and not is_broken(uri, found.broken):
            for column in absent.names:
                files.setdefault(column, []).append(uri)
    for column, uris in sorted(files.items()):
        message = (
            f"{source}: {_listed(found, uris)} no column {column}, which the mapping reads: taken "
            "as null"
        )
        what, needed = f"{counted(len(uris), 'file')} without it", "a column of every file"
        subject = f"{source}: {column}"
        verdicts.append(Verdict(ABSENT_COLUMN, subject, what, needed, "warning", message))
    return verdicts


def _changed(found: Found) -> list[Verdict]:
    if not found.changed:
        return []
    name, what = found.source.name, "; ".join(found.changed)
    message = f"{name}: the columns of what is new differ from what was loaded before: {what}"
    needed = "columns as before"
    return [Verdict(CHANGED_COLUMNS, name, what, needed, "advice", message)]


def _listed(found: Found, uris: list[str]) -> str:
    if len(uris) == 1:
        return f"the file {_name(found, uris[0])} has"
    return f"{len(uris):,} files, {_name(found, sorted(uris)[0])} first, have"


def _name(found: Found, file: str) -> str:
    """Give a file's name below the folder of its source."""
    place = comparable(file)
    base = next((base for base in found.listing.bases if place.startswith(base)), None)
    return place.removeprefix(base or f"{place.rstrip('/').rpartition('/')[0]}/")
