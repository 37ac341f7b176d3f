"""The guard: closes sockets that fell too far behind, lost their key, or stayed strangers."""

import threading
import time
from collections.abc import Callable

import structlog

from db.errors import is_passing
from db.queries.snapshots import live_keys
from db.session import Database
from web.socket_clients import SocketClients, close_transport
from web.socket_subscriptions import Client

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 0.5
_KEYS_EVERY_SECONDS = 2.0
# A busy moment may leave a client's first words unread for a while.
_STRANGER_SECONDS = 30.0


class Guard:
    """Looks at every connection of this process, again and again.

    Args:
        database: where the keys are.
        clients: the sockets.
        connections: by their ids; shared with, and changed by, who lets them in.
        knocking: those about to be let in, likewise.
        forget: called for a connection whose end went unnoticed.
    """

    def __init__(
        self,
        database: Database,
        clients: SocketClients,
        connections: dict[str, Client],
        knocking: set[str],
        forget: Callable[[str], None],
    ) -> None:
        self._database = database
        self._clients = clients
        self._connections = connections
        self._knocking = knocking
        self._forget = forget
        self._stopped = threading.Event()
        self._seen: dict[str, float] = {}

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="socket-guard", daemon=True).start()

    def stop(self) -> None:
        """End with the next round."""
        self._stopped.set()

    def _run(self) -> None:
        keys_at = 0.0
        while not self._stopped.wait(_EVERY_SECONDS):
            try:
                self._check_sockets()
                self._check_strangers()
                if time.monotonic() - keys_at >= _KEYS_EVERY_SECONDS:
                    keys_at = time.monotonic()
                    self._check_keys()
            except Exception as error:
                # Without the database nobody can be known to have lost a key.
                if not is_passing(error):
                    log.exception("guard_failed")

    def _check_sockets(self) -> None:
        for sid in list(self._connections):
            if not self._clients.is_here(sid):
                self._forget(sid)
                self._clients.disown(sid)
            elif self._clients.is_too_far_behind(sid):
                log.info("socket_too_far_behind", sid=sid)
                self._clients.close(sid, "too far behind")

    def _check_strangers(self) -> None:
        """Transports that were opened and never became a connection."""
        now = time.monotonic()
        strangers = self._clients.strangers({*self._connections, *self._knocking})
        self._seen = {key: self._seen.get(key, now) for key in strangers}
        for key, since in self._seen.items():
            if now - since >= _STRANGER_SECONDS:
                close_transport(strangers[key])

    def _check_keys(self) -> None:
        connections = list(self._connections.values())
        if not connections:
            return
        with self._database.statement() as connection:
            live = live_keys(connection, {client.key.id for client in connections})
        for client in connections:
            # A rotated key has another secret: who came with the old one has to come again.
            if live.get(client.key.id) != client.key.secret_hash:
                log.info("socket_key_ended", sid=client.sid, key=str(client.key.id))
                self._clients.close(client.sid, "key ended")
