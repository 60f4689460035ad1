"""Print what each tier took, and the slowest twenty tests, of pytest's JUnit reports.

python scripts/slowest_tests.py unit.xml spark_or_system.xml

Seconds are those of the test and of what was set up for it first: what tests share counts for the
first of them. Those of a tier are added up over its tests: processes beside one another each count.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

N_SHOWN = 20


class Test(NamedTuple):
    """One test as a report has it."""

    seconds: float
    tier: str
    name: str


def _tests(report: Path) -> list[Test]:
    found = []
    for case in ET.parse(report).iter("testcase"):
        file = str(case.get("classname"))
        tier = "unit" if report.stem == "unit" else "spark"
        folder = file.split(".")[1]
        tier = folder if folder in ("system", "long") else tier
        found.append(Test(float(case.get("time", 0)), tier, f"{file}::{case.get('name')}"))
    return found


def main() -> None:
    tests = [test for path in sys.argv[1:] for test in _tests(Path(path))]
    for tier in ("unit", "spark", "system", "long"):
        seconds = [test.seconds for test in tests if test.tier == tier]
        if seconds:
            print(f"{tier:6} {len(seconds):5} tests {sum(seconds):8.0f} s of the test processes")
    print(f"The slowest {min(N_SHOWN, len(tests))} of {len(tests)} tests:")
    for test in sorted(tests, reverse=True)[:N_SHOWN]:
        print(f"{test.seconds:8.1f} s  {test.tier:6}  {test.name}")


if __name__ == "__main__":
    main()
