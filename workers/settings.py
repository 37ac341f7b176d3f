"""What the workers package reads from the environment."""

from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit
from zoneinfo import available_timezones

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class WorkerSettings(BaseSettings):
    """Settings of the road: Redis, and the shop's own calendar."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    redis_url: str = Field(description="redis://host:port/0, or what Upstash gives")
    redis_token: str | None = Field(default=None, repr=False, description="password beside the URL")
    shop_timezone: str = Field(default="UTC", description="IANA name; whose days analytics count")
    log_format: Literal["text", "json"] = "text"
    idempotency_ttl: int = Field(default=86_400, ge=1, description="seconds a key is remembered")
    event_retention_days: int = Field(
        default=7, ge=1, description="how long missed events are kept"
    )

    @field_validator("shop_timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        # The machine's own zone is listed too, under a name that PostgreSQL does not know.
        if name not in available_timezones() - {"localtime"}:
            raise ValueError(f"{name!r} is no IANA time zone such as Europe/Berlin")
        return name

    @model_validator(mode="after")
    def _with_token(self) -> "WorkerSettings":
        self.redis_url = redis_url(self.redis_url, self.redis_token)
        return self


def redis_url(url: str, token: str | None = None) -> str:
    """The URL that Redis clients understand, from what the operator was given.

    Args:
        url: ``redis://``, ``rediss://``, or the ``https://`` address that Upstash shows,
            which means its ``rediss://`` twin on port 6379.
        token: taken as the password if the URL carries none.

    Raises:
        ValueError: the URL is of another kind.
    """
    parts = urlsplit(url)
    scheme, netloc = parts.scheme, parts.netloc
    if scheme == "https":
        scheme, netloc = "rediss", f"{parts.hostname}:6379"
        if parts.password:
            netloc = f"default:{quote(parts.password, safe='')}@{netloc}"
    if scheme not in ("redis", "rediss") or not parts.hostname:
        raise ValueError("must begin with redis://, rediss:// or https:// (Upstash)")
    if token and not parts.password:
        netloc = f"default:{quote(token, safe='')}@{netloc.rpartition('@')[2]}"
    query = parts.query
    if scheme == "rediss" and "ssl_cert_reqs" not in query:
        query = "&".join(filter(None, [query, "ssl_cert_reqs=required"]))
    return urlunsplit((scheme, netloc, parts.path, query, ""))


class DataSettings(BaseSettings):
    """Where the embedded servers keep their data."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    pms_data_dir: Path | None = None
    database_url: str | None = None
    redis_url: str | None = None
    redis_token: str | None = Field(default=None, repr=False)


@lru_cache
def worker_settings() -> WorkerSettings:
    """The settings of this process, read once."""
    return WorkerSettings()  # type: ignore[call-arg]
