"""Names of segments: what sets each apart from the whole base, in words a stranger understands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from crm_spark.words import counted

# In standard deviations from the base's mean: from here on a segment differs, or differs much.
APART = 0.25
FAR_APART = 1.2


@dataclass(frozen=True)
class Words:
    """What to call a feature's level, from very low to very high."""

    very_low: str
    low: str
    middle: str
    high: str
    very_high: str

    def within(self, days: int) -> Words:
        """Give the words for a window of so many days."""
        return Words(*[f"{word} in {counted(days, 'day')}" for word in astuple(self)])

    def of(self, value: float, *, is_exact: bool = False) -> str:
        """Give the word for a value in standard deviations, of three levels or of five."""
        if abs(value) < APART:
            return self.middle
        is_far = is_exact and abs(value) >= FAR_APART
        if value > 0:
            return self.very_high if is_far else self.high
        return self.very_low if is_far else self.low


# By the start of the feature's name, so that windows share their words, and in the order in which a
# name lists them.
KNOWN_WORDS: dict[str, Words] = {
    "n_order": Words("very rare", "occasional", "average frequency", "frequent", "very frequent"),
    "spend_amount": Words(
        "very low spend", "low spend", "average spend", "high spend", "very high spend"
    ),
    "net_spend_amount": Words(
        "very low net spend",
        "low net spend",
        "average net spend",
        "high net spend",
        "very high net spend",
    ),
    "spend_per_order": Words(
        "very small orders", "small orders", "average orders", "large orders", "very large orders"
    ),
    "days_since_last_order": Words(
        "very recent", "recent", "average recency", "lapsed", "long lapsed"
    ),
    "tenure_days": Words(
        "very new", "new", "average tenure", "long-standing", "very long-standing"
    ),
}


def words_of(feature: str) -> Words:
    """Give the words for a feature; one without words of its own is named by its column."""
    window = re.search(r"_(\d+)d$", feature)
    for start, words in KNOWN_WORDS.items():
        if feature.startswith(start) and "_trend_" not in feature:
            return words.within(int(window[1])) if window else words
    plain = feature.removeprefix("n_").replace("_", " ")
    return Words(
        f"very low {plain}",
        f"low {plain}",
        f"average {plain}",
        f"high {plain}",
        f"very high {plain}",
    )


def agreed_levels(
    center: Sequence[float], mean_differences: Sequence[float | None]
) -> tuple[float, ...]:
    """Give a centre's levels, 0 where the plain mean is not on the same side of that of all.

    A centre is the mean of winsorised logarithms, while profiles show plain means: most of a
    segment may buy more than usual, and its mean be below that of all, which a few raise.
    `mean_differences` are the segment's plain means less those of all, None where unknown.
    """
    if not mean_differences:
        return tuple(center)
    return tuple(
        level if difference is None or level * difference > 0 else 0.0
        for level, difference in zip(center, mean_differences, strict=True)
    )


def segment_names(features: Sequence[str], centers: Sequence[Sequence[float]]) -> list[str]:
    """Name each centre, given in standard deviations from the base's mean.

    Words for what sets a segment apart, and for all features where that is fewer than two words.
    Where two would get the same name, both get exact words for every feature; where even these are
    the same, the one feature in which they differ most tells them apart.
    """
    order = sorted(range(len(features)), key=lambda index: (_place(features[index]), index))
    names = [_name(features, center, order, is_exact=False) for center in centers]
    names = [
        _name(features, center, order, is_exact=True) if names.count(name) > 1 else name
        for name, center in zip(names, centers, strict=True)
    ]
    return _distinct_names(names, features, centers)


def _place(feature: str) -> int:
    starts = list(KNOWN_WORDS)
    return next(
        (index for index, start in enumerate(starts) if feature.startswith(start)), len(starts)
    )


def _name(
    features: Sequence[str], center: Sequence[float], order: Sequence[int], *, is_exact: bool
) -> str:
    all_words = [words_of(features[index]).of(center[index], is_exact=is_exact) for index in order]
    telling = [
        word for index, word in zip(order, all_words, strict=True) if abs(center[index]) >= APART
    ]
    return ", ".join(all_words if is_exact or len(telling) < 2 else telling)


def _distinct_names(
    names: list[str], features: Sequence[str], centers: Sequence[Sequence[float]]
) -> list[str]:
    """Number equal names along the feature in which their centres differ most."""
    for name, times in Counter(names).items():
        if times == 1:
            continue
        alike = [index for index, other in enumerate(names) if other == name]
        spread = [
            max(centers[index][feature] for index in alike)
            - min(centers[index][feature] for index in alike)
            for feature in range(len(features))
        ]
        widest = spread.index(max(spread))
        ranked = sorted(alike, key=lambda index: (-centers[index][widest], index))
        for place, index in enumerate(ranked, start=1):
            plain = features[widest].removeprefix("n_").replace("_", " ")
            names[index] = f"{name} ({plain}: {place} of {times} from the top)"
    return names
