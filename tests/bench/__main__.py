"""``make bench``: measure everything, or one part, and write the table."""

import argparse
import sys
import time
import traceback
from importlib import import_module

from tests.bench import table
from tests.bench.bench import Bench
from tests.bench.ground import Ground
from tests.bench.machine import describe
from tests.bench.shops import Street
from tests.bench.subscribers import allow_many_sockets
from tests.functional.service import ROOT
from tests.servers import reachable_folder

# In this order: what fills tables comes last.
PARTS = (
    "ceiling",
    "end_to_end",
    "latency",
    "held",
    "accept",
    "reads",
    "applying",
    "bulk",
    "fan_out",
    "idle",
    "sales",
    "growth",
    "memory",
)


def main() -> None:
    """Read the command line, run, and leave ``table.md`` and ``plot.svg`` in ``build/bench``."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="about two minutes")
    parser.add_argument("only", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    allow_many_sockets()
    ground = Ground(reachable_folder())
    ground.start()
    street = Street(ground)
    bench = Bench(ground, street, arguments.short)
    began = time.monotonic()
    try:
        machine = describe(ground)
        for name, value in machine:
            bench.say(f"{name}: {value}")
        for part in PARTS:
            if not arguments.only or part in arguments.only:
                _run(bench, part)
                # An hour is long: what was measured stays, even if the rest is broken off.
                text = table.write(bench, machine, ROOT / "build/bench")
        bench.notes.append(f"it took {(time.monotonic() - began) / 60:.1f} minutes")
    finally:
        street.close()
        ground.stop()
    text = table.write(bench, machine, ROOT / "build/bench")
    sys.stdout.write(f"\n{text}\nWritten to build/bench/table.md and build/bench/plot.svg\n")
    sys.exit(1 if bench.broken else 0)


def _run(bench: Bench, part: str) -> None:
    """One part that fails takes no other with it, but the run has failed."""
    bench.begin(part)
    try:
        import_module(f"tests.bench.parts.{part}").measure(bench)
    except Exception as error:
        traceback.print_exc()
        bench.fail(str(error) or repr(error))


if __name__ == "__main__":
    main()
