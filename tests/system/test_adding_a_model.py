"""The example of docs/adding_a_model.md, as it stands on the page: made, trained, scored, shown."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from shop import shop_config, shop_text, write_shop

from crm_spark import cli
from crm_spark.config import Config, load_config
from crm_spark.errors import ConfigError
from crm_spark.features.tables import CUSTOMER_SNAPSHOT
from crm_spark.jobs import run_pipeline, score_model, train_model
from crm_spark.pipeline.dictionary import data_dictionary
from crm_spark.pipeline.tables import tables_with
from crm_spark.runtime.run import RunSummary

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "adding_a_model.md"
AS_OF = date(2024, 7, 1)
NAME = "my_company.next_amount"
QUICK = ("segments.k_to=5", "segments.n_starts=2", "recommendations.als.rank=4")


def files_of_the_page() -> dict[str, str]:
    """Give the files that the page tells to make, by their path."""
    found = re.findall(
        r"<!-- file: (\S+) -->\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    return dict(found)


def configuration_of_the_page() -> str:
    """Give the lines that the page adds to the configuration."""
    (found,) = re.findall(
        r"<!-- config -->\n```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    return str(found)


@dataclass(frozen=True)
class Made:
    """The example in a folder of its own, and the pipeline that ran with it."""

    folder: Path
    config: Config
    summary: RunSummary

    def read(self, spark: SparkSession, table: str) -> DataFrame:
        """Give the rows of a table."""
        return spark.read.format("delta").load(str(self.folder / "lake" / table.replace(".", "/")))


@pytest.fixture(scope="module")
def made(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Make exactly the files of the page, and run the pipeline with its line."""
    folder = tmp_path_factory.mktemp("example")
    for path, text in files_of_the_page().items():
        file = folder / "code" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    write_shop(folder / "shop.csv", n_customers=120)
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(folder / "code"))
        config = load_config(
            shop_text(folder, "lake") + configuration_of_the_page(), name="page", overrides=QUICK
        )
        yield Made(folder, config, run_pipeline.run(spark, config, AS_OF))


def test_the_example_is_one_folder_and_one_line_of_configuration(made: Made) -> None:
    folders = {Path(path).parent for path in files_of_the_page()}
    assert folders == {Path("my_company/next_amount")}
    (line,) = [
        line for line in configuration_of_the_page().splitlines() if line.startswith("models:")
    ]
    assert NAME in line


def test_it_is_trained_and_scores_every_customer_of_the_date(
    spark: SparkSession, made: Made
) -> None:
    status = {job.job: job.status for job in made.summary.jobs}
    assert (status["train_next_amount"], status["score_next_amount"]) == ("succeeded", "succeeded")
    scores = made.read(spark, "scores.customer_next_amount")
    snapshot = made.read(spark, CUSTOMER_SNAPSHOT.name).where(F.col("as_of_date") == F.lit(AS_OF))
    assert scores.count() == scores.join(snapshot, "customer_id").count() == snapshot.count() > 0
    assert scores.where("next_amount IS NULL OR next_amount < 0 OR model_version IS NULL").isEmpty()


def test_the_rule_and_the_regression_are_measured_on_orders_that_neither_had_seen(
    spark: SparkSession, made: Made
) -> None:
    rows = made.read(spark, "ops.metrics").where("job = 'train_next_amount'").collect()
    quoted = {row["model_name"]: row for row in rows if row["cutoff_date"] == date(2024, 6, 10)}
    assert set(quoted) == {"mean_order", "regression"}
    for row in quoted.values():
        assert row["low"] < row["value"] < row["high"]
    decided = made.read(spark, "ops.model_decisions").where("model_name LIKE '%next_amount'")
    chosen = [row for row in decided.collect() if row["is_champion"]]
    assert [row["kind"] in quoted for row in chosen] == [True]
    assert not chosen[0]["chose_itself"] and "chosen on 2024-05-20" in chosen[0]["why"]
    better = min(
        (row for row in rows if row["cutoff_date"] == date(2024, 5, 20)),
        key=lambda row: row["value"],
    )
    assert chosen[0]["kind"] == better["model_name"]


def test_it_is_in_the_report_and_in_the_data_dictionary(made: Made) -> None:
    page = (made.folder / "lake" / "reports" / f"{AS_OF}.html").read_text(encoding="utf-8")
    assert "What the next order comes to" in page
    assert "rule: the customer&#39;s mean order" in page
    assert "How far a prediction is off, on average, in money" in page
    dictionary = data_dictionary(tables_with(made.config.known_models))
    assert "## scores.customer_next_amount" in dictionary


def test_its_jobs_are_reached_by_name_or_module_and_an_equal_version_is_kept(
    spark: SparkSession, made: Made
) -> None:
    options = cli.parse(["train_model", NAME, "--config", "x.yml", "--as-of", "2024-07-01"])
    assert (options.job, options.model) == ("train_model", NAME)
    again = train_model.run(spark, made.config, AS_OF, model=NAME)
    scored = score_model.run(spark, made.config, AS_OF, model="next_amount")
    assert (again.job, scored.job) == ("train_next_amount", "score_next_amount")
    assert again.models == scored.models
    assert "ops.metrics" not in again.tables and "ops.model_decisions" not in again.tables


def test_its_section_is_a_key_like_any_other(made: Made) -> None:
    text = shop_text(made.folder, "lake")
    with pytest.raises(ConfigError, match=r"next_amount\.horizon_day: unknown key.*horizon_days"):
        load_config(f"{text}\nmodels: [{NAME}]\nnext_amount: {{horizon_day: 3}}", name="shop.yml")
    with pytest.raises(ConfigError, match="next_amount: unknown key"):
        load_config(f"{text}\nnext_amount: {{horizon_days: 3}}", name="shop.yml")
    with pytest.raises(ConfigError, match="next_amount: name its module in models"):
        shop_config(made.folder, "lake").section_of(made.config.known_models[-1])


def test_in_this_project_it_is_one_folder_and_one_line_of_the_registry(tmp_path: Path) -> None:
    package = tmp_path / "crm_spark"
    shutil.copytree(REPOSITORY / "crm_spark", package, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in files_of_the_page().items():
        file = package / "models" / "next_amount" / Path(path).name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.replace("my_company.", "crm_spark.models."), encoding="utf-8")
    registry = package / "models" / "registry.py"
    text = registry.read_text(encoding="utf-8")
    line = "    importlib.import_module('crm_spark.models.next_amount').NextAmount(),\n"
    registry.write_text(
        text.replace("    Recommender(),\n", f"    Recommender(),\n{line}"), encoding="utf-8"
    )
    changed = [
        file.relative_to(package)
        for file in package.rglob("*.py")
        if not (REPOSITORY / "crm_spark" / file.relative_to(package)).exists()
        or file.read_bytes() != (REPOSITORY / "crm_spark" / file.relative_to(package)).read_bytes()
    ]
    assert {str(file.parent) for file in changed} == {"models", "models/next_amount"}
    assert len(changed) == 1 + len(files_of_the_page())
    code = (
        "from crm_spark.cli import parse\n"
        "from crm_spark.pipeline.dictionary import data_dictionary\n"
        "options = parse(['train_next_amount', '--config', 'x.yml'])\n"
        "assert options.job == 'train_next_amount'\n"
        "assert '## scores.customer_next_amount' in data_dictionary()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
