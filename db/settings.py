"""What the database package reads from the environment."""

from functools import lru_cache

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class DatabaseSettings(BaseSettings):
    """Settings of the database: where it is and how many connections a process may hold."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

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
        return f"postgresql+psycopg2://{rest}"


@lru_cache
def database_settings() -> DatabaseSettings:
    """The settings of this process, read once."""
    return DatabaseSettings()  # type: ignore[call-arg]
