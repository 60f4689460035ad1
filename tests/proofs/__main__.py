"""Long proofs: what the tests show on a small scale, on a large one: docs/proofs.md.

scripts/prove kills --kills 30 --seed 17
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import SparkSession

from crm_spark.runtime.session import open_session
from proofs import exits, exports, kills, orders, state

Proof = Callable[[SparkSession, Path, argparse.Namespace], list[str]]


def prove_kills(spark: SparkSession, folder: Path, given: argparse.Namespace) -> list[str]:
    """Kill pipelines, and print the moment of each kill."""
    kills.run_undisturbed(spark, folder)
    lakes: dict[str, int] = {}
    for kill in kills.run_killed(folder, n_kills=given.kills, seed=given.seed):
        lakes[kill.lake] = lakes.get(kill.lake, 0) + kill.was_at_work
        state = "killed" if kill.was_at_work else "had ended"
        print(f"{kill.lake}: {kill.seconds:4.1f} s after its start, {state}", flush=True)
    differing = []
    for lake, n_kills in lakes.items():
        found = kills.differences(spark, folder, lake)
        print(f"{lake}, killed {n_kills} times: {len(found)} differences", flush=True)
        differing += [f"{lake}: {one}" for one in found]
    return differing


def prove_exits(spark: SparkSession, folder: Path, given: argparse.Namespace) -> list[str]:
    """Let a pipeline die at its writes, and print how many there are."""
    died = exits.run_dying(spark, folder, deadly_every=given.every)
    print(f"{len(died.dying.met)} places, {died.dying.n_deaths} deaths")
    missed = {place[:2] for place in died.undisturbed.met} - {place[:2] for place in died.dying.met}
    return [*died.differing, *(f"never met: {' '.join(place)}" for place in sorted(missed))]


def prove_orders(spark: SparkSession, folder: Path, given: argparse.Namespace) -> list[str]:
    """Deliver the same files in several orders, and print what each run read."""
    size = orders.Size(given.customers, given.files)
    feed = orders.write_deliveries(folder, size)
    clean = orders.load_at_once(spark, feed, folder / "clean")
    differing = []
    for order in orders.orders(given.files, given.seed):
        start = time.monotonic()
        loaded = orders.load_in_order(spark, feed, folder / order.name, order)
        rows = sum(counts.rows_read or 0 for counts in loaded.counts)
        print(
            f"{order.name}: {len(loaded.counts)} runs read {rows} rows in "
            f"{time.monotonic() - start:.0f} s",
            flush=True,
        )
        differing += [
            f"{order.name}: {name}" for name in clean if loaded.checksums[name] != clean[name]
        ]
    return differing


def prove_state(spark: SparkSession, folder: Path, given: argparse.Namespace) -> list[str]:
    """Write a year of rows of the state, and print what fresh processes take to ask for it."""
    state.write_year(spark, folder / "lake", given.rows)
    found = [state.ask_in_a_fresh_process(folder / "lake") for _ in range(given.times)]
    for asked in found:
        print(
            f"{asked.n_rows:,} rows: Spark's start {asked.start_seconds:.1f} s, "
            f"the state {asked.state_seconds:.1f} s",
            flush=True,
        )
    return [f"{asked.n_rows} rows" for asked in found if asked.n_rows != given.rows]


def prove_exports(spark: SparkSession, folder: Path, given: argparse.Namespace) -> list[str]:
    """Check and load every case, and print how each ended and in how many ways it was given."""
    differing = []
    for case in given.cases or exports.cases():
        start = time.monotonic()
        proved = exports.prove_case(spark, case, folder, most=given.most, seed=given.seed)
        seconds = time.monotonic() - start
        for one in proved:
            ways = f", in {one.n_groupings} orders and groupings" if one.n_groupings else ""
            print(f"{one.name}: {one.ended}{ways}", flush=True)
            differing += [f"{one.name}: {fault}" for fault in one.faults]
        print(f"  {seconds:.0f} s", flush=True)
    return differing


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/prove", description=__doc__.splitlines()[0])
    proofs = parser.add_subparsers(dest="proof", required=True)
    killed = proofs.add_parser("kills", help="kill -9 a pipeline at random moments, and rerun it")
    killed.add_argument("--kills", type=int, default=30)
    killed.set_defaults(prove=prove_kills)
    died = proofs.add_parser("exits", help="let a pipeline die before and after each write")
    died.add_argument("--every", type=int, default=1, help="die at every so many places")
    died.set_defaults(prove=prove_exits)
    ordered = proofs.add_parser("orders", help="deliver the same files in other orders")
    ordered.add_argument("--customers", type=int, default=200)
    ordered.add_argument("--files", type=int, default=30)
    ordered.set_defaults(prove=prove_orders)
    asked = proofs.add_parser("state", help="time what asking for the state of a year takes")
    asked.add_argument("--rows", type=int, default=20_000)
    asked.add_argument("--times", type=int, default=3)
    asked.set_defaults(prove=prove_state)
    exported = proofs.add_parser("exports", help="check and load every case, in all orders")
    exported.add_argument("cases", nargs="*", help="names of cases (default: all)")
    exported.add_argument("--most", type=int, default=40, help="ways to give the files of one")
    exported.set_defaults(prove=prove_exports)
    for proof in (killed, ordered, exported):
        proof.add_argument("--seed", type=int, default=17)
    for proof in (killed, died, ordered, exported, asked):
        proof.add_argument("--folder", type=Path, help="keep the lakes in this empty folder")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crm_spark_proof_") as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        with open_session("prove", time_zone="America/New_York", properties=kills.SPARK) as spark:
            differing = given.prove(spark, folder, given)
    print("\n".join(["differing:", *differing]) if differing else "nothing differs")
    return bool(differing)


if __name__ == "__main__":
    raise SystemExit(main())
