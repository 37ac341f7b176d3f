"""Health on the wire."""

from typing import Literal

from pydantic import Field

from web.schemas.base import Out, Time

_Latency = Field(default=None, description="Milliseconds; absent while unhealthy.")


class ServerCheck(Out):
    """A server that answers, or not."""

    healthy: bool
    latency: float = _Latency


class MemoryUsage(Out):
    """Bytes of this web process."""

    rss: int = Field(description="In memory now.")
    peak: int = Field(description="The most that it was.")
    limit: int = Field(description="What its control group or the machine has.")


class MemoryCheck(Out):
    """Whether this web process has room left."""

    healthy: bool
    usage: MemoryUsage


class WebsocketCheck(Out):
    """Socket connections of all web processes together."""

    healthy: bool
    connections: int


class SignCheck(Out):
    """Processes that leave a sign of life in the database."""

    healthy: bool
    last_seen_seconds: float | None = Field(description="Age of the last sign; null if none.")


class QueueDepth(Out):
    """Operations that have no end yet, or a bad one."""

    depth: int | None = Field(
        description="Counted up to 1,000,000; null while the database is away."
    )
    oldest_seconds: float | None = Field(description="Null if nothing waits.")
    dead: int | None = Field(
        description="Operations given up that nobody has tried again; null while the database is "
        "away."
    )


class Checks(Out):
    """What was seen last."""

    database: ServerCheck
    memory: MemoryCheck
    websocket: WebsocketCheck
    uptime: float = Field(description="Seconds since this web process started.")
    redis: ServerCheck
    workers: SignCheck
    beat: SignCheck
    queue: QueueDepth


class HealthOut(Out):
    """How the system is."""

    status: Literal["ok", "degraded"]
    timestamp: Time
    checks: Checks
