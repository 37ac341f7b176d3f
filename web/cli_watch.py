"""The command line's `pms watch`: live events as they happen, one line each."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from web.cli_client import Api
from web.cli_errors import USAGE, CommandError
from web.cli_output import clock, print_json, printable, screen
from web.cli_stock import find_product
from web.cli_target import Target, at_service

if TYPE_CHECKING:
    from web.cli_feed import Told, Topic

_COLOURS = {
    "succeeded": "green",
    "failed": "yellow",
    "dead": "bold red",
    "low_stock": "yellow",
    "out_of_stock": "red",
    "stock_recovered": "green",
    "operation_dead": "bold red",
    "integrity": "bold red",
    "component_away": "bold red",
    "pending": "cyan",
    "confirmed": "cyan",
    "processing": "cyan",
    "shipped": "blue",
    "delivered": "green",
    "cancelled": "yellow",
    "rejected": "red",
    "published": "green",
}


@click.command()
@click.argument(
    "what", type=click.Choice(["product", "order", "operations", "system"]), required=False
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    metavar="N",
    help="End after N events (what is so at the beginning does not count).",
)
@at_service
def watch(
    what: str | None, ids: tuple[str, ...], count: int | None, target: Target, as_json: bool
) -> None:
    """Show what happens as it happens, until Ctrl-C.

    \b
      product ID...   changes of the stock and of the data of products (id, SKU or name)
      order ID...     the steps of orders
      operations      the ends of the operations that this key submitted
      system          alerts: low stock, given-up operations
      (nothing)       operations and system

    A lost connection comes back by itself, and what was missed meanwhile is shown first, in
    order. With --json each event is a line: its name in `event`, when it came in `time`, and
    `data` as the service tells it.

    \b
    Examples:
      pms watch
      pms watch product MUG-BLUE
      pms watch order 0198c0de-0000-7000-8000-000000000000
      pms watch system --json | jq -r .data.message
      pms watch order 0198c0de-0000-7000-8000-000000000000 --count 1
    """
    from web.cli_feed import Feed

    topics, names = _topics(what, ids, target)
    feed = Feed(target, topics)
    show = _show_json if as_json else _Lines(names)
    try:
        feed.connect()
        left = count
        for told in feed:
            show(told)
            if left is not None and told.event in _RENDERERS:
                left -= 1
                if left == 0:
                    break
    except KeyboardInterrupt:
        pass
    finally:
        feed.close()


def _topics(
    what: str | None, ids: tuple[str, ...], target: Target
) -> "tuple[list[Topic], dict[str, str]]":
    """What to subscribe to, and what the things are called."""
    from web.cli_feed import Topic

    if what in ("product", "order") and not ids:
        raise CommandError(f"say which: pms watch {what} ID", USAGE)
    if what not in ("product", "order") and ids:
        raise CommandError(f"{what} takes no ID", USAGE)
    if what == "order":
        return [Topic("order", one.lower()) for one in ids], {}
    if what != "product":
        wanted = [what] if what else ["operations", "system"]
        return [Topic(name) for name in wanted], {}
    with Api(target) as api:
        found = [find_product(api, one) for one in ids]
    topics = [Topic(name, one["id"]) for one in found for name in ("inventory", "product")]
    return topics, {one["id"]: one["name"] for one in found}


def _show_json(told: "Told") -> None:
    topic = {"topic": told.topic.name} if told.topic else {}
    print_json({"time": told.at, "event": told.event, **topic, "data": told.data})


class _Lines:
    """Lines for people.

    Args:
        names: of products, by id.
    """

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self._screen = screen()

    def __call__(self, told: "Told") -> None:
        """Show one thing."""
        if told.late:
            return
        thing = told.topic.thing if told.topic else ""
        about = printable(self._names.get(thing, thing))
        if told.event == "snapshot" and told.topic is not None:
            said = _snapshot(told)
        elif told.event in _RENDERERS:
            said = _RENDERERS[told.event](told.data)
        else:
            said = Text(told.event, style="dim")
        when = Text(clock(told.at), style="dim")
        label = Text(f"{told.topic.name if told.topic else 'connection':<10}", style="bold")
        parts = [when, label, Text(about), said] if about else [when, label, said]
        self._screen.print(Text("  ").join(parts))


def _snapshot(told: "Told") -> Text:
    assert told.topic is not None
    missed = told.topic.answer.get("recovered") is False
    begin = "some events were missed; now " if missed else "now "
    state = told.data
    if told.topic.name == "inventory":
        return Text(begin) + _stock(state)
    return Text(begin) + (_coloured(state["status"]) if "status" in state else Text("watching"))


def _coloured(status: Any) -> Text:
    return Text(printable(status), style=_COLOURS.get(str(status), ""))


def _stock(data: dict[str, Any]) -> Text:
    return Text.assemble(
        (str(data["stock"]), "bold"),
        f" in stock (on hand {data['onHand']}, reserved {data['reserved']})",
    )


def _inventory_update(data: dict[str, Any]) -> Text:
    return _stock(data) + Text(f"  {printable(data['reason'])}", style="cyan")


def _product_update(data: dict[str, Any]) -> Text:
    return _coloured(data["status"]) + Text(f"  version {data['version']}")


def _order_status(data: dict[str, Any]) -> Text:
    step = Text(f"{printable(data['previousStatus'])} → ") + _coloured(data["status"])
    reason = data.get("reason") or {}
    return step + Text(f"  {printable(reason['detail'])}") if "detail" in reason else step


def _operation_update(data: dict[str, Any]) -> Text:
    said = _coloured(data["status"]) + Text(f"  {printable(data['kind'])}  {data['operationId']}")
    progress, error = data.get("progress"), data.get("error")
    if progress:
        said += Text(f"  {progress['done']:,} of {progress['total']:,} rows")
    return said + Text(f"  {printable(error['detail'])}") if error else said


def _system_alert(data: dict[str, Any]) -> Text:
    return _coloured(data["type"]) + Text(f"  {printable(data['message'])}")


_RENDERERS: dict[str, Callable[[dict[str, Any]], Text]] = {
    "inventory_update": _inventory_update,
    "product_update": _product_update,
    "order_status": _order_status,
    "operation_update": _operation_update,
    "system_alert": _system_alert,
}
