"""What the web package reads from the environment."""

from functools import lru_cache
from typing import Annotated
from urllib.parse import urlsplit

from limits import parse_many
from pydantic import AfterValidator, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _rate(text: str) -> str:
    """A rate that the ``limits`` library reads, such as ``100/minute``."""
    try:
        (rate,) = parse_many(text)
    except ValueError:
        raise ValueError(f"{text!r} is not one rate such as 100/minute") from None
    if rate.amount < 1:
        raise ValueError(f"{text!r} lets nobody in; the least is 1/minute")
    return text


def _currency(text: str) -> str:
    """A code of ISO 4217; which of them exist changes, so only the form is looked at."""
    if len(text) != 3 or not text.isascii() or not text.isalpha() or not text.isupper():
        raise ValueError(f"{text!r} is no currency code of three capitals such as EUR")
    return text


Rate = Annotated[str, AfterValidator(_rate)]


class WebSettings(BaseSettings):
    """Settings of the door: where it listens and how much it lets in."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    pms_api_key: str | None = Field(default=None, min_length=16, max_length=200, repr=False)
    shop_currency: Annotated[str, AfterValidator(_currency)] = "USD"
    rate_limit_api: Rate = "100/minute"
    rate_limit_ws: Rate = "1000/minute"
    ws_connections_per_client: int = Field(default=50, ge=1)
    cors_origins: Annotated[list[str], NoDecode] = Field(default_factory=list)
    max_body_bytes: int = Field(default=1_048_576, ge=1024)

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            parts = urlsplit(origin)
            known = parts.scheme in ("http", "https") and parts.hostname
            if not known or f"{parts.scheme}://{parts.netloc}" != origin:
                raise ValueError(f"{origin!r} is no origin such as https://shop.example")
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
    return WebSettings()
