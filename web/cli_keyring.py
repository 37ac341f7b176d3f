"""What `pms keys` does, on the database itself: the web process need not run."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import click
from pydantic import ValidationError
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, ProgrammingError

from db.environment import WrongSettingsError, without_password
from db.errors import is_unmigrated
from db.models.api_key import ApiKey, hash_secret
from db.queries import api_keys
from db.session import Database, make_engine
from db.settings import DatabaseSettings
from web.auth import create_key
from web.cli_errors import REFUSED, UNKNOWN, CommandError
from web.cli_settings import read_settings
from web.cli_target import running_url
from web.errors import Problem, not_found
from web.keys import rotate
from web.schemas.base import rfc3339
from web.schemas.faults import said
from web.schemas.keys import KeyIn
from workers.data_dir import StartupError, write_private
from workers.embedded import EmbeddedPostgres

_BATCH = 100
# How the API names its fields, and how this command line does.
_OPTIONS = {
    "name": "NAME",
    "scopes": "--scope",
    "rate": "--rate",
    "wsRate": "--ws-rate",
    "expiresAt": "--expires",
}


def make(expires: str | None, **given: Any) -> tuple[ApiKey, str]:
    """Make a key.

    Args:
        expires: when it ends: a number of days, a day or a time.
        given: what else the API takes, under its names.

    Returns:
        The key and its secret, which is kept nowhere.

    Raises:
        WrongSettingsError: with a line for each option that is wrong.
    """
    wanted = _checked({**given, "expiresAt": _moment(expires)})
    with _transaction() as connection:
        key, secret = create_key(connection, **wanted.model_dump())
    # A new secret of 256 random bits is nobody's yet.
    assert key is not None
    return key, secret


def all_keys() -> list[ApiKey]:
    """All keys, newest first, revoked ones included."""
    found: list[ApiKey] = []
    with _transaction() as connection:
        while len(page := _page_after(connection, found)) == _BATCH:
            found += page
    return found + page


def renew(key_id: UUID) -> tuple[ApiKey, str]:
    """Give a key a new secret, which is kept nowhere.

    Raises:
        CommandError: there is no such key, or it is revoked.
    """
    with _transaction() as connection:
        before = api_keys.find(connection, key_id)
        try:
            key, secret = rotate(connection, key_id)
        except Problem as problem:
            raise _refusal(key_id, problem) from None
    if before is not None:
        _replace_kept(before.secret_hash, secret)
    return key, secret


def end(key_id: UUID) -> ApiKey:
    """Revoke a key.

    Raises:
        CommandError: there is no such key.
    """
    with _transaction() as connection:
        key = api_keys.revoke(connection, key_id, datetime.now(UTC))
    if key is None:
        raise _refusal(key_id, not_found("key"))
    _replace_kept(key.secret_hash, None)
    return key


def _replace_kept(ended: bytes, successor: str | None) -> None:
    """Keep no secret that has just ended as the one of `pms up`.

    With DATABASE_URL it is only told of: a copy of the shop's database has the same key.

    Args:
        ended: its hash.
        successor: what is kept instead; without one the next `pms up` makes one.
    """
    settings = read_settings()
    file = settings.data_dir.expanduser().absolute() / "admin-key"
    try:
        if hash_secret(file.read_text().strip()) != ended:
            return
        owner = file.stat().st_uid
    except (OSError, UnicodeDecodeError):
        # There is none, or it is another user's.
        return
    try:
        if settings.database_url is not None:
            remedy = "remove it" if successor is None else "write the new one into it"
            told = f"{file} holds it too: if it is of this database, {remedy}"
        elif successor is None:
            file.unlink()
            told = f"{file} held it, and is removed: the next `pms up` makes another"
        else:
            write_private(file, successor + "\n")
            if owner != os.geteuid():
                os.chown(file, owner, -1)
            told = f"{file} held the old secret, and holds the new one"
    except OSError as error:
        told = f"{file} holds the ended secret, and cannot be changed ({error.strerror})"
    click.echo(told, err=True)


def _refusal(key_id: UUID, problem: Problem) -> CommandError:
    code = UNKNOWN if problem.status == 404 else REFUSED
    told = {
        "type": f"/docs/problems/{problem.code}",
        "title": problem.code.replace("-", " ").capitalize(),
        "status": problem.status,
        "detail": problem.detail,
    }
    return CommandError(f"{key_id}: {_first_small(problem.detail)}", code, told)


@contextmanager
def _transaction() -> Iterator[Connection]:
    """A transaction on the shop's database.

    Raises:
        WrongSettingsError: a setting is wrong.
        StartupError: the database is away, or empty.
    """
    settings = read_settings()
    url = settings.database_url or running_url(EmbeddedPostgres(settings.data_dir))
    engine = make_engine(
        DatabaseSettings(database_url=url).database_url,
        application="pms-cli",
        statement_timeout_ms=10_000,
        idle_in_transaction_ms=5_000,
        pool_size=None,
    )
    try:
        with Database(engine).transaction() as connection:
            yield connection
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise StartupError(
            f"the database {without_password(url)} is away: {reason}; start it, or correct "
            "DATABASE_URL"
        ) from None
    except ProgrammingError as error:
        if not is_unmigrated(error):
            raise
        raise StartupError("the database has no tables yet: run `pms migrate` first") from None
    finally:
        engine.dispose()


def _page_after(connection: Connection, found: list[ApiKey]) -> list[ApiKey]:
    before = found[-1].id if found else None
    return api_keys.page(connection, limit=_BATCH, before=before)


def _checked(given: dict[str, Any]) -> KeyIn:
    """What the API would accept.

    Raises:
        WrongSettingsError: with a line for each option that is wrong.
    """
    try:
        return KeyIn.model_validate(given)
    except ValidationError as error:
        lines = []
        for found in error.errors(include_url=False):
            name = str(found["loc"][0])
            lines.append(f"{_OPTIONS[name]} {given[name]!r}: {said(found)}")
        raise WrongSettingsError(lines) from None


def _moment(text: str | None) -> str | None:
    """A number of days, a day or a time, as the API takes times; else the text as it is."""
    if text is None:
        return None
    if days := re.fullmatch(r"([0-9]{1,5})d", text):
        return rfc3339(datetime.now(UTC) + timedelta(days=int(days[1])))
    return f"{text}T00:00:00Z" if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else text


def _first_small(sentence: str) -> str:
    return (sentence[:1].lower() + sentence[1:]).rstrip(".")
