"""The whole road against a reference in plain Python: whatever is asked, wherever it dies."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from db.session import Database
from tests.faults.reference import POISONOUS_UNITS
from tests.faults.shopping import UNWRITABLE, Shopping
from workers.app import app as celery
from workers.book import Turn
from workers.commands import AdjustStock, CreateOrder
from workers.registry import HANDLERS

celery.loader.import_default_modules()


@contextmanager
def bugs(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Handlers that raise where the reference says so, and a ledger that refuses some rows."""
    adjust, create = HANDLERS[AdjustStock], HANDLERS[CreateOrder]

    def adjust_or_raise(command: AdjustStock, turn: Turn) -> dict[str, Any]:
        result = adjust(command, turn)
        _, _, raises = (command.reference or "").partition("raises ")
        if turn.operation.attempts < int(raises or 0):
            raise RuntimeError("a bug")
        return result

    def create_or_raise(command: CreateOrder, turn: Turn) -> dict[str, Any]:
        result = create(command, turn)
        if POISONOUS_UNITS in turn.order(command.order_id).items.values():
            raise RuntimeError("a bug")
        return result

    monkeypatch.setitem(HANDLERS, AdjustStock, adjust_or_raise)
    monkeypatch.setitem(HANDLERS, CreateOrder, create_or_raise)
    alter = "ALTER TABLE stock_movements {} CONSTRAINT unlucky {}"
    with database.transaction() as connection:
        check = f"CHECK (reference <> '{UNWRITABLE}')"
        connection.exec_driver_sql(alter.format("ADD", check))
    yield
    with database.transaction() as connection:
        connection.exec_driver_sql(alter.format("DROP", ""))


@pytest.fixture
def machine(app: Any, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The machine, on this test's application."""
    with bugs(database, monkeypatch):
        yield type("Machine", (Shopping,), {"app": app, "database": database})


QUICK = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=False,
    report_multiple_bugs=False,
    # A failure tells its steps at once; the long form looks for the fewest.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_the_shop_is_what_the_reference_says(machine: Any) -> None:
    run_state_machine_as_test(machine, settings=QUICK)


@pytest.mark.long
def test_the_shop_is_what_the_reference_says_for_long(
    machine: Any, request: pytest.FixtureRequest
) -> None:
    more = settings(
        QUICK,
        max_examples=60,
        stateful_step_count=60,
        derandomize=False,
        phases=[Phase.generate, Phase.shrink],
    )
    chosen = seed(request.getfixturevalue("seed"))
    run_state_machine_as_test(chosen(machine), settings=more)
