"""The candidates: rules of what was spent, models of purchases and of spend, and means of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from crm_spark.errors import DataError
from crm_spark.models.purchases import (
    BG_NBD,
    MBG_NBD,
    Histories,
    PurchaseModel,
    fit,
    fit_regular,
)
from crm_spark.models.value import machine
from crm_spark.models.value.average import Average
from crm_spark.models.value.buy_till_you_die import BuyTillYouDie, load_buy_till_you_die
from crm_spark.models.value.model import Customers, Predictor
from crm_spark.models.value.rules import CarriedForward, OwnRate, RfmCells, fit_rfm_cells
from crm_spark.models.value.section import ValueSection
from crm_spark.models.value.spend import Amounts, SpendModel, fit_spend

# Gamma-Gamma has three parameters: of fewer customers with repeat orders it is a guess.
FEWEST_REPEATERS = 30


@dataclass(frozen=True)
class Known:
    """What a candidate may know on a date: all histories, counted, and what came of earlier ones.

    `n_days` are the days from anybody's first order to the date.
    `spend` is Gamma-Gamma, where it can be had; `usual_amount` is the mean net spend of an order
    day; `now` are customers of the date, `closed` of cut-offs whose outcome was known on it.
    `fitted` gives another candidate by its name, as the same date allows.
    """

    histories: Histories
    n_days: int
    spend: SpendModel | None
    usual_amount: float
    now: Customers
    closed: Sequence[Customers]
    fitted: Callable[[str], Predictor]


def spend_of(amounts: Amounts) -> SpendModel | None:
    """Fit Gamma-Gamma; None where hardly anybody came twice, or where it has no mean."""
    if amounts.n.sum() < FEWEST_REPEATERS:
        return None
    fitted = fit_spend(amounts)
    return None if fitted.mean is None else fitted


@dataclass(frozen=True)
class ValueCandidate:
    """One way to say what customers will spend: how it is fitted, and put together again.

    `fit` raises ValueError where what is known does not do for it.
    """

    name: str
    is_rule: bool
    fit: Callable[[Known, ValueSection], Predictor]
    load: Callable[[Mapping[str, Any]], Predictor]


def _of_purchases(
    known: Known,
    params: ValueSection,
    *,
    fit_purchases: Callable[[Histories, ValueSection], PurchaseModel],
) -> BuyTillYouDie:
    purchases = fit_purchases(known.histories, params)
    return BuyTillYouDie(purchases, known.spend, known.usual_amount)


def _purchases(
    name: str, fit_purchases: Callable[[Histories, ValueSection], PurchaseModel]
) -> ValueCandidate:
    fitted = partial(_of_purchases, fit_purchases=fit_purchases)
    return ValueCandidate(name, False, fitted, load_buy_till_you_die)


def _load_cells(spec: Mapping[str, Any]) -> RfmCells:
    return RfmCells(tuple(map(tuple, spec["cuts"])), tuple(spec["means"]), spec["horizon_days"])


def _three_parts(name: str, kind: machine.Kind) -> ValueCandidate:
    def fitted(known: Known, params: ValueSection) -> machine.ThreeParts:
        return machine.fit_three_parts(
            known.closed, params.horizon_days, kind=kind, seed=params.seed
        )

    return ValueCandidate(name, False, fitted, machine.load_three_parts)


def _direct(name: str, kind: machine.Kind) -> ValueCandidate:
    def fitted(known: Known, params: ValueSection) -> machine.Direct:
        return machine.fit_direct(known.closed, params.horizon_days, kind=kind, seed=params.seed)

    return ValueCandidate(name, False, fitted, machine.load_direct)


def _average(name: str, *members: str) -> ValueCandidate:
    def load(spec: Mapping[str, Any]) -> Average:
        stored = [(one["name"], one["spec"]) for one in spec["members"]]
        return Average(tuple((each, candidate_named(each).load(of_it)) for each, of_it in stored))

    return ValueCandidate(
        name,
        False,
        lambda known, _: Average(tuple((each, known.fitted(each)) for each in members)),
        load,
    )


# The trivial rules first. A further kind of model is a further line.
CANDIDATES: tuple[ValueCandidate, ...] = (
    ValueCandidate(
        "carried_forward",
        True,
        lambda known, _: CarriedForward(known.n_days),
        lambda spec: CarriedForward(**spec),
    ),
    ValueCandidate(
        "own_rate",
        True,
        lambda _, params: OwnRate(params.horizon_days),
        lambda spec: OwnRate(**spec),
    ),
    ValueCandidate(
        "rfm_cell",
        True,
        lambda known, params: fit_rfm_cells(known.closed, known.now, params.horizon_days),
        _load_cells,
    ),
    _purchases("bg_nbd", lambda histories, _: fit(BG_NBD, histories)),
    _purchases("mbg_nbd", lambda histories, _: fit(MBG_NBD, histories)),
    _purchases(
        "mbg_cnbd_k",
        lambda histories, params: fit_regular(histories, most=params.most_regular_k),
    ),
    _three_parts("three_part_trees", "trees"),
    _three_parts("three_part_forest", "forest"),
    _direct("direct_trees", "trees"),
    _direct("direct_forest", "forest"),
    _average("average_of_two", "carried_forward", "mbg_cnbd_k"),
    _average("average_with_forest", "carried_forward", "mbg_cnbd_k", "three_part_forest"),
)


def candidate_named(name: str) -> ValueCandidate:
    """Give the candidate of a name. Raises DataError where this version has none such."""
    for candidate in CANDIDATES:
        if candidate.name == name:
            return candidate
    raise DataError(
        f"a stored version of value is of the kind {name!r}, which this version of crm_spark does "
        f"not have: it has {', '.join(one.name for one in CANDIDATES)}; run train_value again"
    )
