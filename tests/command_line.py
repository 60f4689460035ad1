"""A small configuration for the command line, and how a run of it has to end."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]

# What the design promises of the last line, in its order.
SUMMARY_KEYS = [
    "job",
    "run_id",
    "status",
    "as_of",
    "tables",
    "models",
    "seconds",
    "rows_per_second",
    "peak_memory_bytes",
    "shuffle_bytes",
    "spill_bytes",
    "core_seconds",
    "error",
]


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def summary(self) -> dict[str, Any]:
        """The last line of standard output, which has to be one JSON object."""
        summary = json.loads(self.out.splitlines()[-1])
        assert isinstance(summary, dict)
        return summary

    @property
    def last_words(self) -> str:
        """The readable message at the end of standard error; it may take several lines."""
        return self.err[self.err.rindex("error: ") :]


def write_config(folder: Path, **sections: Any) -> str:
    """Write a small configuration with its lake and a source of two lines in `folder`."""
    (folder / "orders.csv").write_text("c,o,t,a\n1,10,2020-01-01,2.50\n2,11,2020-01-02,3.50\n")
    columns = {"customer_id": "c", "order_id": "o", "ordered_at": "to_timestamp(t)", "amount": "a"}
    source = {
        "path": str(folder / "orders.csv"),
        "format": "csv",
        "options": {"header": True},
        "columns": columns,
    }
    values = {
        "storage": {"root": str(folder / "lake")},
        "tracking": {"uri": f"sqlite:///{folder}/mlflow.db"},
        "sources": {"transactions": source},
        **sections,
    }
    path = folder / "crm.yml"
    path.write_text(yaml.safe_dump(values))
    return str(path)


def assert_failed(ended: Ended, *, code: int, job: str, folder: Path, says: str) -> None:
    """Assert the whole of how a failed run has to end."""
    assert ended.code == code, ended.err[-2000:]
    assert list(ended.summary) == SUMMARY_KEYS
    assert ended.summary["job"] == job
    assert ended.summary["status"] == "failed"
    assert re.fullmatch(r"[0-9a-f]{32}", ended.summary["run_id"])
    assert ended.summary["seconds"] >= 0
    assert says in ended.summary["error"]
    assert ended.last_words == f"error: {ended.summary['error']}\n"
    # Only one line on standard output: everything else belongs on standard error.
    assert len(ended.out.splitlines()) == 1
    assert_no_table_was_made(folder)


def assert_no_table_was_made(folder: Path) -> None:
    made = {path.name for path in (folder / "lake").glob("*")}
    assert not made & {"core", "features", "scores"}
