"""The only place that imports mlflow: runs, models, versions and aliases."""

from __future__ import annotations

import http.client
import io
import json
import logging
import os
import re
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame

from crm_spark.errors import EnvironmentFault, nearest
from crm_spark.models.mllib_trees import read_trees
from crm_spark.models.tree_shap import CoveredTree
from crm_spark.runtime.progress import log

SECONDS_TO_ANSWER = 5
# Aliases of versions: of the one that scores, and of the one that did before it.
CHAMPION, PREVIOUS = "champion", "previous"
FINGERPRINT = "crm_spark.fingerprint"
KIND = "crm_spark.kind"
SPEC_FILE = "spec.json"
PIPELINE_FOLDER = "model"
# Of a slash MLflow makes a path, of which it refuses some.
_NOT_TRACKED, _LONGEST_NAME = re.compile(r"[^\w\-. :]"), 250
REPORT = "crm_spark.report"
# What loads a model elsewhere; explicit, since MLflow would else start a second Spark to find out.
PIP_REQUIREMENTS = ["pyspark==4.2.0", "mlflow==3.17.2", "pandas>=2.2,<3", "numpy<3", "pyarrow>=18"]


# What MLflow keeps runs and models in.
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_STORES = ("http", "https", *_DATABASES, "databricks", "databricks-uc", "file")


class TrackingSection(BaseModel):
    """Where models are tracked; SQLite in the working folder by default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # A store of MLflow: sqlite:///file, http://server, a database.
    uri: str = "sqlite:///mlflow.db"
    # The experiment that runs are kept under.
    experiment: str = Field(default="crm_spark", min_length=1)
    # Where artifacts go; a server decides for itself, SQLite keeps them beside its file.
    artifact_root: str | None = None
    # Folder that the driver and all executors see, for models on their way; default: in the lake.
    shared_tmp: str | None = None

    @field_validator("uri")
    @classmethod
    def _store_is_one_of_mlflows(cls, value: str) -> str:
        scheme = urlparse(value).scheme.partition("+")[0]
        if value in _STORES or scheme in _STORES:
            return value
        hint = nearest(scheme, _STORES) or ", write sqlite:///mlflow.db or http://server:5000"
        raise ValueError(f"{_public(value) if scheme else value!r} is no store of MLflow{hint}")


@dataclass(frozen=True)
class LoggedPipeline:
    """A Spark pipeline to log, an example of the rows it reads, and the numbers it adds."""

    model: PipelineModel
    example: DataFrame
    outputs: tuple[str, ...]

    def signature(self) -> Any:
        """Give MLflow's signature of the pipeline."""
        from mlflow.models import ModelSignature
        from mlflow.types.schema import ColSpec, Schema

        columns = [
            ColSpec("double" if field.dataType.typeName() == "double" else "string", field.name)
            for field in self.example.schema.fields
        ]
        outputs = [ColSpec("double", name) for name in self.outputs]
        # MLflow refuses a schema of nothing.
        return ModelSignature(Schema(columns), Schema(outputs) if outputs else None)


@dataclass(frozen=True)
class ModelVersion:
    """One registered version."""

    name: str
    version: str
    kind: str
    run_id: str


def tracked_name(name: str) -> str:
    """Give a metric's name as MLflow takes it; a user's own values may stand in ours."""
    return _NOT_TRACKED.sub("_", name)[:_LONGEST_NAME]


def check_tracking(section: TrackingSection) -> None:
    """Ask the tracking store once, before Spark starts.

    Raises EnvironmentFault when a server does not answer within seconds, or the folder of a SQLite
    store cannot be written.
    """
    parsed = urlparse(section.uri)
    if parsed.scheme in ("http", "https"):
        _ask_server(section.uri)
    elif parsed.scheme == "sqlite":
        folder = _sqlite_file(section.uri).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EnvironmentFault(f"tracking.uri {section.uri}: {error}") from error
        if not os.access(folder, os.W_OK):
            raise EnvironmentFault(f"tracking.uri {section.uri}: {folder} cannot be written")


