"""The working configuration that lies beside a sample."""

from __future__ import annotations

import json
from typing import Literal

from crm_spark.sample.settings import TIME_ZONE, SampleSettings
from crm_spark.words import counted

Format = Literal["parquet", "csv", "json"]

# The expressions of what a format has as text and is none.
_STAMPS = {"ordered_at": "to_timestamp(ordered_at)", "arrived_at": "to_timestamp(arrived_at)"}
_FROM_TEXT: dict[Format, dict[str, str]] = {
    "parquet": {},
    "csv": {**_STAMPS, "is_return": "cast(is_return as boolean)"},
    "json": _STAMPS,
}
_TRANSACTIONS = (
    "customer_id",
    "order_id",
    "product_id",
    "ordered_at",
    "quantity",
    "amount",
    "discount_amount",
    "is_return",
    "arrived_at",
)
_PRODUCTS = ("product_id", "department")


def sample_config(settings: SampleSettings, folder: str, files: Format) -> str:
    """Give the text of sample.yml for a sample in a folder, which is named in full.

    The lake, the tracking store and the report are put beside the sample; a folder that is not on
    this machine's own filesystem has the latter two in the folder that a job is started in.
    """
    own = "" if "://" in folder else f"{folder}/"
    size = f"{counted(settings.n_customers, 'customer')}, {counted(settings.n_days, 'day')}"
    return f"""\
# Made by make_sample: {size} from {settings.start}, seed {settings.seed}.
storage: {{root: {_quoted(f"{folder}/lake")}}}
tracking: {{uri: {_quoted(f"sqlite:///{own}mlflow.db")}, experiment: sample}}
time_zone: {TIME_ZONE}

sources:
  transactions:
{_source(f"{folder}/transactions", files, _TRANSACTIONS)}
  products:
{_source(f"{folder}/products", files, _PRODUCTS)}

report: {{path: {_quoted(f"{own}report.html")}, title: Sample}}
"""


def _source(path: str, files: Format, columns: tuple[str, ...]) -> str:
    lines = [
        f"path: {_quoted(path)}",
        f"format: {files}",
        *(["options: {header: true}"] if files == "csv" else []),
        "columns:",
        *(f"  {name}: {_FROM_TEXT[files].get(name, name)}" for name in columns),
    ]
    return "\n".join(f"    {line}" for line in lines)


def _quoted(text: str) -> str:
    # JSON's quotes are YAML's, too: whatever a folder is called.
    return json.dumps(text, ensure_ascii=False)
