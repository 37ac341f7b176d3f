"""Web processes die, are replaced one by one, and run out of connections."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.faults.load import Load, ask_database, check_consistency
from tests.faults.watcher import Watcher
from tests.functional.service import Api, Service, free_port, is_healthy, wait_until

pytestmark = pytest.mark.long

Figure = Callable[..., None]
ROUNDS = 10


def more(load: Load, count: int) -> Callable[[], bool]:
    """Whether so many more were accepted by now."""
    wanted = len(load.accepted) + count
    return lambda: len(load.accepted) >= wanted


def answers(url: str) -> bool:
    """Whether a web process serves and finds its database."""
    with suppress(requests.RequestException):
        return requests.get(f"{url}/health", timeout=2).status_code == 200
    return False


def check_one_operation_a_key(load: Load) -> None:
    """Each idempotency key that was sent made one operation, and a client knows of it."""
    found = ask_database(
        load.service,
        """SELECT array[count(*), count(DISTINCT o.id), count(DISTINCT k.key)]
           FROM operations o LEFT JOIN idempotency_keys k ON k.operation_id = o.id
           WHERE o.product_id = :product""",
        product=load.product_id,
    )
    assert found == [len(load.accepted)] * 3
    assert len(set(load.accepted)) == len(load.accepted)
    check_consistency(load.service)


def test_the_web_process_is_killed_under_retrying_clients(
    service: Service, api: Api, load: Callable[..., Load], figure: Figure, rng: random.Random
) -> None:
    clients = load(8)
    for _ in range(8):
        wait_until(more(clients, rng.randrange(5, 150)), 30)
        service.processes["web"].kill()
        service.processes["web"].wait()
        service.start("web")
    wait_until(more(clients, 100), 30)
    clients.stop()
    wait_until(lambda: is_healthy(service), 30)
    clients.wait_for_ends(api, 30)
    figure("broken connections", clients.statuses[0], None, "")
    check_one_operation_a_key(clients)


@contextmanager
def second_web(service: Service) -> Iterator[str]:
    """One web process more; gives its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    service.further["web 2"] = {"PORT": str(port)}
    service.start("web 2")
    try:
        wait_until(lambda: answers(url), 30)
        yield url
    finally:
        service.stop("web 2")


class Rolling:
    """Replaces every process of a service, one after the other."""

    def __init__(self, service: Service, urls: tuple[str, str], api: Api, load: Load) -> None:
        self._service = service
        self._urls = dict(zip(("web", "web 2"), urls, strict=True))
        self._api = api
        self._load = load
        self.ending: dict[str, list[float]] = {}

    def replace(self, name: str) -> None:
        """End a process in peace, start it again, and wait until it does its work."""
        process = self._service.processes[name]
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        self.ending.setdefault(name, []).append(time.monotonic() - began)
        started = time.monotonic()
        self._service.start(name)
        wait_until(lambda: self._works(name, started), 30)

    def _works(self, name: str, started: float) -> bool:
        if name in self._urls:
            return answers(self._urls[name])
        checks = self._service_checks()
        seen = checks["workers" if name == "worker" else "beat"]["lastSeenSeconds"]
        return seen is not None and seen < time.monotonic() - started - 0.5

    def _service_checks(self) -> dict[str, Any]:
        found: dict[str, Any] = self._api.get("/health").json()["checks"]
        return found


def answers_lost_after_all(load: Load, log: Path) -> list[str]:
    """Requests whose connection broke although they had come as far as a handler."""
    handled = log.read_text()
    known = ask_database(
        load.service,
        "SELECT array_agg(request_id) FROM operations WHERE product_id = :product",
        product=load.product_id,
    )
    return [one for one in load.broken if one in known or f"request_id={one} " in handled]


def test_every_process_is_restarted_in_turn_under_load(
    service: Service,
    api: Api,
    admin_key: str,
    load: Callable[..., Load],
    figure: Figure,
    rng: random.Random,
) -> None:
    with second_web(service) as other:
        urls = (service.url, other)
        clients = load(4, urls)
        watchers = [Watcher(url, admin_key, clients.product_id) for url in urls]
        rolling = Rolling(service, urls, api, clients)
        for _ in range(ROUNDS):
            for name in rng.sample(["web", "web 2", "worker", "beat"], 4):
                wait_until(more(clients, rng.randrange(1, 50)), 30)
                rolling.replace(name)
        wait_until(more(clients, 100), 30)
        clients.stop()
        clients.wait_for_ends(api, 30)
        for watcher in watchers:
            wait_until(lambda watcher=watcher: watcher.reached(len(clients.accepted)), 30)
            watcher.close()
    tell(clients, watchers, rolling, figure)
    assert set(clients.statuses) <= {202, 503, 0}
    check_one_operation_a_key(clients)


def tell(load: Load, watchers: list[Watcher], rolling: Rolling, figure: Figure) -> None:
    """Tell what the rolling restart cost, and hold it to its limits."""
    for name, seconds in rolling.ending.items():
        figure(f"{name} ended within", max(seconds))
    figure("accepted", len(load.accepted), None, "")
    figure("refused connections", load.statuses[0] - len(load.broken), None, "")
    figure("broken connections", len(load.broken), None, "")
    figure("503", load.statuses[503], None, "")
    figure("slowest request", load.slowest)
    lost = answers_lost_after_all(load, load.service.log)
    figure("answers lost after their handler had them", len(lost), 0, "")
    for watcher in watchers:
        figure("connections of a socket client", watcher.connections, None, "")
        figure("events it missed", len(watcher.missed(len(load.accepted))), 0, "")
        figure("events it was told twice", watcher.repeated(), 0, "")
        assert watcher.refused == []
    late = ask_database(
        load.service,
        """SELECT extract(epoch FROM max(finished_at - created_at))::float FROM operations
           WHERE product_id = :product""",
        product=load.product_id,
    )
    figure("latest end after its 202", late, 15)
