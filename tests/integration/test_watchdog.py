"""The watchdog: workers are deaf only when all else is well and no sweep is taken up."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from db.queries import schedules
from db.queries.installation import beat_heart
from db.session import Database
from tests.factories.wire import Wire
from workers.watchdog import SWEEP, Watchdog


@pytest.fixture
def redis() -> Iterator[Wire]:
    wire = Wire(os.environ["REDIS_URL"])
    yield wire
    wire.cut()


@pytest.fixture
def deaf(database: Database, redis: Wire) -> Callable[[], bool]:
    """Whether a watchdog would say that nobody consumes, now."""
    watchdog = Watchdog(os.environ["DATABASE_URL"], redis.url, 20, lambda: None)
    return watchdog._nobody_consumes


@pytest.fixture
def signs(database: Database) -> Callable[[float | None, float | None], None]:
    """The clock's last sign and the last sweep, so many seconds ago; None for never."""

    def leave(clock: float | None, sweep: float | None) -> None:
        with database.transaction() as connection:
            connection.execute(text("DELETE FROM heartbeats"))
            connection.execute(text("DELETE FROM schedules"))
            if clock is not None:
                beat_heart(connection, "beat")
                aged = {"seconds": clock}
                query = "UPDATE heartbeats SET at = at - make_interval(secs => :seconds)"
                connection.execute(text(query), aged)
            if sweep is not None:
                schedules.claim(connection, SWEEP, time.time(), 2.0, 60.0)
                query = "UPDATE schedules SET claimed_at = now() - make_interval(secs => :seconds)"
                connection.execute(text(query), {"seconds": sweep})

    return leave


@pytest.mark.parametrize(
    ("clock", "sweep", "expected"),
    [
        (0, 0, False),
        (0, 60, True),
        (0, None, True),
        # A clock that is away sends nothing that could be consumed.
        (60, 60, False),
        (None, None, False),
    ],
)
def test_who_is_to_blame(
    deaf: Callable[[], bool],
    signs: Callable[[float | None, float | None], None],
    clock: float | None,
    sweep: float | None,
    expected: bool,
) -> None:
    signs(clock, sweep)
    assert deaf() is expected


def test_without_redis_nobody_can_hear(
    deaf: Callable[[], bool],
    signs: Callable[[float | None, float | None], None],
    redis: Wire,
) -> None:
    signs(0, 60)
    assert deaf()
    redis.cut()
    assert not deaf()


# One whose log cannot be written, as nobody reads it.
MUTE = """
import os
from workers.logs import configure_logs
from {module} import {end}

configure_logs(process="worker")
os.set_blocking(2, False)
try:
    while True:
        os.write(2, bytes(4096))
except BlockingIOError:
    os.set_blocking(2, True)
{end}({arguments})
"""


@pytest.mark.parametrize(
    ("module", "end", "arguments", "code"),
    [
        ("workers.watchdog", "_end_oneself", "", os.EX_TEMPFAIL),
        ("workers.app", "_end_at_once", "8.0, 3", 3),
    ],
)
def test_who_cannot_log_ends_all_the_same(module: str, end: str, arguments: str, code: int) -> None:
    script = MUTE.format(module=module, end=end, arguments=arguments)
    reader, writer = os.pipe()
    with open(reader, "rb"), subprocess.Popen([sys.executable, "-c", script], stderr=writer) as one:
        os.close(writer)
        try:
            assert one.wait(20) == code
        finally:
            one.kill()
