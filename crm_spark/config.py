"""The configuration: YAML, then --set a.b=c, checked at once and as a whole.

Each section is declared beside its subject; this file only composes them, those of models from the
registry and from the modules that `models` names. `features.families` names modules, too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from crm_spark.errors import ConfigError, listed, nearest
from crm_spark.features.families import FEATURES
from crm_spark.features.orders import ORDER_SPAN_DAYS
from crm_spark.features.own_families import OwnFamilies, own_families
from crm_spark.features.rfm import RfmSection
from crm_spark.features.section import KNOWN_FEATURES, FeaturesSection
from crm_spark.ingest.mapping.currency import CurrenciesSection
from crm_spark.ingest.sources import SourcesSection, known_time_zone, mapping_key_faults
from crm_spark.lake.storage import StorageSection
from crm_spark.models.contract import AnyModel
from crm_spark.models.registry import MODELS, find_model
from crm_spark.models.tracking import TrackingSection
from crm_spark.models.training_section import TrainingSection
from crm_spark.report.section import ReportSection
from crm_spark.runtime.progress import redact, remember_secret
from crm_spark.runtime.session import SparkSection
from crm_spark.tables.mapped import Mapped


class Config(BaseModel):
    """Everything a run is told besides its date.

    load_config() gives a subclass with a section for each model. With `models` those named there
    have to succeed; without it all are made that the mapping and the data allow.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    storage: StorageSection
    sources: SourcesSection
    # Where runs and models go.
    tracking: TrackingSection = Field(default_factory=TrackingSection)
    # Whose midnights begin the business days; stamps without a zone are of it, too.
    time_zone: str = "UTC"
    # Lines bought under one order number more than so many days apart are different orders.
    order_span_days: int = Field(default=ORDER_SPAN_DAYS, ge=0)
    currencies: CurrenciesSection | None = None
    # Properties of a session that we start.
    spark: SparkSection = Field(default_factory=SparkSection)
    features: FeaturesSection = Field(default_factory=FeaturesSection)
    rfm: RfmSection = Field(default_factory=RfmSection)
    report: ReportSection = Field(default_factory=ReportSection)
    # How often models are trained anew.
    training: TrainingSection = Field(default_factory=TrainingSection)
    # Those that have to be made, ours by name and your own by module; by default all that can be.
    models: tuple[str, ...] | None = Field(default=None, min_length=1)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...  # the sections of models

    @field_validator("time_zone")
    @classmethod
    def _time_zone_is_known(cls, value: str) -> str:
        return known_time_zone(value)

    @model_validator(mode="after")
    def _currencies_have_rates(self) -> Config:
        if self.currencies is None:
            return self
        if self.sources.exchange_rates is None:
            raise ValueError("currencies needs sources.exchange_rates: currency, rate_date, rate")
        lines = self.sources.transactions
        if lines is None or "currency" not in lines.columns:
            raise ValueError("currencies needs currency, mapped in sources.transactions.columns")
        return self

    @model_validator(mode="after")
    def _what_models_ask_for_is_mapped(self) -> Config:
        faults = [
            f"{model.section_name}.{fault}"
            for model in MODELS
            for fault in model.section_faults(getattr(self, model.section_name), self.mapped)
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def known_models(self) -> tuple[AnyModel, ...]:
        """The models of the registry, and the user's own."""
        own = [find_model(name) for name in self.models or ()]
        return tuple(dict.fromkeys([*MODELS, *own]))

    @property
    def chosen_models(self) -> tuple[AnyModel, ...]:
        """The models that a pipeline makes, in its order: named, or all whose source is mapped."""
        if self.models:
            return tuple(find_model(name) for name in self.models)
        return tuple(model for model in MODELS if self.mapped.has(model.about))

    @property
    def own_families(self) -> tuple[OwnFamilies, ...]:
        """The user's own families of features."""
        return own_families(self.features.families)

    def section_of(self, model: AnyModel) -> Any:
        """Give a model's section. Raises ConfigError where `models` does not name its module."""
        if model.section_name not in type(self).model_fields:
            raise ConfigError(f"{model.name}: name its module in models, as it has a section there")
        return getattr(self, model.section_name)

    @property
    def mapped(self) -> Mapped:
        """What is mapped of the user's tables."""
        given = self.sources.given()
        return Mapped({name: frozenset(source.columns) for name, source in given.items()})

    @property
    def zone(self) -> ZoneInfo:
        """The time zone whose midnights begin the business days."""
        return ZoneInfo(self.time_zone)

    def fingerprint(self) -> str:
        """Hash what can change a result; where the lake and the tracking server are cannot."""
        return fingerprint(
            self.model_dump(mode="json", exclude={"storage", "tracking", "spark", "report"})
        )


def config_class(models: Iterable[AnyModel]) -> type[Config]:
    """Give the configuration with a section for each of these models."""
    sections: dict[str, Any] = {}
    names: set[str] = set()
    for model in models:
        key = model.section_name
        if model.name in names:
            raise ConfigError(f"model {model.name}: there is another of that name; rename it")
        if key in Config.model_fields or key in sections:
            raise ConfigError(f"model {model.name}: the section {key} is another's; rename it")
        names.add(model.name)
        sections[key] = (model.section, Field(default_factory=model.section))
    return create_model("Config", __base__=Config, **sections)


def fingerprint(value: object) -> str:
    """Give a short, stable hash of plain values."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _StrictLoader(yaml.SafeLoader):
    """YAML without the trap that of two equal keys the last one silently wins."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Give the mapping; raise on a repeated key."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            seen.add(getattr(key, "value", "") if isinstance(key, yaml.ScalarNode) else "")
        return super().construct_mapping(node, deep)


_ENVIRONMENT = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


def load_config(text: str, *, name: str, overrides: Iterable[str] = ()) -> Config:
    """Build the configuration from YAML text and `a.b=c` overrides.

    `name` is what errors call the text. Raises ConfigError that lists every fault at once.
    """
    try:
        values = yaml.load(text, _StrictLoader)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f", line {place.line + 1}" if place else ""
        problem = getattr(error, "problem", None) or str(error).split("\n")[0]
        raise ConfigError(f"{name}{line}: not valid YAML: {problem}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{name}: expected sections such as storage: and sources:, found none")
    for override in overrides:
        _override(values, override)
    missing: list[str] = []
    values = _resolve_environment(values, missing)
    faults = [f"environment variable {variable} is not set" for variable in missing]
    faults += mapping_key_faults(values.get("sources"))
    features, of_families = _known_features(values)
    models, of_models = _models_of(values)
    faults += of_families + of_models
    kind = config_class(models)
    try:
        config = kind.model_validate(values, context={KNOWN_FEATURES: features})
    except ValidationError as error:
        faults += dict.fromkeys(_explain(fault, kind) for fault in error.errors())
    if faults:
        raise ConfigError(listed(name, faults))
    return config


def _models_of(values: Mapping[str, Any]) -> tuple[list[AnyModel], list[str]]:
    """Give the models that have sections: those of the registry, and those that `models` names.

    And the faults of these names.
    """
    named = values.get("models")
    names = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
    models, faults = list(MODELS), [f"models: {name} is named twice" for name in _repeated(names)]
    for name in dict.fromkeys(names):
        try:
            models.append(find_model(name))
        except ConfigError as error:
            faults.append(f"models: {error}")
    return list(dict.fromkeys(models)), faults


def _repeated(names: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]


def _known_features(values: Mapping[str, Any]) -> tuple[list[str] | None, list[str]]:
    """Give the features that sections may name, and the faults of the families of the user.

    With faults it is not known which features there are.
    """
    section = values.get("features")
    named = section.get("families") if isinstance(section, dict) else None
    modules = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
    try:
        own = own_families(modules)
    except ConfigError as error:
        return None, [str(error)]
    features = (*FEATURES, *(feature for one in own for feature in one.features))
    return [feature.name for feature in features], []


def read_local_config(path: str) -> str:
    """Read a configuration file of this machine."""
    file = Path(path)
    if not file.is_file():
        near = nearest(file.name, [p.name for p in file.parent.glob("*.y*ml")])
        raise ConfigError(f"configuration file {path} does not exist{near}")
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"configuration file {path} is not UTF-8: {error.reason}") from error


