"""Named points of the road where a process can be told to die: how the promise is tried.

Off unless ``PMS_CRASH`` asks for it, as in ``PMS_CRASH="written=0.02,committed=0.01"``: at each
passing of a point the process ends with that probability, at once and without a word, as under
a ``kill -9``. ``PMS_CRASH_SEED`` with the process id makes the choices.
"""

import os
import random
import sys

#: In the order of the road; the numbers are the steps after which the process dies.
POINTS = (
    "accepted",  # 2: the operation is committed, the client has no answer
    "woken",  # 4: the wake-up is published
    "taken",  # 5: the marker names the operations
    "read",  # 6: all is locked and read
    "decided",  # 6: nothing is written yet
    "written",  # 6: all is written, nothing committed
    "committed",  # 6: nobody has been told
    "broadcast",  # 7: the message is not acknowledged
    "blamed",  # a rescue has counted attempts, nothing committed
)
EXIT_CODE = 86

_odds: dict[str, float] = {}
_choices: dict[int, random.Random] = {}


def arm(wish: str) -> None:
    """Have this process die at points.

    Args:
        wish: ``point=probability``, with commas between; empty: nowhere.

    Raises:
        ValueError: there is no such point, or no probability.
    """
    pairs = [pair.partition("=") for pair in wish.split(",") if pair]
    wanted = {name: float(odds) for name, _, odds in pairs}
    if unknown := wanted.keys() - set(POINTS):
        raise ValueError(f"no such point: {', '.join(sorted(unknown))}; there are {POINTS}")
    _odds.clear()
    _odds.update(wanted)


def may_crash(point: str) -> None:
    """Pass a point of the road."""
    if not _odds:
        return
    odds = _odds.get(point, 0.0)
    if odds and _dice().random() < odds:
        os._exit(EXIT_CODE)


def _dice() -> random.Random:
    """This process' own choices: a forked child does not repeat its parent's."""
    pid = os.getpid()
    if pid not in _choices:
        _choices[pid] = random.Random(f"{os.environ.get('PMS_CRASH_SEED', '')}/{pid}")  # noqa: S311
    return _choices[pid]


try:
    arm(os.environ.get("PMS_CRASH", ""))
except ValueError as error:
    sys.exit(f"PMS_CRASH: {error}; unset it, or write point=probability with commas between")
