"""Tables of delimited text: files of the same columns, read by the same options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crm_spark.ingest.drafting.column import Column, Hints
from crm_spark.ingest.drafting.encoding import WINDOWS, foreign_words
from crm_spark.ingest.drafting.groups import table_name
from crm_spark.ingest.drafting.table import Reading, Sample
from crm_spark.ingest.drafting.texts import TextFile
from crm_spark.ingest.mapping.expressions import as_sql
from crm_spark.words import are, counted, verb

_N_ROWS = 50_000


def text_sample(files: Sequence[TextFile], paths: Sequence[str]) -> Sample:
    """Give what was seen of files of one table."""
    first = max(files, key=lambda file: len(file.parsed.rows))
    dialect = first.parsed.dialect
    options = {**dialect.options, **_encoding_option(files)}
    for file in files:
        own = file.parsed.dialect
        options |= {key: own.options[key] for key in ("multiLine", "escape") if key in own.options}
    is_wide = any(file.encoding.is_wide for file in files)
    if is_wide:
        options["multiLine"] = True
    reading = Reading(tuple(paths), format="csv", options=options, skip_lines=dialect.skip_lines)
    return Sample(
        table_name(first.file.uri),
        {table_name(first.file.uri): reading},
        _columns(files, first),
        n_files=len(files),
        has_header=dialect.has_header,
        questions=tuple(_questions(files, first)),
    )


def _encoding_option(files: Sequence[TextFile]) -> dict[str, str | bool]:
    names = {file.encoding.name for file in files}
    others = names - {"UTF-8"}
    return {"encoding": sorted(others)[0]} if others else {}


def _columns(files: Sequence[TextFile], first: TextFile) -> tuple[Column, ...]:
    """Give the columns that any of the files has; None where a file lacks one."""
    names = list(dict.fromkeys(name for file in [first, *files] for name in file.names))
    values: dict[str, list[str | None]] = {name: [] for name in names}
    for file in files:
        places = {name: place for place, name in enumerate(file.names)}
        rows = _first_and_last(file.rows, _N_ROWS // len(files))
        for name in names:
            place = places.get(name)
            values[name] += [
                None if place is None or not row[place].strip() else row[place] for row in rows
            ]
    columns = [
        Column(
            name,
            _sql(name, place, first),
            tuple(values[name]),
            files=frozenset(n for n, file in enumerate(files) if name in file.names),
        )
        for place, name in enumerate(names)
    ]
    hints = _hints(columns, first.parsed.dialect.separator)
    return tuple(replace(column, hints=hints) for column in columns)


def _first_and_last(rows: list[tuple[str, ...]], most: int) -> list[tuple[str, ...]]:
    """Give whole stretches of rows: lines of an order are beside one another."""
    half = max(most // 2, 1)
    return rows if len(rows) <= 2 * half else [*rows[:half], *rows[-half:]]


def _hints(columns: Sequence[Column], separator: str) -> Hints:
    """Tell how the file writes numbers and dates from the columns that leave no doubt."""
    forms = [column.number for column in columns if column.is_number]
    sure = [form for form in forms if form and not form.is_doubtful and not form.is_whole]
    has_commas = any(form.decimal == "," for form in sure)
    decimal = "," if has_commas else "." if sure else "," if separator == ";" else None
    stamps = [column.stamp for column in columns if not column.is_number]
    starts = [
        stamp.patterns[0][0]
        for stamp in stamps
        if stamp and stamp.share > 0.5 and stamp.patterns and not stamp.is_doubtful
    ]
    orders = {start for start in starts if start in "dM"}
    if len(orders) == 1:
        return Hints(decimal, orders == {"d"}, are_days_sure=True)
    # Who writes decimal commas, or parts columns by semicolons since they do, names days first.
    return Hints(decimal, True if decimal == "," else None)


def _sql(name: str, place: int, file: TextFile) -> str:
    return file.parsed.sql(place) if place < len(file.parsed.names) else as_sql(name)


def _questions(files: Sequence[TextFile], first: TextFile) -> list[str]:
    questions = []
    guessed = [file for file in files if file.encoding.is_guess]
    if guessed:
        words = ", ".join(foreign_words(guessed[0].text))
        questions.append(
            f"encoding: the bytes are no UTF-8; {WINDOWS} reads {words}: is that spelled right?"
        )
        mixed = [one for one in files if not one.encoding.is_guess and foreign_words(one.text)]
        if mixed:
            names = ", ".join(table_name(one.file.uri) for one in mixed)
            questions.append(f"encoding: {names} is UTF-8, though: make a source of each encoding")
    dialect = first.parsed.dialect
    if dialect.is_header_doubtful:
        questions.append("header: does the first line name the columns? If not: header: false")
    if dialect.has_loose_ends:
        questions.append(
            "Lines end in a separator that the header lacks: columns go by their place"
        )
    if not dialect.has_header and not dialect.is_blank_separated:
        questions.append(
            "header: the first line holds values, so columns are called by their place"
        )
    others = {one.parsed.dialect.separator for one in files} - {dialect.separator}
    lines = {one.parsed.dialect.skip_lines for one in files}
    if others or len(lines) > 1:
        questions.append(
            "The files differ in their separators or title lines: make a source of each kind"
        )
    misfits = sum(file.parsed.n_misfits for file in files)
    if misfits:
        questions.append(
            f"{counted(misfits, 'row')} of those looked at {verb(misfits, 'has', 'have')} more or "
            f"fewer fields than the header, and {are(misfits)} rejected: mend the export"
        )
    return questions
