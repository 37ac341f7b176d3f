"""Subscriptions: what a client may ask for, and which stream and snapshot that means."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from pydantic.alias_generators import to_camel
from sqlalchemy import Connection

from db.models.api_key import ApiKey
from db.models.stream import (
    SYSTEM,
    operations_stream,
    order_stream,
    product_stream,
    stock_stream,
)
from db.queries import orders, products, snapshots, stock, streams
from db.session import Database
from web.schemas.faults import said
from web.schemas.inventory import StockOut
from web.schemas.operations import OperationOut
from web.schemas.orders import OrderOut
from web.schemas.products import ProductOut
from web.schemas.sockets import (
    OperationTopic,
    OrderTopic,
    ProductTopic,
    StreamTopic,
    SubscribedAck,
    UnsubscribedAck,
)
from web.stream_recovery import Cursor
from web.stream_tracks import Place, Snapshot, operation_room, unasked_room
from web.streams import Streams

MAX_SUBSCRIPTIONS = 500


class RequestRefused(Exception):  # noqa: N818 - an answer to the client
    """A message that is refused.

    Args:
        error: the code, of `web.schemas.sockets.ErrorCode`.
        facts: what else the client is told.
    """

    def __init__(self, error: str, **facts: Any) -> None:
        super().__init__(error)
        self.answer = {"error": error, **facts}


@dataclass(eq=False, slots=True)
class Client:
    """A connection and the key that it came with.

    Attributes:
        turn: held while it is served: it is told one thing at a time.
        may_ask_until: not before this is it let into its own streams without having asked.
    """

    sid: str
    key: ApiKey
    turn: threading.Lock = field(default_factory=threading.Lock)
    may_ask_until: float = 0.0

    def own_rooms(self) -> list[str]:
        """The streams that a connection is told of without asking."""
        return [operations_stream(self.key.id), SYSTEM]


@dataclass(frozen=True, slots=True)
class Topic:
    """What ``subscribe_*`` and ``unsubscribe_*`` name.

    Attributes:
        schema: of the message.
        key: the field that a plain string stands for; None if nothing is named.
        unknown: the error if there is no such thing.
        find: where it is, from the key's value.
    """

    schema: type[StreamTopic]
    key: str | None
    unknown: str
    find: Callable[["Subscriptions", Client, str], Place | None]


class Subscriptions:
    """Serves ``subscribe_*`` and ``unsubscribe_*``."""

    def __init__(
        self, streams: Streams, database: Database, readers: threading.BoundedSemaphore
    ) -> None:
        self._streams = streams
        self._database = database
        self._readers = readers

    def handle(self, client: Client, event: str, arguments: tuple[Any, ...]) -> dict[str, Any]:
        """Do what a message asks.

        Returns:
            The acknowledgement.

        Raises:
            RequestRefused: it cannot be done.
            web.streams.Gone: the client left meanwhile.
            sqlalchemy.exc.SQLAlchemyError: the database could not be asked.
        """
        verb, _, name = event.partition("_")
        topic = TOPICS.get(name)
        if verb not in ("subscribe", "unsubscribe") or topic is None:
            raise RequestRefused("unknown-event")
        if not client.key.may("read"):
            raise RequestRefused("forbidden", detail="The key has no scope 'read'.")
        message = _parse(topic, arguments)
        named = getattr(message, topic.key) if topic.key else ""
        if verb == "unsubscribe":
            return self._unsubscribe(client, name, named)
        return self._subscribe(client, topic, named, message.since)

    def _subscribe(
        self, client: Client, topic: Topic, named: str, since: str | None
    ) -> dict[str, Any]:
        try:
            cursor = Cursor.parse(since) if since is not None else None
        except ValueError:
            raise RequestRefused("invalid", detail="since: is no cursor") from None
        place = topic.find(self, client, named)
        if place is None:
            raise RequestRefused(topic.unknown)
        self._check_room_for(client, place.room)
        if cursor is None or place.operation_id is not None:
            # What it is told without asking comes before what knows of it.
            follows = None if cursor is None else (place, cursor)
            self._streams.arrivals.let_in(client.sid, place.stream, follows)
        found = self._streams.subscribe(client.sid, place, cursor)
        if found is None:
            raise RequestRefused(topic.unknown)
        return SubscribedAck(
            snapshot=found.snapshot,
            cursor=found.cursor,
            position=found.snapshot["position"],
            recovered=found.recovered,
        ).model_dump(by_alias=True, exclude={"recovered"} if found.recovered is None else None)

    def _check_room_for(self, client: Client, room: str) -> None:
        own = client.own_rooms()
        rooms = self._streams.rooms_of(client.sid) - {*own, *map(unasked_room, own)}
        if len(rooms | {room}) > MAX_SUBSCRIPTIONS and room not in own:
            raise RequestRefused(
                "too-many-subscriptions", detail=f"At most {MAX_SUBSCRIPTIONS} a connection."
            )

    def _unsubscribe(self, client: Client, name: str, named: str) -> dict[str, Any]:
        product_or_order = _uuid(named)
        rooms = {"operations": operations_stream(client.key.id), "system": SYSTEM}
        if product_or_order is not None:
            rooms |= {
                "inventory": stock_stream(product_or_order),
                "order": order_stream(product_or_order),
                "product": product_stream(product_or_order),
                "operation": operation_room(str(product_or_order)),
            }
        # Who was never in is out all the same.
        if name in rooms:
            self._streams.leave(client.sid, rooms[name])
        return UnsubscribedAck().model_dump()

    # Where things are

    def _stock(self, client: Client, named: str) -> Place | None:
        return _place(named, stock_stream, _read_stock)

    def _order(self, client: Client, named: str) -> Place | None:
        return _place(named, order_stream, _read_order)

    def _product(self, client: Client, named: str) -> Place | None:
        return _place(named, product_stream, _read_product)

    def _system(self, client: Client, named: str) -> Place:
        return _whole_stream(SYSTEM)

    def _operations(self, client: Client, named: str) -> Place:
        return _whole_stream(operations_stream(client.key.id))

    def _operation(self, client: Client, named: str) -> Place | None:
        """An operation lies in the stream of the key that submitted it.

        The product's own operations, which nobody submitted, are told in no stream: they are
        unknown here.
        """
        operation_id = _uuid(named)
        if operation_id is None:
            return None
        with self._readers, self._database.statement() as connection:
            found = snapshots.operation_in_stream(connection, operation_id)
        if found is None or found[0].api_key_id is None:
            return None

        def read(connection: Connection) -> Snapshot | None:
            found = snapshots.operation_in_stream(connection, operation_id)
            if found is None:
                return None
            return Snapshot(found[1] or 0, _wire(OperationOut.of(found[0])))

        stream = operations_stream(found[0].api_key_id)
        name = str(operation_id)
        return Place(stream, operation_room(name), read, operation_id=name)


TOPICS = {
    "inventory": Topic(ProductTopic, "product_id", "unknown-product", Subscriptions._stock),
    "order": Topic(OrderTopic, "order_id", "unknown-order", Subscriptions._order),
    "product": Topic(ProductTopic, "product_id", "unknown-product", Subscriptions._product),
    "operation": Topic(
        OperationTopic, "operation_id", "unknown-operation", Subscriptions._operation
    ),
    "operations": Topic(StreamTopic, None, "unknown-operation", Subscriptions._operations),
    "system": Topic(StreamTopic, None, "unknown-event", Subscriptions._system),
}


def _parse(topic: Topic, arguments: tuple[Any, ...]) -> StreamTopic:
    if len(arguments) > 1 or (topic.key and not arguments):
        raise RequestRefused("invalid", detail="exactly one argument is expected")
    value = arguments[0] if arguments else None
    if topic.key is None and value is None:
        value = {}
    if topic.key is not None and isinstance(value, str):
        value = {to_camel(topic.key): value}
    if not isinstance(value, dict):
        raise RequestRefused("invalid", detail="a string or an object is expected")
    try:
        return topic.schema.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        # Only names that we know are repeated: a client's own may hold anything.
        where = [str(part) for part in first["loc"] if first["type"] != "extra_forbidden"]
        raise RequestRefused("invalid", detail=": ".join([*where, said(first)])) from None


def _uuid(named: str) -> UUID | None:
    """The canonical form only, so that a thing has one name."""
    try:
        found = UUID(named) if len(named) == 36 else None
    except ValueError:
        return None
    return found if str(found) == named.lower() else None


def _place(
    named: str,
    stream_of: Callable[[UUID], str],
    read: Callable[[Connection, UUID], Snapshot | None],
) -> Place | None:
    thing = _uuid(named)
    if thing is None:
        return None
    stream = stream_of(thing)
    return Place(stream, stream, lambda connection: read(connection, thing))


def _whole_stream(stream: str) -> Place:
    """A stream that tells about no single thing: its snapshot is its place."""

    def read(connection: Connection) -> Snapshot:
        return Snapshot(streams.heads(connection, [stream]).get(stream, 0), {})

    return Place(stream, stream, read)


def _wire(model: Any) -> dict[str, Any]:
    # Not in pydantic's own JSON mode, in which money would be text.
    found: dict[str, Any] = model.model_dump(by_alias=True)
    return found


def _read_stock(connection: Connection, product_id: UUID) -> Snapshot | None:
    found = stock.level(connection, product_id)
    if found is None:
        return None
    return Snapshot(found["version"], _wire(StockOut.model_validate(found)))


def _read_order(connection: Connection, order_id: UUID) -> Snapshot | None:
    found = orders.find(connection, order_id)
    if found is None:
        return None
    state = _wire(OrderOut.model_validate(found))
    # Events say orderId; a client that keeps both need not tell them apart.
    return Snapshot(found["version"], {**state, "orderId": state["id"]})


def _read_product(connection: Connection, product_id: UUID) -> Snapshot | None:
    found = products.find(connection, product_id)
    if found is None:
        return None
    state = _wire(ProductOut.model_validate(found))
    return Snapshot(found.version, {**state, "productId": state["id"]})
