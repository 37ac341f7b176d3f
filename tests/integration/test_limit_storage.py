"""Limits hold over all processes though Redis is asked seldom: how far they may be off."""

import math
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from limits import RateLimitItemPerHour
from limits.strategies import SlidingWindowCounterRateLimiter
from redis import Redis

from tests.servers import TestServers, wait_until
from web.limit_storage import SHARES, SharedStorage, _Bucket

Limiter = SlidingWindowCounterRateLimiter


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as found:
        yield found


@pytest.fixture
def who() -> str:
    return uuid4().hex


@pytest.fixture
def process() -> Callable[[], Limiter]:
    """What one web process counts with."""
    return lambda: Limiter(SharedStorage())


def let_in(limiter: Limiter, limit: int, who: str, tries: int) -> int:
    return sum(limiter.hit(RateLimitItemPerHour(limit), who) for _ in range(tries))


@pytest.mark.parametrize("limit", [1, 5, SHARES, 100, 1_000])
def test_one_process_lets_in_exactly_the_limit(
    process: Callable[[], Limiter], who: str, limit: int
) -> None:
    assert let_in(process(), limit, who, limit * 2) == limit


@pytest.mark.parametrize("limit", [3, SHARES, 100, 2_000])
@pytest.mark.parametrize("count", [2, 5])
def test_several_let_in_the_limit_and_at_most_a_share_each_beyond(
    process: Callable[[], Limiter], who: str, limit: int, count: int
) -> None:
    processes = [process() for _ in range(count)]
    choose = Random(limit * count)
    total = sum(let_in(choose.choice(processes), limit, who, 1) for _ in range(limit * 2))
    assert limit <= total <= limit + (count - 1) * (limit // SHARES)


def test_who_used_up_the_limit_in_one_process_has_at_most_a_share_left_in_another(
    process: Callable[[], Limiter], who: str
) -> None:
    one, other = process(), process()
    # The other one has its share from when all was left.
    assert let_in(other, 160, who, 1) == 1
    assert let_in(one, 160, who, 300) == 159
    assert let_in(other, 160, who, 300) <= 160 // SHARES


def test_what_one_lets_in_the_others_learn_without_being_asked(
    process: Callable[[], Limiter], who: str, redis: Redis
) -> None:
    let_in(process(), 1_000, who, 40)
    (name,) = redis.keys(f"*{who}*")
    wait_until(lambda: int(redis.hget(name, "current") or 0) == 40)
    assert 0 < redis.pttl(name) <= 2 * 3_600_000


def test_far_from_the_limit_redis_is_hardly_asked(
    process: Callable[[], Limiter], who: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = process()
    asked: list[Any] = []
    storage: Any = limiter.storage
    count = storage._count

    def counted(*arguments: Any) -> Any:
        asked.append(arguments)
        return count(*arguments)

    monkeypatch.setattr(storage, "_count", counted)
    assert let_in(limiter, 100_000, who, 5_000) == 5_000
    # Beside the first question only what is told now and then; a slow machine tells more often.
    assert len(asked) < 500


def test_what_is_left_is_told(process: Callable[[], Limiter], who: str) -> None:
    limiter, item = process(), RateLimitItemPerHour(50)
    for left in range(49, 29, -1):
        limiter.hit(item, who)
        stats = limiter.get_window_stats(item, who)
        assert stats.remaining == left
    other = process()
    other.hit(item, who)
    assert other.get_window_stats(item, who).remaining <= 29 + 50 // SHARES


def test_a_limit_that_is_cleared_begins_anew(process: Callable[[], Limiter], who: str) -> None:
    limiter, item = process(), RateLimitItemPerHour(2)
    assert let_in(limiter, 2, who, 3) == 2
    limiter.clear(item, who)
    assert let_in(limiter, 2, who, 3) == 2


def test_the_window_before_counts_as_far_as_it_reaches(
    process: Callable[[], Limiter], who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = process()
    storage: Any = limiter.storage
    monkeypatch.setattr(storage, "_ask", lambda *_: None)
    hour = 3_600_000
    monkeypatch.setattr(storage, "_now", lambda: 10 * hour)
    assert let_in(limiter, 100, who, 150) == 100
    monkeypatch.setattr(storage, "_now", lambda: 11 * hour + hour // 4)
    assert let_in(limiter, 100, who, 150) == 25
    monkeypatch.setattr(storage, "_now", lambda: 13 * hour)
    assert let_in(limiter, 100, who, 150) == 100


def test_without_redis_each_counts_for_itself_and_tells_when_it_is_back(
    process: Callable[[], Limiter], who: str, redis: Redis, servers: TestServers
) -> None:
    limiter = process()
    os.kill(servers.valkey.pid, signal.SIGSTOP)
    try:
        assert let_in(limiter, 5, who, 8) == 5
    finally:
        os.kill(servers.valkey.pid, signal.SIGCONT)
    assert let_in(limiter, 5, who, 8) == 0

    def told() -> bool:
        names = redis.keys(f"*{who}*")
        return bool(names) and int(redis.hget(names[0], "current") or 0) == 5

    wait_until(told)


def test_a_forked_child_waits_for_no_thread_that_it_has_not(who: str) -> None:
    storage = SharedStorage()
    limiter = Limiter(storage)
    assert let_in(limiter, 100, who, 1) == 1
    locks = [storage._lock, *(bucket.lock for bucket in storage._buckets.values())]
    with ExitStack() as held:
        for lock in locks:
            held.enter_context(lock)
        pid = os.fork()
        if pid == 0:
            signal.alarm(10)
            os._exit(0 if let_in(limiter, 100, who, 1) == 1 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("at", [0, 1, 29_999, 59_999])
@pytest.mark.parametrize(
    ("previous", "current", "limit"),
    [(0, 10, 10), (10, 5, 10), (10, 10, 10), (7, 3, 10), (100, 100, 100), (0, 1, 1), (1, 0, 1)],
)
def test_who_waits_as_long_as_told_is_let_in(
    at: int, previous: int, current: int, limit: int
) -> None:
    def refuses(now: float) -> bool:
        bucket = _Bucket(60_000, number=5, previous=previous, current=current)
        bucket.turn_to(int(now) // bucket.window)
        return bucket.weighted(int(now)) + 1 > limit

    now = 5 * 60_000 + at
    wait = _Bucket(60_000, number=5, previous=previous, current=current).until_next(now, limit)
    assert not refuses(now + math.ceil(wait))
    assert wait == 0 or refuses(now + math.floor(wait) - 1)
