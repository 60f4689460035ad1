"""The contract_churn section: how customers are parted, what is tried, and what is explained."""

from __future__ import annotations

from pydantic import Field, field_validator

from crm_spark.models.classifiers.settings import LearnerSettings


class ContractChurnSection(LearnerSettings):
    """Contract churn: a table says of customers whether they have left.

    `test_share` of the customers are held out and only measure; the others choose and calibrate in
    `n_folds` folds. Of a category the `most_levels` commonest levels that `fewest_of_level`
    customers have are told apart. `trusted_attributes` look too good to be true and were proved
    clean.
    """

    n_folds: int = Field(default=5, ge=2, le=20)
    test_share: float = Field(default=0.25, ge=0.05, le=0.5)
    most_levels: int = Field(default=20, ge=1, le=200)
    fewest_of_level: int = Field(default=10, ge=1)
    trusted_attributes: tuple[str, ...] = ()
    n_reasons: int = Field(default=3, ge=0, le=10)
    # So many tenths of the customers, the most at risk first, have reasons: these are exact, and
    # take about a millisecond a customer.
    explained_deciles: int = Field(default=10, ge=0, le=10)

    @field_validator("search")
    @classmethod
    def _there_is_nothing_to_search_by(cls, value: int) -> int:
        if value:
            raise ValueError("a search goes by earlier cut-offs, and contracts have no dates")
        return value

    @field_validator("trusted_attributes")
    @classmethod
    def _in_order(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(value)))
