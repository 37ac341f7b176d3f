"""Web processes die, are replaced one by one, and run out of connections."""

import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
import socketio
import websocket

from tests.faults.check import ask_database, check_all
from tests.faults.load import Load
from tests.faults.report import Fault
from tests.faults.watcher import Watcher
from tests.functional.service import Api, Service, free_port, is_healthy, wait_until

pytestmark = pytest.mark.long

Watch = Callable[..., Watcher]
ROUNDS = 10


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


def test_the_web_process_is_killed_under_retrying_clients(
    service: Service,
    api: Api,
    load: Callable[..., Load],
    watch: Watch,
    fault: Fault,
    rng: random.Random,
) -> None:
    """Web process killed under retrying clients"""
    clients = load(8)
    watcher = watch(clients.product_id)
    for _ in range(8):
        wait_until(clients.more(rng.randrange(5, 150)), 30)
        service.processes["web"].kill()
        service.processes["web"].wait()
        service.start("web")
        fault.happened()
        began = time.monotonic()
        wait_until(clients.more(1), 30)
        fault.recovers("accepting again", time.monotonic() - began, 15)
    wait_until(clients.more(100), 30)
    clients.stop()
    wait_until(lambda: is_healthy(service), 30)
    clients.wait_for_ends(api, 30)
    fault.tell("broken connections", clients.statuses[0], None, "")
    check_one_operation_a_key(clients)
    check_all(fault, service, clients, watchers=[watcher])


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

    def replace(self, *names: str) -> None:
        """End processes in peace, start them again, and wait until they do their work."""
        began = time.monotonic()
        for name in names:
            self._service.processes[name].send_signal(signal.SIGTERM)
        started: dict[str, float] = {}
        while len(started) < len(names):
            for name in set(names) - set(started):
                if self._service.processes[name].poll() is not None:
                    started[name] = time.monotonic()
                    self.ending.setdefault(name, []).append(started[name] - began)
                    self._service.start(name)
            assert time.monotonic() < began + 30
            time.sleep(0.02)
        for name in names:
            wait_until(lambda name=name: self._works(name, started[name]), 30)

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
    load: Callable[..., Load],
    watch: Watch,
    fault: Fault,
    rng: random.Random,
) -> None:
    """Rolling restart of every process under load"""
    with second_web(service) as other:
        urls = (service.url, other)
        clients = load(4, urls)
        watchers = [watch(clients.product_id, urls), watch(clients.product_id, (other,))]
        rolling = Rolling(service, urls, api, clients)
        for _ in range(ROUNDS):
            webs, others = rng.sample(["web", "web 2"], 2), rng.sample(["worker", "beat"], 2)
            for names in zip(webs, others, strict=True):
                wait_until(clients.more(rng.randrange(1, 50)), 30)
                rolling.replace(*names)
                fault.happened(len(names))
        wait_until(clients.more(100), 30)
        clients.stop()
        clients.wait_for_ends(api, 30)
        tell(clients, watchers, rolling, fault)
        check_all(fault, service, clients, watchers=watchers)
    assert set(clients.statuses) <= {202, 503, 0}
    check_one_operation_a_key(clients)


def tell(load: Load, watchers: list[Watcher], rolling: Rolling, fault: Fault) -> None:
    """Tell what the rolling restart cost, and hold it to its limits."""
    for name, seconds in rolling.ending.items():
        fault.tell(f"{name} ended within", max(seconds))
    fault.tell("accepted", len(load.accepted), None, "")
    fault.tell("refused connections", load.statuses[0] - len(load.broken), None, "")
    fault.tell("broken connections", len(load.broken), None, "")
    fault.tell("503", load.statuses[503], None, "")
    fault.tell("slowest request", load.slowest)
    lost = answers_lost_after_all(load, load.service.log)
    fault.tell("answers lost after their handler had them", len(lost), 0, "")
    for watcher in watchers:
        fault.tell("connections of a socket client", watcher.connections, None, "")
    late = ask_database(
        load.service,
        """SELECT extract(epoch FROM max(finished_at - created_at))::float FROM operations
           WHERE product_id = :product""",
        product=load.product_id,
    )
    fault.recovers("latest end after its 202", late, 15)


def test_connection_places_come_back_from_a_killed_web_process(
    service: Service, api: Api, new_product: Callable[..., str], fault: Fault
) -> None:
    """Web process killed that holds all of a key's connections"""
    wait_until(lambda: is_healthy(service), 30)
    body = {"name": "till", "scopes": ["read"], "rate": "1000000/minute"}
    secret = api.post("/api/keys", json=body).json()["secret"]
    with second_web(service) as other:
        held = [knock(other, secret) for _ in range(50)]
        assert {welcome[:2] for _, welcome in held} == {"40"}
        assert knock(service.url, secret)[1].startswith("44")
        service.processes["web 2"].kill()
        fault.happened()
        began = time.monotonic()
        wait_until(lambda: knock(service.url, secret)[1].startswith("40"), 30)
        fault.recovers("a place for a new connection", time.monotonic() - began, 8)
    check_all(fault, service)


def knock(url: str, secret: str) -> tuple[websocket.WebSocket, str]:
    """Open a socket; gives it and what it was answered."""
    wire = websocket.create_connection(
        url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket", timeout=30
    )
    wire.recv()
    wire.send("40" + json.dumps({"token": secret}))
    return wire, str(wire.recv())


def test_a_client_library_comes_again_by_itself_when_its_web_process_ends(
    service: Service, admin_key: str, fault: Fault
) -> None:
    """Web process ended in peace under a client library's socket"""
    wait_until(lambda: is_healthy(service), 30)
    client = socketio.Client(reconnection_delay=0.2, reconnection_delay_max=1)
    connected: list[float] = []
    client.on("connect", lambda: connected.append(time.monotonic()))
    client.connect(service.url, auth={"token": admin_key}, transports=["websocket"])
    began = time.monotonic()
    service.stop("web")
    fault.tell("web ended within", time.monotonic() - began, 6)
    service.start("web")
    fault.happened()
    wait_until(lambda: len(connected) == 2, 20)
    fault.recovers("connected again", connected[-1] - began, 15)
    client.disconnect()
    wait_until(lambda: is_healthy(service), 30)
    check_all(fault, service)
