"""The health: seen within its deadlines, told at once, whatever is down."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import Connection, text

import web.probes
from db.queries.installation import beat_heart
from db.session import Database, make_engine
from tests.factories.sales import Shop
from tests.factories.wire import Wire
from web.health import Probes, memory_limit
from web.probes import Pulse
from web.schemas.health import HealthOut
from workers.commands import AdjustStock, RebuildRollups
from workers.dispatch import Waker, record

# What the probes promise, and what a busy machine may add to it.
SECOND = 1.0
SLACK = 0.5


def _until(condition: Callable[[], bool], seconds: float) -> float:
    """Wait for a condition; how long it took."""
    began = time.monotonic()
    pause = threading.Event()
    while not condition():
        assert time.monotonic() - began < seconds, "it never came"
        pause.wait(0.01)
    return time.monotonic() - began


@pytest.fixture(scope="module")
def waker() -> Waker:
    made = Waker()
    made.start()
    return made


@pytest.fixture
def postgres() -> Iterator[Wire]:
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://")
    wire = Wire(url)
    yield wire
    wire.close()


@pytest.fixture
def valkey(redis_url: str) -> Iterator[Wire]:
    wire = Wire(redis_url)
    yield wire
    wire.close()


@pytest.fixture
def alive(database: Any) -> Callable[[str], None]:
    """Leave a sign of life."""

    def sign(name: str) -> None:
        with database.transaction() as connection:
            beat_heart(connection, name)

    return sign


@pytest.fixture
def probes(
    database: Any, postgres: Wire, valkey: Wire, waker: Waker, alive: Any
) -> Iterator[Probes]:
    """Probes that look through the wires at a system in which everything is well."""
    alive("worker")
    alive("beat")
    made = Probes(_database(postgres), valkey.url, lambda: 7, waker)
    made.start()
    yield made
    postgres.mend()
    valkey.mend()
    made.stop()


def _database(wire: Wire) -> Database:
    return Database(
        make_engine(
            wire.url,
            application="test",
            statement_timeout_ms=1000,
            idle_in_transaction_ms=1000,
            pool_size=1,
        )
    )


def _at_once(probes: Probes) -> HealthOut:
    """The report, which must not wait for anything."""
    began = time.monotonic()
    report = probes.report()
    assert time.monotonic() - began < SLACK
    return report


def _age_signs(database: Any, name: str, seconds: int) -> None:
    with database.transaction() as connection:
        connection.execute(
            text("UPDATE heartbeats SET at = now() - make_interval(secs => :s) WHERE name = :name"),
            {"name": name, "s": seconds},
        )


def test_the_shape(
    app: Any, probes: Probes, client_with: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open, unlimited, never cached; the keys of the API document, and ours beside them."""
    monkeypatch.setattr(app.extensions["pms"], "probes", probes)
    found = client_with(None).get("/health")
    assert found.status_code == 200
    assert found.content_type == "application/json"
    assert found.headers["Cache-Control"] == "no-store"
    assert "RateLimit-Limit" in found.headers
    body = found.json
    checks = body["checks"]
    assert (body["status"], body["timestamp"][-1]) == ("ok", "Z")
    assert set(body) == {"status", "timestamp", "checks"}
    assert set(checks) == {
        "database", "memory", "websocket", "uptime", "redis", "workers", "beat", "queue",
    }  # fmt: skip
    for name in ("database", "redis"):
        assert checks[name].keys() == {"healthy", "latency"}
        assert checks[name]["healthy"] is True
        assert 0 < checks[name]["latency"] < 1000
    assert checks["websocket"] == {"healthy": True, "connections": 7}
    assert checks["memory"]["healthy"] is True
    usage = checks["memory"]["usage"]
    assert 0 < usage["rss"] <= usage["peak"] < usage["limit"] == memory_limit()
    assert checks["uptime"] > 0
    for name in ("workers", "beat"):
        assert checks[name]["healthy"] is True
        assert 0 <= checks[name]["lastSeenSeconds"] < 5
    assert checks["queue"] == {"depth": 0, "oldestSeconds": None, "dead": 0}


