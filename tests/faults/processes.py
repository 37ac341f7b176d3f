"""Processes that die and stand still, and somebody who starts them again."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import requests
from redis import Redis
from redis.exceptions import RedisError

from tests.functional.service import Service


def family(pid: int) -> list[psutil.Process]:
    """A process and all that it started; the parent first, as it would start them again."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def kill_family(pid: int) -> None:
    """End a process and its children, as a machine that dies does; it may have ended already."""
    with suppress(psutil.NoSuchProcess):
        for process in family(pid):
            with suppress(psutil.NoSuchProcess):
                process.kill()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process and its children stand still, and go on at the end."""
    stopped = family(pid)
    for process in stopped:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    try:
        yield
    finally:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()


@contextmanager
def supervised(service: Service) -> Iterator[Counter[tuple[str, int]]]:
    """Start what ends, as a supervisor does: Celery's worker ends when Redis dies under it.

    Yields:
        How often each process has ended with each code.
    """
    done = threading.Event()
    ends: Counter[tuple[str, int]] = Counter()

    def watch() -> None:
        while not done.wait(0.2):
            for name, process in list(service.processes.items()):
                code = process.poll()
                if code is not None and service.processes.get(name) is process:
                    ends[name, code] += 1
                    service.start(name)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield ends
    finally:
        done.set()
        watcher.join()


def answers_ok(service: Service) -> bool:
    """Whether all of it is well again."""
    with suppress(requests.RequestException):
        answer = requests.get(f"{service.url}/health", timeout=2)
        return bool(answer.json()["status"] == "ok")
    return False


def empty_redis(service: Service) -> bool:
    """Empty it; False while it is away."""
    try:
        with Redis.from_url(service.env["REDIS_URL"]) as redis:
            return bool(redis.flushall())
    except RedisError:
        return False
