"""The command line: everything an operator does with the shop's back office."""

import os
import sys
from typing import Any

import click

from db.migrate import downgrade, head_revision, upgrade
from web.cli_checks import check_port, migrate
from web.cli_demo import demo
from web.cli_doctor import doctor
from web.cli_errors import FAILED, USAGE, CommandError
from web.cli_keys import keys
from web.cli_output import json_option, print_json, wants_json
from web.cli_settings import WrongSettingsError, read_settings
from web.cli_status import status
from web.cli_stock import adjust, stock
from web.cli_up import up
from web.cli_watch import watch
from workers.embedded import StartupError


class _Commands(click.Group):
    """Commands whose failures are lines for the operator: never a traceback, never a secret."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it could not do becomes a line and an exit code."""
        problem: dict[str, Any] = {}
        try:
            return super().invoke(ctx)
        except WrongSettingsError as error:
            lines, code = error.lines, USAGE
        except StartupError as error:
            lines, code = [str(error)], FAILED
        except CommandError as error:
            lines, code, problem = [str(error)], error.code, error.problem
        for line in lines:
            click.echo(f"pms: {line}", err=True)
        if wants_json(ctx):
            told = {"title": "Could not be done", "detail": " ".join(lines)}
            print_json({**told, **problem, "exitCode": code})
        sys.exit(code)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were added: what comes first is needed first."""
        return list(self.commands)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="backend-pms", prog_name="pms")
def main() -> None:
    """Backend PMS: products, stock, orders and analytics of a shop.

    To begin, with nothing else installed:

    \b
      pms up

    On several machines, each process by itself, with DATABASE_URL and REDIS_URL set:

    \b
      pms migrate      once a release, before the rest
      pms web          as many as you like
      celery -A workers.app worker -Q line,maintenance,analytics
      celery -A workers.app beat

    With it running, in another terminal:

    \b
      pms demo         play a month of a shop
      pms watch        see what happens, as it happens
      pms status       what runs, and what went wrong
      pms doctor       is everything as it must be?

    Each command explains itself with examples: pms adjust --help. Most take --json.

    \b
    Exit codes:
      0  done
      1  could not be done: something is away, or wrong
      2  wrong usage, or a setting is refused
      3  a rule said no, such as too little stock; nothing has changed
      4  there is no such product, order or other thing
      5  the API key is refused, or may not do this
      6  accepted, but not ended in the time given
    """


@main.command("migrate")
@click.option("--down", metavar="REVISION", help="Go back to this revision; base empties it.")
@json_option
def migrate_command(down: str | None, as_json: bool) -> None:
    """Bring the database in DATABASE_URL up to date.

    Several at once do no harm: they wait for each other. `pms up` does this by itself.

    \b
    Examples:
      pms migrate
      pms migrate --down base
    """
    url = read_settings(required=("database_url",)).database_url
    assert url is not None
    if down is None:
        migrate(upgrade, url, "head")
    else:
        migrate(downgrade, url, down)
    if as_json:
        print_json({"revision": head_revision() if down is None else down})
        return
    click.echo("The database is up to date." if down is None else f"The database is at {down}.")


@main.command()
def web() -> None:
    """Run one web process; it needs DATABASE_URL and REDIS_URL.

    Listens on HOST and PORT, and ends in peace on SIGTERM.

    \b
    Example:
      HOST=0.0.0.0 PORT=8080 pms web
    """
    settings = read_settings(required=("database_url", "redis_url"))
    check_port(settings.web.host, settings.web.port)
    # A process of its own kind, in our place: its server must be the first thing that it
    # imports, since it replaces parts of the standard library.
    os.execv(sys.executable, [sys.executable, "-m", "web.server"])  # noqa: S606


for command in (up, demo, stock, adjust, watch, status, doctor, keys):
    main.add_command(command)
# Its place in the list is behind what one needs every day.
for last in (migrate_command, web):
    main.add_command(main.commands.pop(str(last.name)))
