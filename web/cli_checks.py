"""The command line's look at the machine: the port, the database, Redis, in one line each.

What takes long to import is imported by the look that needs it.
"""

import errno
import http.client
import socket

import psycopg2

from db.environment import WrongSettingsError, without_password
from web.cli_settings import reachable
from workers.data_dir import StartupError

_OLDEST_POSTGRESQL = 14
_PATIENCE = 5  # seconds


def check_port(host: str, port: int) -> None:
    """Make sure that the web process is going to be alone on its port.

    It asks for a shared port (``SO_REUSEPORT``), as two web processes would: a second system
    would start in silence and take half of the first one's requests.

    Raises:
        WrongSettingsError: the host is not this machine's.
        StartupError: the port is taken, or not ours to take.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except socket.gaierror:
        raise WrongSettingsError(
            [f"HOST={host}: no such host; use an address of this machine, such as 127.0.0.1"]
        ) from None
    except PermissionError:
        raise StartupError(
            f"PORT={port}: ports under 1024 are kept for root: choose a higher one"
        ) from None
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise WrongSettingsError(
                [f"HOST={host}: is no address of this machine; use one, such as 127.0.0.1"]
            ) from None
        raise StartupError(
            f"PORT={port}: cannot be used on HOST={host} ({error.strerror}): stop what uses it, "
            "or choose another PORT"
        ) from None


def check_database(url: str) -> None:
    """Make sure that the database answers and is new enough.

    Raises:
        StartupError: it does not, or is not.
    """
    shown = _shown(url)
    try:
        connection = psycopg2.connect(_as_given(url), connect_timeout=_PATIENCE)
    except psycopg2.Error as error:
        raise StartupError(
            f"DATABASE_URL={shown}: {_first_line(error)}; start it, or correct DATABASE_URL"
        ) from None
    version = connection.server_version // 10_000
    connection.close()
    if version < _OLDEST_POSTGRESQL:
        raise StartupError(
            f"DATABASE_URL={shown}: it is PostgreSQL {version}, but {_OLDEST_POSTGRESQL} or "
            "newer is needed; upgrade it, or name another in DATABASE_URL"
        )


def check_redis(url: str) -> None:
    """Make sure that Redis answers and lets us in.

    Raises:
        StartupError: it does not.
    """
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    try:
        client = redis.Redis.from_url(
            url,
            socket_connect_timeout=_PATIENCE,
            socket_timeout=_PATIENCE,
            retry=Retry(NoBackoff(), 0),
        )
        client.ping()
        client.close()
    except (redis.RedisError, OSError, ValueError) as error:
        raise StartupError(
            f"REDIS_URL={without_password(url)}: {_first_line(error)}; start it, or correct "
            "REDIS_URL or REDIS_TOKEN"
        ) from None


def migrate(url: str, revision: str = "head", *, down: bool = False) -> str | None:
    """Bring the database to a revision.

    If a newer version has brought it to the next one, it is left there: the code of the one before
    runs on each, so that a release can be taken back.

    Args:
        url: the database.
        revision: where to.
        down: whether that is back.

    Returns:
        The newer version's revision, if it was left there.

    Raises:
        StartupError: it failed, or is not to be; the database is as it was before.
    """
    from alembic.util import CommandError
    from sqlalchemy.exc import DBAPIError

    from db.migrate import downgrade, head_revision, newer_revision_at, runs_on, upgrade

    try:
        newer = newer_revision_at(url)
        if newer is None:
            (downgrade if down else upgrade)(url, revision)
    except CommandError as error:
        raise StartupError(
            f"the database cannot be brought to revision {revision}: {_first_line(error)}"
        ) from None
    except DBAPIError as error:
        raise StartupError(
            f"DATABASE_URL={_shown(url)}: the migration failed and changed nothing: "
            f"{_first_line(error.orig or error)}; `pms doctor` says more"
        ) from None
    if newer is not None and (down or not runs_on(newer)):
        back = revision if down else head_revision()
        raise StartupError(
            f"the database is at revision {newer}, which a newer version of this program has "
            f"made: `pms migrate --down {back}` of that one takes it back"
        )
    return newer


def is_spent(url: str, secret: str) -> bool:
    """Whether a first admin key has ended, or is no admin's: registering it changes nothing.

    While the database cannot say it is believed to be good.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from db.models.api_key import hash_secret
    from db.queries import api_keys
    from db.session import Database, make_engine
    from db.settings import DatabaseSettings

    engine = make_engine(
        DatabaseSettings(database_url=url).database_url,
        application="pms",
        statement_timeout_ms=_PATIENCE * 1000,
        idle_in_transaction_ms=_PATIENCE * 1000,
        pool_size=None,
    )
    try:
        with Database(engine).transaction() as connection:
            return api_keys.is_spent(connection, hash_secret(secret))
    except SQLAlchemyError:
        return False
    finally:
        engine.dispose()


def answers(host: str, port: int) -> bool:
    """Whether the web process says that it serves."""
    connection = http.client.HTTPConnection(reachable(host), port, timeout=1)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _as_given(url: str) -> str:
    """As operators and libpq write it: neither knows SQLAlchemy's way to name the driver."""
    return url.replace("postgresql+psycopg2://", "postgresql://", 1)


def _shown(url: str) -> str:
    return without_password(_as_given(url))


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
