"""The product cache: answers from Redis for 5 minutes, and never an older one after a newer.

- A write outdates what is cached before its answer leaves. A fill carries the version it read
  and is refused if a newer one was written meanwhile, so that one's own write is always seen.
- Every failure of Redis ends this process' trust: from then on it answers from the database,
  without even asking Redis, until a background thread has begun a new epoch there, which voids
  what all processes have cached.
- A connection to the database that is lost ends it as well: the next one may lead to a server
  that has another past, in which what is cached has never been.
- The bound: other processes that still reach Redis may serve what a failed outdating left until
  this process reaches Redis again, and no longer than the 5 minutes. The same holds if this
  process is killed between its commit and the outdating: it begins a new epoch when it starts.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy import Connection, event

from db.queries import products
from db.session import Database
from web.cache_store import CacheStore, Entry, Marks, product_name
from web.schemas.base import answer
from web.schemas.products import ProductOut

log = structlog.get_logger(__name__)

# Seconds between two tries to reach a Redis that is away.
_PAUSE = 0.25
# What took longer to read than this, in seconds, is not stored: the entry that outdates it may
# itself be gone.
_SLOWEST_FILL = 30.0
_LARGEST_BODY = 262_144

Fill = Callable[[Marks, "Cached"], None]


@dataclass(frozen=True, slots=True)
class Cached:
    """An answer's body; ``version`` is the product's, 0 for a list."""

    body: bytes
    version: int
    hit: bool = False


class ProductCache:
    """One process' way to the cached products; without Redis, to those in the database.

    Args:
        url: where Redis is.
        database: where the truth is.
    """

    def __init__(self, url: str, database: Database) -> None:
        self._store = CacheStore(url)
        self._database = database
        self._flights = _Flights()
        self._lock = threading.Lock()
        self._doubts = 0
        self._trusted = False
        self._wish = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def trusted(self) -> bool:
        """Whether answers may come from Redis."""
        return self._trusted

    def start(self) -> None:
        """Begin a new epoch, now or as soon as Redis answers; before that nothing is cached."""
        if not self._renew():
            self._wish.set()
        event.listen(self._database.engine, "invalidate", self._lose_database)
        self._thread = threading.Thread(target=self._keep_renewed, name="cache", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cache nothing any more and end the thread."""
        self._stopping.set()
        self._wish.set()
        if self._thread is not None:
            event.remove(self._database.engine, "invalidate", self._lose_database)
            self._thread.join(timeout=2.0)
            self._thread = None
        self._trusted = False
        self._store.close()

    def product(self, product_id: UUID) -> Cached | None:
        """A product as `ProductOut` in JSON; None if there is none."""

        def load(connection: Connection) -> Cached | None:
            found = products.find(connection, product_id)
            if found is None:
                return None
            return Cached(answer(ProductOut.model_validate(found)), found.version)

        def fill(marks: Marks, loaded: Cached) -> None:
            self._store.fill_product(marks, product_id, loaded.version, loaded.body)

        def current(_: Marks, entry: Entry) -> Cached | None:
            return Cached(entry.body, int(entry.mark), hit=True) if entry.body else None

        return self._read(product_name(product_id), load, fill, current)

    def listing(self, name: str, read: Callable[[Connection], bytes]) -> Cached:
        """A list of products.

        Args:
            name: tells this list from others.
            read: reads it from the database, as JSON.
        """
        name = f"list:{name}"

        def load(connection: Connection) -> Cached:
            return Cached(read(connection), 0)

        def fill(marks: Marks, loaded: Cached) -> None:
            self._store.fill_list(marks, name, loaded.body)

        def current(marks: Marks, entry: Entry) -> Cached | None:
            return Cached(entry.body, 0, hit=True) if entry.mark == marks.lists else None

        found = self._read(name, load, fill, current)
        assert found is not None
        return found

    def changed(self, product_id: UUID, version: int) -> None:
        """A write is committed: serve nothing older, here or in any other process.

        Never fails and never waits long: without Redis the cache is not trusted any more.

        Args:
            product_id: what was written.
            version: its version since then, or a later one.
        """
        if self._trusted:
            try:
                self._store.outdate(product_id, version)
                return
            except (RedisError, OSError) as error:
                self._doubt(error)
        else:
            self._doubt(None)

    def _read(
        self,
        name: str,
        load: Callable[[Connection], Cached | None],
        fill: Fill,
        current: Callable[[Marks, Entry], Cached | None],
    ) -> Cached | None:
        seen = self._look(name)
        if seen is None:
            return self._load(load)
        marks, entry = seen
        kept = current(marks, entry) if entry is not None else None
        if kept is not None:
            return kept
        # The marks change with every write: who joins a flight has not written since it left.
        return self._flights.join((name, marks), lambda: self._load_and_fill(marks, load, fill))

    def _look(self, name: str) -> tuple[Marks, Entry | None] | None:
        if not self._trusted:
            return None
        try:
            return self._store.look(name)
        except (RedisError, OSError) as error:
            self._doubt(error)
            return None

    def _load(self, load: Callable[[Connection], Cached | None]) -> Cached | None:
        with self._database.statement() as connection:
            return load(connection)

    def _load_and_fill(
        self, marks: Marks, load: Callable[[Connection], Cached | None], fill: Fill
    ) -> Cached | None:
        began = time.monotonic()
        loaded = self._load(load)
        if loaded is None or len(loaded.body) > _LARGEST_BODY or not self._trusted:
            return loaded
        if time.monotonic() - began < _SLOWEST_FILL:
            try:
                fill(marks, loaded)
            except (RedisError, OSError) as error:
                self._doubt(error)
        return loaded

    def _lose_database(self, _connection: object, _record: object, error: object) -> None:
        if error is not None:
            self._doubt(ConnectionError("a connection to the database is lost"))

    def _doubt(self, error: Exception | None) -> None:
        with self._lock:
            self._doubts += 1
            was_trusted, self._trusted = self._trusted, False
        if was_trusted:
            log.warning("cache_untrusted", error=repr(error))
        self._wish.set()

    def _renew(self) -> bool:
        doubts = self._doubts
        try:
            self._store.renew()
        except (RedisError, OSError) as error:
            log.debug("cache_not_renewed", error=repr(error))
            return False
        with self._lock:
            # A write that was committed since may have come too late for this epoch.
            self._trusted = doubts == self._doubts
        return self._trusted

    def _keep_renewed(self) -> None:
        while not self._stopping.is_set():
            self._wish.wait()
            self._wish.clear()
            while not self._trusted and not self._stopping.is_set():
                if self._renew():
                    log.info("cache_renewed")
                else:
                    self._stopping.wait(_PAUSE)


class _Flights:
    """One reading for all that want the same at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[tuple[str, Marks], Future[Cached | None]] = {}

    def join(self, key: tuple[str, Marks], read: Callable[[], Cached | None]) -> Cached | None:
        """What the reading that is under way brings, or that of one's own."""
        with self._lock:
            flight = self._open.get(key)
            leads = flight is None
            if flight is None:
                flight = self._open[key] = Future()
        if not leads:
            try:
                return flight.result()
            except CancelledError:
                return read()
        try:
            found = read()
            flight.set_result(found)
            return found
        except Exception as error:
            flight.set_exception(error)
            raise
        finally:
            # Whoever was told to end in the middle leaves nobody waiting.
            flight.cancel()
            with self._lock:
                self._open.pop(key, None)
