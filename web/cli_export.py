"""The command line's `pms export`: lists as CSV, as they are read."""

from pathlib import Path
from typing import Any

import click

from web.cli_client import LONG_PATIENCE, Api
from web.cli_errors import USAGE, CommandError
from web.cli_output import print_json
from web.cli_target import Target, at_service

_PATHS = {
    "products": "/api/products",
    "stock": "/api/inventory/stock",
    "movements": "/api/inventory/movements",
    "orders": "/api/pms/orders",
}


@click.command()
@click.argument("what", type=click.Choice(list(_PATHS)))
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to; the standard output unless given.",
)
@at_service
def export(what: str, output: Path | None, target: Target, as_json: bool) -> None:
    """Write products, stock, movements or orders as CSV.

    Text that a spreadsheet would take for a formula begins with an apostrophe. Orders have a
    row for each item. With --json each item is a line of JSON instead. A file is written beside
    its name first, and takes it when it is whole.

    \b
    Examples:
      pms export products -o products.csv
      pms export stock | head
      pms export movements --json | jq .onHandChange
    """
    with Api(target, patience=LONG_PATIENCE) as api:
        if as_json:
            _write_json(api, _PATHS[what])
        elif output is None:
            stream = click.get_binary_stream("stdout")
            for piece in api.download(_PATHS[what]):
                stream.write(piece)
        else:
            _write_file(api, _PATHS[what], output)
            click.echo(f"{output}: written", err=True)


def _write_json(api: Api, path: str) -> None:
    cursor = None
    while True:
        page: dict[str, Any] = api.get(path, limit=100, cursor=cursor)
        for item in page["items"]:
            print_json(item)
        cursor = page["nextCursor"]
        if cursor is None:
            return


def _write_file(api: Api, path: str, output: Path) -> None:
    if not output.name:
        raise CommandError("--output: the name of a file is needed", USAGE)
    unfinished = output.with_name(output.name + ".part")
    try:
        with unfinished.open("wb") as file:
            for piece in api.download(path):
                file.write(piece)
        unfinished.replace(output)
    except OSError as error:
        raise CommandError(f"{output}: cannot be written ({error.strerror})") from None
    finally:
        unfinished.unlink(missing_ok=True)
