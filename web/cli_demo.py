"""The command line's `pms demo`: a shop's month in a minute, checked to the last unit."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from web.cli_demo_plan import DAYS
from web.cli_errors import FAILED, CommandError
from web.cli_output import print_json, printable, rows, screen
from web.cli_target import Target, at_service

if TYPE_CHECKING:
    from web.cli_demo_run import Result

_SHOWN_DIFFERENCES = 5


@click.command()
@click.option(
    "--seed", type=int, default=1, show_default=True, help="The same seed, the same month."
)
@click.option("--products", type=click.IntRange(10, 400), default=100, show_default=True)
@click.option("--orders", type=click.IntRange(1, 20_000), default=250, show_default=True)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="DAYS",
    help="At most so many of its days a second, to watch it; else as fast as it goes.",
)
@click.option("--yes", is_flag=True, help="Do not ask before playing on another machine's shop.")
@at_service
def demo(
    seed: int,
    products: int,
    orders: int,
    speed: float | None,
    yes: bool,
    target: Target,
    as_json: bool,
) -> None:
    """Play a month of a believable shop, then check it to the last unit.

    With the service running, it opens a shop of its own through the public API: products in six
    categories, deliveries, losses, price cuts, and orders that are confirmed, packed, shipped,
    delivered or cancelled; some are refused, as they must be. It listens to the socket events
    all the while, and at the end compares what it did, what it was told, and what the API says:
    operations, stock and ledger, orders, the positions of every stream, alerts, sales.

    The month is played in order and in compressed time: the service dates orders by their
    acceptance, so all of them are of today, and their demo day stands in the customer's name
    and in the ledger's references, out of which the summary charts the month. What it made stays
    in the shop. Sales are compared for the
    whole shop, so nobody else should be selling meanwhile.

    It takes an admin key, with which it makes a key of its own, that it revokes at the end.
    Exit code 0: everything agrees. 1: something does not, or the service went away.

    \b
    Examples:
      pms demo
      pms demo --speed 1            in another terminal: pms watch system
      pms demo --seed 7 --products 20 --orders 50
      pms demo --json | jq .agrees
    """
    if not (target.is_local or yes):
        _ask(f"Add products, orders and sales for good to {target.url}?")
    from web.cli_demo_run import Wish, run

    result = run(target, Wish(seed, products, orders, 1 / speed if speed else 0.0))
    _tell(result, as_json)
    if not result.agrees:
        raise click.exceptions.Exit(FAILED)


def _ask(question: str) -> None:
    try:
        click.confirm(question, abort=True, err=True)
    except click.Abort:
        click.echo(err=True)
        raise CommandError("nothing was done; --yes agrees without being asked") from None


def _tell(result: "Result", as_json: bool) -> None:
    if as_json:
        print_json({**asdict(result), "agrees": result.agrees})
        return
    out = screen()
    table = Table(title=f"{DAYS} days of {result.run}, seed {result.seed}", title_justify="left")
    table.add_column("")
    table.add_column("Compared", style="bold")
    table.add_column("Seen from each side")
    for one in result.comparisons:
        sign = Text("✓", style="green") if one.agrees else Text("✗", style="bold red")
        sides = ", ".join(f"{name} {value}" for name, value in one.sides.items())
        table.add_row(sign, one.about, Text(sides))
    out.print(table)
    out.print(_chart(result))
    refused = ", ".join(f"{code} {n}" for code, n in sorted(result.refusals.items()))
    out.print(f"Refused, as they must be: {refused}.")
    for one in result.comparisons:
        for difference in one.differences[:_SHOWN_DIFFERENCES]:
            out.print(Text(printable(f"{one.about}: {difference}"), style="red"))
        if len(one.differences) > _SHOWN_DIFFERENCES:
            more = len(one.differences) - _SHOWN_DIFFERENCES
            out.print(Text(f"{one.about}: and {more} more", style="red"))
    verdict = (
        ("Everything agrees", "bold green") if result.agrees else ("NOT all agrees", "bold red")
    )
    out.print(
        Text.assemble(
            verdict,
            f": played in {result.played_seconds:.1f} s, compared after {result.seconds:.1f} s.",
        )
    )


def _chart(result: "Result") -> Table:
    """The month at a glance, as the API tells it."""
    from web.cli_demo_month import bars

    _, *days = result.month.days
    orders, received = sum(day.orders for day in days), sum(day.received for day in days)
    revenue = sum(day.revenue for day in days)
    return rows(
        [
            (f"Day 1 to {DAYS}", "by customers' names and the ledger's references"),
            ("Orders kept", f"▕{bars(day.orders for day in days)}▏ {orders}"),
            ("Revenue", f"▕{bars(day.revenue for day in days)}▏ {revenue}"),
            ("Units received", f"▕{bars(day.received for day in days)}▏ {received}"),
        ]
    )
