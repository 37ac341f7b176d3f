"""Who is at the door: API keys, their scopes, and a short memory of them."""

import hmac
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog
from flask import Flask, current_app
from flask.globals import request_ctx
from sqlalchemy import Connection
from uuid_utils.compat import uuid7

from db.models.api_key import ApiKey, hash_secret
from db.queries import api_keys
from db.session import Database, web_database
from web.errors import Problem
from web.facts import API_KEY
from web.settings import web_settings

F = TypeVar("F", bound=Callable[..., Any])
log = structlog.get_logger(__name__)

HEADER = "X-API-Key"
_HEADER = "HTTP_X_API_KEY"
_DENIED = "pms.denied"
# How long a process may still trust a key that another process has just revoked, in seconds.
_TRUST_SECONDS = 2.0
# So long before that it is looked up again.
_REFRESH_SECONDS = 0.5
_MAX_SECRET = 200
_FIRST_KEY = "first admin key"


class Unauthorized(Exception):  # noqa: N818 - an answer more than an error
    """The key is missing, unknown, revoked or expired; which of them is not told."""


class Keyring:
    """The keys that this process has seen in the last moments."""

    def __init__(self) -> None:
        self._seen: dict[bytes, tuple[float, ApiKey]] = {}
        self._asked: dict[bytes, float] = {}

    def find(self, database: Database, secret_hash: bytes) -> ApiKey | None:
        """The key with this secret, from memory or from the database.

        Shortly before it is trusted no longer one caller asks for it anew, while the others go on
        with what is known: otherwise all of them would ask at the same moment.
        """
        now = time.monotonic()
        until, key = self._seen.get(secret_hash, (0.0, None))
        if key is not None and now < until:
            is_asked = now - self._asked.get(secret_hash, 0.0) < _REFRESH_SECONDS
            if is_asked or until - now > _REFRESH_SECONDS:
                return key
            self._asked[secret_hash] = now
        with database.statement() as connection:
            key = api_keys.find_by_hash(connection, secret_hash)
        if key is not None:
            self._seen[secret_hash] = (now + _TRUST_SECONDS, key)
        return key

    def forget(self) -> None:
        """Trust nothing that was seen before: a key has changed."""
        self._seen.clear()
        self._asked.clear()


keyring = Keyring()
# The first admin key, once this process has seen to it that the database has it.
_registered: set[bytes] = set()


def authenticate(secret: str | None, database: Database | None = None) -> ApiKey:
    """The live key with this secret.

    Args:
        secret: what the client sent.
        database: where to look; this process' own unless given.

    Raises:
        Unauthorized: missing, unknown, revoked or expired.
        sqlalchemy.exc.SQLAlchemyError: the database could not be asked.
    """
    if not secret or len(secret) > _MAX_SECRET:
        raise Unauthorized
    wanted = hash_secret(secret)
    database = database or web_database()
    key = keyring.find(database, wanted)
    if key is None and _is_awaited(wanted):
        # The database has come back before the operator's key got its turn.
        register_first_key(database, secret)
        key = keyring.find(database, wanted)
    # The index has found it by its hash already; this comparison takes the same time for all.
    if key is None or not hmac.compare_digest(key.secret_hash, wanted):
        raise Unauthorized
    if not key.is_live(datetime.now(UTC)):
        raise Unauthorized
    return key


def needs(scope: str | None) -> Callable[[F], F]:
    """Say which scope a route needs, or with None that it is open to all.

    A route without this declaration answers nobody; a test looks for such routes too.
    """

    def declare(view: F) -> F:
        view.scope = scope  # type: ignore[attr-defined]
        return view

    return declare


def current_key() -> ApiKey:
    """The key of this request, which has passed the guard."""
    key: ApiKey = request_ctx.request.environ[API_KEY]
    return key


def identify() -> None:
    """Before each request: find out who asks; limits count by it, the guard judges it after."""
    request = request_ctx.request
    unknown = request.endpoint is None
    if not request.path.startswith("/api/") if unknown else _scope(request.endpoint) is None:
        return
    try:
        request.environ[API_KEY] = authenticate(request.environ.get(_HEADER))
    except Unauthorized:
        if unknown:
            return
        request.environ[_DENIED] = Problem(
            401,
            "unauthorized",
            f"A valid API key in the header {HEADER} is needed.",
            headers={"WWW-Authenticate": f'ApiKey header="{HEADER}"'},
        )


def guard() -> None:
    """Before each request, after the limits: let in who may come in.

    Raises:
        Problem: 401 without a live key, 403 without the scope.
    """
    request = request_ctx.request
    denied: Problem | None = request.environ.get(_DENIED)
    if denied is not None:
        raise denied
    scope = _scope(request.endpoint) if request.endpoint else None
    if scope is not None and not request.environ[API_KEY].may(scope):
        detail = f"The key has no scope {scope!r}."
        raise Problem(403, "forbidden", detail, requiredScope=scope)


def _scope(endpoint: str) -> str | None:
    view = current_app.view_functions[endpoint]
    scope: str | None = getattr(view, "scope", "admin")
    return scope


def init_auth(app: Flask) -> None:
    """Have each request's key looked up first."""
    app.before_request(identify)


def new_secret() -> str:
    """A secret with 256 random bits."""
    return f"pms_{secrets.token_urlsafe(32)}"


def create_key(
    connection: Connection,
    *,
    name: str,
    scopes: list[str],
    secret: str | None = None,
    rate: str | None = None,
    ws_rate: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey | None, str]:
    """Register a key.

    Args:
        connection: the caller's transaction.
        name: for people.
        scopes: of `db.models.api_key.SCOPES`.
        secret: a given one; a new one is made otherwise.
        rate: requests, such as ``100/minute``; None for the installation's rate.
        ws_rate: socket messages, likewise.
        expires_at: when it ends by itself.

    Returns:
        The key, None if this secret is, or was until it was rotated, one of a key; and the secret,
        which is kept nowhere.
    """
    secret = secret or new_secret()
    key = api_keys.insert(
        connection,
        id=uuid7(),
        name=name,
        hint=hint_of(secret),
        secret_hash=hash_secret(secret),
        scopes=scopes,
        rate=rate,
        ws_rate=ws_rate,
        expires_at=expires_at,
    )
    return key, secret


def hint_of(secret: str) -> str:
    """What may be shown of a secret, so that people can tell keys apart."""
    return f"{secret[:8]}…"


def register_first_key(database: Database, secret: str) -> None:
    """Have the key that the operator gave; nothing happens if it is there, or was rotated.

    What would otherwise be found out too late is logged: that it does not open everything, or that
    one that was given before it still does.
    """
    wanted = hash_secret(secret)
    with database.transaction() as connection:
        made, _ = create_key(connection, name=_FIRST_KEY, scopes=["admin"], secret=secret)
        is_spent = made is None and api_keys.is_spent(connection, wanted)
        before = api_keys.live_admins(connection, _FIRST_KEY, made.id) if made else []
    _registered.add(wanted)
    if is_spent:
        remedy = "start `pms up` anew if it keeps a newer one; else `pms keys create` makes one"
        log.warning("first_key_is_no_live_admin_key", remedy=remedy)
    for key_id in before:
        log.warning("first_key_before_is_live", remedy=f"`pms keys revoke {key_id}` ends it")


def _is_awaited(secret_hash: bytes) -> bool:
    """Whether this is the operator's key, which this process has not registered yet.

    Only until then: a secret that is unknown later on has been replaced.
    """
    given = web_settings().pms_api_key
    if given is None or secret_hash in _registered:
        return False
    return hmac.compare_digest(hash_secret(given), secret_hash)
