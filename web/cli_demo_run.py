"""What `pms demo` does: play the month with a key of its own, listen, compare."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from web.cli_client import Api
from web.cli_demo_check import Comparison, Sold, compare
from web.cli_demo_month import Month
from web.cli_demo_plan import make_plan
from web.cli_demo_play import Play
from web.cli_demo_witness import Witness
from web.cli_errors import CommandError
from web.cli_feed import Feed, Topic
from web.cli_output import screen
from web.cli_target import Target

_PATIENCE = 60.0
_RATE = "1000000/minute"


@dataclass(frozen=True)
class Result:
    """What a demo came to."""

    run: str
    seed: int
    played_seconds: float
    seconds: float
    refusals: dict[str, int]
    comparisons: list[Comparison]
    month: Month

    @property
    def agrees(self) -> bool:
        """Whether everything does."""
        return all(one.agrees for one in self.comparisons)


@dataclass(frozen=True)
class Wish:
    """What the operator asked for."""

    seed: int
    products: int
    orders: int
    day_seconds: float


def run(target: Target, wish: Wish) -> Result:
    """Play the month and compare."""
    name = f"demo-{secrets.token_hex(3)}"
    with Api(target, _PATIENCE) as admin, _own_key(admin, name) as own, _bar() as bar:
        return _play(own, name, wish, bar)


@contextmanager
def _own_key(admin: Api, run: str) -> Iterator[Target]:
    """A key with room for many requests; it ends with the demo, however that ends."""
    wanted = {
        "name": run,
        "scopes": ["write"],
        "rate": _RATE,
        "wsRate": _RATE,
        # Should this process be killed, the key does not stay for ever.
        "expiresAt": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    }
    made = admin.send("POST", "/api/keys", wanted).body
    if made["secret"] is None:
        raise CommandError("the answer that held the demo's key was lost: start it again")
    try:
        yield Target(admin.target.url, made["secret"], f"the demo itself ({run})")
    finally:
        admin.send("DELETE", f"/api/keys/{made['id']}")


def _bar() -> Progress:
    """On the standard error, so that what is piped on is the summary alone."""
    return Progress(
        TextColumn("{task.description:<18}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TimeElapsedColumn(),
        console=screen(stderr=True),
    )


def _play(target: Target, run: str, wish: Wish, bar: Progress) -> Result:
    """Play it, listening all the while, and compare."""
    plan = make_plan(wish.seed, wish.products, wish.orders)
    task = bar.add_task("opening the shop", total=plan.steps)

    def advance(doing: str, done: int, new: int) -> None:
        total = bar.tasks[task].total or 0
        bar.update(task, description=doing, advance=done, total=total + new)

    began, clock = datetime.now(UTC), time.monotonic()
    feed = Feed(target, [Topic("operations"), Topic("system")])
    with Api(target, _PATIENCE) as api:
        before = Sold.read(api, began)
        feed.connect()
        witness = Witness(feed)
        witness.start()
        try:
            play = Play(api, witness, plan, run=run, advance=advance, day_seconds=wish.day_seconds)
            books = play.play()
            played = time.monotonic() - clock
            bar.update(task, description="comparing")
            found = compare(api, books, witness, run=run, began=began, before=before)
        finally:
            witness.stop()
        # Steps of orders that were over before are left out.
        bar.update(task, description="compared", completed=bar.tasks[task].total)
        seconds = time.monotonic() - clock
    return Result(run, wish.seed, round(played, 2), round(seconds, 2), dict(books.refusals), *found)
