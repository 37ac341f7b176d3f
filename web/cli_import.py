"""The command line's `pms import`: products, or many changes of stock, from CSV files."""

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, NoReturn

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from web.cli_client import LONG_PATIENCE, Api
from web.cli_errors import FAILED, QUEUED, REFUSED, UNKNOWN, USAGE, CommandError, told_once
from web.cli_output import print_json, printable, screen
from web.cli_product_rows import checked
from web.cli_target import Target, at_service

# What a new product must have, and a change leaves as it is.
_MISSING: dict[str, Any] = {"description": "", "images": []}
_SHOWN = 20
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
    are shown, and `POST /api/operations/ID/retry-refused` tries only them again. 6 says that it
    is accepted, but has not ended; or that its answer got lost: the line of error then has the
    KEY with which to ask.

    \b
    Examples:
      pms import stock delivery.csv
      pms import stock delivery.csv --dry-run
      pms import stock delivery.csv --once DN-4711
    """
    query = {"atomic": str(atomic).lower(), "dryRun": str(dry_run).lower()}
    with Api(target, patience=LONG_PATIENCE) as api, _opened(file) as content:
        key = _key_of(content, str(time.time_ns())) if once is None else once
        # Who has answered once is waited for, and so the upload is sent again if need be.
        api.get("/api/keys/current")
        with nullcontext() if dry_run else told_once(key):
            sent = api.upload("/api/inventory/adjustments", content, once=key, **query).body
        operation = _follow(api, sent, as_json)
    _tell_end(operation, as_json)


def _follow(api: Api, operation: dict[str, Any], as_json: bool) -> dict[str, Any]:
    """Show how far it is, until it has ended."""
    try:
        with _bar(as_json) as progress:
            task = progress.add_task("Rows", total=operation["progress"]["total"])
            while operation["status"] == "queued":
                time.sleep(0.3)
                operation = api.get(f"/api/operations/{operation['id']}")
                progress.update(task, completed=operation["progress"]["done"])
    except (CommandError, KeyboardInterrupt) as reason:
        # Whoever did not learn of it would send all of it once more.
        _tell_unended(operation, as_json, str(reason) or "interrupted")
    return operation


def _tell_unended(operation: dict[str, Any], as_json: bool, why: str) -> NoReturn:
    click.echo(why, err=True)
    if as_json:
        print_json(operation)
    else:
        click.echo(f"accepted, not ended yet: operation {operation['id']}")
    raise click.exceptions.Exit(QUEUED)


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
@click.option(
    "--once",
    metavar="KEY",
    help="An idempotency key: with the same one every row of the same file is done once, however "
    "often this is run.",
)
@at_service
def products(file: Path, once: str | None, target: Target, as_json: bool) -> None:
    """Create products, or change those whose id or SKU is there already.

    FILE is CSV in UTF-8 with the columns name, price and categoryId, and, if you like, id, sku,
    description, images (a JSON array, or addresses with blanks between), lowStockThreshold and
    status (draft or published); an export of products is such a file. Exit code 2 says that rows
    were wrong: they are named, the others are done.

    What a row does not say stays as it is. One with an id or an SKU is done each time. One with
    neither creates a product, and that once: if the same row is imported again within a day,
    perhaps after a break, or after others of its file were mended, it is counted as done before.
    `--once KEY` does all rows so, by their numbers, and another KEY does them again.

    A row is one request, or a few if it changes or publishes a product. With a key that may send
    100 a minute a thousand rows take ten minutes or more: the import waits as it is told, and
    goes on. `pms keys create NAME --rate 6000/minute` makes a key that may send more.

    \b
    Examples:
      pms import products products.csv
      pms import products products.csv --once CATALOGUE-12
      pms export products -o products.csv && pms import products products.csv
    """
    if once is not None and not once.strip():
        raise CommandError("--once: KEY is empty", USAGE)
    counts = {"created": 0, "changed": 0, "wrong": 0, "doneBefore": 0}
    wrong: list[dict[str, Any]] = []
    with _opened(file) as content:
        rows = checked(content)
    with Api(target, patience=LONG_PATIENCE) as api, _bar(as_json) as bar:
        task = bar.add_task("Products", total=len(rows))
        for (number, body), key in zip(rows, _keys_of(rows, once), strict=True):
            try:
                counts[_put(api, body, key)] += 1
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
        before = counts.pop("doneBefore")
        told = [f"{count:,} {name}" for name, count in counts.items()]
        click.echo(", ".join([*told, f"{before:,} done before"] if before else told))
    if wrong:
        raise click.exceptions.Exit(USAGE)


def _put(api: Api, body: dict[str, Any], key: str) -> str:
    """Create the product, or change the one that has its id or SKU; says which it was."""
    status = body.pop("status", "draft")
    done, product_id = "changed", body.pop("id", None)
    if product_id is None:
        try:
            answer = api.send("POST", "/api/pms/products", {**_MISSING, **body}, once=key)
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
        answer = api.send("PATCH", path, body, once=f"{key}-change")
    product = answer.body
    if status == "published" and product["status"] != "published":
        path = f"/api/pms/products/{product['id']}/publish"
        api.send("PUT", path, {"status": "published"}, once=f"{key}-publish")
    return "doneBefore" if answer.is_replay else done


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


def _keys_of(rows: list[tuple[int, dict[str, Any]]], once: str | None) -> Iterator[str]:
    """An idempotency key for each row.

    Done again, what has a name comes to the same; what has none would be there twice. That one's
    key is made of what it says, so that other rows of its file can be mended meanwhile.
    """
    again, seen = time.time_ns(), Counter[str]()
    for number, body in rows:
        if once is not None:
            yield f"{_digest(once)}-{number}"
        elif "id" in body or "sku" in body:
            yield f"{_digest(str(again))}-{number}"
        else:
            said = _digest(repr(sorted(body.items())))
            seen[said] += 1
            yield f"{said}-{seen[said]}"


def _digest(text: str) -> str:
    """A key of our own for one that a user chose, of whatever length and letters."""
    return hashlib.sha256(text.encode()).hexdigest()[:40]


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
