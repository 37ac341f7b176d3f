"""The clock: each tick is sent until it is taken up, and taken up once."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from sqlalchemy import text

import workers.clock
from beat_schedule import BEAT_SCHEDULE
from db.queries import schedules
from db.session import Database
from workers.app import app as celery
from workers.clock import Clock, last_tick

PERIOD, LEASE = 10.0, 330.0


def claim(database: Database, tick: float) -> bool:
    with database.transaction() as connection:
        return schedules.claim(connection, "nightly", tick, PERIOD, LEASE)


def counts(database: Database) -> tuple[int, int]:
    with database.transaction() as connection:
        row = connection.execute(text("SELECT runs, missed FROM schedules")).one()
        return row[0], row[1]


def test_a_tick_is_taken_up_once_however_many_try(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: claim(database, 1000.0), range(24)))
    assert sum(taken) == 1
    assert counts(database) == (1, 0)


def test_an_older_tick_is_over(database: Database) -> None:
    assert claim(database, 1000.0)
    assert not claim(database, 990.0)


def test_a_run_stands_for_the_ticks_that_were_missed(database: Database) -> None:
    for tick in (1000.0, 1010.0, 1050.0):
        assert claim(database, tick)
    assert counts(database) == (3, 3)


def test_a_tick_whose_worker_died_is_free_again_after_its_lease(database: Database) -> None:
    assert claim(database, 1000.0)
    with database.transaction() as connection:
        assert schedules.settled(connection, LEASE) == {"nightly": 1000.0}
        connection.execute(text("UPDATE schedules SET claimed_at = now() - interval '331 s'"))
        assert schedules.settled(connection, LEASE) == {}
    assert claim(database, 1000.0)
    assert counts(database) == (1, 0)
    with database.transaction() as connection:
        schedules.finish(connection, "nightly", 1000.0)
        connection.execute(text("UPDATE schedules SET claimed_at = now() - interval '331 s'"))
        assert schedules.settled(connection, LEASE) == {"nightly": 1000.0}
    assert not claim(database, 1000.0)


@pytest.fixture
def clock(database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """A clock on an empty Redis, with one schedule of a day."""
    daily = {"maintenance.clean_up": {**BEAT_SCHEDULE["maintenance.clean_up"], "schedule": 86_400}}
    monkeypatch.setattr(workers.clock, "BEAT_SCHEDULE", daily)
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
        yield Clock(celery, lazy=True)
        redis.flushdb()


def sent(redis_url: str) -> int:
    with Redis.from_url(redis_url) as redis:
        return int(redis.llen("maintenance"))  # type: ignore[arg-type]


def test_what_is_due_is_sent_again_only_when_nobody_took_it_up(
    clock: Clock, database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.tick()
    clock.tick()
    assert sent(redis_url) == 1
    monkeypatch.setattr(workers.clock, "_AGAIN_SECONDS", 0.0)
    clock.tick()
    assert sent(redis_url) == 2
    today = last_tick(86_400, time.time())
    with database.transaction() as connection:
        schedules.claim(connection, "maintenance.clean_up", today, 86_400, LEASE)
    clock.tick()
    assert sent(redis_url) == 2


def test_a_clock_that_starts_late_sends_what_was_missed(
    clock: Clock, database: Database, redis_url: str
) -> None:
    yesterday = last_tick(86_400, time.time()) - 86_400
    with database.transaction() as connection:
        schedules.claim(connection, "maintenance.clean_up", yesterday, 86_400, LEASE)
        schedules.finish(connection, "maintenance.clean_up", yesterday)
    clock.tick()
    assert sent(redis_url) == 1
