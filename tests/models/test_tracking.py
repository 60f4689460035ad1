"""Models in MLflow: registered once, found again, loaded whole, and no secret shown."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from packaging.requirements import Requirement
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import GeneralizedLinearRegression
from pyspark.sql import DataFrame, SparkSession

from crm_spark.errors import CrmSparkError, EnvironmentFault
from crm_spark.models import tracking
from crm_spark.models.tracking import (
    CHAMPION,
    PIP_REQUIREMENTS,
    LoggedPipeline,
    ModelVersion,
    Tracker,
    TrackingSection,
    check_tracking,
)

SPEC = {"kind": "rule", "threshold": 0.1 + 0.2, "inputs": [{"name": "silence", "fill": -1.0}]}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the one store that all tests share: its first use takes seconds."""
    return tmp_path_factory.mktemp("tracking")


@pytest.fixture(scope="module")
def section(store: Path) -> TrackingSection:
    return TrackingSection(uri=f"sqlite:///{store}/mlflow.db", experiment="tests")


@pytest.fixture(scope="module")
def tracker(section: TrackingSection, store: Path) -> Tracker:
    return Tracker(section, lake_root=str(store / "lake"))


@pytest.fixture(scope="module")
def client(section: TrackingSection, tracker: Tracker) -> MlflowClient:
    return MlflowClient(section.uri, section.uri)


@pytest.fixture(scope="module")
def customers(spark: SparkSession) -> DataFrame:
    rows = [(float(number), float(number % 5), float(number > 6)) for number in range(10)]
    return spark.createDataFrame(rows, "silence double, n_orders double, label double").coalesce(1)


@pytest.fixture(scope="module")
def pipeline(customers: DataFrame) -> PipelineModel:
    assembler = VectorAssembler(inputCols=["silence", "n_orders"], outputCol="features")
    rule = GeneralizedLinearRegression(labelCol="label", predictionCol="raw_score", regParam=0.1)
    return Pipeline(stages=[assembler, rule]).fit(customers)


@pytest.fixture(scope="module")
def registered(
    tracker: Tracker, pipeline: PipelineModel, customers: DataFrame
) -> dict[str, ModelVersion]:
    """Give the versions that four registrations of one model name led to, by what they were."""
    versions = {}
    for step, kind, fingerprint in (
        ("first", "rule", "f1"),
        ("same again", "rule", "f1"),
        ("other kind", "forest", "f1"),
        ("other inputs", "rule", "f2"),
    ):
        versions[step] = register(tracker, "shared", kind, fingerprint, pipeline, customers)
    return versions


def register(
    tracker: Tracker,
    name: str,
    kind: str,
    fingerprint: str,
    pipeline: PipelineModel,
    customers: DataFrame,
) -> ModelVersion:
    return tracker.register(
        name,
        kind=kind,
        fingerprint=fingerprint,
        pipeline=LoggedPipeline(pipeline, customers.select("silence", "n_orders"), ("raw_score",)),
        spec_json=json.dumps(SPEC),
        params={"horizon_days": 28},
        metrics={"auc": 0.75},
        inputs={"features.customer_snapshot": ("/lake/features/customer_snapshot", 7)},
        texts={"importance.json": "[1]"},
    )


def versions_of(client: MlflowClient, name: str) -> list[str]:
    return sorted(
        str(version.version) for version in client.search_model_versions(f"name = '{name}'")
    )


# --- versions ------------------------------------------------------------------------------------


def test_the_same_inputs_are_registered_once(
    registered: dict[str, ModelVersion], client: MlflowClient
) -> None:
    assert registered["same again"] == registered["first"]
    experiment = client.get_experiment_by_name("tests")
    runs = client.search_runs([experiment.experiment_id], "run_name = 'shared-rule'")
    # One for each of two fingerprints.
    assert len(runs) == 2


