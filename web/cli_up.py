"""`pms up`: the whole system on one machine, with one command."""

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

from db.migrate import upgrade
from web.cli_checks import answers, check_database, check_port, check_redis, migrate, reachable
from web.cli_settings import Settings, read_settings
from workers.console import Console
from workers.embedded import DataDir, EmbeddedPostgres, EmbeddedServer, EmbeddedValkey
from workers.programs import PROGRAMS
from workers.supervisor import Supervisor


@click.command()
@click.option("--host", help="Address to listen on (else HOST, else 127.0.0.1).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port (else PORT, else 8000).")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Else PMS_DATA_DIR.")
def up(host: str | None, port: int | None, data_dir: Path | None) -> None:
    """Start everything on this machine and keep it running.

    Starts PostgreSQL and Valkey (which speaks Redis), brings the database up to date, makes a
    first admin key, and starts the web process, the worker and the beat. What dies is started
    again. Ctrl-C ends it all; the data stays in the data folder.

    Set DATABASE_URL or REDIS_URL, and that server of yours is used instead.

    \b
    Examples:
      pms up
      pms up --port 8080 --data-dir ./data
      DATABASE_URL=postgresql://me:secret@db.example/shop pms up
    """
    # By the environment, since that is where every process of ours looks.
    for name, value in (("HOST", host), ("PORT", port), ("PMS_DATA_DIR", data_dir)):
        if value is not None:
            os.environ[name] = str(value)
    settings = read_settings()
    check_port(settings.web.host, settings.web.port)
    if settings.database_url:
        check_database(settings.database_url)
    if settings.redis_url:
        check_redis(settings.redis_url)
    with _interruptible(), ExitStack() as stack:
        if not _run(settings, stack):
            sys.exit(1)


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
    click.echo("Bringing the database up to date ...")
    migrate(upgrade, env["DATABASE_URL"], "head")
    names = ["pms", *(program.name for program in PROGRAMS)]
    console = Console(names, raw=settings.log_format == "json")
    return Supervisor(env, servers, console).run(
        is_ready=lambda: answers(settings.web.host, settings.web.port),
        announce=lambda: _announce(settings, key_file, bool(servers)),
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
        click.echo(f"Starting {server.name} in {server.folder} ...")
        stack.callback(server.stop)
        env[server.setting] = server.start()
    return servers


def _new_key() -> str:
    return "pms_" + secrets.token_urlsafe(32)


def _announce(settings: Settings, key_file: Path | None, embedded: bool) -> None:
    """Tell the operator where everything is and what to do first."""
    screen = Screen(highlight=False, soft_wrap=True)
    host = reachable(settings.web.host)
    address = f"http://{f'[{host}]' if ':' in host else host}:{settings.web.port}"
    rows = [("API", address), ("Documents", f"{address}/docs, {address}/openapi.json")]
    if key_file is None:
        key, shown = '"$PMS_API_KEY"', "the one in PMS_API_KEY"
    else:
        # The other commands find the service here, whatever port it was given.
        (key_file.parent / "address").write_text(address + "\n")
        # A terminal forgets; what goes into a log is kept and read by others.
        key = f'"$(cat {shlex.quote(str(key_file))})"'
        shown = f"{key_file.read_text().strip()}, kept in " if screen.is_terminal else ""
        shown += str(key_file)
    rows.append(("Admin key", shown))
    if embedded:
        rows.append(("Data", str(settings.data_dir.expanduser().absolute())))
    rows.append(("Try", f"curl -H X-API-Key:{key} {address}/api/products"))
    screen.print("\nBackend PMS is running.", style="bold green")
    for name, text in rows:
        screen.print(Text.assemble((f"  {name:<11}", "bold"), text))
    screen.print("Ctrl-C stops everything.\n")


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
