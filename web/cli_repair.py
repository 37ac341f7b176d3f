"""The command line's `pms repair`: compare what the database holds twice, and mend it."""

from typing import Any

import click
from rich.text import Text

from web.cli_client import LONG_PATIENCE, Api
from web.cli_errors import FAILED, REFUSED, USAGE, CommandError
from web.cli_output import print_json, printable, screen
from web.cli_target import Target, at_service

_LONGEST_WAIT = 30


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what differs.")
@at_service
def repair(dry_run: bool, target: Target, as_json: bool) -> None:
    """Compare what the database holds twice, and mend what differs.

    The ledger is the truth about what is on hand, open orders are about what is reserved. Each
    product is mended by an operation in its turn, which leaves a row of the kind `repair` in the
    ledger; a stream with a gap is let go up to it. It can be run at any time, and again.

    Needs a key with the scope admin. Exit code 0: nothing differs (any more). 1: something
    still does.

    \b
    Examples:
      pms repair --dry-run
      pms repair
      pms repair --json | jq .left
    """
    with Api(target, patience=LONG_PATIENCE) as api:
        found = differences(api)
        mended, failed = ([], []) if dry_run else _mend(api, found)
        left = differences(api) if mended else found
    # What was mended along with something else is refused, and nothing is wrong about that.
    unmended = {_mended_by(one) for one in left}
    failed = [one for one in failed if (one.get("productId"), one.get("stream")) in unmended]
    if as_json:
        print_json({"found": found, "mended": mended, "failed": failed, "left": left})
    else:
        _show(found, failed, left, dry_run)
    if left:
        raise click.exceptions.Exit(FAILED)


def differences(api: Api) -> list[dict[str, Any]]:
    """Everything that differs, in the whole shop."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        part = api.get("/api/inventory/integrity", cursor=cursor)
        found += part["differences"]
        cursor = part["nextCursor"]
        if cursor is None:
            return found


def _mend(
    api: Api, found: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Mend each product and each stream once; gives the operations, and what was refused."""
    ways = {_mended_by(one) for one in found}
    asked = [("repairs", {"productId": one}) for one in sorted(p for p, _ in ways if p)]
    # A repair adds to its product's stream: streams come after.
    asked += [("streams", {"stream": one}) for one in sorted(s for _, s in ways if s)]
    mended, failed = [], []
    for path, body in asked:
        try:
            answer = api.send("POST", f"/api/inventory/integrity/{path}", body, wait=_LONGEST_WAIT)
        except CommandError as error:
            if error.code not in (REFUSED, USAGE):
                raise
            failed.append({**body, "problem": error.problem})
        else:
            mended.append(answer.body)
    return mended, failed


def _mended_by(one: dict[str, Any]) -> tuple[str | None, str | None]:
    """The product or the stream that has to be named to have a difference mended."""
    return (one["productId"], None) if one["stream"] is None else (None, one["stream"])


def _show(
    found: list[dict[str, Any]],
    failed: list[dict[str, Any]],
    left: list[dict[str, Any]],
    dry_run: bool,
) -> None:
    out = screen()
    # What is left of a difference may be told in other numbers.
    still = {_about(one) for one in left}
    known = {_about(one) for one in found}
    for one in [*found, *(new for new in left if _about(new) not in known)]:
        about = one["name"] or one["stream"] or one["productId"]
        state = ("✗ ", "bold red") if _about(one) in still else ("✓ ", "green")
        out.print(
            Text.assemble(state, (f"{one['check']}  ", "bold"), printable(about), ": "), end=""
        )
        out.print(Text(printable(one["detail"])))
    for refused in failed:
        out.print(Text(f"  → {printable(refused['problem'].get('detail', ''))}", style="cyan"))
    if not found:
        out.print("Nothing differs.")
    elif dry_run:
        out.print(f"{len(found)} differ; `pms repair` mends them.")
    else:
        out.print(f"{sum(_about(one) not in still for one in found)} mended, {len(left)} left.")


def _about(one: dict[str, Any]) -> tuple[str, str | None, str | None]:
    """What tells a difference from others."""
    return one["check"], one["productId"], one["stream"]
