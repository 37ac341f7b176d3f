"""What is going on, on the wire."""

from pydantic import Field

from web.schemas.base import Out, Time


class EndedOut(Out):
    """The operations that ended within one second."""

    at: Time
    ended: int
    failed: int = Field(description="Those of them that a rule refused")
    dead: int = Field(description="Those of them that were given up")
    p95: float = Field(description="95 in 100 of them took so many milliseconds or less")


class LatencyOut(Out):
    """From acceptance to end, in milliseconds."""

    p50: float
    p95: float
    p99: float


class OperationsActivity(Out):
    """The operations that have ended within the last minute."""

    seconds: int = Field(description="How long the window is: 60, or less of very many")
    ended: int
    per_second: float
    latency: LatencyOut | None = Field(description="Null if none has ended")
    series: list[EndedOut] = Field(description="By the second; one without an end is left out")


class ActivityOut(Out):
    """What is going on right now."""

    orders: dict[str, int] = Field(description="How many orders have each status")
    operations: OperationsActivity
    as_of: Time
