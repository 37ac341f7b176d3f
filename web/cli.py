"""The command line: everything an operator does with the shop's back office."""

import os
import sys
from typing import Any

import click

from db.migrate import downgrade, upgrade
from web.cli_checks import check_port, migrate
from web.cli_keys import keys
from web.cli_settings import WrongSettingsError, read_settings
from web.cli_up import up
from workers.embedded import StartupError


class _Commands(click.Group):
    """Commands whose failures are lines for the operator: never a traceback, never a secret."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; exit code 2 means wrong settings, 1 that something cannot start."""
        try:
            return super().invoke(ctx)
        except WrongSettingsError as error:
            lines, code = error.lines, 2
        except StartupError as error:
            lines, code = [str(error)], 1
        for line in lines:
            click.echo(f"pms: {line}", err=True)
        sys.exit(code)


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

    Each command explains itself: pms up --help
    """


@main.command("migrate")
@click.option("--down", metavar="REVISION", help="Go back to this revision; base empties it.")
def migrate_command(down: str | None) -> None:
    """Bring the database in DATABASE_URL up to date.

    Several at once do no harm: they wait for each other. `pms up` does this by itself.
    """
    url = read_settings(required=("database_url",)).database_url
    assert url is not None
    if down is None:
        migrate(upgrade, url, "head")
    else:
        migrate(downgrade, url, down)
    click.echo("The database is up to date." if down is None else f"The database is at {down}.")


@main.command()
def web() -> None:
    """Run one web process; it needs DATABASE_URL and REDIS_URL.

    Listens on HOST and PORT, and ends in peace on SIGTERM.
    """
    settings = read_settings(required=("database_url", "redis_url"))
    check_port(settings.web.host, settings.web.port)
    # A process of its own kind, in our place: its server must be the first thing that it
    # imports, since it replaces parts of the standard library.
    os.execv(sys.executable, [sys.executable, "-m", "web.server"])  # noqa: S606


main.add_command(up)
main.add_command(keys)
