"""The command line's `pms import`: products, or many changes of stock, from CSV files."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from math import isfinite
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import click
import orjson
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from web.bulk_rows import rows_of_csv
from web.cli_client import Api
from web.cli_errors import FAILED, REFUSED, UNKNOWN, USAGE, CommandError
from web.cli_output import print_json, printable, screen
from web.cli_target import Target, at_service
from web.errors import Problem

# A key may be allowed a hundred requests a minute: then an import waits, and goes on.
_PATIENCE = 130.0
_SHOWN = 20
_COLUMNS = {
    "sku": "sku",
    "name": "name",
    "description": "description",
    "price": "price",
    "categoryId": "categoryId",
    "images": "images",
    "lowStockThreshold": "lowStockThreshold",
    "status": "status",
    "id": "id",
    # Of an export, and passed over.
    "version": "",
    "createdAt": "",
    "updatedAt": "",
}
_NEEDED = (("name",), ("price",), ("categoryId",))
_file = click.argument(
    "file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False)
)


@click.group("import")
def import_() -> None:
    """Take in products, or many changes of stock, from CSV.

    \b
    Examples:
      pms import products products.csv
      pms import stock delivery.csv
    """


@import_.command("stock")
@_file
@click.option("--atomic", is_flag=True, help="All rows or none; at most 1,000 of them.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option(
    "--once",
    metavar="KEY",
    help="An idempotency key: with the same one the same file is applied once, however often "
    "this is run.",
)
@at_service
def stock(
    file: Path, atomic: bool, dry_run: bool, once: str | None, target: Target, as_json: bool
) -> None:
    """Change the stock of many products, and wait for the end.

    FILE is CSV in UTF-8 with the columns sku (or productId), quantity, type (increment or
    decrement), and, if you like, reason and reference; up to 100,000 rows. A row that cannot be
    read is named, and nothing is done. Exit code 3 says that rules have refused some rows: they
    are shown, and `POST /api/operations/ID/retry-refused` tries only them again.

    \b
    Examples:
      pms import stock delivery.csv
      pms import stock delivery.csv --dry-run
      pms import stock delivery.csv --once DN-4711
    """
    query = {"atomic": str(atomic).lower(), "dryRun": str(dry_run).lower()}
    with Api(target, patience=_PATIENCE) as api, _opened(file) as content:
        key = _key_of(content, str(time.time_ns())) if once is None else once
        sent = api.upload("/api/inventory/adjustments", content, once=key, **query).body
        operation = _follow(api, sent, as_json)
    _tell_end(operation, as_json)


def _follow(api: Api, operation: dict[str, Any], as_json: bool) -> dict[str, Any]:
    """Show how far it is, until it has ended."""
    with _bar(as_json) as progress:
        task = progress.add_task("Rows", total=operation["progress"]["total"])
        while operation["status"] == "queued":
            time.sleep(0.3)
            operation = api.get(f"/api/operations/{operation['id']}")
            progress.update(task, completed=operation["progress"]["done"])
    return operation


def _tell_end(operation: dict[str, Any], as_json: bool) -> None:
    result, error = operation["result"] or {}, operation["error"]
    problem = {**(error or {}), "operationId": operation["id"]}
    rows = result.get("refusedRows") or (error or {}).get("refused") or []
    if as_json:
        # Of a refused one the error is the one document.
        if error is None:
            print_json(operation)
    else:
        for row in rows[:_SHOWN]:
            name = printable(row["sku"] or row["productId"])
            click.echo(f"row {row['row']}: {name}: {printable(row['problem']['detail'])}", err=True)
        if error is None:
            verb = "would be applied" if result.get("dryRun") else "applied"
            rows_applied = f"{result['applied']:,} {'row' if result['applied'] == 1 else 'rows'}"
            click.echo(f"{rows_applied} {verb}, {result['refused']:,} refused")
            if result["refused"] > len(rows):
                click.echo(f"all of them: GET /api/operations/{operation['id']}/refused", err=True)
    if operation["status"] == "dead":
        raise CommandError(f"given up: {printable(error['detail'])}", FAILED, problem)
    if error is not None:
        raise CommandError(f"refused: {printable(error['detail'])}", REFUSED, problem)
    if result["refused"]:
        raise click.exceptions.Exit(REFUSED)


@import_.command("products")
@_file
@at_service
def products(file: Path, target: Target, as_json: bool) -> None:
    """Create products, or change those whose id or SKU is there already.

    FILE is CSV in UTF-8 with the columns name, price and categoryId, and, if you like, id, sku,
    description, images (a JSON array, or addresses with blanks between), lowStockThreshold and
    status (draft or published); an export of products is such a file. Each row is done once,
    also if the import of the same file is run again after a break. Exit code 2 says that rows
    were wrong: they are named, the others are done.

    A row is one request, or a few if it changes or publishes a product. With a key that may send
    100 a minute a thousand rows take ten minutes or more: the import waits as it is told, and
    goes on. `pms keys create NAME --rate 6000/minute` makes a key that may send more.

    \b
    Examples:
      pms import products products.csv
      pms export products -o products.csv && pms import products products.csv
    """
    counts = {"created": 0, "changed": 0, "wrong": 0}
    wrong: list[dict[str, Any]] = []
    with Api(target, patience=_PATIENCE) as api, _opened(file) as content, _bar(as_json) as bar:
        key = _key_of(content, "")
        rows = _checked(content)
        task = bar.add_task("Products", total=len(rows))
        for number, body in rows:
            try:
                counts[_put(api, body, f"{key}-{number}")] += 1
            except CommandError as error:
                if error.code not in (USAGE, REFUSED, UNKNOWN):
                    raise
                counts["wrong"] += 1
                wrong.append({"row": number, "detail": str(error)})
                if not as_json:
                    click.echo(f"row {number}: {error}", err=True)
            bar.advance(task)
    if as_json:
        print_json({**counts, "errors": wrong})
    else:
        click.echo(", ".join(f"{count:,} {name}" for name, count in counts.items()))
    if wrong:
        raise click.exceptions.Exit(USAGE)


def _checked(content: IO[bytes]) -> list[tuple[int, dict[str, Any]]]:
    """All rows: one that cannot be read is told before anything is done."""
    try:
        found = rows_of_csv(content, _COLUMNS, _NEEDED)
        return [(number, _body_of(number, fields)) for number, _, fields in found]
    except Problem as problem:
        faults = problem.facts.get("errors", [{"pointer": "", "detail": problem.detail}])
        said = "; ".join(f"{one['pointer'].lstrip('#')}: {one['detail']}" for one in faults)
        raise CommandError(printable(said), USAGE) from None


def _body_of(number: int, fields: dict[str, str]) -> dict[str, Any]:
    # What a new product must have, and a change leaves as it is.
    missing = {} if "id" in fields else {"description": "", "images": []}
    body: dict[str, Any] = {**missing, **fields}
    status = fields.get("status", "draft")
    if status not in ("draft", "published"):
        message = f"row {number}: status is {printable(status)}; draft and published are known"
        raise CommandError(message, USAGE)
    try:
        # It becomes a part of an address, in which it must not lead elsewhere.
        body |= {"id": str(UUID(fields["id"]))} if "id" in fields else {}
        price = Decimal(fields["price"]) if "price" in fields else None
        if price is not None and not isfinite(price):
            raise ValueError(price)
        body["price"] = None if price is None else float(price)
        if "lowStockThreshold" in fields:
            body["lowStockThreshold"] = int(fields["lowStockThreshold"])
        if "images" in fields:
            text = fields["images"]
            body["images"] = orjson.loads(text) if text.startswith("[") else text.split()
    except (ValueError, InvalidOperation):
        message = f"row {number}: id, price, lowStockThreshold or images cannot be read"
        raise CommandError(message, USAGE) from None
    return body


def _put(api: Api, body: dict[str, Any], key: str) -> str:
    """Create the product, or change the one that has its id or SKU; says which it was."""
    status = body.pop("status", "draft")
    done, product_id = "changed", body.pop("id", None)
    if product_id is None:
        try:
            product = api.send("POST", "/api/pms/products", body, once=key).body
            done = "created"
        except CommandError as error:
            if error.name != "sku-taken":
                raise
            like = api.each("/api/products", q=body["sku"])
            product_id = next((one["id"] for one in like if one["sku"] == body["sku"]), None)
            if product_id is None:
                # Its product has just got another one.
                raise
    if product_id is not None:
        path = f"/api/pms/products/{product_id}"
        product = api.send("PATCH", path, body, once=f"{key}-change").body
    if status == "published" and product["status"] != "published":
        path = f"/api/pms/products/{product['id']}/publish"
        api.send("PUT", path, {"status": "published"}, once=f"{key}-publish")
    return done


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    try:
        content = file.open("rb")
    except OSError as error:
        raise CommandError(f"{file}: cannot be read ({error.strerror})", USAGE) from None
    with content:
        yield content


def _key_of(content: IO[bytes], salt: str) -> str:
    """A key that stands for this file; it is at its beginning afterwards."""
    digest = hashlib.file_digest(content, "sha256")
    digest.update(salt.encode())
    content.seek(0)
    return digest.hexdigest()[:40]


def _bar(as_json: bool) -> Progress:
    """A bar on the standard error, for people."""
    console = screen(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=as_json or not console.is_terminal,
        transient=True,
    )
