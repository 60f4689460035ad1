"""A draft: the configuration's text, what it is made of, and what is missing in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crm_spark.ingest.drafting.entry import NEEDED, Entry
from crm_spark.ingest.drafting.find import Seen
from crm_spark.ingest.drafting.joins import joined, links, shared_columns
from crm_spark.ingest.drafting.mapping import entries_of, placeholder_note, where_questions
from crm_spark.ingest.drafting.page import (
    columns_lines,
    comment,
    questions,
    reading_lines,
)
from crm_spark.ingest.drafting.query import query_lines
from crm_spark.ingest.drafting.roles import Choices, choose
from crm_spark.ingest.drafting.table import Sample
from crm_spark.ingest.drafting.times import has_no_zone
from crm_spark.words import are, counted


@dataclass(frozen=True)
class Draft:
    """A drafted configuration; `missing` are the needed columns that nothing is there for."""

    text: str
    found: tuple[str, ...]
    missing: tuple[str, ...]
    n_questions: int


@dataclass(frozen=True)
class _Mapped:
    """A table with what its columns are."""

    sample: Sample
    choices: Choices
    entries: tuple[Entry, ...]

    @property
    def missing(self) -> list[str]:
        return [
            entry.key for entry in self.entries if entry.expression is None and entry.key in NEEDED
        ]

    @property
    def fitness(self) -> tuple[int, int]:
        """What is there of that which is needed, and of the rest."""
        n = sum(entry.expression is not None for entry in self.entries)
        return len(NEEDED) - len(self.missing), n


def draft_of(seen: Seen, path: str) -> Draft:
    """Draft the configuration of what was seen at a path."""
    chosen = _best(seen.samples)
    found = [_described(sample) for sample in seen.samples]
    if len(seen.samples) > 1:
        found += shared_columns(seen.samples)
    missing = [f"no column for {key}: {NEEDED[key]}" for key in chosen.missing]
    lines = [*_head(path, found, seen.unusable, missing), *_body(chosen)]
    n_questions = sum(line.lstrip().startswith("# ? ") for line in lines)
    return Draft("\n".join(lines) + "\n", tuple(found), tuple(missing), n_questions)


def _mapped(sample: Sample) -> _Mapped:
    choices = choose(sample.columns, has_header=sample.has_header)
    return _Mapped(sample, choices, tuple(entries_of(sample.columns, choices)))


def _best(samples: Sequence[Sample]) -> _Mapped:
    """Choose the table, or the tables joined, that have what is needed."""
    alone = [_mapped(sample) for sample in samples]
    best = max(alone, key=lambda one: one.fitness)
    if not best.missing or len(samples) == 1:
        return best
    bases = [one for one in alone if "amount" not in one.missing] or alone
    together = [
        _mapped(joined(one.sample, found))
        for one in bases
        if one.sample.query is None and (found := links(one.sample, samples))
    ]
    return max([best, *together], key=lambda one: one.fitness)


def _described(sample: Sample) -> str:
    size = f"{counted(sample.n_rows, 'row')} of {counted(sample.n_files, 'file')} looked at"
    names = ", ".join(column.name for column in sample.columns)
    return f"table {sample.name} ({size}): {names}"


def _head(
    path: str, found: Sequence[str], unusable: Sequence[str], missing: Sequence[str]
) -> list[str]:
    lines = comment(f"Drafted by crm-spark draft_config from {path}. What was found:")
    for text in found:
        lines += comment(f"- {text}")
    for text in unusable:
        lines += comment(f"- not used: {text}")
    if missing:
        lines += comment(
            f"Not complete: of what is needed, {counted(len(missing), 'column')} "
            f"{are(len(missing))} missing, see columns."
        )
    lines += comment(
        "Lines that begin with ? are questions: answer each, then run crm-spark check_config."
    )
    return lines


def _body(chosen: _Mapped) -> list[str]:
    note = "storage: {root: lake}   # where the tables are written: any Hadoop path"
    sample = chosen.sample
    lines = ["", note, *_zone(chosen.choices), "", "sources:", "  transactions:"]
    if sample.query is None:
        lines += [*questions(sample.questions, 4), *reading_lines(sample.reading, 4)]
    else:
        lines += _query_lines(chosen)
    wheres = where_questions(chosen.choices)
    customer = chosen.choices.get("customer_id")
    if customer and (told := placeholder_note(customer.column)):
        lines += comment(f"customer_id: {told}", 4)
    return [*lines, *questions(wheres, 4), *columns_lines(chosen.entries, 4)]


def _zone(choices: Choices) -> list[str]:
    text = "time_zone: the midnights of which place begin your business days, as in Europe/Berlin?"
    if has_no_zone(choices.get("ordered_at")):
        text += " The stamps have no zone, and are read in this one"
    return [*questions([text], 0), "time_zone: UTC"]


def _query_lines(chosen: _Mapped) -> list[str]:
    """Give the inputs and the query of what the mapping uses, and of what a condition may."""
    used = [column for entry in chosen.entries for column in entry.columns]
    asked = [chosen.choices[role].column for role in ("status", "event") if role in chosen.choices]
    return [
        *questions(chosen.sample.questions, 4),
        *query_lines(chosen.sample, list(dict.fromkeys([*used, *asked])), 4),
    ]
