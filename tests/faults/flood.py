"""The benchmark's load beside a fault: 64 adjustments on their way at any time, spread or hot.

``python -m tests.faults.flood PORT PRODUCT...`` posts them until it is told to end, through deaths
of whom it posts to, and writes the ids of those that were accepted, a line each.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from tests.bench.load import Connection, build_request
from tests.bench.loop import Loop
from tests.faults.report import Fault
from tests.functional.service import ADMIN_KEY, ROOT, Service

OUTSTANDING, PRODUCTS = 64, 100
# Who was told that something is away comes again after so many seconds.
_PAUSE = 0.05


def _requests(product_ids: list[str]) -> Iterator[bytes]:
    run = uuid4().hex
    for number, product_id in enumerate(cycle(product_ids)):
        headers = {"X-API-Key": ADMIN_KEY, "Idempotency-Key": f"{run}-{number}"}
        body = {"productId": product_id, "quantity": 1, "type": "increment"}
        yield build_request("POST", "/api/inventory/adjust", body, headers)


def _post(port: int, requests: Iterator[bytes]) -> None:
    """Keep the connections busy until one of them breaks."""
    loop = Loop()
    doors: list[Connection] = []

    def begin(door: Connection) -> None:
        def take(status: int, answer: bytes) -> None:
            if status == 202:
                body = json.loads(answer[answer.index(b"\r\n\r\n") + 4 :])
                sys.stdout.write(f"{body['id']}\n")
            elif status == 503:
                time.sleep(_PAUSE)
            else:
                raise SystemExit(f"{status}: {answer[:600]!r}")
            begin(door)

        door.send(next(requests), take)

    try:
        for _ in range(OUTSTANDING):
            doors.append(Connection(loop, port))
            begin(doors[-1])
        while True:
            loop.once(1.0)
    finally:
        for door in doors:
            door.close()


def main() -> None:
    """Post until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    requests = _requests(sys.argv[2:])
    while True:
        with suppress(OSError):
            _post(int(sys.argv[1]), requests)
        time.sleep(_PAUSE)


class Flood:
    """This load on a service, from the beginning of a block to its end.

    Args:
        service: whose web process is posted to.
        product_ids: what is adjusted in turn.
        folder: for what was accepted.
    """

    def __init__(self, service: Service, product_ids: list[str], folder: Path) -> None:
        self._accepted = folder / "accepted"
        with self._accepted.open("wb") as output:
            port = service.url.rpartition(":")[2]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.flood", port, *product_ids],
                stdout=output,
                cwd=ROOT,
                env=os.environ,
            )

    def __enter__(self) -> "Flood":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> list[str]:
        """Post no more.

        Returns:
            The ids of all that were accepted.

        Raises:
            AssertionError: it was answered what nobody may be answered.
        """
        self._process.terminate()
        assert self._process.wait(30) == 0, "the flood was answered wrongly"
        return self._accepted.read_text().split()

    def tell(self, fault: Fault) -> None:
        """Put into the report how much it was."""
        fault.tell("accepted of the flood", len(self.stop()), None, "operations")


if __name__ == "__main__":
    main()