def _ask_server(uri: str) -> None:
    try:
        with urllib.request.urlopen(f"{_public(uri)}/health", timeout=SECONDS_TO_ANSWER):
            return
    except urllib.error.HTTPError as error:
        # It answers; whether it lets us in shows in the first real request.
        log.debug("the tracking server answers %s to /health", error.code)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = " ".join(str(getattr(error, "reason", None) or error).split())
        raise EnvironmentFault(
            f"the tracking server {_public(uri)} does not answer ({reason}): "
            "start it, or correct tracking.uri"
        ) from error


def _public(uri: str) -> str:
    """Give scheme, host, port and path of a URI: what is no secret, whatever a password holds."""
    scheme, _, rest = uri.partition("://")
    address = re.split(r"[?#]", rest.rpartition("@")[2])[0]
    return f"{scheme}://{address}".rstrip("/")


def _sqlite_file(uri: str) -> Path:
    return Path(uri.removeprefix("sqlite:///"))


class Tracker:
    """MLflow at one URI and experiment."""

    def __init__(self, section: TrackingSection, *, lake_root: str) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        # Its bars run into our progress, and what is loaded takes no time.
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        import mlflow

        for chatty in ("mlflow", "alembic"):  # each sets its own level when it is imported
            logging.getLogger(chatty).setLevel(logging.ERROR)
        self._mlflow = mlflow
        self._section = section
        self._shared_tmp = section.shared_tmp or f"{lake_root}/_models_on_their_way"
        uri = section.uri
        if uri.startswith("sqlite:///"):
            uri = f"sqlite:///{_sqlite_file(uri).resolve()}"
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        try:
            self._client = mlflow.MlflowClient(uri, uri)
            self._experiment_id = self._experiment(uri)
        except Exception as error:
            reason = str(error).splitlines()[0].replace(section.uri, _public(section.uri))
            reason = re.sub(r"//\S*@|\?\S+", "", reason)[:300]
            raise EnvironmentFault(f"the tracking store cannot be used: {reason}") from error

    def _experiment(self, uri: str) -> str:
        found = self._client.get_experiment_by_name(self._section.experiment)
        if found is not None:
            return str(found.experiment_id)
        root = self._section.artifact_root
        if root is None and uri.startswith("sqlite:///"):
            root = (_sqlite_file(uri).parent / "mlartifacts").as_uri()
        name = self._section.experiment
        return str(self._client.create_experiment(name, artifact_location=root))

    def find(self, name: str, fingerprint: str, kind: str) -> ModelVersion | None:
        """Give the version that an earlier run registered from the same inputs, if any."""
        versions = self._client.search_model_versions(f"name = '{name}'")
        for version in sorted(versions, key=lambda one: int(one.version)):
            tags = version.tags
            if tags.get(FINGERPRINT) == fingerprint and tags.get(KIND) == kind:
                return ModelVersion(name, str(version.version), kind, str(version.run_id))
        return None

    def register(
        self,
        name: str,
        *,
        kind: str,
        fingerprint: str,
        spec_json: str,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        inputs: Mapping[str, tuple[str, int]],
        pipeline: LoggedPipeline | None = None,
        texts: Mapping[str, str] | None = None,
        frames: Mapping[str, pd.DataFrame] | None = None,
    ) -> ModelVersion:
        """Log a model in one MLflow run and register it; one fingerprint is never registered twice.

        `inputs` maps table names to their path and Delta version; `texts` and `frames` are further
        artifacts by file name, the frames as parquet.
        """
        found = self.find(name, fingerprint, kind)
        if found is not None:
            log.info("%s: version %s has the same inputs and is kept", name, found.version)
            return found
        with self._mlflow.start_run(
            experiment_id=self._experiment_id, run_name=f"{name}-{kind}"
        ) as run:
            self._mlflow.set_tags({FINGERPRINT: fingerprint, KIND: kind})
            self._mlflow.log_params(dict(params))
            self._mlflow.log_metrics({tracked_name(name): one for name, one in metrics.items()})
            self._log_inputs(inputs)
            self._mlflow.log_text(spec_json, SPEC_FILE)
            for file, text in (texts or {}).items():
                self._mlflow.log_text(text, file)
            for file, frame in (frames or {}).items():
                self._log_frame(frame, file)
            if pipeline is not None:
                self._mlflow.spark.log_model(
                    pipeline.model,
                    artifact_path=PIPELINE_FOLDER,
                    dfs_tmpdir=self._shared_tmp,
                    signature=pipeline.signature(),
                    pip_requirements=PIP_REQUIREMENTS,
                )
        source = f"runs:/{run.info.run_id}/{PIPELINE_FOLDER if pipeline else ''}"
        return self._register_run(name, kind, fingerprint, run.info.run_id, source)

    def _log_frame(self, frame: pd.DataFrame, file: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / file
            frame.to_parquet(path, index=False)
            self._mlflow.log_artifact(str(path))

    def _log_inputs(self, inputs: Mapping[str, tuple[str, int]]) -> None:
        """Note which version of which table the model learnt from."""
        for table, (path, version) in inputs.items():
            self._mlflow.set_tag(f"input.{table}", f"{path}@v{version}")
            self._mlflow.log_param(f"version.{table}", version)

    def _register_run(
        self, name: str, kind: str, fingerprint: str, run_id: str, source: str
    ) -> ModelVersion:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        created = self._client.create_model_version(
            name, source, run_id, tags={FINGERPRINT: fingerprint, KIND: kind}
        )
        log.info("%s: registered version %s (%s)", name, created.version, kind)
        return ModelVersion(name, str(created.version), kind, run_id)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Move an alias to a version."""
        self._client.set_registered_model_alias(name, alias, version)

    def alias(self, name: str, alias: str) -> str | None:
        """Give the version that an alias points to, if any."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.get_model_version_by_alias(name, alias).version)
        except MlflowException:
            return None

    def load(self, name: str, version: str) -> tuple[PipelineModel, dict[str, Any]]:
        """Give the Spark pipeline and the spec of a registered version."""
        return self.load_pipeline(name, version), self.load_spec(name, version)

    def load_pipeline(self, name: str, version: str) -> PipelineModel:
        """Give the Spark pipeline of a registered version."""
        return self._mlflow.spark.load_model(
            f"models:/{name}/{version}", dfs_tmpdir=self._shared_tmp
        )

    def load_trees(self, name: str, version: str) -> tuple[CoveredTree, ...]:
        """Give the trees of the ensemble that the pipeline of a registered version holds."""
        registered = self._client.get_model_version(name, version)
        with tempfile.TemporaryDirectory() as folder:
            place = f"{PIPELINE_FOLDER}/sparkml"
            return read_trees(
                Path(self._client.download_artifacts(registered.run_id, place, folder))
            )

    def load_spec(self, name: str, version: str) -> dict[str, Any]:
        """Give the spec of a registered version."""
        spec: dict[str, Any] = json.loads(self._artifact(name, version, SPEC_FILE))
        return spec

    def load_frame(self, name: str, version: str, file: str) -> pd.DataFrame:
        """Give a frame that a version was registered with."""
        return pd.read_parquet(io.BytesIO(self._artifact(name, version, file)))

    def _artifact(self, name: str, version: str, file: str) -> bytes:
        registered = self._client.get_model_version(name, version)
        with tempfile.TemporaryDirectory() as folder:
            return Path(
                self._client.download_artifacts(registered.run_id, file, folder)
            ).read_bytes()

    def log_report(self, report: str, *, as_of: str) -> None:
        """Keep a report as an artifact, one run for each date; a rerun replaces it."""
        found = self._client.search_runs(
            [self._experiment_id], f"tags.`{REPORT}` = '{as_of}'", max_results=1
        )
        run_id = found[0].info.run_id if found else None
        with self._mlflow.start_run(
            run_id=run_id,
            experiment_id=None if run_id else self._experiment_id,
            run_name=f"report-{as_of}",
        ):
            self._mlflow.set_tag(REPORT, as_of)
            self._mlflow.log_text(report, "report.html")
