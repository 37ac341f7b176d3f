"""Workers die and stand still in the middle of a transaction."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import create_engine

from db.settings import DatabaseSettings
from tests.faults.check import ask_database, check_all, count_ended
from tests.faults.load import Load
from tests.faults.processes import family, frozen, kill_family
from tests.faults.report import Fault
from tests.faults.watcher import Watcher
from tests.functional.service import Api, Service, is_healthy, wait_until

pytestmark = pytest.mark.long

OPERATIONS = 200
# A session of a worker that is inside the applying transaction and waits for a row.
_STUCK = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'pms-line' AND datname = current_database()
      AND wait_event_type = 'Lock'"""


@contextmanager
def worker_inside_its_transaction(service: Service, product_id: str) -> Iterator[None]:
    """A worker has begun to apply, and waits for a row that somebody else holds."""
    url = DatabaseSettings(database_url=service.env["DATABASE_URL"]).database_url
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"SELECT FROM stock_levels WHERE product_id = '{product_id}' FOR UPDATE"
        )
        wait_until(lambda: ask_database(service, _STUCK))
        yield
    engine.dispose()


def post_until(load: Load, count: int) -> None:
    """Have so many accepted, none of which can end yet."""
    wait_until(lambda: len(load.accepted) - count_ended(load) >= count, 30)


def test_a_worker_is_killed_inside_its_transaction(
    service: Service,
    api: Api,
    load: Callable[..., Load],
    watch: Callable[..., Watcher],
    fault: Fault,
    rng: random.Random,
) -> None:
    """Worker killed inside its transaction, 200 operations waiting"""
    for _ in range(3):
        clients = load()
        watcher = watch(clients.product_id)
        with worker_inside_its_transaction(service, clients.product_id):
            post_until(clients, OPERATIONS + rng.randrange(100))
            clients.stop()
            kill_family(service.processes["worker"].pid)
            service.processes["worker"].wait()
            fault.happened()
        began = time.monotonic()
        service.start("worker")
        clients.wait_for_ends(api, 60)
        fault.recovers("all have their end", time.monotonic() - began, 30)
        check_all(fault, service, clients, watchers=[watcher])


def test_a_worker_is_frozen_past_its_claim_and_woken(
    service: Service,
    api: Api,
    load: Callable[..., Load],
    watch: Callable[..., Watcher],
    fault: Fault,
) -> None:
    """Worker frozen past its claim inside its transaction, then woken"""
    clients = load()
    watcher = watch(clients.product_id)
    with ExitStack() as asleep:
        with worker_inside_its_transaction(service, clients.product_id):
            post_until(clients, 20)
            asleep.enter_context(frozen(service.processes["worker"].pid))
        fault.happened()
        began = time.monotonic()
        ended = count_ended(clients)
        service.start("worker 2")
        wait_until(lambda: count_ended(clients) > ended, 30)
        fault.recovers("another has taken over", time.monotonic() - began, 20)
        wait_until(clients.more(50), 30)
    wait_until(clients.more(200), 30)
    clients.stop()
    clients.wait_for_ends(api, 30)
    service.stop("worker 2")
    twice = """SELECT count(*) FROM stock_movements m JOIN operations o ON o.id = m.operation_id
               WHERE o.product_id = :product"""
    effects = ask_database(service, twice, product=clients.product_id)
    fault.tell("what it committed after all", effects - len(clients.accepted), 0, "")
    check_all(fault, service, clients, watchers=[watcher])


def test_a_worker_that_is_asked_to_end_does_not_wait_for_a_child_that_stands_still(
    service: Service,
    api: Api,
    load: Callable[..., Load],
    watch: Callable[..., Watcher],
    fault: Fault,
    rng: random.Random,
) -> None:
    """Worker asked to end while a child of it stands still"""
    wait_until(lambda: is_healthy(service), 30)
    clients = load()
    watcher = watch(clients.product_id)
    wait_until(clients.more(50), 30)
    worker = service.processes["worker"]
    children = family(worker.pid)[1:]
    rng.choice(children).suspend()
    fault.happened()
    began = time.monotonic()
    worker.terminate()
    assert worker.wait(15) == 0
    fault.tell("worker ended within", time.monotonic() - began, 10)
    wait_until(lambda: not any(child.is_running() for child in children), 5)
    service.start("worker")
    clients.stop()
    clients.wait_for_ends(api, 30)
    fault.recovers("all done", time.monotonic() - began, 30)
    check_all(fault, service, clients, watchers=[watcher])
