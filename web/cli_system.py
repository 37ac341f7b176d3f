"""What `pms up` does: the embedded servers, the database, and all programs on this machine."""

import os
import secrets
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import click
from rich.console import Console as Screen
from rich.text import Text

from web.cli_checks import answers, is_spent, migrate
from web.cli_settings import Settings
from workers.console import Console, json_line
from workers.data_dir import write_private
from workers.embedded import DataDir, EmbeddedPostgres, EmbeddedServer, EmbeddedValkey
from workers.programs import PROGRAMS
from workers.settings import redis_url
from workers.supervisor import Supervisor
from workers.watchdog import SUPERVISOR_PATIENCE, Watchdog


def run(settings: Settings) -> bool:
    """Start everything and keep it running until a signal says stop.

    Returns:
        False if it cannot be started.
    """
    with _interruptible(), ExitStack() as stack:
        return _run(settings, stack)


def _run(settings: Settings, stack: ExitStack) -> bool:
    """Start the servers, then everything else; False if that cannot be started."""
    env = dict(os.environ)
    key_file = None
    servers: list[EmbeddedServer] = []
    if not (settings.database_url and settings.redis_url and settings.web.pms_api_key):
        data_dir = DataDir(settings.data_dir)
        stack.callback(data_dir.release)
        if not settings.web.pms_api_key:
            key_file = data_dir.path / "admin-key"
            env["PMS_API_KEY"] = data_dir.secret(key_file.name, _new_key)
        servers = _start_servers(settings, data_dir.path, stack, env)
    _say(settings, "Bringing the database up to date ...")
    if newer := migrate(env["DATABASE_URL"]):
        _say(settings, f"It is left at {newer}, which a newer version has made.")
    spent = is_spent(env["DATABASE_URL"], settings.web.pms_api_key or env["PMS_API_KEY"])
    names = ["pms", *(program.name for program in PROGRAMS)]
    console = Console(names, as_json=settings.log_format == "json")
    if settings.log_format == "text" and sys.stdout.isatty():
        # They write into pipes, and cannot see where that ends.
        env["LOG_FORMAT"] = "color"
    supervisor = Supervisor(env, servers, console)
    Watchdog(
        env["DATABASE_URL"],
        redis_url(env["REDIS_URL"], env.get("REDIS_TOKEN")),
        SUPERVISOR_PATIENCE,
        lambda: supervisor.replace("worker"),
    ).start()
    return supervisor.run(
        is_ready=lambda: answers(settings.web.host, settings.web.port),
        announce=lambda: console.say(_announcement(settings, key_file, spent, bool(servers))),
    )


def _start_servers(
    settings: Settings, folder: Path, stack: ExitStack, env: dict[str, str]
) -> list[EmbeddedServer]:
    """Start the embedded servers that are needed, and put their addresses into ``env``."""
    servers: list[EmbeddedServer] = []
    if settings.database_url is None:
        servers.append(EmbeddedPostgres(folder))
    if settings.redis_url is None:
        servers.append(EmbeddedValkey(folder))
        env.pop("REDIS_TOKEN", None)
    for server in servers:
        _say(settings, f"Starting {server.name} in {server.folder} ...")
        stack.callback(server.stop)
        env[server.setting] = server.start()
    return servers


def _new_key() -> str:
    return "pms_" + secrets.token_urlsafe(32)


def _say(settings: Settings, text: str) -> None:
    click.echo(json_line(text, process="pms") if settings.log_format == "json" else text)


def _announcement(settings: Settings, key_file: Path | None, is_spent: bool, embedded: bool) -> str:
    """What tells the operator where everything is and what to do first."""
    screen = Screen(highlight=False, soft_wrap=True)
    address = settings.address
    if key_file is not None:
        # The other commands find the service here, whatever port it was given.
        write_private(key_file.parent / "address", address + "\n")
    if settings.log_format == "json":
        data_dir = str(settings.data_dir.expanduser().absolute()) if embedded else None
        kept = str(key_file) if key_file and not is_spent else None
        return json_line("running", process="pms", url=address, keyFile=kept, dataDir=data_dir)
    rows = [
        ("API", address),
        ("Dashboard", f"{address}/"),
        ("Documents", f"{address}/docs, {address}/openapi.json"),
        ("Admin key", _shown_key(key_file, is_spent, screen.is_terminal)),
    ]
    if embedded:
        rows.append(("Data", str(settings.data_dir.expanduser().absolute())))
    if not is_spent:
        key = f"$(cat {shlex.quote(str(key_file))})" if key_file else "$PMS_API_KEY"
        rows.append(("Try", f'curl -H X-API-Key:"{key}" {address}/api/products'))
    with screen.capture() as said:
        screen.print("\nBackend PMS is running.", style="bold green")
        for name, text in rows:
            screen.print(Text.assemble((f"  {name:<11}", "bold"), text))
        screen.print("Ctrl-C stops everything.\n")
    return said.get().removesuffix("\n")


def _shown_key(key_file: Path | None, is_spent: bool, to_people: bool) -> str:
    """Where the first admin key is; or, if it opens nothing any more, what to do."""
    if key_file is None:
        remedy = ", which has ended or is no admin's: set another" if is_spent else ""
        return f"the one in PMS_API_KEY{remedy}"
    if is_spent:
        remedy = "put its successor there, or remove the file, and the next start makes another"
        return f"the one in {key_file} has ended: {remedy}"
    # A terminal forgets; what goes into a log is kept and read by others.
    return (f"{key_file.read_text().strip()}, kept in " if to_people else "") + str(key_file)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Until the supervisor takes over, a SIGTERM ends what has been started, as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
