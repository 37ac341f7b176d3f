"""Standing by: a drain that has nothing left hears of what comes, and no call is lost."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import text

from db.queries import stock
from db.session import Database, line_database
from tests.factories.shop import new_products
from tests.functional.service import wait_until
from workers.app import app as celery
from workers.commands import AdjustStock
from workers.dispatch import Waker, record, wake
from workers.drain import drain, drain_line
from workers.standby import STANDBY_SECONDS, Standby, _channel, call

celery.loader.import_default_modules()


def soon() -> float:
    """A drain's end that is not met."""
    return time.monotonic() + 60


@pytest.fixture
def standby(app: Any) -> Iterator[Standby]:
    found = Standby()
    yield found
    found.leave()


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as found:
        yield found


def test_a_drain_whose_connections_have_died_since_takes_new_ones(
    app: Any, database: Database
) -> None:
    (product,) = new_products(database, 1)

    def adjust_and_drain() -> Any:
        with database.transaction() as connection:
            record(connection, AdjustStock(product, 1, "increment"))
        drain_line()
        with database.transaction() as connection:
            return (stock.level(connection, product) or {})["stock"]

    assert adjust_and_drain() == 1
    with database.transaction() as connection:
        connection.execute(
            text("""SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                    WHERE application_name IN ('pms-line', 'pms-line-marker')
                      AND datname = current_database()""")
        )
    assert adjust_and_drain() == 2


def test_nobody_hears_a_call(app: Any) -> None:
    assert not call()


def test_a_call_is_heard(standby: Standby) -> None:
    assert standby.hears(soon())  # it begins, and has to look for what came before
    timer = threading.Timer(0.1, call)
    timer.start()
    began = time.monotonic()
    assert standby.hears(soon())
    assert time.monotonic() - began < STANDBY_SECONDS
    timer.join()


def test_one_look_serves_all_who_called(standby: Standby, redis: Redis) -> None:
    standby.hears(soon())
    # At once, or the last of them might be under way when the first is heard.
    with redis.pipeline() as calls:
        for _ in range(3):
            calls.publish(_channel(), b"")
        assert calls.execute() == [1, 1, 1]
    assert standby.hears(soon())
    assert not standby.hears(soon())


def test_quiet_ends_it_and_a_drains_end_hands_it_on(standby: Standby) -> None:
    standby.hears(soon())
    began = time.monotonic()
    assert not standby.hears(soon())
    assert time.monotonic() - began >= STANDBY_SECONDS
    assert standby.hears(time.monotonic() + 0.05)


def test_one_stands_by_for_all(standby: Standby) -> None:
    standby.hears(soon())
    other = Standby()
    assert not other.hears(soon())
    assert not other.leave()
    standby.leave()
    assert other.hears(soon())
    other.leave()


def test_a_call_in_the_last_moment_is_not_lost(standby: Standby) -> None:
    standby.hears(soon())
    assert call()
    assert standby.leave()
    assert not call()


def test_who_leaves_unheard_can_come_again(standby: Standby) -> None:
    for _ in range(2):
        standby.hears(soon())
        assert not standby.leave()


def test_a_lost_connection_ends_it(standby: Standby, redis: Redis) -> None:
    standby.hears(soon())
    redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    assert not standby.hears(soon())
    assert not standby.leave()
    # Redis takes a moment to see that the connection has gone.
    wait_until(lambda: standby.hears(soon()), 5)


def test_a_frozen_redis_ends_it(standby: Standby, frozen_redis: None) -> None:
    assert not call()
    assert not standby.hears(soon())


def test_a_drain_applies_what_comes_while_it_stands_by(
    database: Database, standby: Standby, apply_line: Callable[[], None]
) -> None:
    (product,) = new_products(database, 1)
    drains = threading.Thread(target=lambda: drain(line_database(), standby.hears))
    drains.start()
    wait_until(call, 5)
    with database.transaction() as connection:
        record(connection, AdjustStock(product, 5, "increment"))
    assert call()

    def is_applied() -> bool:
        with database.transaction() as connection:
            return (stock.level(connection, product) or {})["stock"] == 5

    wait_until(is_applied, 5)
    drains.join()


def test_a_message_is_sent_unless_somebody_hears(standby: Standby, redis: Redis) -> None:
    waker = Waker()
    waker.start()
    waker.ask()
    wait_until(lambda: redis.llen("line") == 1, 5)
    standby.hears(soon())
    waker.ask()
    assert standby.hears(soon())
    assert redis.llen("line") == 1
    standby.leave()
    waker.ask()
    wait_until(lambda: redis.llen("line") == 2, 5)


def test_a_message_is_sent_now_and_then_though_somebody_seems_to_hear(
    standby: Standby, redis: Redis
) -> None:
    """A worker that stands still hears nothing, and counts."""
    waker = Waker()
    waker.start()
    waker.ask()
    wait_until(lambda: redis.llen("line") == 1, 5)
    standby.hears(soon())

    def comes_after_another_wish() -> bool:
        waker.ask()
        return redis.llen("line") >= 2

    wait_until(comes_after_another_wish, 5)


def test_messages_that_nobody_takes_are_few_and_never_too_old(app: Any, redis: Redis) -> None:
    """How old one is could be said only if the clocks of all machines agreed."""
    for _ in range(30):
        wake()
    waiting: Any = redis.lrange("line", 0, -1)
    assert [json.loads(one)["headers"]["expires"] for one in waiting] == [None] * 10
