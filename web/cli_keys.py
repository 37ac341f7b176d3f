"""The command line's `pms keys`: making and ending API keys without the web process."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import orjson
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, ProgrammingError

from db.models.api_key import SCOPES, ApiKey
from db.queries import api_keys
from db.session import Database, make_engine
from db.settings import DatabaseSettings
from web.auth import create_key
from web.cli_settings import WrongSettingsError, read_settings, without_password
from web.errors import Problem
from web.keys import rotate
from web.schemas.base import answer, rfc3339
from web.schemas.keys import KeyIn, KeyOut, KeyWithSecret
from workers.embedded import EmbeddedPostgres, StartupError

_BATCH = 100
# How the API names its fields, and how this command line does.
_OPTIONS = {
    "name": "NAME",
    "scopes": "--scope",
    "rate": "--rate",
    "wsRate": "--ws-rate",
    "expiresAt": "--expires",
}
_COLUMNS = ("ID", "NAME", "BEGINS", "SCOPES", "RATE", "WS RATE", "EXPIRES", "STATE")

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, as the API has it.")


@click.group()
def keys() -> None:
    r"""Make, list, rotate and revoke API keys.

    Works on DATABASE_URL, or else on the database of the `pms up` that runs on this machine
    with the same PMS_DATA_DIR. Web processes notice a change within 2 seconds.

    \b
    Examples:
      pms keys create storefront --scope read
      pms keys create till --scope write --rate 600/minute --expires 90d
      KEY=$(pms keys create robot --scope write)
      pms keys revoke 0198c0de-0000-7000-8000-000000000000
    """


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    required=True,
    help="May be given more than once; write includes read, admin includes everything.",
)
@click.option("--rate", metavar="RATE", help="Requests, such as 100/minute (else RATE_LIMIT_API).")
@click.option("--ws-rate", metavar="RATE", help="Socket messages (else RATE_LIMIT_WS).")
@click.option(
    "--expires",
    metavar="TIME",
    help="When it ends: 90d, 2027-01-31 or 2027-01-31T18:00:00Z (else never).",
)
@as_json
def create(
    name: str,
    scopes: tuple[str, ...],
    rate: str | None,
    ws_rate: str | None,
    expires: str | None,
    as_json: bool,
) -> None:
    """Make a key and print its secret, this once.

    The secret alone goes to the standard output, what is said about it to the standard error.
    """
    given = {
        "name": name,
        "scopes": list(scopes),
        "rate": rate,
        "wsRate": ws_rate,
        "expiresAt": _moment(expires),
    }
    wanted = _checked(given)
    with _transaction() as connection:
        key, secret = create_key(connection, **wanted.model_dump())
    assert key is not None
    _tell_secret(key, secret, as_json, "was made")


@keys.command("list")
@as_json
def list_keys(as_json: bool) -> None:
    """List all keys, newest first, revoked ones included."""
    found: list[ApiKey] = []
    with _transaction() as connection:
        while len(page := _page_after(connection, found)) == _BATCH:
            found += page
        found += page
    if as_json:
        click.echo(b"[" + b",".join(answer(KeyOut.model_validate(key)) for key in found) + b"]")
        return
    now = datetime.now(UTC)
    rows: list[tuple[str, ...]] = [
        ("ID", "NAME", "BEGINS", "SCOPES", "RATE", "WS RATE", "EXPIRES", "STATE")
    ]
    rows += [_row(key, now) for key in found]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@keys.command("rotate")
@click.argument("key_id", metavar="ID", type=click.UUID)
@as_json
def rotate_key(key_id: UUID, as_json: bool) -> None:
    """Give a key a new secret and print it, this once; the old one ends.

    The secret alone goes to the standard output, what is said about it to the standard error.
    """
    with _transaction() as connection:
        try:
            key, secret = rotate(connection, key_id)
        except Problem as problem:
            raise StartupError(f"{key_id}: {_first_small(problem.detail)}") from None
    _tell_secret(key, secret, as_json, "has a new secret")


@keys.command()
@click.argument("key_id", metavar="ID", type=click.UUID)
@as_json
def revoke(key_id: UUID, as_json: bool) -> None:
    """End a key for good; once more on a revoked one changes nothing."""
    with _transaction() as connection:
        key = api_keys.revoke(connection, key_id, datetime.now(UTC))
    if key is None:
        raise StartupError(f"{key_id}: there is no such key")
    if as_json:
        _print_json(KeyOut.model_validate(key))
    else:
        click.echo(f"The key {key.name!r} ({key.id}) is revoked.")


def running_database_url(data_dir: Path) -> str:
    """Where the embedded PostgreSQL of a running `pms up` is found.

    Raises:
        StartupError: there is none in this folder.
    """
    server = EmbeddedPostgres(data_dir)
    try:
        server.port = int((server.folder / "port").read_text())
        server.password = (server.folder / "password").read_text().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its port is unknown"
        raise StartupError(
            f"DATABASE_URL is not set, and there is no database to be found in {data_dir} "
            f"({reason}): start `pms up`, or set DATABASE_URL or PMS_DATA_DIR"
        ) from None
    return server.url


@contextmanager
def _transaction() -> Iterator[Connection]:
    """A transaction on the shop's database.

    Raises:
        WrongSettingsError: a setting is wrong.
        StartupError: the database is away, or empty.
    """
    settings = read_settings()
    url = settings.database_url or running_database_url(settings.data_dir)
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
        raise StartupError(f"the database {without_password(url)} is away: {reason}") from None
    except ProgrammingError as error:
        if getattr(error.orig, "pgcode", None) != "42P01":
            raise
        raise StartupError("the database has no tables yet: run `pms migrate` first") from None
    finally:
        engine.dispose()


def _checked(given: dict[str, Any]) -> KeyIn:
    """What the API would accept.

    Raises:
        WrongSettingsError: with a line for each option that is wrong.
    """
    try:
        return KeyIn.model_validate(given)
    except ValidationError as error:
        lines = []
        for found in error.errors(include_url=False, include_context=False):
            name = str(found["loc"][0])
            detail = found["msg"].removeprefix("Value error, ")
            lines.append(f"{_OPTIONS[name]} {given[name]!r}: {_first_small(detail)}")
        raise WrongSettingsError(lines) from None


def _moment(text: str | None) -> str | None:
    """A number of days, a day or a time, as the API takes times; else the text as it is."""
    if text is None:
        return None
    if days := re.fullmatch(r"([0-9]{1,5})d", text):
        return rfc3339(datetime.now(UTC) + timedelta(days=int(days[1])))
    return f"{text}T00:00:00Z" if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else text


def _page_after(connection: Connection, found: list[ApiKey]) -> list[ApiKey]:
    before = found[-1].id if found else None
    return api_keys.page(connection, limit=_BATCH, before=before)


def _row(key: ApiKey, now: datetime) -> tuple[str, ...]:
    state = "live" if key.is_live(now) else "revoked" if key.revoked_at else "expired"
    expires = rfc3339(key.expires_at)[:16] + "Z" if key.expires_at else "-"
    scopes = ",".join(key.scopes)
    rates = (key.rate or "-", key.ws_rate or "-")
    # Names come from clients: what steers a terminal must not get there.
    name = "".join(letter if letter.isprintable() else "?" for letter in key.name)
    return (str(key.id), name, key.hint, scopes, *rates, expires, state)


def _tell_secret(key: ApiKey, secret: str, as_json: bool, what: str) -> None:
    if as_json:
        shown = KeyOut.model_validate(key).model_dump()
        _print_json(KeyWithSecret(**shown, secret=secret))
        return
    scopes = ", ".join(key.scopes)
    click.echo(f"The key {key.name!r} ({key.id}; {scopes}) {what}, shown this once:", err=True)
    click.echo(secret)


def _print_json(model: BaseModel) -> None:
    click.echo(orjson.dumps(orjson.loads(answer(model)), option=orjson.OPT_INDENT_2))


def _first_small(sentence: str) -> str:
    return (sentence[:1].lower() + sentence[1:]).rstrip(".")
