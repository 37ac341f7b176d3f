"""What `pms doctor` looks at: each look is a finding, and what to do about a bad one."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import psutil
import redis
from packaging.requirements import Requirement
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from db.environment import WrongSettingsError, without_password
from db.migrate import current_revision, head_revision, newer_revision, runs_on
from db.session import Database, make_engine
from db.settings import DatabaseSettings
from web.cli_checks import check_database, check_port, check_redis
from web.cli_client import Api
from web.cli_errors import AwayError, CommandError
from web.cli_output import duration
from web.cli_target import Target
from web.neighbours import present
from workers.data_dir import StartupError

_OLDEST_PYTHON = (3, 11)
_OLDEST_REDIS = 6
_LITTLE_SPACE, _TOO_LITTLE_SPACE = 2 * 2**30, 256 * 2**20
_CLOCK_NOTED, _CLOCK_WRONG = 1.0, 30.0
_PATIENCE = 5
_PATIENCE_MS = _PATIENCE * 1000
# What each connection of ours asks for, as the server then says that it is.
_ASKED = {
    "statement_timeout": str(_PATIENCE_MS),
    "idle_in_transaction_session_timeout": str(_PATIENCE_MS),
    "synchronous_commit": "on",
}
_SESSION = text("SELECT name, setting FROM pg_settings WHERE name = ANY(:names)")
_NO_POOLER = "connect to PostgreSQL itself: a pooler drops what each connection asks for"
# Longer than the largest upload takes, or an operation that has to be tried three times.
_STANDS_STILL = 90.0

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was looked at.

    Attributes:
        about: what.
        state: a note is worth knowing and stops nothing.
        found: how it is.
        remedy: what to do, unless all is well.
    """

    about: str
    state: State
    found: str
    remedy: str = ""


