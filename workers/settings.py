"""What the workers package reads from the environment."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, parse_qs, quote, urlsplit, urlunsplit
from zoneinfo import available_timezones

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings

from db.environment import FROM_ENVIRONMENT, read_or_exit

# What Celery and the Redis client both understand behind a question mark.
_OPTIONS = {"ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}


class WorkerSettings(BaseSettings):
    """Settings of the road: Redis, and the shop's own calendar."""

    model_config = FROM_ENVIRONMENT

    redis_url: str = Field(description="redis://host:port/0, or what Upstash gives")
    redis_token: str | None = Field(default=None, repr=False, description="password beside the URL")
    shop_timezone: str = Field(default="UTC", description="IANA name; whose days analytics count")
    log_format: Literal["text", "color", "json"] = "text"
    idempotency_ttl: int = Field(
        default=86_400, ge=1, le=31_536_000, description="seconds a key is remembered"
    )
    event_retention_days: int = Field(
        default=7, ge=1, le=3650, description="how long missed events are kept"
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
        ValueError: the URL is of another kind; the password is not in the message.
    """
    parts = urlsplit(url)
    scheme, netloc = parts.scheme, parts.netloc
    if scheme == "https":
        scheme, netloc = "rediss", f"{parts.hostname}:6379"
        if parts.password:
            netloc = f"default:{quote(parts.password, safe='')}@{netloc}"
    if scheme not in ("redis", "rediss") or not parts.hostname:
        raise ValueError("must begin with redis://, rediss:// or https:// (Upstash), then a host")
    _check_address(parts)
    if token and not parts.password:
        netloc = f"default:{quote(token, safe='')}@{netloc.rpartition('@')[2]}"
    query = parts.query
    if scheme == "rediss" and "ssl_cert_reqs" not in query:
        query = "&".join(filter(None, [query, "ssl_cert_reqs=required"]))
    return urlunsplit((scheme, netloc, parts.path, query, ""))


def _check_address(parts: SplitResult) -> None:
    """What would otherwise be found out at the first connection, or be passed over in silence."""
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.fragment or not parts.geturl().isprintable() or " " in parts.geturl():
        raise ValueError(
            "is no address; special characters in a password must be written as %XX, and a port "
            "is a number up to 65535"
        )
    if not re.fullmatch(r"/?[0-9]{0,5}", parts.path):
        raise ValueError("must end with the number of a database, such as /0")
    options = parse_qs(parts.query, keep_blank_values=True)
    if unknown := options.keys() - _OPTIONS:
        raise ValueError(f"has an option that is not known, {min(unknown)!r}")
    if options.get("ssl_cert_reqs", ["none"])[-1] not in ("none", "optional", "required"):
        raise ValueError("ssl_cert_reqs must be none, optional or required")


class DataSettings(BaseSettings):
    """Where the embedded servers keep their data."""

    model_config = FROM_ENVIRONMENT

    pms_data_dir: Path | None = None
    database_url: str | None = None
    redis_url: str | None = None
    redis_token: str | None = Field(default=None, repr=False)

    @field_validator("pms_data_dir")
    @classmethod
    def _in_a_home_that_there_is(cls, folder: Path | None) -> Path | None:
        try:
            return folder.expanduser() if folder is not None else None
        except RuntimeError:
            raise ValueError("there is no such user") from None

    @field_validator("redis_token")
    @classmethod
    def _beside_a_url(cls, token: str | None, info: ValidationInfo) -> str | None:
        if token is not None and info.data.get("redis_url") is None:
            raise ValueError("is the password of REDIS_URL, which is not set: set that one too")
        return token


@lru_cache
def worker_settings() -> WorkerSettings:
    """The settings of this process, read once."""
    return read_or_exit(WorkerSettings)
