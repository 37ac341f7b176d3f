"""The command line's `pms status`: what runs, the line, what went wrong, at a glance."""

from typing import Any

import click
from rich.text import Text

from web.cli_client import Api
from web.cli_errors import FAILED, CommandError
from web.cli_output import duration, print_json, printable, rows, screen
from web.cli_target import Target, at_service

_LAST = 3
# A longer line, or an older operation in it, is worth a colour.
_LONG_LINE, _OLD_SECONDS = 1000, 10.0


@click.command()
@at_service
def status(target: Target, as_json: bool) -> None:
    """Show what runs, the line of operations, and what went wrong last.

    Given up are operations that the machinery could not apply; refused are those to which a
    rule said no, which is nothing to worry about. Without a key, or with one that is refused,
    only the health is shown.

    Exit code 0: all is well. 1: something is away, or the service does not answer.

    \b
    Examples:
      pms status
      pms status --json | jq .health.checks.queue.depth
      pms status > /dev/null || echo "the shop needs a look"
    """
    with Api(target) as api:
        health = api.health()
        details, hint = _details(api)
    if as_json:
        print_json({"url": target.url, "health": health, **details})
    else:
        _show(target, health, details, hint)
    if health["status"] != "ok":
        raise click.exceptions.Exit(FAILED)


def _details(api: Api) -> tuple[dict[str, Any], str]:
    """What takes a key to see; and why it cannot be seen, if it cannot."""
    found: dict[str, Any] = {"dead": None, "refused": None, "alerts": None}
    try:
        for name, kind in (("dead", "dead"), ("refused", "failed")):
            found[name] = api.get("/api/operations", status=kind, limit=_LAST)["items"]
        found["alerts"] = api.pages("/api/inventory/alerts")
    except CommandError as error:
        return found, str(error)
    return found, ""


def _show(target: Target, health: dict[str, Any], details: dict[str, Any], hint: str) -> None:
    checks = health["checks"]
    signs = [_sign(name, checks[name]) for name in ("workers", "beat")]
    memory = checks["memory"]["usage"]
    out = screen()
    good = health["status"] == "ok"
    out.print(
        Text.assemble((health["status"], "bold green" if good else "bold red"), f"  {target.url}")
    )
    out.print(
        rows(
            [
                (
                    "web",
                    f"up for {duration(checks['uptime'])}, "
                    f"{memory['rss'] / 2**20:.0f} MiB of {memory['limit'] / 2**20:.0f}",
                ),
                ("database", _server(checks["database"])),
                ("redis", _server(checks["redis"])),
                *signs,
                ("sockets", f"{checks['websocket']['connections']} connected"),
                ("line", _line(checks["queue"])),
                ("alerts", _alerts(details["alerts"])),
                ("given up", _operations(details["dead"], "bold red")),
                ("refused", _operations(details["refused"], "")),
            ]
        )
    )
    if hint:
        out.print(Text(f"? {hint}", style="yellow"))


def _server(check: dict[str, Any]) -> Text:
    if not check["healthy"]:
        return Text("away", style="bold red")
    return Text.assemble(("answers", "green"), f" in {check['latency']:.1f} ms")


def _sign(name: str, check: dict[str, Any]) -> tuple[str, Text]:
    seconds = check["lastSeenSeconds"]
    seen = "never seen" if seconds is None else f"seen {duration(seconds)} ago"
    state = ("alive", "green") if check["healthy"] else ("away", "bold red")
    return name, Text.assemble(state, f", {seen}")


def _line(queue: dict[str, Any]) -> Text:
    if queue["depth"] is None:
        return Text("not known while the database is away", style="red")
    if not queue["depth"]:
        return Text("empty", style="green")
    oldest = queue["oldestSeconds"] or 0.0
    slow = queue["depth"] >= _LONG_LINE or oldest >= _OLD_SECONDS
    said = f"{queue['depth']} waiting, the oldest for {duration(oldest)}"
    return Text(said, style="yellow" if slow else "")


def _alerts(alerts: list[dict[str, Any]] | None) -> Text:
    if alerts is None:
        return Text("?", style="yellow")
    if not alerts:
        return Text("none", style="green")
    out = sum(alert["severity"] == "out_of_stock" for alert in alerts)
    return Text(f"{out} out of stock, {len(alerts) - out} low", style="yellow")


def _operations(operations: list[dict[str, Any]] | None, style: str) -> Text:
    if operations is None:
        return Text("?", style="yellow")
    if not operations:
        return Text("none", style="green")
    lines = []
    for one in operations:
        detail = (one["error"] or {}).get("detail", "")
        lines.append(printable(f"{one['finishedAt']}  {one['kind']}  {one['id']}  {detail}"))
    return Text("\n".join(lines), style=style)
