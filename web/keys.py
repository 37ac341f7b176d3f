"""API keys: making, listing, rotating and revoking them; a secret is told once.

With an idempotency key the answer is remembered like any other, but without the secret, which
is kept nowhere: a replay says which key was made, and rotating it gives a secret again.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response
from sqlalchemy import Connection

from db.models.api_key import ApiKey, hash_secret
from db.queries import api_keys
from web import exports
from web.answers import json_response
from web.auth import create_key, current_key, hint_of, keyring, needs, new_secret
from web.errors import Problem, not_found
from web.idempotency import answer_once
from web.pages import cut, decode_cursor
from web.schemas.base import PageQuery, answer
from web.schemas.keys import ROTATED, KeyIn, KeyOut, KeyPage, KeyWithSecret
from web.services import services
from web.tables import wants_csv

blueprint = APIBlueprint("keys", __name__, tag="Keys")


@blueprint.get("/api/keys")
@needs("admin")
@blueprint.input(PageQuery, location="query", arg_name="query")
@blueprint.output(KeyPage)
def list_keys(query: PageQuery) -> Response:
    """API keys, newest first, revoked ones included; as CSV with `Accept: text/csv`."""
    place = decode_cursor(query.cursor, UUID)
    if wants_csv():
        return exports.keys(services().database)
    before = place[0] if place else None
    with services().database.transaction() as connection:
        rows = api_keys.page(connection, limit=query.limit + 1, before=before)
    page = cut(rows, query.limit, lambda key: [str(key.id)])
    return json_response(KeyPage.model_validate(page))


@blueprint.get("/api/keys/current")
@needs("read")
@blueprint.output(KeyOut)
def read_current_key() -> Response:
    """The API key of this request.

    What it may do, and until when.
    """
    return json_response(KeyOut.model_validate(current_key()))


@blueprint.post("/api/keys")
@needs("admin")
@blueprint.input(KeyIn, arg_name="body")
@blueprint.output(KeyWithSecret, status_code=201)
def make_key(body: KeyIn) -> Response:
    """Make an API key.

    Its `secret` is in this answer and nowhere else. A replay by `Idempotency-Key` makes no second
    key and carries no secret: rotate the key to get one.
    """

    def create(connection: Connection) -> tuple[ApiKey, str]:
        key, secret = create_key(connection, **body.model_dump())
        # A new secret of 256 random bits is nobody's yet.
        assert key is not None
        return key, secret

    return _answer_with_secret(create, status=201)


@blueprint.post("/api/keys/<id:key_id>/rotate")
@needs("admin")
@blueprint.output(KeyWithSecret)
@blueprint.doc(responses=ROTATED)
def rotate_key(key_id: UUID) -> Response:
    """Give an API key a new secret.

    The old secret ends at once in the process that answers and within 2 seconds in the others.
    A revoked key stays revoked, an expired one expired (`409`, `key-revoked`, `key-expired`).
    """
    return _answer_with_secret(lambda connection: rotate(connection, key_id))


@blueprint.delete("/api/keys/<id:key_id>")
@needs("admin")
@blueprint.output({}, status_code=204)
def revoke_key(key_id: UUID) -> Response:
    """Revoke an API key for good.

    Its sockets close within 5 seconds. Once more on a revoked one changes nothing.
    """
    with services().database.transaction() as connection:
        found = api_keys.revoke(connection, key_id, datetime.now(UTC))
    if found is None:
        raise not_found("key")
    keyring.forget()
    return Response(status=204)


def rotate(connection: Connection, key_id: UUID) -> tuple[ApiKey, str]:
    """Give a live key a new secret.

    Returns:
        The key, and the secret, which is kept nowhere.

    Raises:
        Problem: 404, there is no such key; 409, it is revoked or has expired.
    """
    secret = new_secret()
    key = api_keys.replace_secret(
        connection, key_id, secret_hash=hash_secret(secret), hint=hint_of(secret)
    )
    if key is None:
        found = api_keys.find(connection, key_id)
        if found is None:
            raise not_found("key")
        if found.revoked_at is None:
            raise Problem(409, "key-expired", "The key has expired; make a new one.")
        raise Problem(409, "key-revoked", "The key is revoked, and stays so.")
    return key, secret


def _answer_with_secret(
    change: Callable[[Connection], tuple[ApiKey, str]], status: int = 200
) -> Response:
    """Answer once with the secret; what an idempotency key remembers is without it."""
    told: list[KeyWithSecret] = []

    def make(connection: Connection) -> Response:
        key, secret = change(connection)
        shown = KeyOut.model_validate(key).model_dump()
        told.append(KeyWithSecret(**shown, secret=secret))
        return json_response(KeyWithSecret(**shown, secret=None), status)

    response, made = answer_once(make)
    keyring.forget()
    if made:
        response.set_data(answer(told[0]))
    return response
