"""The short form of the faults: each once, for seconds, on real processes and real signals."""

import os
import signal
from collections.abc import Callable

import psutil

from tests.faults.load import Load, check_consistency
from tests.faults.processes import empty_redis, frozen, kill_family, supervised
from tests.functional.service import Api, Service, is_healthy, wait_until
from tests.servers import TestServers


def more(load: Load, count: int = 50) -> Callable[[], bool]:
    """Whether so many more were accepted by now."""
    wanted = len(load.accepted) + count
    return lambda: len(load.accepted) >= wanted


def test_a_worker_is_killed_and_started_again(
    service: Service, api: Api, load: Callable[[], Load]
) -> None:
    clients = load()
    for _ in range(2):
        kill_family(service.processes["worker"].pid)
        service.processes["worker"].wait()
        wait_until(more(clients))
        service.start("worker")
        wait_until(more(clients))
    clients.stop()
    clients.wait_for_ends(api, 30)
    assert set(clients.statuses) == {202}
    check_consistency(service)


def test_a_pool_child_is_killed(service: Service, api: Api, load: Callable[[], Load]) -> None:
    clients = load()
    for _ in range(3):
        children = psutil.Process(service.processes["worker"].pid).children(recursive=True)
        children[0].kill()
        wait_until(more(clients))
    clients.stop()
    clients.wait_for_ends(api, 30)
    check_consistency(service)


def test_redis_stands_still(
    service: Service, servers: TestServers, api: Api, load: Callable[[], Load]
) -> None:
    clients = load()
    os.kill(servers.valkey.pid, signal.SIGSTOP)
    try:
        before = len(clients.latencies)
        wait_until(more(clients, 150), 30)
        meanwhile = sorted(clients.latencies[before:])
        wait_until(lambda: api.get("/health").json()["status"] == "degraded")
        assert api.get("/health").status_code == 200
    finally:
        os.kill(servers.valkey.pid, signal.SIGCONT)
    wait_until(more(clients))
    clients.stop()
    clients.wait_for_ends(api, 30)
    assert set(clients.statuses) == {202}
    # Three clients and a little more than a hundred answers: all but the first few.
    assert meanwhile[int(len(meanwhile) * 0.9)] < 1.0
    check_consistency(service)


def test_redis_is_killed_and_emptied(
    service: Service, servers: TestServers, api: Api, load: Callable[[], Load]
) -> None:
    clients = load()
    os.kill(servers.valkey.pid, signal.SIGKILL)
    wait_until(more(clients))
    servers.valkey.restart()
    wait_until(lambda: empty_redis(service))
    wait_until(more(clients))
    clients.stop()
    with supervised(service):
        clients.wait_for_ends(api, 40)
    assert set(clients.statuses) == {202}
    check_consistency(service)


def test_postgresql_is_killed_and_comes_back(
    service: Service, servers: TestServers, api: Api, load: Callable[[], Load]
) -> None:
    clients = load()
    for _ in range(2):
        os.kill(servers.postgres.pid, signal.SIGKILL)
        servers.postgres.restart()
        wait_until(more(clients), 30)
    clients.stop()
    with supervised(service):
        clients.wait_for_ends(api, 40)
    assert set(clients.statuses) <= {202, 503, 0}
    check_consistency(service)


def test_the_web_process_is_killed_under_retrying_clients(
    service: Service, api: Api, load: Callable[[], Load]
) -> None:
    clients = load()
    for _ in range(2):
        service.processes["web"].kill()
        service.processes["web"].wait()
        service.start("web")
        wait_until(more(clients), 30)
    clients.stop()
    wait_until(lambda: is_healthy(service), 30)
    clients.wait_for_ends(api, 30)
    assert len(set(clients.accepted)) == len(clients.accepted)
    check_consistency(service)


def test_postgresql_stands_still(service: Service, servers: TestServers, api: Api) -> None:
    wait_until(lambda: is_healthy(service), 30)
    with frozen(servers.postgres.pid):
        answer = api.get("/api/operations", timeout=14)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert api.get("/health", timeout=2).status_code == 503
    wait_until(lambda: is_healthy(service), 30)
