"""Events that flow while something else is tried: ends of operations, and alerts."""

import threading
from collections.abc import Sequence
from typing import Any

from tests.functional.service import Api, wait_until


class Flow:
    """Empties and fills products again and again: an end and an alert each time.

    ::

        with Flow(service.url, secret, products) as flow:
            flow.go_on()

    Args:
        url: of the service.
        secret: the key whose operations these are.
        product_ids: have one piece each, and a threshold of none.
    """

    def __init__(self, url: str, secret: str, product_ids: Sequence[str]) -> None:
        self.ends = 0
        self._stopped = threading.Event()
        self._guard = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(Api(url, secret), one), daemon=True)
            for one in product_ids
        ]

    def go_on(self) -> None:
        """Wait until some more has happened, all of it from now on."""
        wanted = self.ends + 2 * len(self._threads)
        wait_until(lambda: self.ends >= wanted)

    def _run(self, api: Api, product_id: str) -> None:
        while not self._stopped.is_set():
            for kind in ("decrement", "increment"):
                adjust(api, product_id, kind=kind)
                with self._guard:
                    self.ends += 1

    def __enter__(self) -> "Flow":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(30)


def adjust(api: Api, product_id: str, quantity: int = 1, kind: str = "increment") -> str:
    """Adjust and wait for the end; gives the operation's id."""
    body = {"productId": product_id, "quantity": quantity, "type": kind}
    found = api.post("/api/inventory/adjust", json=body, headers={"Prefer": "wait=20"})
    assert found.status_code == 200, found.text
    return str(found.json()["id"])