@pytest.mark.parametrize("fault", ["cut", "hold"])
def test_the_database_is_away(
    app: Any,
    probes: Probes,
    postgres: Wire,
    client_with: Any,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    monkeypatch.setattr(app.extensions["pms"], "probes", probes)
    getattr(postgres, fault)()
    took = _until(lambda: not _at_once(probes).checks.database.healthy, 10)
    assert took < SECOND + SLACK
    found = client_with(None).get("/health")
    assert (found.status_code, found.json["status"]) == (503, "degraded")
    assert found.json["checks"]["database"] == {"healthy": False}
    assert found.json["checks"]["redis"]["healthy"] is True
    assert found.json["checks"]["queue"] == {"depth": None, "oldestSeconds": None, "dead": None}
    postgres.mend()
    _until(lambda: _at_once(probes).status == "ok", 10)


def test_a_server_that_ends_between_a_look_and_the_next_is_found_again(
    database: Any, waker: Waker, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulse = Pulse(database, waker)
    pulse()
    look = web.probes.heartbeat_ages

    def look_and_lose(connection: Connection) -> dict[str, float]:
        found = look(connection)
        with database.transaction() as other:
            other.execute(
                text("""SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                        WHERE application_name = 'pms-health' AND datname = current_database()""")
            )
        monkeypatch.undo()
        return found

    monkeypatch.setattr(web.probes, "heartbeat_ages", look_and_lose)
    monkeypatch.setattr(pulse, "_count_due", time.monotonic() + 60)
    for _ in range(3):
        pulse()
    assert pulse.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    pulse.engine.dispose()


@pytest.mark.parametrize("fault", ["cut", "hold"])
def test_redis_is_away(
    app: Any,
    probes: Probes,
    valkey: Wire,
    client_with: Any,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    """Operations are still accepted."""
    monkeypatch.setattr(app.extensions["pms"], "probes", probes)
    getattr(valkey, fault)()
    took = _until(lambda: not _at_once(probes).checks.redis.healthy, 10)
    assert took < SECOND + SLACK
    found = client_with(None).get("/health")
    assert (found.status_code, found.json["status"]) == (200, "degraded")
    assert found.json["checks"]["redis"] == {"healthy": False}
    assert found.json["checks"]["database"]["healthy"] is True
    valkey.mend()
    _until(lambda: _at_once(probes).status == "ok", 10)


@pytest.mark.parametrize(("name", "key"), [("worker", "workers"), ("beat", "beat")])
def test_no_sign_of_life(probes: Probes, database: Any, alive: Any, name: str, key: str) -> None:
    _age_signs(database, name, 13)
    _until(lambda: not getattr(_at_once(probes).checks, key).healthy, 2)
    report = _at_once(probes)
    assert (report.status, report.checks.database.healthy) == ("degraded", True)
    alive(name)
    _until(lambda: _at_once(probes).status == "ok", 2)


def test_signs_grow_older_while_the_database_is_away(
    probes: Probes, database: Any, postgres: Wire
) -> None:
    _age_signs(database, "beat", 11)
    _until(lambda: (_at_once(probes).checks.beat.last_seen_seconds or 0) > 11, 2)
    postgres.cut()
    _until(lambda: not _at_once(probes).checks.beat.healthy, 3)


def test_a_silent_worker_is_asked_once(
    probes: Probes, database: Any, redis_url: str, alive: Any
) -> None:
    """A message in the line's queue, which a worker that lives would have answered."""
    with Redis.from_url(redis_url) as redis:
        redis.delete("line")
        _age_signs(database, "worker", 6)
        _until(lambda: redis.llen("line") == 1, 2)
        seen = probes.database.last
        assert seen is not None
        _until(lambda: probes.database.last.at > seen.at + 1.2, 5)  # type: ignore[union-attr]
        assert redis.llen("line") == 1
        assert _at_once(probes).checks.workers.healthy


def test_the_queue(probes: Probes, database: Any) -> None:
    day = date(2026, 5, 1)
    mug = Shop(database).product()
    with database.transaction() as connection:
        for _ in range(3):
            record(connection, AdjustStock(product_id=mug, quantity=1, type="increment"))
        rebuild = record(connection, RebuildRollups(start_date=day, end_date=day))
        connection.execute(
            text("UPDATE operations SET created_at = now() - interval '1 hour' WHERE id = :id"),
            {"id": rebuild.id},
        )
    _until(lambda: _at_once(probes).checks.queue.depth == 4, 2)
    assert 3600 <= (_at_once(probes).checks.queue.oldest_seconds or 0) < 3700
    # A bulk waits in a queue of its own.
    with database.transaction() as connection:
        connection.execute(
            text("""
                UPDATE operations SET queue = 'bulk', created_at = now() - interval '2 hours'
                WHERE id = :id
            """),
            {"id": rebuild.id},
        )
    _until(lambda: (_at_once(probes).checks.queue.oldest_seconds or 0) >= 7200, 2)


def test_a_lost_connection_is_no_lost_database(probes: Probes, database: Any) -> None:
    kill = text("""
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name = 'pms-health' AND datname = current_database()
    """)
    for _ in range(3):
        seen = probes.database.last
        assert seen is not None
        with database.transaction() as connection:
            assert connection.execute(kill).scalar() == 1

        def looked(before: float = seen.at) -> bool:
            assert _at_once(probes).checks.database.healthy
            return probes.database.last is not None and probes.database.last.at > before

        _until(looked, 2)


def test_a_start_without_servers(database: Any, postgres: Wire, valkey: Wire, waker: Waker) -> None:
    """Down, or silent: the start does not wait for them, and reports them when they come."""
    postgres.hold()
    valkey.cut()
    probes = Probes(_database(postgres), valkey.url, lambda: 0, waker)
    began = time.monotonic()
    probes.start()
    assert time.monotonic() - began < SECOND + SLACK
    report = _at_once(probes)
    assert report.status == "degraded"
    assert not report.checks.database.healthy
    assert not report.checks.redis.healthy
    assert report.checks.workers.last_seen_seconds is None
    assert report.checks.websocket.healthy
    postgres.mend()
    valkey.mend()
    _until(lambda: _at_once(probes).checks.database.healthy, 10)
    _until(lambda: _at_once(probes).checks.redis.healthy, 10)
    probes.stop()


def test_connections_that_cannot_be_counted(
    database: Any, postgres: Wire, valkey: Wire, waker: Waker
) -> None:
    """The last count stays, and is said to be old."""
    counts = iter([3])
    probes = Probes(_database(postgres), valkey.url, lambda: next(counts), waker)
    probes.start()
    _until(lambda: not _at_once(probes).checks.websocket.healthy, 3)
    report = _at_once(probes)
    assert (report.status, report.checks.websocket.connections) == ("degraded", 3)
    probes.stop()


def test_how_long_nothing_was_seen_of_a_component(
    database: Any, probes: Probes, valkey: Wire
) -> None:
    assert probes.silence("database") < SECOND
    _age_signs(database, "worker", 40)
    began = time.monotonic()
    valkey.cut()
    _until(lambda: probes.silence("redis") > SECOND, 10)
    assert probes.silence("redis") < time.monotonic() - began + 1.5 * SECOND
    _until(lambda: probes.silence("workers") >= 40, 10)
    assert probes.silence("workers") < 60
    assert probes.silence("beat") < 30


def test_stopping_leaves_no_thread_and_no_connection(
    database: Any, postgres: Wire, valkey: Wire, waker: Waker
) -> None:
    probes = Probes(_database(postgres), valkey.url, lambda: 0, waker)
    probes.start()
    probes.stop()
    names = {thread.name for thread in threading.enumerate()}
    assert not {name for name in names if name.startswith("probe-")}
    count = text("""
        SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'pms-health' AND datname = current_database()
    """)

    def gone() -> bool:
        with database.transaction() as connection:
            return connection.execute(count).scalar() == 0

    _until(gone, 5)


def test_what_was_given_up_is_counted_until_it_is_tried_again(
    probes: Probes, database: Any
) -> None:
    mug = Shop(database).product()
    command = AdjustStock(product_id=mug, quantity=1, type="increment")
    with database.transaction() as connection:
        dead = [record(connection, command).id for _ in range(2)]
        connection.execute(
            text("UPDATE operations SET status = 'dead', error = '{}', finished_at = now()")
        )
    _until(lambda: _at_once(probes).checks.queue.dead == 2, 2)
    with database.transaction() as connection:
        record(connection, command, retry_of=dead[0])
    _until(lambda: _at_once(probes).checks.queue.dead == 1, 2)


def test_a_database_that_takes_nothing_in_is_none(probes: Probes) -> None:
    pulse: Any = probes._pulse
    with pulse.engine.connect() as connection:
        connection.exec_driver_sql("SET default_transaction_read_only = on")
    _until(lambda: not _at_once(probes).checks.database.healthy, SECOND + SLACK)
