"""An idle installation: what it asks of Redis and PostgreSQL while nobody asks anything of it."""

import re
import time
from collections import Counter

from redis import Redis

from tests.bench.bench import Bench
from tests.bench.goals import show
from tests.bench.loop import Loop
from tests.bench.shops import ours
from tests.bench.subscribers import Subscriber

_TALKS = ("log_statement", "log_line_prefix")
_LINE = re.compile(rb"^bench:(\S*) LOG:  statement:\s+(\w+)", re.MULTILINE)
# What a web process calls itself: its requests and repairs, and its probes.
_OF_WEB = ("pms-web", "pms-health")
_FRAMES = {b"BEGIN", b"COMMIT", b"ROLLBACK"}


def measure(bench: Bench) -> None:
    """Count everything for a while, with one subscriber there."""
    bench.street.close()
    ground, seconds = bench.ground, bench.seconds(60.0, 10.0)
    loop = Loop()
    with ours(ground, products=1) as shop, Redis.from_url(ground.redis_url) as redis:
        client = Subscriber(loop, shop.port, shop.token, lambda packet: None)
        client.subscribe(*shop.product_ids)
        loop.run(3)
        _listen(bench, True)
        commands = _commands(redis)
        begun = ground.postgres_log.stat().st_size
        began = time.perf_counter()
        loop.run(seconds)
        minutes = (time.perf_counter() - began) / 60
        commands = _commands(redis) - commands
        with ground.postgres_log.open("rb") as log:
            log.seek(begun)
            found = Counter(
                name.decode() for name, verb in _LINE.findall(log.read()) if verb not in _FRAMES
            )
        _listen(bench, False)
        client.close()
    detail = f"counted for {seconds:g} s, one subscriber"
    by_name = ", ".join(
        f"{name or 'others'} {show(count / minutes)}" for name, count in found.most_common()
    )
    names = ", ".join(f"{name} {show(count / minutes)}" for name, count in commands.most_common(6))
    bench.tell("idle_redis", [commands.total() / minutes], f"{detail}; {names}")
    bench.tell("idle_postgres", [found.total() / minutes], f"{detail}; {by_name}")
    of_web = {name: found[name] / minutes / 60 for name in _OF_WEB}
    detail += "; " + ", ".join(f"{name} {show(each)}" for name, each in of_web.items())
    bench.tell("idle_web", [sum(of_web.values())], detail)


def _listen(bench: Bench, on: bool) -> None:
    """Have PostgreSQL write down every statement, or no more."""
    values = ("'all'", "'bench:%a '")
    statements = [
        f"ALTER SYSTEM SET {name} = {value}" if on else f"ALTER SYSTEM RESET {name}"
        for name, value in zip(_TALKS, values, strict=True)
    ]
    ground = bench.ground
    ground.run_sql(ground.database_url, *statements, "SELECT pg_reload_conf()")
    time.sleep(0.5)


def _commands(redis: Redis) -> Counter[str]:
    """How often each command was called so far, all clients together."""
    stats = redis.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): one["calls"] for name, one in stats.items()})
