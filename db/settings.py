"""What the database package reads from the environment."""

import re
from functools import lru_cache

from psycopg2 import ProgrammingError  # type: ignore[import-untyped]
from psycopg2.extensions import parse_dsn  # type: ignore[import-untyped]
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from db.environment import FROM_ENVIRONMENT, read_or_exit

# What all that read it, libpq, SQLAlchemy and urllib, read alike.
_ADDRESS = re.compile(
    r"postgresql://([^:/?#@ ]*(:[^/?#@ ]*)?@)?(\[[^]/?#@ ]+\]|[^:/?#@ ]*)(:(?P<port>[0-9]{1,5}))?"
    r"([/?][^#@ ]*)?"
)
_UNREADABLE = (
    "is no address of one host; special characters in a password must be written as %XX, and a "
    "port is a number up to 65535"
)


class DatabaseSettings(BaseSettings):
    """Settings of the database: where it is and how many connections a process may hold."""

    model_config = FROM_ENVIRONMENT

    database_url: str = Field(
        description="PostgreSQL 14 or newer, postgresql://user:password@host/name"
    )
    database_pool_size: int = Field(
        default=20, ge=1, le=1000, description="connections kept a process"
    )

    @field_validator("database_url")
    @classmethod
    def _use_psycopg2(cls, url: str) -> str:
        """Name the driver: SQLAlchemy 2.1 takes a bare ``postgresql://`` for psycopg 3."""
        scheme, separator, rest = url.partition("://")
        if scheme not in ("postgres", "postgresql", "postgresql+psycopg2") or not separator:
            raise ValueError("must begin with postgresql://")
        _check_address(f"postgresql://{rest}")
        return f"postgresql+psycopg2://{rest}"


def _check_address(url: str) -> None:
    """What would otherwise be found out at the first connection, again and again.

    Raises:
        ValueError: it cannot be read; the password is not in the message.
    """
    found = _ADDRESS.fullmatch(url)
    if not found or not 0 < int(found["port"] or 5432) < 65_536 or not url.isprintable():
        raise ValueError(_UNREADABLE)
    try:
        parse_dsn(url)
    except ProgrammingError as error:
        unknown = re.search(r'invalid URI query parameter: ".*"', str(error))
        raise ValueError(unknown[0] if unknown else _UNREADABLE) from None


@lru_cache
def database_settings() -> DatabaseSettings:
    """The settings of this process, read once."""
    return read_or_exit(DatabaseSettings)
