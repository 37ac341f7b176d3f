"""What processes cost: seconds of CPU, and memory."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

import psutil


def _families(pids: Iterable[int]) -> Iterator[psutil.Process]:
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(pid)
            yield parent
            yield from parent.children(recursive=True)


def cpu_seconds(pids: Iterable[int]) -> float:
    """What these processes and all that they started have used so far, the ended ones included."""
    total = 0.0
    for process in _families(pids):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
            total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def memory_bytes(pids: Iterable[int]) -> int:
    """What these processes and all that they started hold, shared pages counted once.

    The proportional set size where the system tells it, else the unique one.
    """
    total = 0
    for process in _families(pids):
        with suppress(psutil.NoSuchProcess):
            found = process.memory_full_info()
            total += getattr(found, "pss", found.uss)
    return total
