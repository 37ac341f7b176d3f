"""The command line's `pms migrate` and `pms web`: what a Procfile runs by itself."""

import os
import sys

import click

from web.cli_checks import check_port
from web.cli_checks import migrate as take_to
from web.cli_output import json_option, print_json
from web.cli_settings import read_settings


@click.command()
@click.option("--down", metavar="REVISION", help="Go back to this revision; base empties it.")
@json_option
def migrate(down: str | None, as_json: bool) -> None:
    """Bring the database in DATABASE_URL up to date.

    Several at once do no harm: they wait for each other. `pms up` does this by itself.

    \b
    Examples:
      pms migrate
      pms migrate --down base
    """
    if down is not None and not down.isalnum():
        # What a script's unset variable leaves is no wish, and a step back (-1) no place.
        raise click.BadParameter("must be a revision such as 0001, or base", param_hint="--down")
    url = read_settings(required=("database_url",)).database_url
    assert url is not None
    newer = take_to(url, down or "head", down=down is not None)
    if as_json:
        from db.migrate import head_revision

        print_json({"revision": newer or down or head_revision()})
        return
    if newer is not None:
        click.echo(f"The database is left at {newer}, which a newer version has made.")
        return
    click.echo("The database is up to date." if down is None else f"The database is at {down}.")


@click.command()
@json_option
def web(as_json: bool) -> None:
    """Run one web process; it needs DATABASE_URL and REDIS_URL.

    Listens on HOST and PORT, and ends in peace on SIGTERM. With --json its log is JSON, as with
    LOG_FORMAT=json.

    \b
    Example:
      HOST=0.0.0.0 PORT=8080 pms web
    """
    if as_json:
        os.environ["LOG_FORMAT"] = "json"
    settings = read_settings(required=("database_url", "redis_url"))
    check_port(settings.web.host, settings.web.port)
    # A process of its own kind, in our place: its server must be the first thing that it
    # imports, since it replaces parts of the standard library.
    os.execv(sys.executable, [sys.executable, "-m", "web.server"])  # noqa: S606