def load_local_config(path: str, *, name: str = "", overrides: Iterable[str] = ()) -> Config:
    """Load a configuration file of this machine; families that it names may lie beside it."""
    text, given = read_local_config(path), list(overrides)
    folder = str(Path(path).absolute().parent)
    # Only where it is needed: Python would run whatever lies there under a name that it looks for.
    if folder not in sys.path and "families" in "\n".join([text, *given]):
        sys.path.append(folder)  # last: no file there takes the place of an installed module
    return load_config(text, name=name or path, overrides=given)


def parse_date(text: str) -> date:
    """Read a date of the command line."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no date, expected YYYY-MM-DD such as 2025-06-30"
        ) from None


def positive(text: str) -> int:
    """Read a number of the command line that is 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number, 1 or more")
    return int(text)


def _override(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"--set {override}: expected section.key=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not valid YAML") from error
    target = values
    for key in keys[:-1]:
        section = target.get(key)
        target[key] = dict(section) if isinstance(section, dict) else {}
        target = target[key]
    target[keys[-1]] = value


def _resolve_environment(value: Any, missing: list[str]) -> Any:
    """Replace ${env:NAME} everywhere; what it holds is a secret from then on."""
    if isinstance(value, dict):
        return {key: _resolve_environment(nested, missing) for key, nested in value.items()}
    if isinstance(value, list):
        return [_resolve_environment(item, missing) for item in value]
    if not isinstance(value, str):
        return value

    def resolve(match: re.Match[str]) -> str:
        secret = os.environ.get(match[1])
        if secret is None:
            missing.append(match[1])
            return match[0]
        remember_secret(secret)
        return secret

    return _ENVIRONMENT.sub(resolve, value)


