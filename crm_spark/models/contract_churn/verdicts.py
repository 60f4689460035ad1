"""What contract churn needs of the data: customers of both kinds, and attributes that tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pyspark.sql import DataFrame

from crm_spark.models.classifiers.classifier import LABEL
from crm_spark.models.contract_churn.parts import HELD_OUT, PART
from crm_spark.models.contract_churn.strength import AttributeStrength, Reason
from crm_spark.models.feature_selection import LEAK_AUC
from crm_spark.tables.checks import Level, Verdict
from crm_spark.words import counted

SUBJECT: Final = "contract_churn"
LEAK, DROPPED = ATTRIBUTE_CHECKS = ("suspected_leak", "attribute_dropped")

# Peduzzi et al. (1996): a logistic regression needs about ten cases of the rarer class for each
# input; fewer than ten in each of five folds carry no comparison. A rule of ours.
FEWEST_OF_A_CLASS = 50
# Collins, Ogundimu and Altman (2016): a test needs 100 of each class.
ENOUGH_TO_TEST = 100


@dataclass(frozen=True)
class Classes:
    """How many customers left and stayed, of all and of those held out."""

    n_left: int
    n_stayed: int
    n_left_at_test: int
    n_stayed_at_test: int

    @classmethod
    def of(cls, rows: DataFrame) -> Classes:
        """Count them, by label and part of labelled rows."""
        counts = rows.groupBy(LABEL, PART).count().collect()  # two rows a part

        def n(label: float, parts: Callable[[int], bool]) -> int:
            return sum(row["count"] for row in counts if row[LABEL] == label and parts(row[PART]))

        return cls(
            n(1.0, lambda _: True),
            n(0.0, lambda _: True),
            n(1.0, lambda part: part == HELD_OUT),
            n(0.0, lambda part: part == HELD_OUT),
        )


def contract_verdicts(classes: Classes) -> list[Verdict]:
    """Give the verdicts on the customers that are learnt from."""
    return [_both_classes(classes), _classes_at_test(classes)]


def _both_classes(classes: Classes) -> Verdict:
    rarer = min(classes.n_left, classes.n_stayed)
    needed = f"at least {FEWEST_OF_A_CLASS} of each"
    found = f"{classes.n_left:,} left, {classes.n_stayed:,} stayed"
    message = f"core.contracts says of {counted(classes.n_left, 'customer')} that they left, and "
    message += f"of {classes.n_stayed:,} that they did not"
    level: Level = "error" if rarer < FEWEST_OF_A_CLASS else "ok"
    if level == "error":
        message += (
            f"; {needed} are needed: is has_left mapped from the right column "
            "(sources.contracts.columns)? Else load more customers"
        )
    return Verdict("both_classes", SUBJECT, found, needed, level, message)


def _classes_at_test(classes: Classes) -> Verdict:
    rarer = min(classes.n_left_at_test, classes.n_stayed_at_test)
    level: Level = "advice" if rarer < ENOUGH_TO_TEST else "ok"
    found = f"{classes.n_left_at_test:,} left, {classes.n_stayed_at_test:,} stayed"
    needed = f"at least {ENOUGH_TO_TEST} of each"
    message = f"of the customers held out {found}"
    if level != "ok":
        message += (
            f", {needed}: how good the model is stays uncertain; look at the intervals of its "
            "figures, or raise contract_churn.test_share"
        )
    return Verdict("classes_at_test", SUBJECT, found, needed, level, message)


def attribute_verdicts(strengths: Sequence[AttributeStrength]) -> list[Verdict]:
    """Give rows of ops.checks: leaks suspected, and attributes that nothing can be learnt from."""
    found = [_suspected(one) for one in strengths if one.is_suspected]
    found += [
        Verdict(
            DROPPED,
            one.attribute.name,
            found=one.dropped,
            needed=_NEEDED[one.dropped],
            level="advice",
            message=f"{one.attribute.name} {_IN_WORDS[one.dropped]} among the customers learnt "
            "from, and is not used",
        )
        for one in strengths
        if one.dropped in ("never known", "constant")
    ]
    return found


_NEEDED: dict[Reason, str] = {"never known": "a known value", "constant": "two different values"}
_IN_WORDS: dict[Reason, str] = {
    "never known": "is never known",
    "constant": "has the same value for everybody",
}


def _suspected(one: AttributeStrength) -> Verdict:
    name = one.attribute.name
    level: Level = "advice" if one.is_trusted else "warning"
    return Verdict(
        LEAK,
        name,
        found=f"AUC {one.strength.auc:.3f}",
        needed=f"AUC up to {LEAK_AUC}",
        level=level,
        message=f"{too_good(one)}"
        + (
            "; contract_churn.trusted_attributes clears it of that"
            if one.is_trusted
            else f": {kept_out(name)}"
        ),
    )


def too_good(one: AttributeStrength) -> str:
    """Say how much an attribute tells by itself."""
    return f"{one.attribute.name} alone ranks who left with AUC {one.strength.auc:.3f}"


def kept_out(name: str) -> str:
    """Say why an attribute is kept out of the models, and what to do."""
    return (
        "that looks like the outcome in disguise, as what is filled in once a customer leaves is, "
        f"and it is kept out of the models until contract_churn.trusted_attributes names {name}"
    )
