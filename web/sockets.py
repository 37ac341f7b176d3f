"""Sockets: who may connect, what they may say, and the parts that serve them."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Flask
from flask_socketio import SocketIO
from socketio.exceptions import ConnectionRefusedError as Refused
from sqlalchemy.exc import SQLAlchemyError

from db.errors import is_passing
from db.models.api_key import ApiKey
from db.session import Database
from web.auth import Unauthorized
from web.browsers import socket_origins
from web.connections import Places
from web.settings import WebSettings
from web.socket_clients import SocketClients
from web.socket_guard import Guard
from web.socket_limits import MessageLimits
from web.socket_packets import CLIENT_MESSAGE, ClientMessage, GuardedPacket, Json
from web.socket_queues import use_batching_queues
from web.socket_rooms import Rooms
from web.socket_subscriptions import Client, RequestRefused, Subscriptions
from web.socket_wires import use_wires
from web.stream_hints import Hints
from web.stream_repair import Repair
from web.streams import Gone, Streams
from web.waiters import Waiters

log = structlog.get_logger(__name__)

# Messages are short; the longest is a request of many subscriptions by long polling.
_MAX_MESSAGE_BYTES = 131_072
_PING_INTERVAL_SECONDS = 10
_PING_TIMEOUT_SECONDS = 20
# Database connections that sockets use at once; the requests need the others.
_READERS = 4
# What a client is told without asking waits this long for its word of where it was before.
_TIME_TO_ASK = 1.0
_OWN_TOPICS = ("subscribe_operations", "subscribe_system")

Authenticate = Callable[[str | None], ApiKey]


class Door:
    """Answers what the Socket.IO server tells: a connection, a message, an end."""

    def __init__(
        self,
        *,
        authenticate: Authenticate,
        clients: SocketClients,
        streams: Streams,
        subscriptions: Subscriptions,
        places: Places,
        limits: MessageLimits,
        readers: threading.BoundedSemaphore,
    ) -> None:
        self._authenticate = authenticate
        self._clients = clients
        self._streams = streams
        self._subscriptions = subscriptions
        self._places = places
        self._limits = limits
        self._readers = readers
        self.connections: dict[str, Client] = {}
        self.knocking: set[str] = set()

    def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        """Let a client in.

        Raises:
            Refused: it is told why, and does not come again by itself.
        """
        self.knocking.add(sid)
        try:
            self._let_in(sid, auth)
        except Refused:
            raise
        except Unauthorized:
            raise Refused("unauthorized") from None
        except Exception as error:
            if not is_passing(error):
                log.exception("connect_failed")
            # Nobody can say yet who this is: a closed transport makes clients try again.
            self._clients.close(sid, "unavailable")
            raise Refused("unavailable") from None
        finally:
            self.knocking.discard(sid)

    def _let_in(self, sid: str, auth: Any) -> None:
        said = auth if isinstance(auth, dict) else {}
        token = said.get("token")
        with self._readers:
            key = self._authenticate(token if isinstance(token, str) else None)
        client = Client(sid, key)
        if not self._places.take(key.id, sid):
            raise Refused("too-many-connections")
        unasked = client.own_rooms() if said.get("unasked") is not False else []
        try:
            self._streams.arrivals.note(sid, unasked)
        except Gone:
            self._places.release(key.id, sid)
            raise Refused("gone") from None
        except BaseException:
            self._places.release(key.id, sid)
            raise
        client.may_ask_until = time.monotonic() + _TIME_TO_ASK
        self.connections[sid] = client
        if unasked:
            threading.Thread(target=self._tell_unasked, args=(client,), daemon=True).start()

    def _tell_unasked(self, client: Client) -> None:
        """Let a client into its own streams, once it has had the time to ask for them."""
        while self.connections.get(client.sid) is client:
            with client.turn:
                left = client.may_ask_until - time.monotonic()
                if left <= 0:
                    self._let_into_its_own(client)
                    return
            time.sleep(left)

    def _let_into_its_own(self, client: Client) -> None:
        try:
            for stream in client.own_rooms():
                self._streams.arrivals.let_in(client.sid, stream)
        except Gone:
            pass
        except Exception as error:
            if not is_passing(error):
                log.exception("client_not_let_in")
            # It comes again by itself, and says where it was.
            self._clients.close(client.sid, "unavailable")

    def on_disconnect(self, sid: str, reason: str = "") -> None:
        """A client has gone."""
        self.forget(sid)

    def forget(self, sid: str) -> None:
        """Keep nothing of a connection; again for the same one does nothing."""
        client = self.connections.pop(sid, None)
        self._streams.forget(sid)
        if client is not None:
            self._places.release(client.key.id, sid)

    def on_message(self, sid: str, message: ClientMessage) -> dict[str, Any] | None:
        """Serve a message.

        Returns:
            The acknowledgement, if the client waits for one.
        """
        client = self.connections.get(sid)
        if client is None:
            return None
        try:
            with client.turn:
                answer = self._answer(client, message)
                if message.event in _OWN_TOPICS:
                    # It is about to ask for the other one too, or has to ask again.
                    wait = answer.get("retryAfter", 0) + _TIME_TO_ASK
                    client.may_ask_until = time.monotonic() + wait
        except Gone:
            return None
        if not message.wants_answer:
            self._report(client, message, answer)
        return answer

    def _answer(self, client: Client, message: ClientMessage) -> dict[str, Any]:
        try:
            seconds = self._limits.refuse_for(client.key)
            if seconds is not None:
                raise RequestRefused("rate-limited", retryAfter=seconds)
            if message.event is None:
                raise RequestRefused("invalid", detail="the message could not be read")
            return self._subscriptions.handle(client, message.event, message.arguments)
        except RequestRefused as refused:
            return refused.answer
        except SQLAlchemyError as error:
            if is_passing(error):
                return {"error": "unavailable", "retryAfter": 1}
            log.exception("message_failed")
        except Gone:
            raise
        except Exception:
            log.exception("message_failed")
        return {"error": "internal"}

    def _report(self, client: Client, message: ClientMessage, answer: dict[str, Any]) -> None:
        """Without an acknowledgement, tell what the client must know all the same."""
        if answer.get("recovered") is False:
            answer = {**answer, "error": "not-recovered"}
        if "error" in answer:
            event = _printable(message.event)
            self._clients.emit("request_error", {"event": event, **answer}, client.sid)


def _printable(event: str | None) -> str | None:
    """An event's name as it may be repeated: short, and text that can be written."""
    return None if event is None else event[:100].encode(errors="replace").decode()


