"""Whether a Java of the right age is there, and what is said of one that is not or does not run."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from crm_spark.errors import EnvironmentFault
from crm_spark.runtime.session import check_java

SEVENTEEN = 'openjdk version "17.0.19" 2026-04-21\nOpenJDK Runtime Environment (build 17.0.19+10)'
EIGHT = 'java version "1.8.0_432"\nJava(TM) SE Runtime Environment (build 1.8.0_432-b06)'
PICKED_UP = "Picked up JAVA_TOOL_OPTIONS: "
WARNING = "OpenJDK 64-Bit Server VM warning: Options -Xverify:none were deprecated in JDK 13.\n"
DIAGNOSTIC = f"""{PICKED_UP}-XX:-BytecodeVerificationRemote
Error: VM option 'BytecodeVerificationRemote' is diagnostic and must be enabled
Error: The unlock option must precede 'BytecodeVerificationRemote'.
Error: Could not create the Java Virtual Machine.
Error: A fatal exception has occurred. Program will exit.
"""


@pytest.fixture
def java_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a function that has a Java say something and end with an exit code."""
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.touch()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    for name in ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"):
        monkeypatch.delenv(name, raising=False)

    def says(errors: str, code: int = 0, printed: str = "") -> None:
        shown = subprocess.CompletedProcess([str(java), "-version"], code, printed, errors)
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: shown)

    return says


@pytest.mark.parametrize(
    "before",
    ["", f"{PICKED_UP}-Xmx1g\n", WARNING, f'{PICKED_UP}-Dtool="version "1.8"\n{WARNING}'],
)
def test_the_version_is_found_whatever_lines_come_before(java_says: Any, before: str) -> None:
    java_says(before + SEVENTEEN)
    check_java()
    java_says("", printed=before + SEVENTEEN)
    check_java()


@pytest.mark.parametrize("before", ["", WARNING, f'{PICKED_UP}-Dtool="version "17"\n'])
def test_an_old_java_is_refused_whatever_lines_come_before(java_says: Any, before: str) -> None:
    java_says(before + EIGHT)
    with pytest.raises(EnvironmentFault, match=r"is Java 8\. Spark 4\.2 needs Java 17 or 21"):
        check_java()


def test_of_a_java_that_fails_its_last_lines_are_shown(java_says: Any) -> None:
    java_says("noise\n" * 50 + DIAGNOSTIC, code=1)
    with pytest.raises(EnvironmentFault) as raised:
        check_java()
    message = str(raised.value)
    assert "bin/java -version fails with exit code 1" in message
    assert "'BytecodeVerificationRemote' is diagnostic and must be enabled" in message
    assert "Program will exit." in message
    assert message.count("noise") < 5
    assert "says no version" not in message
    assert message.endswith("Spark 4.2 needs Java 17 or 21: install it, or point JAVA_HOME to it")


def test_options_that_java_takes_from_the_environment_are_named_where_it_fails(
    java_says: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:-BytecodeVerificationRemote")
    java_says(DIAGNOSTIC, code=1)
    with pytest.raises(EnvironmentFault) as raised:
        check_java()
    last = str(raised.value).splitlines()[-1]
    assert last == "Java takes options from JAVA_TOOL_OPTIONS: correct them there"


def test_a_java_that_names_its_version_and_fails_is_told(java_says: Any) -> None:
    java_says(SEVENTEEN, code=134)
    with pytest.raises(EnvironmentFault, match="fails with exit code 134"):
        check_java()


def test_of_a_java_that_names_no_version_what_it_says_is_shown(java_says: Any) -> None:
    java_says("GCJ 4.8\n")
    with pytest.raises(EnvironmentFault, match=r"(?s)says no version.*GCJ 4\.8"):
        check_java()
    java_says("")
    with pytest.raises(EnvironmentFault, match=r"says no version.* nothing"):
        check_java()
