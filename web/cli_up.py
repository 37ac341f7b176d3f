"""`pms up`: the whole system on one machine, with one command."""

import os
import sys
from pathlib import Path

import click

from web.cli_checks import check_database, check_port, check_redis
from web.cli_output import json_option
from web.cli_settings import read_settings


@click.command()
@click.option("--host", help="Address to listen on (else HOST, else 127.0.0.1).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port (else PORT, else 8000).")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Else PMS_DATA_DIR.")
@json_option
def up(host: str | None, port: int | None, data_dir: Path | None, as_json: bool) -> None:
    """Start everything on this machine and keep it running.

    Starts PostgreSQL and Valkey (which speaks Redis), brings the database up to date, makes a
    first admin key, and starts the web process, the worker and the beat. What dies is started
    again. Ctrl-C ends it all; the data stays in the data folder.

    With --json all that it prints is a log of JSON lines, as with LOG_FORMAT=json; one with the
    event "running" says that it serves, and where.

    Set DATABASE_URL or REDIS_URL, and that server of yours is used instead.

    \b
    Examples:
      pms up
      pms up --port 8080 --data-dir ./data
      DATABASE_URL=postgresql://me:secret@db.example/shop pms up
      pms up --json | jq -c 'select(.event == "running")'
    """
    if as_json:
        os.environ["LOG_FORMAT"] = "json"
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
    from web.cli_system import run

    if not run(settings):
        sys.exit(1)
