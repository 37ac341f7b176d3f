"""The command line's `pms doctor`: is everything as it must be, and if not, what to do."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import click
from rich.text import Text

from web import cli_findings as look
from web.cli_errors import FAILED, AwayError, CommandError
from web.cli_findings import Finding
from web.cli_keys import running_database_url
from web.cli_output import print_json, screen
from web.cli_settings import Settings, WrongSettingsError, read_settings
from web.cli_target import Target, at_service
from workers.embedded import EmbeddedServer, EmbeddedValkey, StartupError

_SIGNS = {"ok": ("✓", "green"), "note": ("!", "yellow"), "wrong": ("✗", "bold red")}


@click.command()
@at_service
def doctor(target: Target, as_json: bool) -> None:
    """Check this installation: each finding comes with what to do about it.

    Looks at the settings, Python and its packages, the disk of the data folder, PostgreSQL
    (version, migrations, clock, durability), Redis, the port, the running service and the key.
    It changes nothing, and runs beside a running service as well as without one.

    Exit code 0: nothing is wrong (notes are no harm). 1: something is. 2: a setting is refused;
    its line says which.

    \b
    Examples:
      pms doctor
      DATABASE_URL=postgresql://me:secret@db.example/shop pms doctor
      pms doctor --json | jq '.findings[] | select(.state == "wrong")'
    """
    findings: list[Finding] = []
    for finding in _all_findings(target):
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


def _all_findings(target: Target) -> Iterator[Finding]:
    try:
        settings = read_settings()
    except WrongSettingsError as error:
        for line in error.lines:
            yield Finding("settings", "wrong", line, "correct or unset it")
        return
    yield Finding("settings", "ok", "all are understood")
    yield from look.python_and_packages()
    yield from look.data_folder(settings.data_dir)
    yield from _servers(settings)
    yield from _service(settings, target)


def _servers(settings: Settings) -> Iterator[Finding]:
    embedded = settings.data_dir.expanduser().absolute()
    yield from _server(
        "PostgreSQL",
        settings.database_url,
        lambda: running_database_url(embedded),
        look.database,
    )
    yield from _server(
        "Redis", settings.redis_url, lambda: _running_redis_url(embedded), look.redis_server
    )


def _server(
    name: str,
    url: str | None,
    running_url: Callable[[], str],
    examine: Callable[[str], Iterable[Finding]],
) -> Iterator[Finding]:
    if url is not None:
        yield from examine(url)
        return
    not_running = Finding(name, "note", "the embedded one does not run", "`pms up` starts it")
    try:
        found = list(examine(running_url()))
    except StartupError:
        found = [not_running]
    # It is away whenever `pms up` does not run, which is nothing wrong by itself.
    yield from [not_running] if found[0].state == "wrong" else found


def _running_redis_url(data_dir: Path) -> str:
    server: EmbeddedServer = EmbeddedValkey(data_dir)
    try:
        server.port = int((server.folder / "port").read_text())
        server.password = (server.folder / "password").read_text().strip()
    except (OSError, ValueError):
        raise StartupError(f"there is no Redis to be found in {data_dir}") from None
    return server.url


def _service(settings: Settings, target: Target) -> Iterator[Finding]:
    try:
        yield from look.service(target)
    except AwayError:
        if target.is_local:
            yield look.port(settings.web.host, settings.web.port)
        yield Finding("service", "note", f"nothing runs at {target.url}", "`pms up` starts it")
    except CommandError as error:
        yield Finding("service", "wrong", str(error), "see its log")


def _show(finding: Finding) -> None:
    sign, style = _SIGNS[finding.state]
    line = Text.assemble((f"{sign} ", style), (f"{finding.about:<13}", "bold"), finding.found)
    if finding.remedy and finding.state != "ok":
        line.append(f"\n  {'':<13}→ {finding.remedy}", style="cyan")
    screen().print(line)