@dataclass
class Sockets:
    """The socket side of one web process.

    Attributes:
        socketio: the Flask-SocketIO extension.
        streams: what clients are told.
        places: how many they are.
    """

    socketio: SocketIO
    streams: Streams
    places: Places
    clients: SocketClients
    hints: Hints
    repair: Repair
    guard: Guard

    def start(self) -> None:
        """Begin to listen, to repair, to renew and to guard."""
        self.repair.start()
        self.hints.start()
        self.places.start()
        self.guard.start()

    def stop(self) -> None:
        """Close all connections, so that clients go elsewhere, and end."""
        for part in (self.guard, self.hints, self.repair):
            part.stop()
        self.clients.close_all()
        self.places.stop()

    def total_connections(self) -> int:
        """The connections of all web processes, as known a moment ago; returns at once."""
        return self.places.total_connections()


def init_sockets(
    app: Flask,
    *,
    database: Database,
    waiters: Waiters,
    settings: WebSettings,
    authenticate: Authenticate,
    async_mode: str = "eventlet",
) -> Sockets:
    """Give an application its sockets at ``/socket.io``.

    Args:
        app: its WSGI entry is wrapped.
        database: of the web process.
        waiters: are told of each operation's end.
        settings: of the web process.
        authenticate: finds the key of a token.
        async_mode: the server's.
    """
    socketio = _socketio(app, settings, async_mode)
    server = socketio.server
    use_batching_queues(server.eio)
    if async_mode == "eventlet":
        use_wires(server.eio)
    clients = SocketClients(server)
    repair = Repair(database)
    readers = threading.BoundedSemaphore(_READERS)
    streams = Streams(database, clients, on_end=waiters.end, on_gap=repair.ask, readers=readers)
    repair.streams = streams
    places = Places(settings.ws_connections_per_client)
    door = Door(
        authenticate=authenticate,
        clients=clients,
        streams=streams,
        subscriptions=Subscriptions(streams, database, readers),
        places=places,
        limits=MessageLimits(settings.rate_limit_ws),
        readers=readers,
    )
    # Registered with the server itself: the extension's own decorator would build a Flask
    # request around every message.
    server.on("connect", door.on_connect)
    server.on("disconnect", door.on_disconnect)
    server.on(CLIENT_MESSAGE, door.on_message)
    return Sockets(
        socketio=socketio,
        streams=streams,
        places=places,
        clients=clients,
        hints=Hints(streams.offer, repair.ask_all),
        repair=repair,
        guard=Guard(database, clients, door.connections, door.knocking, door.forget),
    )


def _socketio(app: Flask, settings: WebSettings, async_mode: str) -> SocketIO:
    # At level INFO the library writes every packet into the log, tokens included.
    quiet = logging.getLogger("web.sockets.library")
    quiet.setLevel(logging.ERROR)
    return SocketIO(
        app,
        async_mode=async_mode,
        path="/socket.io",
        client_manager=Rooms(),
        serializer=GuardedPacket,
        json=Json,
        # One client's messages are served in the order in which they came.
        async_handlers=False,
        cors_allowed_origins=socket_origins(settings.cors_origins),
        cors_credentials=False,
        max_http_buffer_size=_MAX_MESSAGE_BYTES,
        ping_interval=_PING_INTERVAL_SECONDS,
        ping_timeout=_PING_TIMEOUT_SECONDS,
        manage_session=False,
        logger=quiet,
        engineio_logger=quiet,
    )