def test_another_kind_or_other_inputs_are_another_version(
    registered: dict[str, ModelVersion], client: MlflowClient
) -> None:
    distinct = [registered[step] for step in ("first", "other kind", "other inputs")]
    assert [version.version for version in distinct] == ["1", "2", "3"]
    assert [version.kind for version in distinct] == ["rule", "forest", "rule"]
    assert len({version.run_id for version in distinct}) == 3
    assert versions_of(client, "shared") == ["1", "2", "3"]


def test_a_version_is_found_by_its_inputs_and_kind(
    registered: dict[str, ModelVersion], tracker: Tracker
) -> None:
    assert tracker.find("shared", "f1", "rule") == registered["first"]
    assert tracker.find("shared", "f1", "forest") == registered["other kind"]
    assert tracker.find("shared", "f2", "rule") == registered["other inputs"]
    assert tracker.find("shared", "f2", "forest") is None
    assert tracker.find("unheard of", "f1", "rule") is None


def test_a_later_process_finds_what_an_earlier_one_registered(
    registered: dict[str, ModelVersion], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store)
    relative = TrackingSection(uri="sqlite:///mlflow.db", experiment="tests")
    later = Tracker(relative, lake_root=str(store / "lake"))
    # Where the process goes afterwards makes no difference.
    monkeypatch.chdir("/")
    assert later.find("shared", "f1", "rule") == registered["first"]


@pytest.mark.parametrize("killed_in", ["create_model_version", "create_registered_model"])
def test_a_registration_killed_on_its_way_gives_one_version_when_it_is_run_again(
    tracker: Tracker,
    client: MlflowClient,
    pipeline: PipelineModel,
    customers: DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    killed_in: str,
) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    name = f"killed_in_{killed_in}"
    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, killed_in, killed)
        with pytest.raises(KeyboardInterrupt):
            register(tracker, name, "rule", "f1", pipeline, customers)
    assert tracker.find(name, "f1", "rule") is None
    again = register(tracker, name, "rule", "f1", pipeline, customers)
    assert versions_of(client, name) == [again.version]
    assert tracker.find(name, "f1", "rule") == again
    assert mlflow.active_run() is None


# --- aliases -------------------------------------------------------------------------------------


def test_the_alias_moves_from_version_to_version(
    registered: dict[str, ModelVersion], tracker: Tracker
) -> None:
    assert tracker.alias("shared", CHAMPION) is None
    for step in ("other kind", "first", "first", "other inputs"):
        tracker.set_alias("shared", CHAMPION, registered[step].version)
        assert tracker.alias("shared", CHAMPION) == registered[step].version
    assert tracker.alias("unheard of", CHAMPION) is None


# --- what is loaded ------------------------------------------------------------------------------


def test_a_loaded_model_scores_the_same_and_has_its_spec(
    registered: dict[str, ModelVersion],
    tracker: Tracker,
    pipeline: PipelineModel,
    customers: DataFrame,
) -> None:
    loaded, spec = tracker.load("shared", registered["first"].version)
    columns = ["silence", "raw_score"]
    assert spec == SPEC
    assert (
        loaded.transform(customers).select(*columns).collect()
        == pipeline.transform(customers).select(*columns).collect()
    )


def test_a_model_says_what_it_reads_and_what_it_needs(
    registered: dict[str, ModelVersion],
) -> None:
    uri = f"models:/shared/{registered['first'].version}"
    signature = mlflow.models.get_model_info(uri).signature
    assert signature is not None
    assert [(column.name, str(column.type)) for column in signature.inputs] == [
        ("silence", "DataType.double"),
        ("n_orders", "DataType.double"),
    ]
    assert [column.name for column in signature.outputs] == ["raw_score"]
    lines = Path(mlflow.pyfunc.get_model_dependencies(uri)).read_text(encoding="utf-8").split()
    needed = {Requirement(line) for line in lines}
    assert {Requirement(line) for line in PIP_REQUIREMENTS} <= needed
    assert "pyspark" in {requirement.name for requirement in needed}


