"""The product cache on a real Redis: never an older answer after a newer one, nor without Redis."""

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import orjson
import pytest
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from uuid_utils.compat import uuid7

from db.queries import products
from db.session import Database
from tests.servers import reachable_folder
from web.cache import ProductCache
from web.cache_store import CacheStore, product_name
from workers.embedded import EmbeddedValkey


def until(holds: Callable[[], bool], patience: float = 20.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def make(database: Database, **fields: Any) -> UUID:
    """A product in the database."""
    values = {
        "id": uuid7(),
        "sku": None,
        "name": "Mug",
        "description": "",
        "price": 9,
        "category_id": "kitchen",
        "images": [],
        "low_stock_threshold": 5,
        **fields,
    }
    with database.transaction() as connection:
        return products.insert(connection, **values).id


def write(database: Database, product_id: UUID, **changes: Any) -> int:
    """Commit a change without a word to any cache; the version since then."""
    with database.transaction() as connection:
        products.lock(connection, product_id)
        return products.update(connection, product_id, changes).version


def read(cache: ProductCache, product_id: UUID) -> tuple[str, bool]:
    """A product's name, and whether it came from Redis."""
    found = cache.product(product_id)
    assert found is not None
    body = orjson.loads(found.body)
    assert body["version"] == found.version
    return body["name"], found.hit


@pytest.fixture
def valkey() -> Iterator[EmbeddedValkey]:
    """A Redis of the test's own, to be frozen and killed."""
    folder = reachable_folder()
    server = EmbeddedValkey(folder)
    server.start()
    yield server
    if server.alive:
        os.kill(server.pid, signal.SIGCONT)
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def caches(database: Database) -> Iterator[Callable[[str], ProductCache]]:
    """Makes caches, each as a web process of its own would have it."""
    made: list[ProductCache] = []

    def start(url: str) -> ProductCache:
        cache = ProductCache(url, database)
        cache.start()
        made.append(cache)
        return cache

    yield start
    for cache in made:
        cache.stop()


@pytest.fixture
def own_redis(redis_url: str) -> Iterator[Redis]:
    """The test process' Redis, emptied."""
    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
        yield redis


@pytest.fixture
def cache(caches: Callable[[str], ProductCache], own_redis: Redis, redis_url: str) -> ProductCache:
    found = caches(redis_url)
    assert found.trusted
    return found


@pytest.fixture
def store(own_redis: Redis, redis_url: str) -> Iterator[CacheStore]:
    found = CacheStore(redis_url)
    yield found
    found.close()


@pytest.fixture
def reads(database: Database) -> Iterator[list[str]]:
    """The statements on products that reach the database."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM products" in statement:
            seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield seen
    event.remove(database.engine, "before_cursor_execute", note)


class TestServing:
    def test_the_second_reading_is_a_hit(
        self, database: Database, cache: ProductCache, reads: list[str]
    ) -> None:
        product_id = make(database)
        assert read(cache, product_id) == ("Mug", False)
        assert read(cache, product_id) == ("Mug", True)
        assert len(reads) == 1

    def test_it_is_kept_for_five_minutes(
        self, database: Database, cache: ProductCache, own_redis: Redis
    ) -> None:
        product_id = make(database)
        read(cache, product_id)
        cache.listing("all", lambda _: b"[]")
        for name in (product_name(product_id), "list:all"):
            assert 290_000 < own_redis.pttl(f"pms:cache:{name}") <= 300_000

    def test_what_is_not_there_is_not_kept(self, cache: ProductCache, own_redis: Redis) -> None:
        assert cache.product(uuid7()) is None
        assert own_redis.keys("pms:cache:product:*") == []

    def test_what_is_very_large_is_not_kept(self, database: Database, cache: ProductCache) -> None:
        product_id = make(database, images=["x" * 2_000] * 200)
        assert read(cache, product_id) == read(cache, product_id) == ("Mug", False)

    def test_many_on_a_cold_key_are_one_reading(
        self, database: Database, cache: ProductCache, own_redis: Redis, reads: list[str]
    ) -> None:
        # The first look of all sets the marks, and so looks twice.
        read(cache, make(database))
        reads.clear()
        product_id = make(database)
        before = own_redis.info("commandstats")["cmdstat_mget"]["calls"]
        found: list[Any] = []
        threads = [
            threading.Thread(target=lambda: found.append(read(cache, product_id)))
            for _ in range(50)
        ]
        with database.transaction() as blocker:
            blocker.execute(text("LOCK TABLE products IN ACCESS EXCLUSIVE MODE"))
            for thread in threads:
                thread.start()
            until(lambda: own_redis.info("commandstats")["cmdstat_mget"]["calls"] >= before + 50)
        for thread in threads:
            thread.join()
        assert found == [("Mug", False)] * 50
        assert len(reads) == 1

    def test_a_failed_reading_fails_for_all_and_is_not_kept(
        self, database: Database, cache: ProductCache
    ) -> None:
        def fail(_: Any) -> bytes:
            raise ValueError

        for _ in range(2):
            with pytest.raises(ValueError):
                cache.listing("all", fail)
        assert cache.listing("all", lambda _: b"[]").body == b"[]"


class TestOwnWrites:
    def test_a_write_is_seen_at_once_by_every_process(
        self,
        database: Database,
        cache: ProductCache,
        caches: Callable[[str], ProductCache],
        redis_url: str,
    ) -> None:
        product_id = make(database)
        other = caches(redis_url)
        for number in range(20):
            name = f"Mug {number}"
            writer, reader = random.sample([cache, other], 2)
            writer.changed(product_id, write(database, product_id, name=name))
            assert read(reader, product_id) == (name, False)
            assert read(writer, product_id) == (name, True)

    def test_a_fill_that_read_before_a_write_is_refused(
        self, database: Database, store: CacheStore
    ) -> None:
        product_id = uuid7()
        marks, _ = store.look(product_name(product_id))
        store.outdate(product_id, 2)
        store.fill_product(marks, product_id, 1, b"old")
        _, entry = store.look(product_name(product_id))
        assert entry is not None
        assert entry == (b"2", b"")
        store.fill_product(marks, product_id, 2, b"new")
        store.fill_product(marks, product_id, 1, b"old")
        assert store.look(product_name(product_id))[1] == (b"2", b"new")

    def test_outdating_late_does_not_undo_what_is_newer(self, store: CacheStore) -> None:
        product_id = uuid7()
        marks, _ = store.look("")
        store.fill_product(marks, product_id, 3, b"newest")
        for version in (2, 3):
            store.outdate(product_id, version)
        assert store.look(product_name(product_id))[1] == (b"3", b"newest")

    def test_a_fill_of_an_epoch_gone_by_is_refused(self, store: CacheStore) -> None:
        product_id = uuid7()
        marks, _ = store.look("")
        store.renew()
        store.fill_product(marks, product_id, 1, b"old")
        assert store.look(product_name(product_id))[1] is None

    def test_a_fill_of_an_epoch_gone_by_does_not_make_room_for_what_is_old(
        self, store: CacheStore
    ) -> None:
        product_id = uuid7()
        before, _ = store.look("")
        store.renew()
        after, _ = store.look("")
        store.outdate(product_id, 2)
        for marks in (before, after):
            store.fill_product(marks, product_id, 1, b"old")
        assert store.look(product_name(product_id))[1] == (b"2", b"")

    def test_any_write_outdates_every_list(self, database: Database, cache: ProductCache) -> None:
        assert cache.listing("all", lambda _: b"[1]").hit is False
        assert cache.listing("all", lambda _: b"[2]").body == b"[1]"
        cache.changed(make(database), 1)
        assert cache.listing("all", lambda _: b"[3]").body == b"[3]"

    def test_a_list_read_before_a_write_is_not_served_after_it(
        self, database: Database, cache: ProductCache
    ) -> None:
        def slow(_: Any) -> bytes:
            cache.changed(make(database), 1)
            return b"[old]"

        cache.listing("all", slow)
        assert cache.listing("all", lambda _: b"[new]").body == b"[new]"

    def test_who_has_written_does_not_join_an_older_reading(
        self, database: Database, cache: ProductCache
    ) -> None:
        read_old, may_go = threading.Event(), threading.Event()

        def slow(_: Any) -> bytes:
            read_old.set()
            assert may_go.wait(20)
            return b"[old]"

        thread = threading.Thread(target=cache.listing, args=("all", slow))
        thread.start()
        assert read_old.wait(20)
        cache.changed(make(database), 1)
        try:
            assert cache.listing("all", lambda _: b"[new]").body == b"[new]"
        finally:
            may_go.set()
            thread.join()

    def test_writers_and_readers_at_random(
        self,
        database: Database,
        cache: ProductCache,
        caches: Callable[[str], ProductCache],
        redis_url: str,
    ) -> None:
        product_id = make(database)
        processes = [cache, caches(redis_url)]
        failures: list[str] = []
        written = threading.Event()

        def write_and_read(seed: int) -> None:
            chance = random.Random(seed)
            for number in range(40):
                version = write(database, product_id, name=f"{seed}.{number}")
                chance.choice(processes).changed(product_id, version)
                found = chance.choice(processes).product(product_id)
                if found is None or found.version < version:
                    failures.append(f"{version} written, {found and found.version} read")

        def keep_reading() -> None:
            last = 0
            while not written.is_set():
                found = random.choice(processes).product(product_id)
                assert found is not None
                if found.version < last:
                    failures.append(f"{found.version} after {last}")
                last = found.version

        writers = [threading.Thread(target=write_and_read, args=(seed,)) for seed in range(3)]
        readers = [threading.Thread(target=keep_reading) for _ in range(2)]
        for thread in (*readers, *writers):
            thread.start()
        for thread in writers:
            thread.join()
        written.set()
        for thread in readers:
            thread.join()
        assert failures == []
        assert cache.trusted


class TestFaults:
    def test_without_redis_the_database_answers(
        self, database: Database, caches: Callable[[str], ProductCache], valkey: EmbeddedValkey
    ) -> None:
        cache = caches(valkey.url)
        product_id = make(database)
        read(cache, product_id)
        os.kill(valkey.pid, signal.SIGKILL)
        until(lambda: not valkey.alive)
        assert read(cache, product_id) == ("Mug", False)
        assert not cache.trusted
        cache.changed(product_id, write(database, product_id, name="Cup"))
        assert read(cache, product_id) == ("Cup", False)
        assert cache.listing("all", lambda _: b"[]").hit is False

    def test_it_is_trusted_again_when_redis_is_back(
        self, database: Database, caches: Callable[[str], ProductCache], valkey: EmbeddedValkey
    ) -> None:
        cache = caches(valkey.url)
        product_id = make(database)
        read(cache, product_id)
        os.kill(valkey.pid, signal.SIGKILL)
        until(lambda: not valkey.alive)
        read(cache, product_id)
        valkey.restart()
        until(lambda: cache.trusted)
        assert read(cache, product_id) == ("Mug", False)
        assert read(cache, product_id) == ("Mug", True)

    def test_it_may_start_before_redis(
        self, database: Database, caches: Callable[[str], ProductCache], valkey: EmbeddedValkey
    ) -> None:
        os.kill(valkey.pid, signal.SIGKILL)
        until(lambda: not valkey.alive)
        cache = caches(valkey.url)
        assert not cache.trusted
        valkey.restart()
        until(lambda: cache.trusted)

    def test_a_write_that_a_frozen_redis_missed_is_seen_by_all_after_the_thaw(
        self, database: Database, caches: Callable[[str], ProductCache], valkey: EmbeddedValkey
    ) -> None:
        writer, other = caches(valkey.url), caches(valkey.url)
        product_id = make(database)
        read(writer, product_id)
        assert read(other, product_id) == ("Mug", True)
        os.kill(valkey.pid, signal.SIGSTOP)
        writer.changed(product_id, write(database, product_id, name="Cup"))
        assert not writer.trusted
        assert read(writer, product_id) == ("Cup", False)
        os.kill(valkey.pid, signal.SIGCONT)
        until(lambda: writer.trusted)
        assert read(other, product_id)[0] == "Cup"

    def test_a_write_just_after_a_new_epoch_began_is_not_lost(
        self,
        database: Database,
        cache: ProductCache,
        redis_url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        writer = ProductCache(redis_url, database)
        product_id = make(database)
        renew = writer._store.renew

        def renew_then_write() -> None:
            monkeypatch.undo()
            renew()
            read(cache, product_id)
            # Not trusted yet, this process cannot outdate what was just stored.
            writer.changed(product_id, write(database, product_id, name="Cup"))

        monkeypatch.setattr(writer._store, "renew", renew_then_write)
        writer.start()
        until(lambda: writer.trusted)
        writer.stop()
        assert read(cache, product_id)[0] == "Cup"

    def test_writes_to_a_redis_that_stutters_are_not_lost(
        self, database: Database, caches: Callable[[str], ProductCache], valkey: EmbeddedValkey
    ) -> None:
        writer, other = caches(valkey.url), caches(valkey.url)
        product_id = make(database)
        stop = threading.Event()

        def disturb() -> None:
            while not stop.is_set():
                for sign in (signal.SIGSTOP, signal.SIGCONT):
                    os.kill(valkey.pid, sign)
                    stop.wait(random.uniform(0.1, 0.4))

        thread = threading.Thread(target=disturb)
        thread.start()
        try:
            for number in range(30):
                writer.changed(product_id, write(database, product_id, name=str(number)))
                assert read(writer, product_id)[0] == str(number)
        finally:
            stop.set()
            thread.join()
            os.kill(valkey.pid, signal.SIGCONT)
        until(lambda: writer.trusted and other.trusted)
        assert read(other, product_id)[0] == "29"

    def test_a_redis_that_came_back_with_old_entries_is_not_believed(
        self, database: Database, caches: Callable[[str], ProductCache], valkey: EmbeddedValkey
    ) -> None:
        cache = caches(valkey.url)
        product_id = make(database)
        read(cache, product_id)
        # As if the power had taken what Redis confirmed in its last second.
        write(database, product_id, name="Cup")
        assert read(cache, product_id) == ("Mug", True)
        valkey.stop()
        valkey.restart()
        with Redis.from_url(valkey.url) as redis:
            until(lambda: _answers(redis))
            assert redis.exists(f"pms:cache:{product_name(product_id)}")
        assert read(cache, product_id)[0] == "Cup"

    def test_a_database_that_was_lost_may_come_back_with_another_past(
        self, database: Database, cache: ProductCache
    ) -> None:
        product_id = make(database)
        read(cache, product_id)
        # What a standby has that takes over without the last writes, and one write upon it.
        with database.transaction() as connection:
            connection.execute(text("UPDATE products SET name = 'Cup'"))
        cache.changed(product_id, 1)
        assert read(cache, product_id) == ("Mug", True)
        with pytest.raises(OperationalError), database.statement() as connection:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        until(lambda: read(cache, product_id)[0] == "Cup")

    def test_an_emptied_redis_fills_again(
        self, database: Database, cache: ProductCache, own_redis: Redis
    ) -> None:
        product_id = make(database)
        read(cache, product_id)
        own_redis.flushdb()
        assert read(cache, product_id) == ("Mug", False)
        assert read(cache, product_id) == ("Mug", True)
        cache.changed(product_id, write(database, product_id, name="Cup"))
        assert read(cache, product_id) == ("Cup", False)
        assert cache.listing("all", lambda _: b"[]").hit is False
        assert cache.listing("all", lambda _: b"[]").hit is True

    def test_a_process_that_starts_trusts_nothing_of_before(
        self,
        database: Database,
        cache: ProductCache,
        caches: Callable[[str], ProductCache],
        redis_url: str,
    ) -> None:
        # One that was killed between its commit and the outdating leaves this behind.
        product_id = make(database)
        read(cache, product_id)
        write(database, product_id, name="Cup")
        assert read(cache, product_id) == ("Mug", True)
        caches(redis_url)
        assert read(cache, product_id) == ("Cup", False)


class TestOverHttp:
    @pytest.fixture
    def cached(
        self, app: Any, cache: ProductCache, monkeypatch: pytest.MonkeyPatch
    ) -> ProductCache:
        """The application with a cache that runs."""
        monkeypatch.setattr(app.extensions["pms"], "cache", cache)
        return cache

    def test_hits_and_misses_are_told(
        self, client: Any, cached: ProductCache, product: Callable[..., str]
    ) -> None:
        product_id = product()
        for path in (f"/api/products/{product_id}", "/api/products?q=mug"):
            first, second = client.get(path), client.get(path)
            assert (first.headers["X-Cache"], second.headers["X-Cache"]) == ("miss", "hit")
            assert first.data == second.data
            assert first.headers.get("ETag") == second.headers.get("ETag")
        current = client.get(f"/api/products/{product_id}", headers={"If-None-Match": '"1"'})
        assert (current.status_code, current.headers["X-Cache"]) == (304, "hit")

    def test_ones_own_writes_are_always_seen(
        self, client: Any, cached: ProductCache, product: Callable[..., str]
    ) -> None:
        product_id = product()
        path = f"/api/pms/products/{product_id}"
        for change in (
            lambda: client.patch(path, json={"name": "Cup"}),
            lambda: client.put(path + "/publish", json={"status": "published"}),
            lambda: client.patch(path, json={"lowStockThreshold": 1}),
        ):
            client.get(f"/api/products/{product_id}")
            client.get("/api/products")
            written = change().json
            assert client.get(f"/api/products/{product_id}").json == written
            assert client.get("/api/products").json["items"] == [written]

    def test_a_replay_outdates_too(
        self,
        client: Any,
        cached: ProductCache,
        product: Callable[..., str],
        caches: Callable[[str], ProductCache],
        app: Any,
    ) -> None:
        product_id = product()
        change = {
            "path": f"/api/pms/products/{product_id}",
            "json": {"name": "Cup"},
            "headers": {"Idempotency-Key": "k-1"},
        }
        client.get(f"/api/products/{product_id}")
        # A process that dies between the commit and the outdating: its cache says nothing.
        app.extensions["pms"].cache = ProductCache("redis://127.0.0.1:1", cached._database)
        assert client.patch(**change).status_code == 200
        app.extensions["pms"].cache = cached
        assert client.get(f"/api/products/{product_id}").json["name"] == "Mug"
        assert client.patch(**change).headers["Idempotent-Replayed"] == "true"
        assert client.get(f"/api/products/{product_id}").json["name"] == "Cup"


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False
