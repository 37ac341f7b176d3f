"""Long ledgers: a repair has them read before its turn, and the line reads only what is newer."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from db.queries import ledger
from db.session import Database, line_database
from tests.factories.shop import new_products
from tests.integration.test_integrity import REPAIRS, damage, find
from tests.integration.test_rescue import age_marker, ends
from workers.app import app as celery
from workers.commands import RepairStock
from workers.dispatch import record
from workers.ends import MAX_ATTEMPTS
from workers.runner import apply_next

celery.loader.import_default_modules()
__all__ = ["damage"]

WRONG_ROW = """
    UPDATE stock_movements SET on_hand_change = 9 WHERE product_id = :id AND version = 2
"""


def adjust(client: Any, product_id: str) -> None:
    body = {"productId": product_id, "quantity": 4, "type": "increment"}
    assert client.post("/api/inventory/adjust", json=body).status_code == 202


@pytest.fixture
def pen(client: Any, product: Callable[..., str], apply_line: Callable[[], None]) -> str:
    """Twelve pens, of a ledger of three rows."""
    product_id = product(stock=4, name="Pen")
    for _ in range(2):
        adjust(client, product_id)
    apply_line()
    return product_id


@pytest.fixture
def read_after(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The versions after which each statement has read a ledger."""
    seen: list[int] = []
    add = ledger._add

    def watched(connection: Any, known: Any, ends: Any) -> Any:
        seen.extend(sums.version for sums in known.values())
        return add(connection, known, ends)

    monkeypatch.setattr(ledger, "_add", watched)
    return seen


@pytest.mark.parametrize("at_once", [1, 500], ids=["one by one", "in one batch"])
def test_the_line_reads_only_what_is_newer_than_the_repair(
    client: Any,
    pen: str,
    damage: Callable[..., None],
    read_after: list[int],
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
) -> None:
    damage(WRONG_ROW, id=pen)
    damage("UPDATE stock_levels SET on_hand = 20 WHERE product_id = :id", id=pen)
    monkeypatch.setattr(ledger, "_ROWS", 2)
    adjust(client, pen)
    accepted = client.post(REPAIRS, json={"productId": pen})
    assert read_after == [0, 2]
    adjust(client, pen)
    read_after.clear()
    while apply_next(line_database(), at_once):
        pass
    assert read_after == ([3] if at_once == 1 else [])
    operation = client.get(accepted.headers["Location"]).json
    assert operation["status"] == "succeeded"
    known = {"version": 3, "onHand": 17, "reserved": 0, "brokenAt": 2}
    assert operation["payload"] == {"productId": pen, "ledger": known}
    assert find(client) == []
    # An adjustment by itself writes into the ledger what the wrong level has become by it.
    on_hand = client.get(f"/api/inventory/stock/{pen}").json["onHand"]
    assert on_hand == (28 if at_once == 1 else 20)


@pytest.mark.parametrize("known", ["", ', "ledger": null', ', "ledger": {"version": 9}'])
def test_repairs_that_know_nothing_of_the_ledger_read_all_of_it(
    client: Any,
    pen: str,
    damage: Callable[..., None],
    apply_line: Callable[[], None],
    read_after: list[int],
    database: Database,
    known: str,
) -> None:
    """Those of an earlier release, and those whose ledger has lost what they know of it."""
    damage(WRONG_ROW, id=pen)
    with database.transaction() as connection:
        made = record(connection, RepairStock(UUID(pen))).id
        connection.execute(
            text("UPDATE operations SET payload = CAST(:payload AS jsonb) WHERE id = :id"),
            {"payload": f'{{"product_id": "{pen}"{known}}}', "id": made},
        )
    apply_line()
    assert read_after == [0]
    assert find(client) == []


def test_a_repair_that_cannot_be_read_dies_alone(
    client: Any, pen: str, apply_line: Callable[[], None], database: Database
) -> None:
    with database.transaction() as connection:
        bad = record(connection, RepairStock(UUID(pen))).id
        connection.execute(text("UPDATE operations SET payload = '{}' WHERE id = :id"), {"id": bad})
    adjust(client, pen)
    for _ in range(MAX_ATTEMPTS):
        apply_line()
        age_marker(database)
    assert ends(database, [bad])[bad].status == "dead"
    assert client.get(f"/api/inventory/stock/{pen}").json["onHand"] == 16


def test_a_ledger_that_cannot_be_read_stops_nobody(
    client: Any, pen: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither who counts the attempt reads it, nor who only keeps the repair's place in line."""

    def fail(_: Any, products: Any) -> Any:
        if products:
            raise RuntimeError("it is too long")
        return {}

    monkeypatch.setattr(ledger, "drifts", fail)
    with database.transaction() as connection:
        bad = record(connection, RepairStock(UUID(pen))).id
        (other,) = new_products(database, 1)
    assert apply_next(line_database()) == 1
    assert ends(database, [bad])[bad].attempts == 1
    adjust(client, str(other))
    assert apply_next(line_database()) == 1
    assert client.get(f"/api/inventory/stock/{other}").json["onHand"] == 4
    for _ in range(1, MAX_ATTEMPTS):
        age_marker(database)
        assert apply_next(line_database()) == 1
    assert ends(database, [bad])[bad].status == "dead"