def python_and_packages() -> Iterator[Finding]:
    """Whether what runs us is what we were written for."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < _OLDEST_PYTHON:
        yield Finding("Python", "wrong", version, "install Python 3.11 or newer")
    else:
        yield Finding("Python", "ok", version)
    wrong = []
    needed = [Requirement(line) for line in metadata.requires("backend-pms") or []]
    for one in needed:
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        try:
            found = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            found = "missing"
        if found == "missing" or not one.specifier.contains(found, prereleases=True):
            wrong.append(f"{one.name} is {found}, needed: {one.specifier}")
    if wrong:
        yield Finding(
            "packages", "wrong", "; ".join(wrong), "pip install -r requirements.lock, or `make up`"
        )
    else:
        yield Finding("packages", "ok", f"backend-pms {metadata.version('backend-pms')}, all fit")


def data_folder(folder: Path) -> Iterator[Finding]:
    """Whether what the embedded servers write has room."""
    folder = folder.expanduser().absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        yield Finding("disk", "wrong", f"{there}: {error.strerror}", "choose another PMS_DATA_DIR")
        return
    found = f"{free / 2**30:.1f} GiB free for {folder}"
    remedy = "make room, or choose another PMS_DATA_DIR"
    if free < _TOO_LITTLE_SPACE:
        yield Finding("disk", "wrong", found, remedy)
    elif free < _LITTLE_SPACE:
        yield Finding("disk", "note", found, remedy)
    else:
        yield Finding("disk", "ok", found)


def database(url: str) -> Iterator[Finding]:
    """Whether PostgreSQL answers, is new enough, up to date, on time and keeps its word."""
    try:
        check_database(url)
    except StartupError as error:
        yield _away("PostgreSQL", error)
        return
    engine = make_engine(
        # The way to name the driver is the settings' business.
        DatabaseSettings(database_url=url).database_url,
        application="pms-doctor",
        statement_timeout_ms=_PATIENCE_MS,
        idle_in_transaction_ms=_PATIENCE_MS,
        pool_size=None,
    )
    try:
        yield from _inside(Database(engine), without_password(url))
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        # So poolers call what they do not pass on.
        is_pooler = "startup parameter" in reason
        remedy = _NO_POOLER if is_pooler else "see the server's own log"
        yield Finding("PostgreSQL", "wrong", reason, remedy)
    finally:
        engine.dispose()


def _away(about: str, error: StartupError) -> Finding:
    """What a check says has its remedy at the end."""
    found, _, remedy = str(error).rpartition("; ")
    return Finding(about, "wrong", found, remedy)


def _inside(database: Database, shown: str) -> Iterator[Finding]:
    with database.transaction() as connection:
        before = datetime.now(UTC)
        version, theirs, fsync = connection.execute(
            text(
                "SELECT current_setting('server_version'), clock_timestamp(), "
                "current_setting('fsync')"
            )
        ).one()
        after = datetime.now(UTC)
        kept = {row[0]: row[1] for row in connection.execute(_SESSION, {"names": list(_ASKED)})}
        at, head = current_revision(connection), head_revision()
        newer = newer_revision(connection)
    yield Finding("PostgreSQL", "ok", f"{version} at {shown}")
    yield _session(kept)
    if fsync != "on":
        yield Finding(
            "durability",
            "note",
            "fsync is off: a power failure loses what was acknowledged",
            "set fsync = on in postgresql.conf, unless this is for tests",
        )
    if at == head:
        yield Finding("migrations", "ok", f"at {head}, as this version needs it")
    elif newer is not None:
        yield Finding(
            "migrations",
            "note" if runs_on(newer) else "wrong",
            f"at {newer}, which a newer version has made, needed: {head}",
            f"start that version again, or run its `pms migrate --down {head}`",
        )
    else:
        yield Finding(
            "migrations", "wrong", f"at {at or 'nothing'}, needed: {head}", "run `pms migrate`"
        )
    yield _clock((theirs - before).total_seconds(), (after - before).total_seconds())


def _session(kept: dict[str, str]) -> Finding:
    """No worker that freezes may hold the line, and no `202` go by a lax default of the server."""
    lost = [
        f"{name} is {kept.get(name)}, asked for: {asked}"
        for name, asked in _ASKED.items()
        if kept.get(name) != asked
    ]
    if lost:
        return Finding("session", "wrong", "; ".join(lost), _NO_POOLER)
    return Finding("session", "ok", "has the time-outs and the durability that it asked for")


def _clock(ahead: float, took: float) -> Finding:
    """Their clock was read somewhere between ours before and ours after."""
    off = 0.0 if 0 <= ahead <= took else (ahead if ahead < 0 else ahead - took)
    found = f"{abs(off):.3f} s {'ahead of' if off > 0 else 'behind'} this machine's"
    if abs(off) < _CLOCK_NOTED:
        return Finding("clock", "ok", f"the database's is less than {_CLOCK_NOTED:.0f} s off")
    state: State = "wrong" if abs(off) >= _CLOCK_WRONG else "note"
    return Finding("clock", state, f"the database's is {found}", "run a time service on both (NTP)")


def redis_server(url: str) -> Iterator[Finding]:
    """Whether Redis answers, is new enough, ours alone, and forgets nothing by itself."""
    try:
        check_redis(url)
    except StartupError as error:
        yield _away("Redis", error)
        return
    try:
        with redis.Redis.from_url(
            url,
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            about: dict[str, Any] = client.info()
            users = len(present(client))
    except (redis.RedisError, OSError) as error:
        yield Finding("Redis", "wrong", str(error), "start it, or correct REDIS_URL")
        return
    version = str(about.get("redis_version", "0"))
    kind = f"Valkey {about['valkey_version']}" if "valkey_version" in about else f"Redis {version}"
    found = f"{kind} at {without_password(url)}"
    if int(version.partition(".")[0] or 0) < _OLDEST_REDIS:
        yield Finding("Redis", "wrong", found, f"install Redis {_OLDEST_REDIS} or newer, or Valkey")
    else:
        yield Finding("Redis", "ok", found)
    if users > 1:
        yield Finding(
            "neighbours",
            "wrong",
            f"{users} use this Redis database: they mix up their products, events and wake-ups",
            "give each a Redis database of its own; who has left is forgotten in half a minute",
        )
    policy = about.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield Finding(
            "Redis memory",
            "note",
            f"maxmemory-policy is {policy}: wake-ups and limits may be thrown away",
            "set maxmemory-policy to noeviction; nothing is lost meanwhile, only late",
        )


def port(host: str, number: int) -> Finding:
    """Whether the web process can have its port; asked while it does not run."""
    try:
        check_port(host, number)
    except (OSError, StartupError, WrongSettingsError) as error:
        user = _user_of(number)
        return Finding("port", "wrong", f"{error}{user}", "stop what uses it, or set PORT")
    return Finding("port", "ok", f"{number} on {host} is free")


def _user_of(number: int) -> str:
    """Who listens there, if the system tells us."""
    try:
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr.port == number and one.pid:
                return f"; it is used by {psutil.Process(one.pid).name()} (process {one.pid})"
    except psutil.Error:
        pass
    return ""


def service(target: Target) -> Iterator[Finding]:
    """Whether the service answers, what it says of itself, and whether the key opens it.

    Raises:
        AwayError: nothing runs there.
    """
    with Api(target, patience=0) as api:
        try:
            health = api.health()
        except AwayError:
            raise
        except CommandError as error:
            yield Finding("service", "wrong", str(error), "stop what is there, or set PORT")
            return
        state: State = "ok" if health["status"] == "ok" else "wrong"
        away = [
            name
            for name, check in health["checks"].items()
            if isinstance(check, dict) and check.get("healthy") is False
        ]
        found = f"{health['status']} at {target.url}"
        missing = f": {', '.join(away)} unhealthy" if away else ""
        yield Finding("service", state, found + missing, "see its log" if away else "")
        yield from line(health["checks"]["queue"])
        try:
            api.get("/api/products", limit=1)
        except CommandError as error:
            yield Finding("key", "wrong", str(error), "set PMS_API_KEY, or use --key-file")
        else:
            yield Finding("key", "ok", f"the one from {target.origin} opens it")


def line(queue: dict[str, Any]) -> Iterator[Finding]:
    """Whether what was accepted is applied; nothing while that cannot be seen."""
    if queue["depth"] is None:
        return
    oldest = queue["oldestSeconds"] or 0.0
    said = f"{queue['depth']} waiting, the oldest for {duration(oldest)}"
    if oldest > _STANDS_STILL:
        yield Finding("line", "wrong", said, "see the worker's log; nothing is lost meanwhile")
    else:
        yield Finding("line", "ok", said if queue["depth"] else "nothing waits")
