"""The configuration: what is accepted, and what an error tells of every fault at once."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from crm_spark.config import Config, load_config, read_local_config
from crm_spark.errors import ConfigError
from crm_spark.runtime import progress
from crm_spark.runtime.progress import configure_logging, redact
from crm_spark.runtime.run import RunSummary

COLUMNS = {"customer_id": "c", "order_id": "o", "ordered_at": "t", "amount": "a"}


def document(**sections: Any) -> dict[str, Any]:
    """Give a whole configuration, with `sections` added or put in the place of others."""
    whole: dict[str, Any] = {
        "storage": {"root": "./lake"},
        "sources": {"transactions": transactions()},
    }
    return {**whole, **sections}


def transactions(**keys: Any) -> dict[str, Any]:
    return {"path": "a.csv", "format": "csv", "columns": dict(COLUMNS), **keys}


def load(values: dict[str, Any], *overrides: str) -> Config:
    return load_config(yaml.safe_dump(values), name="my.yml", overrides=overrides)


def error_message(values: dict[str, Any], *overrides: str) -> str:
    """Give the message of the ConfigError that `values` end in."""
    with pytest.raises(ConfigError) as raised:
        load(values, *overrides)
    assert raised.value.exit_code == 2
    assert str(raised.value).startswith("my.yml")
    return str(raised.value)


@pytest.fixture(autouse=True)
def _no_secret_or_handler_outlives_a_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(progress, "_secrets", set())
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


# --- what is accepted ----------------------------------------------------------------------------


def test_storage_and_the_four_columns_of_transactions_are_enough() -> None:
    config = load(document())
    assert config.storage.root == "./lake"
    assert config.sources.transactions.columns == COLUMNS
    assert config.time_zone == "UTC"
    assert list(config.sources.given()) == ["transactions"]


def test_a_configuration_cannot_be_changed_once_it_is_loaded() -> None:
    config = load(document())
    for section, key in (
        (config, "time_zone"),
        (config.storage, "root"),
        (config.sources, "transactions"),
        (config.sources.transactions, "where"),
        (config.tracking, "uri"),
        (config.rfm, "method"),
        (config.churn, "seed"),
        (config.churn.forest, "max_depth"),
        (config.spark, "root"),
    ):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(section, key, None)


def test_a_number_as_an_expression_is_taken_as_text() -> None:
    columns = {**COLUMNS, "amount": 1}
    config = load(document(sources={"transactions": transactions(columns=columns)}))
    assert config.sources.transactions.columns["amount"] == "1"


def test_the_fingerprint_changes_with_results_but_not_with_places() -> None:
    base = load(document()).fingerprint()
    assert load(document(storage={"root": "/else"})).fingerprint() == base
    assert load(document(tracking={"uri": "http://host"})).fingerprint() == base
    assert load(document(spark={"spark.x": 1})).fingerprint() == base
    assert load(document(time_zone="Europe/London")).fingerprint() != base
    assert load(document(churn={"horizon_days": 29})).fingerprint() != base


# --- unknown, missing and wrong keys -------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "path", "nearest"),
    [
        (document(storge={"root": "x"}), "storge", "storage"),
        (document(storage={"root": "x", "rot": "x"}), "storage.rot", "root"),
        (document(tracking={"experimnt": "x"}), "tracking.experimnt", "experiment"),
        (document(churn={"forest": {"n_tres": 3}}), "churn.forest.n_tres", "n_trees"),
        (
            document(sources={"transactions": transactions(), "prodcts": transactions()}),
            "sources.prodcts",
            "products",
        ),
        (
            document(sources={"transactions": transactions(option={"header": True})}),
            "sources.transactions.option",
            "options",
        ),
    ],
    ids=["section", "key", "optional_section", "nested", "source", "key_of_a_source"],
)
def test_an_unknown_key_is_reported_with_its_path_and_the_nearest_known_one(
    values: dict[str, Any], path: str, nearest: str
) -> None:
    assert error_message(values) == f"my.yml: {path}: unknown key, did you mean {nearest!r}?"


def test_an_unknown_key_with_nothing_near_is_reported_with_all_known_ones() -> None:
    message = error_message(document(tracking={"zzz": 1}))
    assert "tracking.zzz: unknown key" in message
    for known in ("uri", "experiment", "artifact_root", "shared_tmp"):
        assert known in message


@pytest.mark.parametrize("section", ["storage", "sources"])
def test_a_missing_section_is_reported(section: str) -> None:
    values = document()
    del values[section]
    assert error_message(values) == f"my.yml: {section}: is missing"


def test_a_missing_key_of_a_section_is_reported_with_its_path() -> None:
    assert error_message(document(storage={})) == "my.yml: storage.root: is missing"


def test_transactions_are_needed_whatever_other_source_is_given() -> None:
    products = {"path": "p.csv", "format": "csv", "columns": {"product_id": "p"}}
    message = error_message(document(sources={"products": products}))
    assert "sources: transactions is missing" in message


def test_a_value_out_of_range_is_reported_with_what_was_found_and_what_is_allowed() -> None:
    message = error_message(document(churn={"horizon_days": 0}))
    assert "churn.horizon_days" in message
    assert "greater than or equal to 1" in message
    assert "found 0" in message


@pytest.mark.parametrize("where", ["config", "source"])
def test_a_wrong_time_zone_is_reported_with_the_nearest(where: str) -> None:
    values = (
        document(time_zone="Europe/Londn")
        if where == "config"
        else document(sources={"transactions": transactions(time_zone="Europe/Londn")})
    )
    message = error_message(values)
    assert "time_zone" in message
    assert "'Europe/Londn' is no time zone, did you mean 'Europe/London'?" in message


def test_several_faults_are_all_listed_at_once() -> None:
    message = error_message(
        document(
            storage={"rot": "x"},
            tracking={"uriii": "x"},
            time_zone="Mars/Olympus",
            churn={"horizon_days": 0, "forest": {"n_tres": 3}},
        )
    )
    lines = message.splitlines()
    assert lines[0] == "my.yml: 6 faults"
    faults = "\n".join(lines[1:])
    assert len(lines) == 7
    for path in (
        "storage.root: is missing",
        "storage.rot: unknown key",
        "tracking.uriii: unknown key",
        "time_zone: 'Mars/Olympus'",
        "churn.horizon_days:",
        "churn.forest.n_tres: unknown key",
    ):
        assert faults.count(path) == 1


@pytest.mark.parametrize(
    ("place", "found"),
    [({}, "none"), ({"path": "a.csv", "table": "t"}, "path and table")],
)
def test_a_source_has_exactly_one_place(place: dict[str, str], found: str) -> None:
    source = {"format": "csv", "columns": COLUMNS, **place}
    message = error_message(document(sources={"transactions": source}))
    assert f"expected one of path, table, jdbc and inputs, found {found}" in message


def test_a_path_without_a_format_is_reported_with_the_formats() -> None:
    message = error_message(
        document(sources={"transactions": {"path": "a.csv", "columns": COLUMNS}})
    )
    assert "sources.transactions" in message
    for known in ("csv", "json", "parquet", "orc", "delta"):
        assert known in message


# --- the mapping ---------------------------------------------------------------------------------


def test_an_unknown_mapping_column_is_reported_with_the_nearest() -> None:
    columns = {**COLUMNS, "quantitty": "q"}
    message = error_message(document(sources={"transactions": transactions(columns=columns)}))
    assert "transactions.columns.quantitty: unknown column, did you mean 'quantity'?" in message


def test_a_column_that_we_compute_cannot_be_mapped() -> None:
    columns = {**COLUMNS, "is_zero_amount": "true"}
    message = error_message(document(sources={"transactions": transactions(columns=columns)}))
    assert "transactions.columns.is_zero_amount: unknown column" in message


@pytest.mark.parametrize("column", sorted(COLUMNS))
def test_a_missing_required_mapping_column_is_reported(column: str) -> None:
    columns = {key: text for key, text in COLUMNS.items() if key != column}
    message = error_message(document(sources={"transactions": transactions(columns=columns)}))
    assert f"transactions.columns.{column}: is missing" in message


def test_a_product_needs_nothing_but_its_id() -> None:
    products = {"table": "t", "columns": {"product_id": "p"}}
    config = load(document(sources={"transactions": transactions(), "products": products}))
    assert list(config.sources.given()) == ["transactions", "products"]
    products["columns"] = {"product_name": "n"}
    message = error_message(
        document(sources={"transactions": transactions(), "products": products})
    )
    assert "products.columns.product_id: is missing" in message


def test_faults_of_the_mapping_are_listed_beside_faults_of_the_source() -> None:
    columns = {"amont" if key == "amount" else key: text for key, text in COLUMNS.items()}
    message = error_message(
        document(sources={"transactions": transactions(columns=columns, optins={"header": True})})
    )
    assert "optins: unknown key" in message
    assert "columns.amont: unknown column" in message
    assert "columns.amount: is missing" in message


def test_each_fault_of_the_mapping_counts_as_one() -> None:
    columns = {"amont" if key == "amount" else key: text for key, text in COLUMNS.items()}
    message = error_message(document(sources={"transactions": transactions(columns=columns)}))
    assert message.splitlines()[0] == "my.yml: 2 faults"


# --- the rfm section -----------------------------------------------------------------------------

MEASURES = ("days_since_last_order", "n_orders", "spend_amount")


def test_rfm_thresholds_need_every_measure() -> None:
    message = error_message(
        document(rfm={"method": "thresholds", "thresholds": {"n_orders": [1, 2, 3, 4]}})
    )
    assert "rfm: thresholds" in message
    assert all(measure in message for measure in MEASURES)


def test_rfm_thresholds_must_rise() -> None:
    thresholds = {measure: [1, 2, 3, 4] for measure in MEASURES}
    whole = load(document(rfm={"method": "thresholds", "thresholds": thresholds}))
    assert whole.rfm.thresholds is not None
    thresholds["n_orders"] = [1, 3, 2, 4]
    message = error_message(document(rfm={"method": "thresholds", "thresholds": thresholds}))
    assert "thresholds.n_orders must rise" in message


def test_rfm_thresholds_are_four_a_measure() -> None:
    thresholds = {measure: [1, 2, 3, 4] for measure in MEASURES}
    thresholds["spend_amount"] = [1, 2, 3]
    message = error_message(document(rfm={"method": "thresholds", "thresholds": thresholds}))
    assert "rfm.thresholds.spend_amount" in message


def test_an_unknown_rfm_method_is_reported_with_the_known_ones() -> None:
    message = error_message(document(rfm={"method": "deciles"}))
    assert "rfm.method" in message
    assert "'quintiles' or 'thresholds'" in message
    assert "found 'deciles'" in message


def test_rfm_segments_must_name_every_score() -> None:
    # All but recency 1: 1 * 5 * 5 combinations lack a name.
    message = error_message(document(rfm={"segments": [{"name": "alive", "recency": [2, 5]}]}))
    assert "25 of 125" in message
    assert "recency 1" in message


def test_a_key_of_an_rfm_segment_is_reported_with_its_path() -> None:
    message = error_message(document(rfm={"segments": [{"name": "all", "recancy": [1, 5]}]}))
    assert "rfm.segments.0.recancy: unknown key, did you mean 'recency'?" in message


def test_a_date_for_rfm_cut_points_may_be_written_as_yaml_writes_dates() -> None:
    text = yaml.safe_dump(document()) + "rfm: {cut_points_as_of: 2017-06-01}\n"
    assert load_config(text, name="my.yml").rfm.cut_points_as_of == "2017-06-01"
    assert "rfm.cut_points_as_of" in error_message(document(rfm={"cut_points_as_of": "June"}))


# --- --set ---------------------------------------------------------------------------------------


def test_set_changes_one_key_and_leaves_its_neighbours() -> None:
    values = document(churn={"horizon_days": 10, "active_days": 70})
    config = load(values, "churn.horizon_days=60", "churn.forest.max_depth=3")
    assert (config.churn.horizon_days, config.churn.active_days) == (60, 70)
    assert config.churn.forest.max_depth == 3
    assert config.churn.forest.n_trees == load(values).churn.forest.n_trees


def test_set_makes_sections_that_are_not_there() -> None:
    assert load(document(), "tracking.experiment=mine").tracking.experiment == "mine"


def test_the_last_set_of_a_key_holds() -> None:
    config = load(document(), "churn.seed=2", "churn.seed=3")
    assert config.churn.seed == 3


def test_the_value_of_set_may_hold_an_equals_sign() -> None:
    config = load(document(), "sources.transactions.where=a = 1")
    assert config.sources.transactions.where == "a = 1"


def test_an_unknown_key_of_set_is_reported_with_the_nearest() -> None:
    message = error_message(document(), "churn.horizn_days=60")
    assert message == "my.yml: churn.horizn_days: unknown key, did you mean 'horizon_days'?"


@pytest.mark.parametrize("override", ["churn.seed", "=3", "churn..seed=3", ".seed=3", "seed.=3"])
def test_a_set_that_is_no_assignment_is_refused_with_the_form(override: str) -> None:
    with pytest.raises(ConfigError, match=r"expected section\.key=value") as raised:
        load(document(), override)
    assert override in str(raised.value)


def test_a_set_whose_value_is_not_yaml_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--set churn\.seed=.*not valid YAML"):
        load(document(), "churn.seed=[1")


# --- ${env:NAME} ---------------------------------------------------------------------------------


def test_environment_variables_are_read_wherever_they_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SHOP_DB", "orders")
    monkeypatch.setenv("SHOP_PASSWORD", "hunter22")
    jdbc = {"url": "jdbc:x://h/${env:SHOP_DB}?p=${env:SHOP_PASSWORD}", "dbtable": "t"}
    source = {"jdbc": jdbc, "columns": COLUMNS, "options": {"password": "${env:SHOP_PASSWORD}"}}
    config = load(
        document(sources={"transactions": source}), "tracking.uri=http://${env:SHOP_DB}:1"
    )
    assert config.sources.transactions.jdbc == {
        "url": "jdbc:x://h/orders?p=hunter22",
        "dbtable": "t",
    }
    assert config.sources.transactions.options == {"password": "hunter22"}
    assert config.tracking.uri == "http://orders:1"


def test_missing_environment_variables_are_all_reported_beside_other_faults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NOT_THERE", "NOR_THERE"):
        monkeypatch.delenv(name, raising=False)
    message = error_message(
        document(storage={"root": "${env:NOT_THERE}/${env:NOR_THERE}"}, time_zone="Mars/Olympus")
    )
    assert "environment variable NOT_THERE is not set" in message
    assert "environment variable NOR_THERE is not set" in message
    assert "Mars/Olympus" in message


SECRETS = ["hunter22", "pa\\ss", 'it\'s "quoted"', "two\nlines"]


@pytest.mark.parametrize("secret", SECRETS, ids=["plain", "backslash", "quotes", "newline"])
def test_a_secret_is_not_shown_in_an_error(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", secret)
    source = transactions(format="${env:SHOP_PASSWORD}")
    shown = redact(error_message(document(sources={"transactions": source})))
    assert "sources.transactions.format" in shown
    assert "***" in shown
    assert secret not in shown
    assert secret.encode("unicode_escape").decode() not in shown
    assert repr(secret) not in shown


@pytest.mark.parametrize("secret", SECRETS, ids=["plain", "backslash", "quotes", "newline"])
def test_a_secret_is_not_shown_in_the_log_nor_in_a_traceback(
    secret: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", secret)
    load(document(storage={"root": "x/${env:SHOP_PASSWORD}"}))
    configure_logging(verbose=False)
    progress.log.info("reading x/%s", secret)
    try:
        raise OSError(f"no access with {secret}")
    except OSError:
        progress.log.exception("it failed")
    logging.getLogger("another.library").warning("connecting as %s", secret)
    shown = capsys.readouterr().err
    assert shown.count("***") == 3
    assert secret not in shown


@pytest.mark.parametrize("secret", SECRETS, ids=["plain", "backslash", "quotes", "newline"])
def test_a_secret_is_not_shown_in_the_summary(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", secret)
    load(document(storage={"root": "x/${env:SHOP_PASSWORD}"}))
    summary = RunSummary("ingest_sources").finish("failed", redact(f"x/{secret}: no access"))
    fields = json.loads(redact(summary.as_json()))
    assert fields["error"] == "x/***: no access"


def test_the_longer_of_two_secrets_is_hidden_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHORT", "abc")
    monkeypatch.setenv("LONG", "abcdef")
    load(document(storage={"root": "${env:SHORT}/${env:LONG}"}))
    assert redact("see abcdef and abc") == "see *** and ***"


def test_an_empty_environment_variable_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTHING", "")
    assert load(document(storage={"root": "lake${env:NOTHING}"})).storage.root == "lake"
    assert redact("plain text") == "plain text"


# --- YAML and the file ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("storage: {root: x}\ntime_zone: [UTC\nsources: {}\n", 3),
        ("storage:\n\troot: x\n", 2),
        ("storage: {root: x}\ntime_zone: UTC\nspark: a: b\n", 3),
    ],
    ids=["open_bracket", "tab", "two_colons"],
)
def test_bad_yaml_is_reported_with_its_line(text: str, line: int) -> None:
    with pytest.raises(ConfigError, match="not valid YAML") as raised:
        load_config(text, name="my.yml")
    assert str(raised.value).startswith(f"my.yml, line {line}:")


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "- a\n- b\n", "just text"])
def test_a_text_without_sections_is_reported(text: str) -> None:
    with pytest.raises(ConfigError, match=r"my\.yml: expected sections such as storage:"):
        load_config(text, name="my.yml")


def test_a_missing_configuration_file_is_reported_with_the_name_that_is_near(
    tmp_path: Path,
) -> None:
    (tmp_path / "production.yml").write_text("")
    with pytest.raises(ConfigError, match=r"did you mean 'production\.yml'\?") as raised:
        read_local_config(str(tmp_path / "producton.yml"))
    assert f"{tmp_path}/producton.yml does not exist" in str(raised.value)


def test_a_missing_configuration_file_in_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        read_local_config(str(tmp_path / "none" / "a.yml"))


def test_a_folder_is_no_configuration_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=str(tmp_path)):
        read_local_config(str(tmp_path))


def test_a_file_that_is_not_utf_8_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "latin.yml"
    file.write_bytes("storage: {root: caf\u00e9}".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin\.yml"):
        read_local_config(str(file))


def test_subgroups_of_churn_have_to_be_mapped() -> None:
    customers = {"path": "c.csv", "format": "csv", "columns": {"customer_id": "c", "region": "r"}}
    sources = {"transactions": transactions(), "customers": customers}
    known = load(document(sources=sources, churn={"subgroups": ["region"]}))
    assert known.churn.subgroups == ("region",)
    message = error_message(document(sources=sources, churn={"subgroups": ["region", "country"]}))
    assert "churn.subgroups: sources.customers does not map country" in message
    assert "region" not in message


# --- contracts -----------------------------------------------------------------------------------


def contracts(**keys: Any) -> dict[str, Any]:
    columns = {"customer_id": "id", "has_left": "churn = 'Yes'"}
    whole = {"path": "c.csv", "format": "csv", "columns": columns, "numbers": ["tenure"]}
    return {"contracts": {**whole, **keys}}


def test_contracts_need_no_transactions_and_their_model_is_the_only_one() -> None:
    config = load(document(sources=contracts()))
    assert [model.name for model in config.chosen_models] == ["contract_churn"]
    with_orders = load(document(sources={"transactions": transactions(), **contracts()}))
    assert [model.name for model in with_orders.chosen_models][0::7] == ["churn", "contract_churn"]
    without = load(document())
    assert "contract_churn" not in [model.name for model in without.chosen_models]


def test_a_list_names_columns_of_the_source_and_a_name_may_have_an_expression() -> None:
    section = load(
        document(
            sources=contracts(numbers=["tenure", "Total Charges"], categories={"plan": "trim(p)"})
        )
    ).sources.contracts
    assert section is not None
    assert section.numbers == {"tenure": "tenure", "Total Charges": "`Total Charges`"}
    assert section.mapping["category plan"] == "trim(p)"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"numbers": []}, "contracts: needs numbers or categories"),
        ({"numbers": ["a", "a"]}, "contracts.numbers: a is named twice"),
        ({"categories": ["Tenure"]}, "tenure: stands twice under numbers and categories"),
        ({"numbers": ["a.b"]}, "a.b: a name has letters, digits, blanks, _ and - only"),
        ({"columns": {"has_left": "churn"}}, "contracts.columns.customer_id: is missing"),
        ({"columns": {"customer_id": "c", "numbers": "n"}}, "columns.numbers: unknown column"),
    ],
)
def test_faults_of_contracts_are_told(keys: dict[str, Any], told: str) -> None:
    assert told in error_message(document(sources=contracts(**keys)))


def test_currencies_need_transactions() -> None:
    rates = {
        "path": "r.csv",
        "format": "csv",
        "columns": {"currency": "c", "rate_date": "d", "rate": "r"},
    }
    sources = {**contracts(), "exchange_rates": rates}
    message = error_message(document(sources=sources, currencies={"reporting": "EUR"}))
    assert "currencies needs currency, mapped in sources.transactions.columns" in message


def test_names_of_models_are_faults_among_others() -> None:
    message = error_message(
        document(models=["chrun", "churn", "no_such.module", "churn"], foo=1), "time_zone=Nowhere"
    )
    faults = ("'chrun', did you mean 'churn'", "no_such.module", "churn is named twice", "foo: unk")
    for fault in (*faults, "time_zone"):
        assert fault in message


@pytest.mark.parametrize("uri", ["mlflow.db", "htp://server:5000", "foo://x", "/tmp/mlruns"])
def test_what_is_no_store_of_mlflow_is_a_fault(uri: str) -> None:
    message = error_message(document(), f"tracking.uri={uri}")
    assert "tracking.uri" in message and "is no store of MLflow" in message


@pytest.mark.parametrize(
    "uri", ["sqlite:///a.db", "https://host", "postgresql+psycopg2://u:p@h/d", "databricks"]
)
def test_stores_of_mlflow_are_taken(uri: str) -> None:
    assert load(document(), f"tracking.uri={uri}").tracking.uri == uri


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("churn=", "churn: expected keys of its own, found nothing"),
        ("segments=[1]", "segments: expected keys of its own, found a list"),
        ("models=churn", "models: expected a list such as [a, b], found 'churn'"),
        ("order_span_days=x", "order_span_days: expected a whole number, found 'x'"),
        ("time_zone=3", "time_zone: expected a text, found 3"),
        ("churn.horizon_days=1.5", "churn.horizon_days: expected a whole number, found 1.5"),
    ],
)
def test_a_value_of_the_wrong_kind_is_said_in_words_of_yaml(override: str, fault: str) -> None:
    assert fault in error_message(document(), override)


def test_a_property_of_spark_that_is_no_value_is_one_fault() -> None:
    message = error_message(document(spark={"properties": {"spark.x": {"y": 1}}}))
    assert message.count("spark.properties") == 1


def test_keys_that_are_not_for_users_are_not_offered() -> None:
    message = error_message(document(churn={"nothing_like_it_at_all": 1}))
    assert "known: " in message and "horizon_days" in message
    assert "open_days" not in message and "is_settled" not in message