# --- what is recorded of a run -------------------------------------------------------------------


def test_a_run_tells_the_versions_of_its_inputs(
    registered: dict[str, ModelVersion], client: MlflowClient
) -> None:
    run = client.get_run(registered["first"].run_id)
    assert run.data.params["version.features.customer_snapshot"] == "7"
    path = run.data.tags["input.features.customer_snapshot"]
    assert path == "/lake/features/customer_snapshot@v7"


def test_a_run_tells_its_params_metrics_and_texts(
    registered: dict[str, ModelVersion], client: MlflowClient, tmp_path: Path
) -> None:
    run = client.get_run(registered["first"].run_id)
    assert run.data.params["horizon_days"] == "28"
    assert run.data.metrics["auc"] == 0.75
    assert run.info.status == "FINISHED"
    assert client.get_experiment(run.info.experiment_id).name == "tests"
    text = client.download_artifacts(run.info.run_id, "importance.json", str(tmp_path))
    assert Path(text).read_text(encoding="utf-8") == "[1]"


def test_a_model_without_a_pipeline_comes_back_with_its_spec_and_frames(
    tracker: Tracker,
) -> None:
    factors = pd.DataFrame({"product_id": ["b", "a"], "factor_0": [0.1, 1 / 3]})
    version = tracker.register(
        "factors only",
        kind="ladder",
        fingerprint="f",
        spec_json=json.dumps(SPEC),
        params={},
        metrics={},
        inputs={},
        frames={"factors.parquet": factors},
    )
    assert tracker.load_spec("factors only", version.version) == SPEC
    found = tracker.load_frame("factors only", version.version, "factors.parquet")
    pd.testing.assert_frame_equal(found, factors)


def test_a_report_of_a_date_is_kept_once_and_replaced(
    tracker: Tracker, client: MlflowClient, tmp_path: Path
) -> None:
    for day, text in (("2020-01-01", "old"), ("2020-01-02", "other"), ("2020-01-01", "new")):
        tracker.log_report(text, as_of=day)
    experiment = client.get_experiment_by_name("tests")
    runs = client.search_runs([experiment.experiment_id], "run_name LIKE 'report-%'")
    kept = {}
    for run in runs:
        path = client.download_artifacts(run.info.run_id, "report.html", str(tmp_path))
        kept[run.info.run_name] = Path(path).read_text(encoding="utf-8")
    assert kept == {"report-2020-01-01": "new", "report-2020-01-02": "other"}
    assert len(runs) == 2


def test_artifacts_of_a_sqlite_store_lie_beside_it(
    registered: dict[str, ModelVersion], store: Path
) -> None:
    assert list((store / "mlartifacts").rglob("spec.json"))


# --- asking the store before anything starts -----------------------------------------------------


def serve(status: int) -> tuple[HTTPServer, list[str]]:
    """Start a server that answers with one status and notes what it was asked for."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, asked


@pytest.fixture
def closed_port() -> int:
    """Give a port on which nothing listens."""
    with socket.socket() as tcp_socket:
        tcp_socket.bind(("127.0.0.1", 0))
        return int(tcp_socket.getsockname()[1])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Give a port that takes connections and never answers."""
    with socket.socket() as tcp_socket:
        tcp_socket.bind(("127.0.0.1", 0))
        tcp_socket.listen()
        yield tcp_socket.getsockname()[1]


@pytest.mark.parametrize("status", [200, 401, 404])
def test_a_server_that_answers_anything_is_there(status: int) -> None:
    server, asked = serve(status)
    check_tracking(TrackingSection(uri=f"http://127.0.0.1:{server.server_port}/"))
    assert asked == ["/health"]
    server.shutdown()


