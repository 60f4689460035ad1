"""What segments need of the data: a picture of some length, and enough customers to part."""

from __future__ import annotations

import re
from collections.abc import Sequence

from crm_spark.models.segments.section import SegmentsSection
from crm_spark.models.segments.train import FEWEST_PER_SEGMENT
from crm_spark.models.usability.data import data_verdicts
from crm_spark.models.usability.facts import DataFacts
from crm_spark.tables.checks import Verdict
from crm_spark.words import are, counted, noun, verb

SEGMENTS = "segments"

# Formann (1984): 2^d customers for d inputs. Dolnicar et al. (2014): better 70 x d. Ten customers a
# segment are a convention of ours.
FORMANN_BASE, DOLNICAR_FACTOR = 2, 70
# Our convention: a quarter of a year, so that who buys once a season is not taken for lost.
ENOUGH_SEGMENT_DAYS = 91


def segments_verdicts(facts: DataFacts, *, params: SegmentsSection) -> list[Verdict]:
    """Give the verdicts for segments."""
    return [
        segments_history(facts, params),
        segments_customers(facts, params),
        *data_verdicts(facts, SEGMENTS),
    ]


def left_out_verdicts(params: SegmentsSection, inputs: Sequence[str]) -> list[Verdict]:
    """Say which features tell no customers apart; none where all are among the inputs."""
    left_out = [name for name in params.features if name not in inputs]
    if not left_out:
        return []
    n = len(left_out)
    return [
        Verdict(
            "features",
            SEGMENTS,
            ", ".join(left_out),
            "values that differ",
            "advice",
            f"{', '.join(left_out)} {are(n)} left out: once the lowest and the highest "
            f"{params.winsorize_share:.2%} of values are pulled in, no two customers differ by "
            f"{noun(n, 'it', 'them')}. Name other segments.features, or a smaller "
            "segments.winsorize_share",
        )
    ]


def segments_history(facts: DataFacts, params: SegmentsSection) -> Verdict:
    """Judge the history by a quarter of a year and by the longest window among the features."""
    windows = [int(match[1]) for name in params.features if (match := re.search(r"_(\d+)d$", name))]
    enough = max([ENOUGH_SEGMENT_DAYS, *windows])
    found = counted(facts.history_days, "day")
    needed = f"at least {counted(enough, 'day')}"
    if facts.history_days >= enough:
        return Verdict("history", SEGMENTS, found, needed, "ok", f"{found} of history are enough")
    return Verdict(
        "history",
        SEGMENTS,
        found,
        needed,
        "warning",
        f"{found} of history {verb(facts.history_days, 'shows', 'show')} little of how "
        f"customers differ; {enough:,} are needed: who buys less often looks like a single "
        "purchase. Choose a later date, or read the segments as a picture of these days alone",
    )


def segments_customers(facts: DataFacts, params: SegmentsSection) -> Verdict:
    """Judge the number of customers by the segments to find and the inputs to find them by."""
    n, n_inputs = facts.n_customers, len(params.features)
    k_from, k_to = min(params.candidates()), max(params.candidates())
    fewest = FEWEST_PER_SEGMENT * k_from
    enough = max(FEWEST_PER_SEGMENT * k_to, FORMANN_BASE**n_inputs)
    better = max(enough, DOLNICAR_FACTOR * n_inputs)
    found = f"{n:,}"
    if n < fewest:
        return Verdict(
            "customers",
            SEGMENTS,
            found,
            f"at least {fewest:,}",
            "error",
            f"{counted(n, 'customer')} {are(n)} too few for {counted(k_from, 'segment')}: at least "
            f"{fewest:,} are needed ({FEWEST_PER_SEGMENT} for each): load more customers, or set "
            "a smaller segments.k",
        )
    if n < enough:
        return Verdict(
            "customers",
            SEGMENTS,
            found,
            f"at least {enough:,}",
            "warning",
            f"{counted(n, 'customer')} {are(n)} few for up to {counted(k_to, 'segment')} by "
            f"{counted(n_inputs, 'feature')}; at least {enough:,} are needed: chance may have made "
            "some of the segments. Set a smaller segments.k_to, name fewer segments.features, or "
            "load more customers",
        )
    if n < better:
        return Verdict(
            "customers",
            SEGMENTS,
            found,
            f"at least {better:,}",
            "advice",
            f"{counted(n, 'customer')} do for segments by {counted(n_inputs, 'feature')}, "
            f"{better:,} are better: of fewer, segments depend more on who happens to be among "
            "them. Whether other customers would give the same, the stability of the training says",
        )
    return Verdict(
        "customers",
        SEGMENTS,
        found,
        f"at least {better:,}",
        "ok",
        f"{counted(n, 'customer')} are enough",
    )
