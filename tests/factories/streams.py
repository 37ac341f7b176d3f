"""Streams of one process on a real database, with a recorder for its sockets."""

import threading
from collections import defaultdict
from typing import Any
from uuid import UUID

from db.models.stream import operations_stream, stock_stream
from db.queries import snapshots, stock
from db.queries import streams as stored
from db.session import Database, line_database
from tests.factories.shop import new_key, new_products
from web.stream_cursors import Cursor
from web.stream_repair import Repair
from web.stream_tracks import Place, Snapshot, operation_room
from web.streams import Streams, Subscribed
from workers.app import app as celery
from workers.commands import AdjustStock
from workers.dispatch import record
from workers.runner import apply_next

celery.loader.import_default_modules()


class Recorder:
    """Stands for the sockets of a process: who is in which room, and what each was sent."""

    def __init__(self) -> None:
        self.rooms: dict[str, set[str]] = defaultdict(set)
        self.sent: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.gone: set[str] = set()
        self._lock = threading.Lock()

    def is_here(self, sid: str) -> bool:
        return sid not in self.gone

    def emit(self, event: str, data: dict[str, Any], to: str | list[str]) -> None:
        with self._lock:
            rooms = [to] if isinstance(to, str) else to
            members = {sid for room in rooms for sid in self.rooms.get(room, {room})}
            for sid in members:
                self.sent[sid].append({"event": event, **data})

    def enter(self, sid: str, room: str) -> None:
        self.rooms[room].add(sid)

    def leave(self, sid: str, room: str) -> None:
        self.rooms[room].discard(sid)

    def wait_until_taken(self, sid: str) -> bool:
        return sid not in self.gone

    def close(self, sid: str, reason: str) -> None:
        self.gone.add(sid)

    def positions(self, sid: str, event: str = "inventory_update") -> list[int]:
        return [one["position"] for one in self.sent[sid] if one["event"] == event]


class Shop:
    """A key, a product, the streams of one process, and a line that runs when it is told."""

    def __init__(self, database: Database, like: "Shop | None" = None) -> None:
        self.database = database
        self.clients = Recorder()
        self.gaps: list[str] = []
        self.ended: list[str] = []
        self.repair = Repair(database)
        self.streams = Streams(
            database,
            self.clients,
            on_end=lambda operation_id, _: self.ended.append(operation_id),
            on_gap=self.gaps.append,
            readers=threading.BoundedSemaphore(4),
        )
        self.repair.streams = self.streams
        # Another process of the same shop knows the same key and product.
        self.key = like.key if like else new_key(self.database)
        self.product = like.product if like else self.make_product()
        self.stream = stock_stream(self.product)

    def make_product(self) -> UUID:
        return new_products(self.database, 1, threshold=0)[0]

    def adjust(self, count: int = 1, product: UUID | None = None) -> list[UUID]:
        """Apply so many adjustments; their ids."""
        command = AdjustStock(product_id=product or self.product, quantity=1, type="increment")
        with self.database.transaction() as connection:
            ids = [record(connection, command, api_key_id=self.key.id).id for _ in range(count)]
        while apply_next(line_database()):
            pass
        return ids

    def stored(self, stream: str, after: int = 0) -> list[Any]:
        with self.database.transaction() as connection:
            return stored.events_after(connection, {stream: after}, 100_000)

    def place(self, product: UUID | None = None) -> Place:
        product = product or self.product

        def read(connection: Any) -> Snapshot | None:
            level = stock.level(connection, product)
            return Snapshot(level["version"], {"stock": level["stock"]}) if level else None

        return Place(stock_stream(product), stock_stream(product), read)

    def operation(self, operation_id: UUID) -> Place:
        def read(connection: Any) -> Snapshot | None:
            found = snapshots.operation_in_stream(connection, operation_id)
            return Snapshot(found[1] or 0, {"status": found[0].status}) if found else None

        name = str(operation_id)
        return Place(operations_stream(self.key.id), operation_room(name), read, name)

    def whole(self, stream: str) -> Place:
        def read(connection: Any) -> Snapshot:
            return Snapshot(stored.heads(connection, [stream]).get(stream, 0), {})

        return Place(stream, stream, read)

    def come(self, sid: str, *names: str) -> None:
        """Have a client told of whole streams without asking, from now on."""
        self.streams.arrivals.note(sid, names)
        for name in names:
            self.streams.arrivals.let_in(sid, name)

    def subscribe(
        self, sid: str, since: str | None = None, place: Place | None = None
    ) -> Subscribed:
        cursor = Cursor.parse(since) if since else None
        found = self.streams.subscribe(sid, place or self.place(), cursor)
        assert found is not None
        return found
