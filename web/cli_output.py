"""What commands print: JSON for programs, and for people text that cannot steer a terminal."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from web.cli_errors import AS_JSON


def _remember(ctx: click.Context, _: click.Parameter, value: bool) -> bool:
    # Errors are told outside of the command, which alone has the option.
    ctx.meta[AS_JSON] = value
    return value


#: The option `--json`, which gives the parameter ``as_json``.
json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    is_eager=True,
    callback=_remember,
    help="Print JSON on the standard output; an error too is a JSON document there.",
)


def wants_json(ctx: click.Context) -> bool:
    """Whether the command in this context was given `--json`."""
    return bool(ctx.meta.get(AS_JSON))


def print_json(value: Any) -> None:
    """Print one JSON document, in one line."""
    click.echo(orjson.dumps(value, default=str))


def printable(text: object) -> str:
    """Text of a client's, such as a name, without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))


def screen(stderr: bool = False) -> Console:
    """Where people read; coloured if that is a terminal."""
    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def rows(pairs: Iterable[tuple[str, str | Text]]) -> Table:
    """Names and what there is to say to each, in two columns."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(Text(name), value if isinstance(value, Text) else Text(value))
    return table


def clock(moment: datetime) -> str:
    """A time of day on this machine's clock, such as ``18:03:07.042``."""
    return moment.astimezone().strftime("%H:%M:%S.%f")[:-3]


def duration(seconds: float) -> str:
    """How long, in the two largest units: ``3 d 4 h``, ``2 min 5 s``, ``1.4 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    units = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
    first = next(place for place, (_, size) in enumerate(units) if whole >= size)
    parts = []
    for name, size in units[first : first + 2]:
        parts.append(f"{whole // size} {name}")
        whole %= size
    return " ".join(parts)
