"""The command line's `pms doctor`: is everything as it must be, and if not, what to do."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.text import Text

from web.cli_errors import FAILED
from web.cli_output import print_json, screen
from web.cli_target import Target, at_service

if TYPE_CHECKING:
    from web.cli_findings import Finding

_SIGNS = {"ok": ("✓", "green"), "note": ("!", "yellow"), "wrong": ("✗", "bold red")}


@click.command()
@at_service
def doctor(target: Target, as_json: bool) -> None:
    """Check this installation: each finding comes with what to do about it.

    Looks at the settings, Python and its packages, the disk of the data folder, PostgreSQL
    (version, sessions, migrations, clock, durability), Redis, the port, the running service and
    the key. It changes nothing, and runs beside a running service as well as without one.

    Exit code 0: nothing is wrong (notes are no harm). 1: something is. 2: a setting is refused;
    its line says which.

    \b
    Examples:
      pms doctor
      DATABASE_URL=postgresql://me:secret@db.example/shop pms doctor
      pms doctor --json | jq '.findings[] | select(.state == "wrong")'
    """
    from web.cli_examination import examine

    findings: list[Finding] = []
    for finding in examine(target):
        findings.append(finding)
        if not as_json:
            _show(finding)
    wrong = sum(finding.state == "wrong" for finding in findings)
    if as_json:
        print_json({"ok": not wrong, "findings": [asdict(finding) for finding in findings]})
    else:
        screen().print(f"{wrong} wrong." if wrong else "Nothing is wrong.")
    if wrong:
        raise click.exceptions.Exit(FAILED)


def _show(finding: "Finding") -> None:
    sign, style = _SIGNS[finding.state]
    line = Text.assemble((f"{sign} ", style), (f"{finding.about:<13}", "bold"), finding.found)
    if finding.remedy and finding.state != "ok":
        line.append(f"\n  {'':<13}→ {finding.remedy}", style="cyan")
    screen().print(line)
