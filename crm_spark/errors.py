"""Every error that a user can cause or repair, each with the exit code a scheduler sees."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class CrmSparkError(Exception):
    """An error whose message says what was found, what was expected and what to do."""

    exit_code = 1


class ConfigError(CrmSparkError):
    """The configuration or the command line is wrong; running again will not help."""

    exit_code = 2


class DataError(CrmSparkError):
    """The data cannot be used as they are."""

    exit_code = 3


class BusyError(CrmSparkError):
    """Another run is in the way; trying again later helps."""

    exit_code = 4


class EnvironmentFault(CrmSparkError):  # noqa: N818 - EnvironmentError is a builtin
    """Java, the cluster, the storage or the tracking server is missing or unreachable."""

    exit_code = 5


def listed(title: str, faults: Sequence[str]) -> str:
    """Give one message that holds every fault: on one line where it is one, else as a list.

    A fault that is a list itself stands further in.
    """
    if len(faults) == 1:
        return f"{title}: {faults[0]}"
    lines = [f"  - {fault}".replace("\n", "\n  ") for fault in faults]
    return "\n".join([f"{title}: {len(faults)} faults", *lines])


def nearest(value: str, known: Iterable[str]) -> str:
    """Give ", did you mean 'x'?" where a known word is near, else nothing."""
    matches = difflib.get_close_matches(value, list(known), n=1, cutoff=0.6)
    return f", did you mean {matches[0]!r}?" if matches else ""
