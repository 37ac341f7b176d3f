"""Dry runs over many turns: what has passed is remembered, and never wrongly."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from db.session import line_database
from tests.integration.test_bulk import operation, row, send, stock
from workers import bulk as turns
from workers import runner
from workers.app import app as celery
from workers.passed import Memory
from workers.runner import apply_bulk, apply_next

celery.loader.import_default_modules()

Product = Callable[..., str]
Change = tuple[str, int]


@pytest.fixture(autouse=True)
def small_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of three rows, whatever the pace."""
    monkeypatch.setattr(turns, "_LEAST", 3)
    monkeypatch.setattr(turns, "_MOST", 3)


def as_row(change: Change) -> dict[str, Any]:
    product, units = change
    return row(product, abs(units), "increment" if units > 0 else "decrement")


@contextmanager
def readings() -> Iterator[list[str]]:
    """The statements that read what has passed."""
    found: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "sum(change)" in statement:
            found.append(statement)

    engine = line_database().engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_what_has_passed_is_read_once_by_each_process(
    client: Any, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    mugs = [product() for _ in range(5)]
    rows = [row(mug, 1) for mug in mugs] * 12
    sent = [send(client, rows, "?dryRun=true") for _ in range(2)]
    with readings() as found:
        for _ in range(20):
            apply_bulk(line_database())
        assert len(found) == 0
        monkeypatch.setattr(turns, "memory", Memory())
        while apply_bulk(line_database()):
            pass
        assert len(found) == 2
    assert [operation(client, one)["result"]["applied"] for one in sent] == [60, 60]


class Plain:
    """A dry run as it should be: each row meets the stock of its turn and what passed before."""

    def __init__(self, sent: dict[str, Any], rows: list[Change]) -> None:
        self.sent = sent
        self.done = 0
        self.refused: list[int] = []
        self._rows = rows
        self._passed: dict[str, int] = {}

    def go_on(self, done: int, stock: dict[str, int]) -> None:
        """Some further rows have had their turn."""
        levels = {name: max(stock[name] + passed, 0) for name, passed in self._passed.items()}
        for number in range(self.done, done):
            name, units = self._rows[number]
            level = levels.get(name, stock[name])
            if level + units < 0:
                self.refused.append(number)
                continue
            levels[name] = level + units
            self._passed[name] = self._passed.get(name, 0) + units
        self.done = done

    def give_up(self, done: int) -> None:
        """Some further rows were refused, whatever they are."""
        self.refused += range(self.done, done)
        self.done = done


def strike(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    """Have the next turn fail when all of it is written."""
    real = runner.may_crash

    def crash(place: str) -> None:
        if place == "written":
            monkeypatch.setattr(runner, "may_crash", real)
            raise fault
        real(place)

    monkeypatch.setattr(runner, "may_crash", crash)


FAULTS = [
    OperationalError("COMMIT", {}, psycopg2.OperationalError("the connection is gone")),
    RuntimeError("unlucky"),
]


@pytest.mark.parametrize("seed", range(6))
def test_turns_undone_and_turns_of_others_spoil_nothing(
    client: Any,
    product: Product,
    apply_line: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    """The stock changes between the turns: one that is undone would have decided otherwise."""
    dice = random.Random(seed)
    names = [product(stock=6) for _ in range(2)]
    apply_line()
    plains = []
    for _ in range(2):
        rows = [(dice.choice(names), dice.choice([2, 1, -1, -2, -3])) for _ in range(60)]
        plains.append(Plain(send(client, [as_row(one) for one in rows], "?dryRun=true"), rows))
    processes = [Memory(), Memory()]
    while any(plain.done < 60 for plain in plains):
        monkeypatch.setattr(turns, "memory", dice.choice(processes))
        change = as_row((dice.choice(names), dice.choice([5, -1, -4])))
        assert client.post("/api/inventory/adjust", json=change).status_code == 202
        apply_next(line_database())
        levels = {name: stock(client, name) for name in names}
        fault = dice.choice([None, None, *FAULTS])
        if fault is not None:
            strike(monkeypatch, fault)
        with suppress(OperationalError):
            apply_bulk(line_database())
        for plain in plains:
            done = operation(client, plain.sent)["progress"]["done"]
            if fault is None:
                plain.go_on(done, levels)
            else:
                plain.give_up(done)
    for plain in plains:
        found = client.get(f"/api/operations/{plain.sent['id']}/refused?limit=100").json["items"]
        assert [one["row"] for one in found] == plain.refused
