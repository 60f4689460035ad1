"""Print the slowest twenty tests of pytest's JUnit reports, one report a tier.

python scripts/slowest_tests.py unit.xml spark.xml system.xml

Seconds are those of the test and of what was set up for it first: what tests share counts for the
first of them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

N_SHOWN = 20


def main() -> None:
    tests = [
        (
            float(case.get("time", 0)),
            Path(path).stem,
            f"{case.get('classname')}::{case.get('name')}",
        )
        for path in sys.argv[1:]
        for case in ET.parse(path).iter("testcase")
    ]
    print(f"The slowest {min(N_SHOWN, len(tests))} of {len(tests)} tests:")
    for seconds, tier, name in sorted(tests, reverse=True)[:N_SHOWN]:
        print(f"{seconds:8.1f} s  {tier:6}  {name}")


if __name__ == "__main__":
    main()
