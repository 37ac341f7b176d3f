"""Bulks among each other: each keeps its place in line of its products, and holds up no others."""

import random
from collections.abc import Callable
from datetime import timedelta
from itertools import takewhile
from typing import Any, NamedTuple

import pytest

from db.session import line_database
from tests.integration.test_bulk import operation, row, send, stock
from tests.integration.test_line import check_consistency
from workers import batch
from workers import bulk as turns
from workers import bulk_order as order
from workers.app import app as celery
from workers.commands import AdjustStock
from workers.registry import HANDLERS
from workers.runner import apply_bulk, apply_next

celery.loader.import_default_modules()

Product = Callable[..., str]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of three rows and looks at two products, whatever the pace."""
    monkeypatch.setattr(turns, "_LEAST", 3)
    monkeypatch.setattr(turns, "_MOST", 3)
    monkeypatch.setattr(order, "_PAIRS", 2)
    monkeypatch.setattr(order, "_LEAST_PRODUCTS", 2)


def adjust(client: Any, product: str, quantity: int, type: str = "increment") -> dict[str, Any]:
    found: dict[str, Any] = client.post(
        "/api/inventory/adjust", json=row(product, quantity, type)
    ).json
    return found


def ledger(client: Any, product: str) -> list[int]:
    found = client.get(f"/api/inventory/movements?productId={product}&limit=100").json["items"]
    return [one["onHandChange"] for one in reversed(found)]


def step(times: int) -> None:
    """As a worker does that is called away soon."""
    for _ in range(times):
        apply_next(line_database())
        apply_bulk(line_database())


@pytest.mark.parametrize("query", ["", "?dryRun=true", "?atomic=true"])
def test_a_small_bulk_ends_while_long_ones_of_other_products_go_on(
    client: Any, product: Product, apply_line: Callable[[], None], query: str
) -> None:
    mugs, cup, pot = [product() for _ in range(5)], product(), product()
    dry = send(client, [row(mug, 1) for mug in mugs] * 20, "?dryRun=true")
    long = send(client, [row(mug, 1) for mug in mugs] * 20)
    small = send(client, [row(cup, 2), row(pot, 2)], query)
    single = adjust(client, cup, 1)
    step(6)
    assert operation(client, small)["result"]["applied"] == 2
    assert operation(client, single)["status"] == "succeeded"
    for one in (dry, long):
        told = operation(client, one)
        assert told["status"] == "queued"
        assert told["progress"]["done"] >= 3
    apply_line()
    assert {operation(client, one)["status"] for one in (dry, long)} == {"succeeded"}
    assert [stock(client, mug) for mug in mugs] == [20] * 5


def test_a_dry_run_holds_up_nobody_and_comes_after_earlier_bulks(
    client: Any, product: Product, apply_line: Callable[[], None]
) -> None:
    mug, cup = product(), product()
    dry = send(client, [row(mug, 1)] * 60, "?dryRun=true")
    filling = send(client, [row(cup, 1)] * 9 + [row(mug, 1)])
    would = send(client, [row(mug, 1, "decrement"), row(cup, 9, "decrement")], "?dryRun=true")
    single = adjust(client, mug, 1, "decrement")
    step(14)
    assert operation(client, filling)["status"] == "succeeded"
    assert operation(client, single)["status"] == "succeeded"
    assert operation(client, dry)["status"] == "queued"
    apply_line()
    assert operation(client, would)["progress"]["done"] == 2
    # It was free once the cups were there.
    assert operation(client, would)["result"]["applied"] >= 1
    assert (stock(client, mug), stock(client, cup)) == (0, 9)


def test_a_later_bulk_waits_as_a_whole_for_an_earlier_row_of_one_of_its_products(
    client: Any, product: Product, apply_line: Callable[[], None]
) -> None:
    mugs = [product() for _ in range(12)]
    first = send(client, [row(mug, 1) for mug in mugs])
    second = send(client, [row(mugs[11], 1, "decrement")] + [row(mugs[0], 1)] * 5)
    step(1)
    assert operation(client, second)["progress"]["done"] == 0
    while operation(client, first)["status"] == "queued":
        assert operation(client, second)["progress"]["done"] == 0
        step(1)
    apply_line()
    assert operation(client, second)["result"]["applied"] == 6
    assert ledger(client, mugs[11]) == [1, -1]


def test_many_bulks_of_one_product_keep_their_order_and_all_end(
    client: Any, product: Product, apply_line: Callable[[], None]
) -> None:
    mug, cup = product(), product()
    for number in range(1, 21):
        send(client, [row(mug, number)] * 4)
    send(client, [row(cup, 1)])
    step(16)
    assert stock(client, cup) == 1
    apply_line()
    assert ledger(client, mug) == [number for number in range(1, 21) for _ in range(4)]


def test_a_bulk_that_waits_for_a_failing_operation_is_in_nobodys_way(
    client: Any, product: Product, apply_line: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mug, cups = product(), [product() for _ in range(30)]
    good = HANDLERS[AdjustStock]

    def handler(command: AdjustStock, turn: Any) -> Any:
        if command.quantity == 13:
            raise RuntimeError("unlucky")
        return good(command, turn)

    monkeypatch.setitem(HANDLERS, AdjustStock, handler)
    monkeypatch.setattr(batch, "retry_delay", lambda attempts: timedelta(hours=1))
    single = adjust(client, mug, 13)
    apply_next(line_database())
    held = send(client, [row(mug, 1)])
    free = send(client, [row(cup, 1) for cup in cups])
    apply_line()
    assert operation(client, free)["result"]["applied"] == 30
    assert operation(client, single)["status"] == operation(client, held)["status"] == "queued"


def test_what_commits_late_is_still_ahead_of_those_that_are_known(
    client: Any, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    mug = product()
    early = send(client, [row(mug, 1)] * 9)
    late = send(client, [row(mug, 2)] * 9)
    real = order.bulk_order.waiting
    with monkeypatch.context() as patch:
        patch.setattr(order.bulk_order, "waiting", lambda connection: real(connection)[1:])
        step(1)
    assert operation(client, late)["progress"]["done"] == 3
    while operation(client, early)["status"] == "queued":
        step(1)
        assert operation(client, late)["progress"]["done"] == 3
    while apply_bulk(line_database()):
        pass
    assert ledger(client, mug) == [2] * 3 + [1] * 9 + [2] * 6


class Asked(NamedTuple):
    """What somebody asked: its rows, by the products' numbers and signed, and in which way."""

    rows: list[tuple[int, int]]
    query: str | None