def test_a_server_is_found_with_credentials_in_the_uri() -> None:
    server, asked = serve(200)
    check_tracking(TrackingSection(uri=f"http://ann:s3cret@127.0.0.1:{server.server_port}"))
    assert asked == ["/health"]
    server.shutdown()


def test_a_server_that_is_not_there_is_an_environment_fault(closed_port: int) -> None:
    with pytest.raises(EnvironmentFault, match=rf"127\.0\.0\.1:{closed_port}.*does not answer"):
        check_tracking(TrackingSection(uri=f"http://127.0.0.1:{closed_port}"))


def test_a_server_that_never_answers_is_given_up(
    silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tracking.SECONDS_TO_ANSWER <= 5
    monkeypatch.setattr(tracking, "SECONDS_TO_ANSWER", 0.2)
    with pytest.raises(EnvironmentFault, match="does not answer"):
        check_tracking(TrackingSection(uri=f"http://127.0.0.1:{silent_port}"))


@pytest.mark.parametrize(
    "uri",
    [
        "http://ann:s3cret@127.0.0.1:{port}",
        "https://ann:s3cret@127.0.0.1:{port}/mlflow",
        "http://s3cret@127.0.0.1:{port}",
        "http://ann:s3cret@tracking.invalid",  # nothing but the secret looks like a port
        "http://ann:p@s3cret@127.0.0.1:{port}",
        "http://ann:p/s3cret@127.0.0.1:{port}",
        "http://127.0.0.1:{port}?token=s3cret",
    ],
)
def test_no_secret_of_the_uri_is_shown_when_the_server_is_not_there(
    uri: str, closed_port: int
) -> None:
    with pytest.raises(CrmSparkError) as raised:
        check_tracking(TrackingSection(uri=uri.format(port=closed_port)))
    assert "s3cret" not in str(raised.value)


def test_no_secret_is_shown_when_the_store_cannot_be_used(
    section: TrackingSection, closed_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = f"http://ann:s3cret@127.0.0.1:{closed_port}"
    try:
        with pytest.raises(EnvironmentFault, match="tracking store") as raised:
            Tracker(TrackingSection(uri=uri), lake_root=str(tmp_path))
    finally:
        mlflow.set_tracking_uri(section.uri)
        mlflow.set_registry_uri(section.uri)
    assert "s3cret" not in str(raised.value)


def test_the_folder_of_a_sqlite_store_is_made(tmp_path: Path) -> None:
    check_tracking(TrackingSection(uri=f"sqlite:///{tmp_path}/new/folder/mlflow.db"))
    assert (tmp_path / "new" / "folder").is_dir()


def test_a_sqlite_store_that_cannot_be_written_is_an_environment_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EnvironmentFault, match=r"tracking\.uri .*mlflow\.db"):
        check_tracking(TrackingSection(uri=f"sqlite:///{tmp_path}/file/mlflow.db"))


def test_a_store_of_another_kind_is_not_asked(tmp_path: Path) -> None:
    check_tracking(TrackingSection(uri=f"file://{tmp_path}/mlruns"))
    assert list(tmp_path.iterdir()) == []


def test_values_of_users_in_names_of_metrics_are_tracked_all_the_same(
    tracker: Tracker, client: MlflowClient
) -> None:
    odd = ["group.age_group.65+.auc", "group.region.N/A.auc", "group.region.Île-de-France.auc"]
    version = tracker.register(
        "odd names",
        kind="forest",
        fingerprint="f",
        spec_json="{}",
        params={},
        metrics={"auc": 0.8, **dict.fromkeys(odd, 0.7), "group." + "x" * 300: 0.6},
        inputs={},
    )
    tracked = client.get_run(version.run_id).data.metrics
    assert tracked["auc"] == 0.8
    assert tracked["group.age_group.65_.auc"] == 0.7
    assert tracked["group.region.N_A.auc"] == 0.7
    assert tracked["group.region.Île-de-France.auc"] == 0.7
    assert tracked["group." + "x" * 244] == 0.6