# What pydantic's faults of types mean in YAML.
_EXPECTED = {
    **dict.fromkeys(("model_type", "dict_type"), "keys of its own"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list such as [a, b]"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "a text",
}
_ONE_OF = ("str", "int", "float", "bool")


def _explain(fault: Mapping[str, Any], kind: type[Config]) -> str:
    """Turn one fault of pydantic into a sentence with the key's full path."""
    location = [part for part in fault["loc"] if not str(part).startswith("function-")]
    expected = _EXPECTED.get(fault["type"])
    if expected and location[-1] in _ONE_OF:  # of several types a fault each
        location, expected = location[:-1], "a text, a number, or true or false"
    path = ".".join(str(part) for part in location)
    found = fault.get("input")
    if expected:
        return f"{path}: expected {expected}, found {_found(found)}"
    if fault["type"] == "extra_forbidden":
        known = _keys_beside(location, kind)
        hint = nearest(str(location[-1]), known) or f", known: {', '.join(sorted(known))}"
        return f"{path}: unknown key{hint}"
    if fault["type"] == "missing":
        return f"{path}: is missing"
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "value_error" or isinstance(found, (dict, list)):
        return f"{path}: {message}" if path else message
    return f"{path}: {message}, found {_found(found)}"


def _found(value: object) -> str:
    """Write what stands at a key: a value without its secrets, or what kind of thing it is."""
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return "keys" if isinstance(value, dict) else "a list"
    return repr(redact(value) if isinstance(value, str) else value)


def _keys_beside(location: list[Any], kind: type[Config]) -> list[str]:
    """Give the keys that the section holding `location` knows."""
    model: type[BaseModel] = kind
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        inner = section_within(field.annotation) if field else None
        if inner is None:
            continue
        model = inner
    return [name for name, field in model.model_fields.items() if field.repr]


def section_within(annotation: Any) -> type[BaseModel] | None:
    """Give the section that a field of this type holds; None where it holds values."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if found := section_within(argument):
            return found
    return None
