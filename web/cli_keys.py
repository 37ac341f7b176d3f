"""The command line's `pms keys`: making and ending API keys without the web process."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from web.cli_output import json_option, print_json, printable

if TYPE_CHECKING:
    from db.models.api_key import ApiKey

_SCOPES = ("read", "write", "admin")
_COLUMNS = ("ID", "NAME", "BEGINS", "SCOPES", "RATE", "WS RATE", "EXPIRES", "STATE")


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke API keys.

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
    type=click.Choice(_SCOPES),
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
@json_option
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
    from web.cli_keyring import make

    key, secret = make(expires, name=name, scopes=list(scopes), rate=rate, wsRate=ws_rate)
    _tell_secret(key, secret, as_json, "was made")


@keys.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """List all keys, newest first, revoked ones included."""
    from web.cli_keyring import all_keys

    found = all_keys()
    if as_json:
        print_json([_shown(key) for key in found])
        return
    now = datetime.now(UTC)
    rows = [_COLUMNS, *(_row(key, now) for key in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@keys.command("rotate")
@click.argument("key_id", metavar="ID", type=click.UUID)
@json_option
def rotate_key(key_id: UUID, as_json: bool) -> None:
    """Give a key a new secret and print it, this once; the old one ends.

    If it is the one that `pms up` keeps on this machine, it goes on with the new secret.

    The secret alone goes to the standard output, what is said about it to the standard error.
    """
    from web.cli_keyring import renew

    key, secret = renew(key_id)
    _tell_secret(key, secret, as_json, "has a new secret")


@keys.command()
@click.argument("key_id", metavar="ID", type=click.UUID)
@json_option
def revoke(key_id: UUID, as_json: bool) -> None:
    """End a key for good; once more on a revoked one changes nothing.

    If it is the one that `pms up` keeps on this machine, its next start makes another.
    """
    from web.cli_keyring import end

    key = end(key_id)
    if as_json:
        print_json(_shown(key))
    else:
        click.echo(f"The key {key.name!r} ({key.id}) is revoked.")


def _row(key: "ApiKey", now: datetime) -> tuple[str, ...]:
    state = "live" if key.is_live(now) else "revoked" if key.revoked_at else "expired"
    expires = f"{key.expires_at:%Y-%m-%dT%H:%M}Z" if key.expires_at else "-"
    scopes = ",".join(key.scopes)
    rates = (key.rate or "-", key.ws_rate or "-")
    return (str(key.id), printable(key.name), key.hint, scopes, *rates, expires, state)


def _tell_secret(key: "ApiKey", secret: str, as_json: bool, what: str) -> None:
    if as_json:
        print_json({**_shown(key), "secret": secret})
        return
    scopes = ", ".join(key.scopes)
    click.echo(f"The key {key.name!r} ({key.id}; {scopes}) {what}, shown this once:", err=True)
    click.echo(secret)


def _shown(key: "ApiKey") -> dict[str, Any]:
    """A key without its secret, as the API has it."""
    from web.schemas.keys import KeyOut

    return KeyOut.model_validate(key).model_dump(mode="json", by_alias=True)