class Plain:
    """The same done one after the other."""

    def __init__(self, products: int) -> None:
        self.ledgers: list[list[int]] = [[] for _ in range(products)]

    def do(self, asked: Asked) -> None:
        if asked.query == "?dryRun=true":
            return
        kept = [list(one) for one in self.ledgers]
        done = list(takewhile(bool, map(self._add, asked.rows))) if asked.query else []
        if not asked.query:
            for one in asked.rows:
                self._add(one)
        elif len(done) < len(asked.rows):
            self.ledgers = kept

    def _add(self, one: tuple[int, int]) -> bool:
        product, change = one
        good = sum(self.ledgers[product]) + change >= 0
        if good:
            self.ledgers[product].append(change)
        return good


@pytest.mark.parametrize("seed", range(6))
def test_products_see_all_in_the_order_of_acceptance(
    client: Any, product: Product, apply_line: Callable[[], None], seed: int, database: Any
) -> None:
    dice = random.Random(seed)
    products = [product() for _ in range(6)]
    plain = Plain(len(products))
    for _ in range(14):
        query = dice.choice([None, None, "", "", "", "?atomic=true", "?dryRun=true"])
        some = dice.sample(range(len(products)), dice.randint(1, 3))
        size = 1 if query is None else dice.randint(1, 12)
        asked = Asked(
            [(dice.choice(some), dice.choice([5, 3, 2, -2, -4])) for _ in range(size)], query
        )
        rows = [
            row(products[n], abs(change), "increment" if change > 0 else "decrement")
            for n, change in asked.rows
        ]
        if query is None:
            assert client.post("/api/inventory/adjust", json=rows[0]).status_code == 202
        else:
            send(client, rows, query)
        plain.do(asked)
        step(dice.choice([0, 0, 1, 2]))
    apply_line()
    assert [ledger(client, one) for one in products] == plain.ledgers
    assert client.get("/api/operations?status=queued").json["items"] == []
    check_consistency(database)
