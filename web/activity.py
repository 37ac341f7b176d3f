"""What is going on right now: orders by status, and how fast operations end."""

import time
from datetime import timedelta

from apiflask import APIBlueprint
from flask import Response
from sqlalchemy import Connection

from db.models.order import STATUSES
from db.queries import activity, sales
from web.answers import JsonResponse
from web.auth import needs
from web.schemas.activity import ActivityOut, EndedOut, LatencyOut, OperationsActivity
from web.schemas.base import answer
from web.services import services

blueprint = APIBlueprint("activity", __name__, tag="Analytics")

_WINDOW_SECONDS = 60
# Many screens look at the same numbers: they are counted once for all of them.
_KEPT_SECONDS = 1.0
_kept: dict[str, tuple[float, bytes]] = {}


@blueprint.get("/api/analytics/activity")
@needs("read")
@blueprint.output(ActivityOut)
def read_activity() -> Response:
    """What is going on right now.

    Orders by status, and the operations of all keys that have ended within the last minute: how
    many a second, and how long they took from acceptance to end. Those that had waited for more
    than an hour are not counted, and of more than 20,000 the newest are, in a shorter window.
    Counted at most once a second.
    """
    now = time.monotonic()
    until, body = _kept.get("", (0.0, b""))
    if now >= until:
        with services().database.snapshot() as connection:
            body = answer(_look(connection))
        _kept[""] = (now + _KEPT_SECONDS, body)
    return JsonResponse(body)


def _look(connection: Connection) -> ActivityOut:
    as_of, _ = sales.clock(connection)
    now = as_of.replace(microsecond=0)
    since = activity.window(connection, now - timedelta(seconds=_WINDOW_SECONDS - 1))
    # The second that has just begun is never the only one.
    since = min(since.replace(microsecond=0), now - timedelta(seconds=1))
    window = int((now - since).total_seconds()) + 1
    seconds = activity.ended_by_second(connection, since)
    took = activity.latency(connection, since)
    ended = sum(second.ended for second in seconds)
    return ActivityOut(
        orders=dict.fromkeys(STATUSES, 0) | activity.orders_by_status(connection),
        operations=OperationsActivity(
            seconds=window,
            ended=ended,
            per_second=round(ended / window, 2),
            latency=LatencyOut.model_validate(took) if took else None,
            series=[
                EndedOut(at=one.at, ended=one.ended, failed=one.refused, dead=one.dead, p95=one.p95)
                for one in seconds
            ],
        ),
        as_of=as_of,
    )
