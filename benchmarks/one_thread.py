"""Work of one thread, such as executors do it: hash, group, sort and compress. No files.

python -m benchmarks.one_thread ROUNDS
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
import zlib

N_ROWS = 200_000


def main(rounds: str) -> None:
    """Print the seconds that so many rounds take."""
    start = time.perf_counter()
    for number in range(int(rounds)):
        rows = [hashlib.md5(b"%d %d" % (number, row)).digest() for row in range(N_ROWS)]
        groups: dict[bytes, int] = {}
        for row in rows:
            groups[row[:2]] = groups.get(row[:2], 0) + row[2]
        zlib.compress(b"".join(sorted(rows)), 1)
    sys.stdout.write(json.dumps({"seconds": time.perf_counter() - start}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
