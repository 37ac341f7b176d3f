"""The command line's `pms stock` and `pms adjust`: what there is of a product, and changing it."""

import re
from contextlib import nullcontext
from typing import Any
from uuid import UUID

import click
from rich.text import Text
from uuid_utils.compat import uuid7

from web.cli_client import Api
from web.cli_errors import QUEUED, REFUSED, UNKNOWN, USAGE, CommandError, told_once
from web.cli_output import print_json, printable, rows, screen
from web.cli_target import Target, at_service

_LONGEST_WAIT = 30
_MOST_ALIKE = 1000


class Change(click.ParamType[int]):
    """A signed number of units, such as ``+5`` or ``-3``."""

    name = "change"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; without a sign it could as well mean a new total, and is refused."""
        if isinstance(value, int):
            return value
        if not re.fullmatch(r"[+-][0-9]{1,10}", value) or not 1 <= abs(int(value)) <= 10**9:
            self.fail(
                f"{value!r} is no change: +5 adds five units, -3 takes three out "
                "(at most 1,000,000,000)",
                param,
                ctx,
            )
        return int(value)


@click.command()
@click.argument("product", metavar="ID")
@click.option("--at", metavar="TIME", help="As of then, such as 2026-11-23T08:15:30Z.")
@at_service
def stock(product: str, at: str | None, target: Target, as_json: bool) -> None:
    """Show what there is of a product.

    ID is the product's id, its SKU, or its name if only one product has it. In stock is what
    can be sold: what is on hand, less what orders hold.

    \b
    Examples:
      pms stock 0198c0de-0000-7000-8000-000000000000
      pms stock MUG-BLUE
      pms stock MUG-BLUE --at 2026-11-23T08:15:30Z
      pms stock MUG-BLUE --json | jq .stock
    """
    with Api(target) as api:
        found = find_product(api, product)
        query = {"at": at} if at else {}
        try:
            level = api.get(f"/api/inventory/stock/{found['id']}", **query)
        except CommandError as error:
            if at is None or error.code != USAGE:
                raise
            told = error.problem.get("errors") or [error.problem]
            message = f"--at {printable(at)}: {printable(told[0]['detail'])}"
            raise CommandError(message, USAGE, error.problem) from None
    if as_json:
        print_json({**level, "name": found["name"], "sku": found["sku"]})
        return
    sellable = Text(str(level["stock"]), style="bold " + _colour(level))
    screen().print(
        rows(
            [
                ("Product", printable(f"{found['name']} ({found['status']})")),
                ("ID", found["id"]),
                ("SKU", printable(found["sku"] or "-")),
                ("In stock", sellable),
                ("On hand", str(level["onHand"])),
                ("Reserved", str(level["reserved"])),
                ("Low at", str(level["lowStockThreshold"])),
                ("Changed", f"{level['updatedAt']} (version {level['version']})"),
            ]
        )
    )


# A minus sign must not make the change an option: what is unknown goes to the arguments.
@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("product", metavar="ID")
@click.argument("change", metavar="+N|-N", type=Change())
@click.option("--reason", help="Why; kept in the ledger.")
@click.option("--reference", help="Your own reference, such as a delivery note; likewise.")
@click.option(
    "--expected", type=click.IntRange(min=0), metavar="N", help="Only if N are in stock now."
)
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option(
    "--wait",
    type=click.IntRange(0, _LONGEST_WAIT),
    default=_LONGEST_WAIT,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the end.",
)
@click.option(
    "--once",
    metavar="KEY",
    help="An idempotency key: with the same one the same change is made once, however often "
    "this is run.",
)
@at_service
def adjust(
    product: str,
    change: int,
    reason: str | None,
    reference: str | None,
    expected: int | None,
    dry_run: bool,
    wait: int,
    once: str | None,
    target: Target,
    as_json: bool,
) -> None:
    """Add units to a product's stock, or take them out, and wait for the end.

    ID is the product's id, its SKU, or its name if only one product has it. The change is
    applied whole or refused whole: exit code 3 says that a rule refused it, such as too little
    stock, 6 that it is accepted and in line, but has not ended within --wait seconds; or that its
    answer got lost: the line of error then has the KEY with which to ask.

    \b
    Examples:
      pms adjust MUG-BLUE +5 --reason "found behind the shelf"
      pms adjust MUG-BLUE -3 --expected 12
      pms adjust MUG-BLUE -3 --dry-run
      pms adjust MUG-BLUE +40 --reference DN-4711 --once DN-4711
    """
    with Api(target) as api:
        found = find_product(api, product)
        body = {
            "productId": found["id"],
            "quantity": abs(change),
            "type": "increment" if change > 0 else "decrement",
            "reason": reason,
            "reference": reference,
            "expectedStock": expected,
        }
        query = {"dryRun": "true"} if dry_run else {}
        given = {name: value for name, value in body.items() if value is not None}
        path, key = "/api/inventory/adjust", str(uuid7()) if once is None else once
        try:
            with nullcontext() if dry_run else told_once(key):
                answer = api.send("POST", path, given, wait=wait, once=key, **query)
        except CommandError as error:
            if error.code == REFUSED:
                raise CommandError(f"refused: {error}", REFUSED, error.problem) from None
            raise
    _tell_end(found, answer.body, as_json)


def find_product(api: Api, text: str) -> dict[str, Any]:
    """The product with this id, SKU or name.

    Raises:
        CommandError: there is none, or more than one.
    """
    if not text.strip():
        # What a script's unset variable leaves must not be taken for a product without a SKU.
        raise CommandError("ID is empty: give the product's id, its SKU or its name", USAGE)
    try:
        return dict(api.get(f"/api/products/{UUID(text)}"))
    except ValueError:
        pass
    except CommandError as error:
        if error.code == UNKNOWN:
            raise CommandError(f"there is no product {text}", UNKNOWN, error.problem) from None
        raise
    like: list[dict[str, Any]] = []
    for one in api.each("/api/products", q=text):
        if one["sku"] == text:
            return one
        if len(like) == _MOST_ALIKE:
            message = f"more than {_MOST_ALIKE:,} products have {printable(text)} in their name"
            raise CommandError(f"{message} or SKU; give an id", USAGE)
        like.append(one)
    for field in ("sku", "name"):
        same = [one for one in like if (one[field] or "").casefold() == text.casefold()]
        if len(same) == 1:
            return dict(same[0])
        if same:
            ids = ", ".join(one["id"] for one in same[:5])
            raise CommandError(f"{len(same)} products are named so; give an id: {ids}", USAGE)
    close = ", ".join(printable(one["sku"] or one["name"]) for one in like[:5])
    hint = f"; did you mean: {close}?" if close else ""
    raise CommandError(f"there is no product {printable(text)}{hint}", UNKNOWN)


def _tell_end(product: dict[str, Any], operation: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(operation)
    name = printable(product["name"])
    result = operation["result"]
    if operation["status"] == "queued":
        if not as_json:
            click.echo(f"{name}: accepted, not ended yet: operation {operation['id']}")
        raise click.exceptions.Exit(QUEUED)
    if as_json:
        return
    before = result["stock"] - result["onHandChange"]
    verb = "would be" if result.get("dryRun") else "is"
    click.echo(
        f"{name}: {result['stock']} {verb} in stock, after {before} "
        f"(on hand {result['onHand']}, reserved {result['reserved']})"
    )


def _colour(level: dict[str, Any]) -> str:
    if level["stock"] == 0:
        return "red"
    return "yellow" if level["stock"] <= level["lowStockThreshold"] else "green"
