"""The command line: everything an operator does with the shop's back office."""

import errno
import sys
from contextlib import suppress
from importlib import import_module
from itertools import takewhile
from typing import Any

import click

from web.cli_errors import AS_JSON, FAILED, USAGE, CommandError

# Each command's module is imported by its own run: to import them all takes longer than most of
# them do. What is needed first comes first; what is said of each is its own first sentence.
_COMMANDS = {
    "up": ("web.cli_up:up", "Start everything on this machine and keep it running."),
    "demo": (
        "web.cli_demo:demo",
        "Play a month of a believable shop, then check it to the last unit.",
    ),
    "stock": ("web.cli_stock:stock", "Show what there is of a product."),
    "adjust": (
        "web.cli_stock:adjust",
        "Add units to a product's stock, or take them out, and wait for the end.",
    ),
    "import": ("web.cli_import:import_", "Take in products, or many changes of stock, from CSV."),
    "export": ("web.cli_export:export", "Write products, stock, movements or orders as CSV."),
    "watch": ("web.cli_watch:watch", "Show what happens as it happens, until Ctrl-C."),
    "status": (
        "web.cli_status:status",
        "Show what runs, the line of operations, and what went wrong last.",
    ),
    "doctor": (
        "web.cli_doctor:doctor",
        "Check this installation: each finding comes with what to do about it.",
    ),
    "repair": (
        "web.cli_repair:repair",
        "Compare what the database holds twice, and mend what differs.",
    ),
    "keys": ("web.cli_keys:keys", "Make, list, rotate and revoke API keys."),
    "migrate": ("web.cli_processes:migrate", "Bring the database in DATABASE_URL up to date."),
    "web": ("web.cli_processes:web", "Run one web process; it needs DATABASE_URL and REDIS_URL."),
}

_FULL = (errno.ENOSPC, errno.EDQUOT)


class _Commands(click.Group):
    """Commands whose failures are lines for the operator: never a traceback, never a secret."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, out of its module."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in _COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words; whether JSON is wanted is known also where the rest makes no sense."""
        ctx.meta[AS_JSON] = "--json" in takewhile(lambda word: word != "--", args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            _tell_usage(ctx, error)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it could not do becomes a line and an exit code."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            _tell_usage(ctx, error)
            raise
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            lines, code, problem = _failure(error)
        for line in lines:
            click.echo(f"pms: {line}", err=True)
        _tell_json(ctx, {"title": "Could not be done", "detail": " ".join(lines), **problem}, code)
        sys.exit(code)


def _failure(error: Exception) -> tuple[list[str], int, dict[str, Any]]:
    """What an operator is told: lines, exit code, the service's own words; a bug is raised on."""
    from db.environment import WrongSettingsError
    from workers.data_dir import StartupError

    if isinstance(error, WrongSettingsError):
        return error.lines, USAGE, {}
    if isinstance(error, CommandError):
        return [str(error)], error.code, error.problem
    if isinstance(error, StartupError):
        return [str(error)], FAILED, {}
    if isinstance(error, OSError) and error.errno in _FULL:
        return [f"what it has to say cannot be written ({error.strerror})"], FAILED, {}
    raise error


def _tell_usage(ctx: click.Context, error: click.UsageError) -> None:
    """Say to a program what click says to people."""
    _tell_json(ctx, {"title": "Wrong usage", "detail": error.format_message()}, USAGE)


def _tell_json(ctx: click.Context, told: dict[str, Any], code: int) -> None:
    """Say a failure once more, to a program that asked with `--json`."""
    from web.cli_output import print_json, wants_json

    if wants_json(ctx):
        # On a full disk there is nobody to tell.
        with suppress(OSError):
            print_json({**told, "exitCode": code})


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

    Each command explains itself with examples: pms adjust --help. All take --json.

    \b
    Exit codes:
      0  done
      1  could not be done: something is away, or wrong
      2  wrong usage, or a setting is refused
      3  a rule said no, such as too little stock; nothing has changed
      4  there is no such product, order or other thing
      5  the API key is refused, or may not do this
      6  accepted, but not ended in the time given; or the answer got lost, and it may be
    """
