"""Every message to the workers is delivered five times at once."""

import time
from collections.abc import Callable

import pytest

from tests.faults.check import check_all
from tests.faults.load import Load
from tests.faults.processes import answers_ok
from tests.faults.report import Fault
from tests.faults.watcher import Watcher
from tests.functional.service import Api, Service, wait_until

pytestmark = pytest.mark.long

TIMES, OPERATIONS = 5, 10_000


def test_every_message_is_delivered_five_times(
    service: Service,
    api: Api,
    load: Callable[..., Load],
    watch: Callable[..., Watcher],
    fault: Fault,
) -> None:
    """Every message delivered 5 times at once, 10,000 operations"""
    service.stop("web")
    service.instead["web"] = "tests.faults.repeating_web"
    service.further["web"] = {"FAULT_COPIES": str(TIMES)}
    service.start("web")
    wait_until(lambda: answers_ok(service), 30)
    try:
        clients = load(24)
        watcher = watch(clients.product_id)
        began = time.monotonic()
        wait_until(lambda: len(clients.accepted) >= OPERATIONS, 200)
        clients.stop()
        fault.happened(len(clients.accepted))
        fault.recovers("all done after the last 202", clients.wait_for_ends(api, 30), 30)
        fault.tell("in all", time.monotonic() - began)
        fault.tell("copies of each message", TIMES, None, "")
        check_all(fault, service, clients, watchers=[watcher])
    finally:
        del service.instead["web"], service.further["web"]
        service.stop("web")
        service.start("web")
    wait_until(lambda: answers_ok(service), 30)
    assert set(clients.statuses) == {202}
