"""The short form of the faults: each once, for seconds, on real processes and real signals."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psutil

from tests.faults.check import check_all
from tests.faults.load import Load
from tests.faults.processes import empty_redis, frozen, kill_family, supervised
from tests.faults.report import Fault
from tests.faults.watcher import Watcher
from tests.functional.service import Api, Service, is_healthy, wait_until
from tests.servers import TestServers

Watch = Callable[..., Watcher]


def test_a_worker_is_killed_and_started_again(
    service: Service, api: Api, load: Callable[[], Load], watch: Watch, fault: Fault
) -> None:
    """Worker killed with all its children, in short"""
    clients = load()
    watcher = watch(clients.product_id)
    for _ in range(2):
        kill_family(service.processes["worker"].pid)
        service.processes["worker"].wait()
        wait_until(clients.more())
        service.start("worker")
        wait_until(clients.more())
        fault.happened()
    clients.stop()
    fault.recovers("all done", clients.wait_for_ends(api, 30), 30)
    assert set(clients.statuses) == {202}
    check_all(fault, service, clients, watchers=[watcher])


def test_a_pool_child_is_killed(
    service: Service, api: Api, load: Callable[[], Load], fault: Fault
) -> None:
    """Child of the worker killed, in short"""
    clients = load()
    for _ in range(3):
        children = psutil.Process(service.processes["worker"].pid).children(recursive=True)
        children[0].kill()
        wait_until(clients.more())
        fault.happened()
    clients.stop()
    fault.recovers("all done", clients.wait_for_ends(api, 30), 30)
    check_all(fault, service, clients)


def test_redis_stands_still(
    service: Service,
    servers: TestServers,
    api: Api,
    load: Callable[[], Load],
    watch: Watch,
    fault: Fault,
) -> None:
    """Redis frozen, in short"""
    clients = load()
    watcher = watch(clients.product_id)
    os.kill(servers.valkey.pid, signal.SIGSTOP)
    fault.happened()
    try:
        before = len(clients.latencies)
        wait_until(clients.more(150), 30)
        meanwhile = sorted(clients.latencies[before:])
        wait_until(lambda: api.get("/health").json()["status"] == "degraded")
        assert api.get("/health").status_code == 200
    finally:
        os.kill(servers.valkey.pid, signal.SIGCONT)
    wait_until(clients.more())
    clients.stop()
    fault.recovers("all done after the thaw", clients.wait_for_ends(api, 30), 30)
    assert set(clients.statuses) == {202}
    # Three clients and a little more than a hundred answers: all but the first few.
    assert meanwhile[int(len(meanwhile) * 0.9)] < 1.0
    check_all(fault, service, clients, watchers=[watcher])


def test_redis_is_killed_and_emptied(
    service: Service,
    servers: TestServers,
    api: Api,
    load: Callable[[], Load],
    watch: Watch,
    fault: Fault,
) -> None:
    """Redis killed, restarted and emptied, in short"""
    clients = load()
    watcher = watch(clients.product_id)
    os.kill(servers.valkey.pid, signal.SIGKILL)
    fault.happened()
    wait_until(clients.more())
    servers.valkey.restart()
    wait_until(lambda: empty_redis(service))
    wait_until(clients.more())
    clients.stop()
    with supervised(service):
        fault.recovers("all done", clients.wait_for_ends(api, 40), 40)
    assert set(clients.statuses) == {202}
    check_all(fault, service, clients, watchers=[watcher])


def test_postgresql_is_killed_and_comes_back(
    service: Service,
    servers: TestServers,
    api: Api,
    load: Callable[[], Load],
    watch: Watch,
    fault: Fault,
) -> None:
    """PostgreSQL killed and restarted, in short"""
    clients = load()
    watcher = watch(clients.product_id)
    for _ in range(2):
        os.kill(servers.postgres.pid, signal.SIGKILL)
        servers.postgres.restart()
        wait_until(clients.more(), 30)
        fault.happened()
    clients.stop()
    with supervised(service):
        fault.recovers("all done", clients.wait_for_ends(api, 40), 40)
    assert set(clients.statuses) <= {202, 503, 0}
    check_all(fault, service, clients, watchers=[watcher])


def test_the_web_process_is_killed_under_retrying_clients(
    service: Service, api: Api, load: Callable[[], Load], watch: Watch, fault: Fault
) -> None:
    """Web process killed, in short"""
    clients = load()
    watcher = watch(clients.product_id)
    for _ in range(2):
        service.processes["web"].kill()
        service.processes["web"].wait()
        service.start("web")
        wait_until(clients.more(), 30)
        fault.happened()
    clients.stop()
    wait_until(lambda: is_healthy(service), 30)
    fault.recovers("all done", clients.wait_for_ends(api, 30), 30)
    check_all(fault, service, clients, watchers=[watcher])


def test_postgresql_stands_still(
    service: Service, servers: TestServers, api: Api, fault: Fault, new_product: Callable[..., str]
) -> None:
    """PostgreSQL frozen, in short"""
    body = {"productId": new_product(), "quantity": 1, "type": "increment"}
    wait_until(lambda: is_healthy(service), 30)
    with frozen(servers.postgres.pid), ThreadPoolExecutor(20) as pool:
        fault.happened()
        # Nobody waits for longer because others came before.
        posted = [
            pool.submit(api.post, "/api/inventory/adjust", json=body, timeout=14) for _ in range(20)
        ]
        answers = [api.get("/api/operations", timeout=14), *(one.result() for one in posted)]
        assert {answer.status_code for answer in answers} == {503}
        assert all(answer.headers["Retry-After"] for answer in answers)
        fault.tell("the slowest answer", max(one.elapsed.total_seconds() for one in answers), 12)
        assert api.get("/health", timeout=2).status_code == 503
    wait_until(lambda: is_healthy(service), 30)
    check_all(fault, service)
    # What was done although its answer got lost was said to be possible.
    uncertain = sum(one.json().get("outcome") == "unknown" for one in answers[1:])
    stock = api.get(f"/api/inventory/stock/{body['productId']}").json()["onHand"]
    fault.tell("done although no answer came", stock, None, "")
    assert stock <= uncertain
