"""The candidates: the strongest attributes by themselves, and what has to beat the better one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crm_spark.models.classifiers.learner import Learner
from crm_spark.models.classifiers.learners import learners_of
from crm_spark.models.classifiers.logistic_regression import rule
from crm_spark.models.contract_churn.encoding import Encoding
from crm_spark.models.contract_churn.section import ContractChurnSection
from crm_spark.models.contract_churn.strength import AttributeStrength, strongest

# The share who left at each level of the category that tells most by itself, and a logistic
# regression on the number that does.
STRONGEST_CATEGORY: Final = "strongest_category"
STRONGEST_NUMBER: Final = "strongest_number"
RULES: Final = {STRONGEST_CATEGORY: False, STRONGEST_NUMBER: True}
IN_WORDS: Final = {
    STRONGEST_CATEGORY: "rule: the category that tells most by itself",
    STRONGEST_NUMBER: "rule: the number that tells most by itself",
}


def rules_of(encoding: Encoding, strengths: Sequence[AttributeStrength]) -> list[Learner]:
    """Give the rules, of one attribute each; that of a kind is left out where there is none."""
    found = []
    for name, is_number in RULES.items():
        best = strongest(strengths, is_number=is_number)
        if best is not None:
            # On a level an input, a regression without a penalty to speak of gives the shares.
            found.append(rule(name, IN_WORDS[name], encoding.inputs_of(best.attribute)))
    return found


def candidates_of(params: ContractChurnSection) -> tuple[Learner, ...]:
    """Give the rules by their names, and the learners that the section names."""
    rules = [Learner(name, IN_WORDS[name], None, is_rule=True) for name in RULES]
    return (*rules, *learners_of(params))
