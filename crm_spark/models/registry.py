"""The models that there are: one line each, in the order of the pipeline."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from crm_spark.errors import ConfigError, nearest
from crm_spark.models.churn.definition import Churn
from crm_spark.models.contract import AnyModel, Model
from crm_spark.models.contract_churn.definition import ContractChurn
from crm_spark.models.demand.definition import Demand
from crm_spark.models.next_purchase.definition import NextPurchase
from crm_spark.models.propensity.definition import Propensity
from crm_spark.models.recommender.definition import Recommender
from crm_spark.models.segments.definition import Segments
from crm_spark.models.value.definition import Value

MODELS: tuple[AnyModel, ...] = (
    Churn(),
    Segments(),
    Recommender(),
    Value(),
    Demand(),
    Propensity(),
    NextPurchase(),
    ContractChurn(),
)


def find_model(name: str, models: Iterable[AnyModel] = MODELS) -> AnyModel:
    """Give a model by its name, or by the module that a user's own model is.

    Raises ConfigError for a name that is neither.
    """
    known = {model.name: model for model in models}
    if name in known:
        return known[name]
    if "." in name:
        return _model_of_module(name)
    hint = nearest(name, known) or f", known: {', '.join(known)}, or a module of your own, a.b"
    raise ConfigError(f"unknown model {name!r}{hint}")


def _model_of_module(name: str) -> AnyModel:
    """Give the MODEL of a user's module."""
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"model {name}: the module cannot be imported: {error}") from error
    model = getattr(module, "MODEL", None)
    if not isinstance(model, Model):
        raise ConfigError(
            f"model {name}: the module has no MODEL that is a crm_spark.models.contract.Model"
        )
    return model
