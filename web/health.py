"""Health: background probes look at everything all the time, the answer is what they saw last."""

import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from os import sysconf
from pathlib import Path
from typing import Any

from apiflask import APIBlueprint
from flask import Response
from redis import ConnectionError as RedisConnectionError
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from db.session import Database
from web.auth import needs
from web.components import ComponentWatch
from web.probes import OVERDUE, SIGN_LOST, Probe, Pulse, Seen, Signs, Standstill
from web.schemas.health import (
    Checks,
    HealthOut,
    MemoryCheck,
    MemoryUsage,
    QueueDepth,
    ServerCheck,
    SignCheck,
    WebsocketCheck,
)
from web.services import services
from workers.dispatch import Waker
from workers.events import Component

blueprint = APIBlueprint("health", __name__, tag="Health")

_REDIS_PATIENCE = 0.4
# How long the start may wait for the first results.
_FIRST_PATIENCE = 1.0
_MEMORY_SHARE = 0.9
# Components that give signs of life, by the names of those.
_SIGNS: dict[Component, str] = {"workers": "worker", "beat": "beat"}


class Probes:
    """All that `GET /health` reports.

    Args:
        database: this process' own; the probe opens one connection more, outside its pool.
        redis_url: as Redis clients understand it.
        connections: counts the socket connections of all web processes.
        waker: asked for a sign of life of the workers, at most once in 5 s.
    """

    def __init__(
        self,
        database: Database,
        redis_url: str,
        connections: Callable[[], int],
        waker: Waker,
    ) -> None:
        self._began = time.monotonic()
        # The watch asks for a report every second.
        self._standstill = Standstill()
        self._limit = memory_limit()
        self._pulse = Pulse(database, waker)
        self._redis = Redis.from_url(
            redis_url,
            socket_timeout=_REDIS_PATIENCE,
            socket_connect_timeout=_REDIS_PATIENCE,
            # A connection that was cut is opened again at once; a silent server gets one chance.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        )
        self.database = Probe("database", self._pulse)
        self.redis = Probe("redis", lambda: bool(self._redis.ping()))
        self.websocket = Probe("websocket", connections)
        self._all: tuple[Probe[Any], ...] = (self.database, self.redis, self.websocket)
        self._watch = ComponentWatch(database, lambda: _is_well(self.report()), self.silence)

    def start(self) -> None:
        """Begin to look; comes back when everything was seen once, or after a second."""
        for probe in self._all:
            probe.start()
        deadline = time.monotonic() + _FIRST_PATIENCE
        for probe in self._all:
            probe.await_first(max(0.0, deadline - time.monotonic()))
        self._watch.start()

    def stop(self) -> None:
        """Look no more, and close what was open."""
        self._watch.stop()
        for probe in self._all:
            probe.stop()
        for probe in self._all:
            probe.join(OVERDUE)
        self._pulse.engine.dispose()
        self._redis.close()

    def report(self) -> HealthOut:
        """What was seen last, at once."""
        self._standstill.notice(time.monotonic())
        database, redis = self.database.healthy(), self.redis.healthy()
        signs = self.database.last
        queue = QueueDepth(depth=None, oldest_seconds=None, dead=None)
        if database is not None and signs is not None:
            found = signs.queue
            queue = QueueDepth(
                depth=found.depth, oldest_seconds=_rounded(found.oldest_seconds), dead=found.dead
            )
        checks = Checks(
            database=_server(database),
            memory=_memory(self._limit),
            websocket=WebsocketCheck(
                healthy=self.websocket.healthy() is not None,
                connections=self.websocket.last or 0,
            ),
            uptime=round(time.monotonic() - self._began, 3),
            redis=_server(redis),
            workers=self._sign(signs, _SIGNS["workers"]),
            beat=self._sign(signs, _SIGNS["beat"]),
            queue=queue,
        )
        looked_at = (
            checks.database,
            checks.memory,
            checks.websocket,
            checks.redis,
            checks.workers,
            checks.beat,
        )
        ok = all(check.healthy for check in looked_at)
        return HealthOut(
            status="ok" if ok else "degraded", timestamp=datetime.now(UTC), checks=checks
        )

    def silence(self, component: Component) -> float:
        """For how many seconds nothing was seen of a component; 0 if it never was."""
        signs = self.database.last
        if component in _SIGNS:
            age = signs.ages.get(_SIGNS[component]) if signs is not None else None
            return 0.0 if signs is None or age is None else self._unseen(signs.at - max(0.0, age))
        probe: Probe[Any] = self.database if component == "database" else self.redis
        return 0.0 if probe.well_at is None else self._unseen(probe.well_at)

    def _unseen(self, since: float) -> float:
        """Seconds since a moment, without those in which this process stood still."""
        return time.monotonic() - since - self._standstill.within(since)

    def _sign(self, signs: Signs | None, name: str) -> SignCheck:
        """While the database is away, signs grow older by themselves."""
        age = signs.ages.get(name) if signs is not None else None
        if signs is None or age is None:
            return SignCheck(healthy=False, last_seen_seconds=None)
        given = signs.at - max(0.0, age)
        return SignCheck(
            healthy=self._unseen(given) <= SIGN_LOST,
            last_seen_seconds=_rounded(time.monotonic() - given),
        )


def _is_well(report: HealthOut) -> dict[Component, bool | None]:
    """Which components are well; who is cut off gives no sign, and is not to blame for that."""
    checks = report.checks
    ways = checks.database.healthy and checks.redis.healthy
    return {
        "database": checks.database.healthy,
        "redis": checks.redis.healthy,
        "workers": checks.workers.healthy if ways else None,
        "beat": checks.beat.healthy if checks.database.healthy else None,
    }


def _server(seen: Seen[Any] | None) -> ServerCheck:
    if seen is None:
        return ServerCheck(healthy=False)
    return ServerCheck(healthy=True, latency=seen.latency)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(max(0.0, seconds), 3)


def _memory(limit: int) -> MemoryCheck:
    # Kilobytes, except on macOS (getrusage(2)).
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        rss = pages * sysconf("SC_PAGE_SIZE")
    except OSError:
        rss = peak
    usage = MemoryUsage(rss=rss, peak=max(peak, rss), limit=limit)
    return MemoryCheck(healthy=rss < limit * _MEMORY_SHARE, usage=usage)


def memory_limit() -> int:
    """Bytes that this process may use: the least of the machine's and its control groups'."""
    found = [sysconf("SC_PAGE_SIZE") * sysconf("SC_PHYS_PAGES")]
    root = Path("/sys/fs/cgroup")
    files = [root / "memory/memory.limit_in_bytes", root / "memory.max"]
    try:
        own = Path("/proc/self/cgroup").read_text().rpartition("0::/")[2].strip()
        files += [folder / "memory.max" for folder in (root / own, *(root / own).parents)]
    except OSError:
        pass
    for file in files:
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            found.append(int(text))
    return min(found)


_RESPONSES: dict[int | str, Any] = {
    503: {
        "description": "The database is away",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/HealthOut"}}},
    }
}


@blueprint.get("/health")
@needs(None)
@blueprint.output(HealthOut)
@blueprint.doc(responses=_RESPONSES)
def read_health() -> Response:
    """How the system is.

    Needs no key and has no limit. `degraded` with `200`: operations are still accepted and kept;
    `degraded` with `503`: the database is away. Answers at once: background probes look every
    half a second.
    """
    found = services().probes.report()
    return Response(
        found.model_dump_json(by_alias=True, exclude_unset=True),
        200 if found.checks.database.healthy else 503,
        headers={"Cache-Control": "no-store"},
        content_type="application/json",
    )
