"""The whole page, from what its subjects give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from crm_spark.report.blocks import Page, Section, TextTable
from crm_spark.report.subject import Subject
from crm_spark.report.words import day_in_words


@dataclass(frozen=True)
class Heading:
    """What the page is of; `trained_as_of`: of what earlier day the models are."""

    title: str
    as_of: date
    time_zone: str
    package_version: str
    trained_as_of: date | None = None


def build_page(
    heading: Heading, subjects: Iterable[Subject | None], glossary: Sequence[tuple[str, str]]
) -> Page:
    """Lay out the report; what a subject has nothing to show of is left out."""
    shown = [subject for subject in subjects if subject is not None]
    models = heading.trained_as_of
    trained = f"; models trained as of {day_in_words(models)}" if models else ""
    return Page(
        title=heading.title,
        subtitle=f"As of {day_in_words(heading.as_of)}: what was known before this day "
        f"({heading.time_zone}){trained}",
        tiles=[tile for subject in shown for tile in subject.tiles],
        sections=[
            *[section for subject in shown for section in subject.sections],
            glossary_section(glossary),
        ],
        alerts=[alert for subject in shown for alert in subject.alerts],
        footer=f"Written by crm_spark {heading.package_version} from the tables of the lake.",
    )


def glossary_section(words: Sequence[tuple[str, str]]) -> Section:
    """Give the meaning of the figures; what models have alike stands once."""
    rows = [list(pair) for pair in dict.fromkeys(words)]
    return Section(
        "words", "Words", [TextTable("What the figures mean", ["Word", "Meaning"], rows)]
    )
