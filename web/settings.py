"""What the web package reads from the environment."""

import re
from functools import lru_cache
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

from db.environment import FROM_ENVIRONMENT, read_or_exit, without_password

_RATE = re.compile(r"[0-9]+/(second|minute|hour|day)")
_RATE_IN_RANGE = re.compile(r"[1-9][0-9]{0,8}/.*")
# A browser leaves a scheme's own port out.
_OWN_PORTS = {"http": 80, "https": 443}


def check_rate(rate: str) -> str:
    """One rate that the limiter can count; of several in one text it would see the first.

    Raises:
        ValueError: it is none.
    """
    if not _RATE.fullmatch(rate):
        raise ValueError("must be a rate such as 100/minute")
    if not _RATE_IN_RANGE.fullmatch(rate):
        raise ValueError("is out of range")
    return rate


def _host(name: str) -> str:
    """What may name an address of this machine; whether it does, listening tells."""
    if not re.fullmatch(r"[A-Za-z0-9._:%-]{1,255}", name):
        raise ValueError("must be an address such as 127.0.0.1 or ::1, or a name")
    return name


def _currency(text: str) -> str:
    """A code of ISO 4217; which of them exist changes, so only the form is looked at."""
    if len(text) != 3 or not text.isascii() or not text.isalpha() or not text.isupper():
        raise ValueError(f"{text!r} is no currency code of three capitals such as EUR")
    return text


def _key(secret: str) -> str:
    """What a header can carry, and nobody guesses."""
    if not re.fullmatch("[!-~]{16,200}", secret):
        raise ValueError("must be 16 to 200 visible ASCII characters without blanks")
    return secret


Rate = Annotated[str, AfterValidator(check_rate)]


def _is_origin(text: str) -> bool:
    """Whether a browser would send this as ``Origin``, letter for letter (RFC 6454, 6.2)."""
    try:
        parts = urlsplit(text)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        return False
    if scheme not in _OWN_PORTS or not host or port == 0:
        return False
    sent = f"{scheme}://[{host}]" if ":" in host else f"{scheme}://{host}"
    if port not in (None, _OWN_PORTS[scheme]):
        sent += f":{port}"
    # Names of other letters are sent in their ASCII form.
    return sent == text and bool(re.fullmatch("[!-~]+", text))


class WebSettings(BaseSettings):
    """Settings of the door: where it listens and how much it lets in."""

    model_config = FROM_ENVIRONMENT

    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    pms_api_key: Annotated[str, AfterValidator(_key)] | None = Field(default=None, repr=False)
    shop_currency: Annotated[str, AfterValidator(_currency)] = "USD"
    rate_limit_api: Rate = "100/minute"
    rate_limit_ws: Rate = "1000/minute"
    ws_connections_per_client: int = Field(default=50, ge=1, le=1_000_000)
    cors_origins: Annotated[list[str], NoDecode] = Field(default_factory=list)
    max_body_bytes: int = Field(default=1_048_576, ge=1024, le=1_073_741_824)
    max_bulk_bytes: int = Field(default=67_108_864, ge=1024, le=1_073_741_824)

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if not _is_origin(origin):
                raise ValueError(
                    f"{without_password(origin)!r} is no origin as browsers send it, in small "
                    "letters and without the scheme's own port, such as https://shop.example"
                )
        return origins

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()]
            if isinstance(value, str)
            else value
        )


@lru_cache
def web_settings() -> WebSettings:
    """The settings of this process, read once."""
    return read_or_exit(WebSettings)
