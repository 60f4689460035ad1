"""The whole page."""

from __future__ import annotations

from crm_spark.report.blocks import Page
from crm_spark.report.content.base import base_section, rfm_section, tiles
from crm_spark.report.content.churn import churn_quality_section, churn_section
from crm_spark.report.content.data import cost_section, data_section, glossary_section
from crm_spark.report.content.inputs import ReportInputs
from crm_spark.report.content.recommendations import recommendations_section
from crm_spark.report.content.segments import segments_section
from crm_spark.report.content.words import day_in_words


def build_page(held: ReportInputs) -> Page:
    """Lay out the whole report."""
    sections = [
        base_section(held),
        rfm_section(held),
        churn_section(held),
        churn_quality_section(held),
        segments_section(held),
        recommendations_section(held),
        data_section(held),
        cost_section(held),
        glossary_section(),
    ]
    return Page(
        title=held.title,
        subtitle=f"As of {day_in_words(held.as_of)}: what was known before this day "
        f"({held.time_zone})",
        tiles=tiles(held),
        sections=[section for section in sections if section is not None],
        footer=f"Written by crm_spark {held.package_version} from the tables of the lake.",
    )
