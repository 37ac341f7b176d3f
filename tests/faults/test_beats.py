"""The clock runs twice, and then not at all."""

import time
from typing import NamedTuple

import pytest
from sqlalchemy import create_engine, text

from beat_schedule import BEAT_SCHEDULE
from db.settings import DatabaseSettings
from tests.faults.check import check_all
from tests.faults.report import Fault
from tests.functional.service import Service, is_healthy, wait_until

pytestmark = pytest.mark.long

WATCHED = ("maintenance.sweep", "analytics.refresh")


class Ran(NamedTuple):
    """A schedule as it stands: its last tick, and what became of all of them."""

    tick: float
    runs: int
    missed: int


def schedules(service: Service) -> dict[str, Ran]:
    """What has run so far, by name."""
    url = DatabaseSettings(database_url=service.env["DATABASE_URL"]).database_url
    engine = create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT name, extract(epoch FROM tick)::float, runs, missed FROM schedules")
        )
        rows = {name: Ran(*row) for name, *row in found}
    engine.dispose()
    return rows


def check_once(before: dict[str, Ran], after: dict[str, Ran]) -> int:
    """Each tick in between was taken up once or stood for; gives how many were missed."""
    for name, ran in after.items():
        if name in before:
            ticks = round((ran.tick - before[name].tick) / BEAT_SCHEDULE[name]["schedule"])
            told = ran.runs - before[name].runs + ran.missed - before[name].missed
            assert told == ticks, f"{name}: {ticks} ticks, {told} runs and missed ones"
    return sum(after[name].missed - before[name].missed for name in WATCHED)


def test_two_beats_and_then_none(service: Service, fault: Fault) -> None:
    """Two beats for 20 s, then none for 25 s"""
    wait_until(lambda: is_healthy(service), 30)
    wait_until(lambda: schedules(service).keys() >= set(WATCHED), 30)
    service.start("beat 2")
    before = schedules(service)
    time.sleep(20)
    twice = schedules(service)
    fault.happened()
    fault.tell("ticks missed with two", check_once(before, twice), None, "")
    for name in ("beat", "beat 2"):
        process = service.processes.pop(name)
        process.kill()
        process.wait()
    time.sleep(25)
    fault.happened()
    away = schedules(service)
    service.start("beat")
    began, moment = time.monotonic(), time.time()
    for name in WATCHED:
        due = moment // BEAT_SCHEDULE[name]["schedule"] * BEAT_SCHEDULE[name]["schedule"]
        wait_until(lambda name=name, due=due: schedules(service)[name].tick >= due, 30)
    fault.recovers("caught up", time.monotonic() - began, 15)
    back = schedules(service)
    missed = check_once(away, back)
    fault.tell("ticks stood for by the first run", missed, None, "")
    assert missed >= 10
    wait_until(lambda: is_healthy(service), 30)
    check_all(fault, service)
