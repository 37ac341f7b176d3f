"""Migrations: bring a database to a revision, one process at a time."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text


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
    command.upgrade(_config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take the database back to a revision; ``base`` is empty."""
    command.downgrade(_config(url), revision)


def head_revision() -> str | None:
    """The revision that this code was written for."""
    return ScriptDirectory.from_config(_config("")).get_current_head()


def current_revision(connection: Connection) -> str | None:
    """The revision that the database is at, or None if it has none."""
    exists = connection.execute(text("SELECT to_regclass('alembic_version')")).scalar()
    if exists is None:
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found
