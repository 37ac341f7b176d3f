"""Whose Redis it is: one installation's alone, and otherwise it is told."""

from collections.abc import Iterator

import pytest
from redis import Redis
from structlog.testing import capture_logs

from db.queries import installation
from db.session import Database
from tests.servers import wait_until
from web import cli_findings as look
from web.cli_findings import Finding
from web.neighbours import Neighbours, present


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """An empty Redis."""
    with Redis.from_url(redis_url) as found:
        found.flushdb()
        yield found
        found.flushdb()


@pytest.fixture
def neighbours(database: Database, redis: Redis) -> Iterator[Neighbours]:
    """Those that a web process of this installation looks for."""
    found = Neighbours(database)
    yield found
    found.stop()


def sharing(redis_url: str) -> list[Finding]:
    return [one for one in look.redis_server(redis_url) if one.about == "neighbours"]


def test_a_web_process_tells_whose_redis_this_is(
    neighbours: Neighbours, database: Database, redis: Redis, redis_url: str
) -> None:
    with database.transaction() as connection:
        own = installation.name(connection)
    neighbours.start()
    wait_until(lambda: present(redis) == [own])
    # Another process of the same installation is none beside it.
    Neighbours(database).look()
    assert present(redis) == [own]
    assert sharing(redis_url) == []


def test_two_installations_on_one_redis_are_seen(
    neighbours: Neighbours, redis: Redis, redis_url: str
) -> None:
    neighbours.look()
    seconds, _ = redis.time()
    redis.zadd("pms:installations", {"another": seconds - 29})
    neighbours.look()
    (found,) = sharing(redis_url)
    assert found.state == "wrong"
    assert "2 use this Redis database" in found.found


def test_an_installation_that_has_left_is_forgotten(
    neighbours: Neighbours, redis: Redis, redis_url: str
) -> None:
    seconds, _ = redis.time()
    redis.zadd("pms:installations", {"another": seconds - 31})
    neighbours.look()
    assert "another" not in present(redis)
    assert 0 < redis.ttl("pms:installations") <= 30


def test_a_web_process_says_so_once_it_is_sure(neighbours: Neighbours, redis: Redis) -> None:
    seconds, _ = redis.time()
    redis.zadd("pms:installations", {"another": seconds + 60})
    with capture_logs() as logs:
        for _ in range(4):
            neighbours.look()
        # One that has left could still be seen until now.
        assert logs == []
        for _ in range(3):
            neighbours.look()
    assert [one["event"] for one in logs] == ["redis_is_shared"]
