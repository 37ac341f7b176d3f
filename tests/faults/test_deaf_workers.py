"""Workers that run and consume nothing: seen, ended, started again."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from celery import Celery

from tests.faults.check import check_all
from tests.faults.load import Load
from tests.faults.processes import family, supervised
from tests.faults.report import Fault
from tests.functional.service import ROOT, Api, Service, free_port, is_healthy, wait_until

pytestmark = pytest.mark.long


def test_a_worker_that_hears_nothing_ends_itself(
    service: Service, api: Api, load: Callable[..., Load], fault: Fault
) -> None:
    """Worker that runs and consumes nothing"""
    fault.happened()
    clients = load()
    worker = service.processes["worker"]
    with supervised(service):
        began = time.monotonic()
        with Celery(broker=service.env["REDIS_URL"]) as caller:
            for queue in ("line", "maintenance", "analytics"):
                caller.control.cancel_consumer(queue)
        wait_until(lambda: service.processes["worker"] is not worker, 60)
        assert worker.returncode == os.EX_TEMPFAIL
        fault.recovers("until it is started again", time.monotonic() - began, 35)
        clients.stop()
        clients.wait_for_ends(api, 30)
    wait_until(lambda: is_healthy(service), 30)
    check_all(fault, service, clients)


def test_a_worker_that_stands_still_is_replaced_by_the_supervisor(
    service: Service,
    api: Api,
    new_product: Callable[..., str],
    load: Callable[..., Load],
    fault: Fault,
) -> None:
    """Worker frozen under the supervisor"""
    fault.happened()
    service.stop("worker")
    env = {**service.env, "PORT": str(free_port())}
    supervisor = subprocess.Popen(
        [Path(sys.executable).with_name("pms"), "up"], env=env, cwd=ROOT, stdout=subprocess.DEVNULL
    )
    try:
        frozen: psutil.Process = wait_until(lambda: _worker_of(supervisor.pid), 60)
        clients = load()
        new_product(stock=1)
        began = time.monotonic()
        for process in family(frozen.pid):
            process.suspend()
        wait_until(lambda: not frozen.is_running() or frozen.status() == "zombie", 90)
        fault.recovers("until it is ended", time.monotonic() - began, 60)
        clients.stop()
        clients.wait_for_ends(api, 60)
    finally:
        supervisor.terminate()
        supervisor.wait()
        service.start("worker")
    wait_until(lambda: is_healthy(service), 30)
    check_all(fault, service, clients)


def _worker_of(pid: int) -> psutil.Process | None:
    """The main process of the worker that a supervisor has started; None before it has."""
    for process in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):
            if "worker" in process.cmdline():
                return process
    return None
