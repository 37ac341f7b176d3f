"""Migrations: bring a database to a revision, one process at a time."""

import time
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from db.settings import DatabaseSettings

# deadlock_detected, lock_not_available (PostgreSQL documentation, appendix A).
_IN_THE_WAY = ("40P01", "55P03")
_TRIES = 5
_PAUSE_SECONDS = 1.0


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    # A plain attribute: the option parser would trip over a percent sign in a password.
    config.attributes["url"] = url
    return config


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database up to a revision.

    Args:
        url: a PostgreSQL URL in any of its spellings.
        revision: an Alembic revision.
    """
    _patiently(command.upgrade, url, revision)


def downgrade(url: str, revision: str) -> None:
    """Take the database back to a revision; ``base`` is empty."""
    _patiently(command.downgrade, url, revision)


def _patiently(move: Callable[[Config, str], None], url: str, revision: str) -> None:
    """Try again what got in the way of a running service, which has changed nothing then."""
    for _ in range(_TRIES - 1):
        try:
            return move(_config(url), revision)
        except DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in _IN_THE_WAY:
                raise
        time.sleep(_PAUSE_SECONDS)
    return move(_config(url), revision)


def head_revision() -> str | None:
    """The revision that this code was written for."""
    return ScriptDirectory.from_config(_config("")).get_current_head()


def newer_revision(connection: Connection) -> str | None:
    """The revision that the database is at, if a newer version of this code brought it there."""
    at, head = current_revision(connection), head_revision()
    # They are numbers in order; another program's are not.
    if at is None or head is None or not at.isdecimal() or len(at) != len(head):
        return None
    return at if at > head else None


def newer_revision_at(url: str) -> str | None:
    """Likewise, of the database at a URL."""
    engine = create_engine(DatabaseSettings(database_url=url).database_url, poolclass=NullPool)
    with engine.connect() as connection:
        return newer_revision(connection)


def runs_on(newer: str) -> bool:
    """Whether this code runs on a newer revision: it does on the next one, each keeps to that."""
    return int(newer) == int(head_revision() or newer) + 1


def current_revision(connection: Connection) -> str | None:
    """The revision that the database is at, or None if it has none."""
    exists = connection.execute(text("SELECT to_regclass('alembic_version')")).scalar()
    if exists is None:
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found
