"""The clock: each tick is sent until it is taken up, and taken up once."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import text

import workers.clock
from beat_schedule import BEAT_SCHEDULE
from db.queries import schedules
from db.session import Database
from workers.app import app as celery
from workers.clock import Clock, last_tick

celery.loader.import_default_modules()

CLEAN_UP = "maintenance.clean_up"
DAY, HOUR = 86_400.0, 3_600.0
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
    daily = {CLEAN_UP: {**BEAT_SCHEDULE[CLEAN_UP], "schedule": DAY}}
    monkeypatch.setattr(workers.clock, "BEAT_SCHEDULE", daily)
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
        yield Clock(celery, lazy=True)
        redis.flushdb()


def sent(redis_url: str) -> int:
    with Redis.from_url(redis_url) as redis:
        return int(redis.llen("maintenance"))  # type: ignore[arg-type]


def deliver(name: str, tick: float) -> None:
    """Do what a worker does with a message of the clock's."""
    task = celery.tasks[name]
    task.push_request(tick=tick)
    try:
        task.run()
    finally:
        task.pop_request()


def test_what_is_due_is_sent_again_only_when_nobody_took_it_up(
    clock: Clock, database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.tick()
    clock.tick()
    assert sent(redis_url) == 1
    monkeypatch.setattr(workers.clock, "_AGAIN_SECONDS", 0.0)
    clock.tick()
    assert sent(redis_url) == 2
    today = last_tick(DAY, time.time())
    with database.transaction() as connection:
        schedules.claim(connection, CLEAN_UP, today, DAY, LEASE)
    clock.tick()
    assert sent(redis_url) == 2


def test_a_clock_that_starts_late_sends_what_was_missed(
    clock: Clock, database: Database, redis_url: str
) -> None:
    yesterday = last_tick(DAY, time.time()) - DAY
    with database.transaction() as connection:
        schedules.claim(connection, CLEAN_UP, yesterday, DAY, LEASE)
        schedules.finish(connection, CLEAN_UP, yesterday)
    clock.tick()
    assert sent(redis_url) == 1


def test_what_time_it_is_the_database_says(
    clock: Clock, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the clock's machine nor the one that takes the message up may be asked."""
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() - 2 * DAY)
    clock.tick()
    with Redis.from_url(redis_url) as redis:
        message: Any = redis.lindex("maintenance", 0)
    headers = json.loads(message)["headers"]
    assert headers["tick"] == last_tick(DAY, right())
    assert headers["expires"] is None


def test_messages_that_waited_for_a_worker_are_one_run(database: Database) -> None:
    for hours in range(10, -1, -1):
        deliver(CLEAN_UP, last_tick(HOUR, time.time()) - hours * HOUR)
    assert counts(database) == (1, 0)


def test_while_nobody_takes_them_messages_do_not_grow_ever_more(
    clock: Clock, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers.clock, "_AGAIN_SECONDS", 0.0)
    for _ in range(30):
        clock.tick()
    assert sent(redis_url) == 10


def test_a_tick_of_a_time_to_come_is_none(clock: Clock, database: Database, redis_url: str) -> None:
    """The database's clock was set back after it had been taken up."""
    today = last_tick(DAY, time.time())
    for tick in (today + 30 * DAY, today):
        with database.transaction() as connection:
            assert schedules.claim(connection, CLEAN_UP, tick, DAY, LEASE)
            schedules.finish(connection, CLEAN_UP, tick)
        clock.tick()
        assert sent(redis_url) == 1
    assert counts(database) == (2, 0)


def test_a_clock_that_was_set_back_a_little_repeats_no_tick(
    clock: Clock, database: Database, redis_url: str
) -> None:
    today = last_tick(DAY, time.time())
    with database.transaction() as connection:
        assert schedules.claim(connection, CLEAN_UP, today + DAY, DAY, LEASE)
        assert not schedules.claim(connection, CLEAN_UP, today, DAY, LEASE)
    clock.tick()
    assert sent(redis_url) == 0
