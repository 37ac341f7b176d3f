"""Requests that wait at the same moment share one insert; nobody gets another's answer."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg2  # type: ignore[import-untyped]
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError
from uuid_utils.compat import uuid7

from db.queries import acceptance
from db.queries.orders import NewOrder, draft
from db.session import Database, web_database
from tests.factories.shop import new_key, new_products
from tests.servers import wait_until
from web.acceptance import Acceptance, Accepted, Prices, Submission
from web.errors import Invalid, Problem, not_found
from workers.commands import AdjustStock, ChangeOrderStatus, Command, CreateOrder
from workers.dispatch import new_operation, record


class Deadlock(psycopg2.OperationalError):  # type: ignore[misc]
    """What the server says to one of those who wait for each other."""

    pgcode = "40P01"


class SlowDatabase(Database):
    """Holds its first transaction until it is let go; counts them."""

    def __init__(self) -> None:
        super().__init__(web_database().engine)
        self.count = 0
        self.go = threading.Event()

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        self.count += 1
        assert self.go.wait(10)
        with super().statement() as connection:
            yield connection


@pytest.fixture
def slow(database: Database) -> SlowDatabase:
    return SlowDatabase()


@pytest.fixture
def mine(database: Database) -> UUID:
    return new_key(database).id


@pytest.fixture
def mug(database: Database) -> UUID:
    return new_products(database, 1)[0]


Together = Callable[[Sequence[Submission]], list[Any]]


@pytest.fixture
def together(slow: SlowDatabase, mug: UUID) -> Together:
    """Submit all while another one is being written; their answers in turn."""
    acceptance = Acceptance(slow)

    def ask(submission: Submission) -> Accepted | Exception:
        try:
            return acceptance.accept(submission)
        except Exception as error:
            return error

    def run(submissions: Sequence[Submission]) -> list[Any]:
        with ThreadPoolExecutor(len(submissions) + 1) as pool:
            first = pool.submit(ask, adjustment(mug))
            wait_until(lambda: slow.count)
            answers = []
            for one in submissions:
                answers.append(pool.submit(ask, one))
                wait_until(lambda: len(acceptance._together._waiting) == len(answers))
            slow.go.set()
            assert isinstance(first.result(10), Accepted)
            return [one.result(10) for one in answers]

    return run


def submission(command: Command, unknown: Problem | None = None, **more: Any) -> Submission:
    return Submission(new_operation(command, **more), unknown)


def adjustment(product_id: UUID, quantity: int = 1, **more: Any) -> Submission:
    command = AdjustStock(product_id=product_id, quantity=quantity, type="increment")
    return submission(command, Invalid(("/productId", "there is no such product")), **more)


def keyed(mug: UUID, mine: UUID, key: str, quantity: int = 1) -> Submission:
    return adjustment(mug, quantity, api_key_id=mine, key=key, fingerprint=f"{quantity:02x}")


def count(database: Database, table: str) -> int:
    with database.transaction() as connection:
        found: int = connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
    return found


def test_those_who_wait_share_one_transaction_in_their_order(
    together: Together, slow: SlowDatabase, mug: UUID, mine: UUID
) -> None:
    wanted = [adjustment(mug, quantity, api_key_id=mine) for quantity in range(1, 6)]
    answers = together(wanted)
    assert slow.count == 2
    assert [one.operation.id for one in answers] == [one.operation.id for one in wanted]
    numbers = [one.operation.seq for one in answers]
    assert numbers == sorted(numbers)
    assert len({one.operation.created_at for one in answers}) == 1
    assert not any(one.replayed for one in answers)


def test_who_names_what_is_not_there_harms_nobody_and_leaves_nothing(
    together: Together, slow: SlowDatabase, mug: UUID, mine: UUID
) -> None:
    step = ChangeOrderStatus(order_id=uuid7(), status="confirmed")
    unknown = adjustment(uuid7(), api_key_id=mine, key="k", fingerprint="00")
    good, bad, lost = together([adjustment(mug), unknown, submission(step, not_found("order"))])
    assert isinstance(good, Accepted)
    assert (bad.status, lost.status) == (422, 404)
    assert slow.count == 2
    assert count(slow, "operations") == 2
    assert count(slow, "idempotency_keys") == 0


def test_a_twin_gets_its_twins_answer(
    together: Together, slow: SlowDatabase, mug: UUID, mine: UUID
) -> None:
    one, twin, other, foreign = together(
        [
            keyed(mug, mine, "b"),
            keyed(mug, mine, "b"),
            keyed(mug, mine, "a"),
            keyed(mug, mine, "b", quantity=2),
        ]
    )
    assert (one.replayed, twin.replayed, other.replayed) == (False, True, False)
    assert twin.operation == one.operation
    assert (foreign.status, foreign.code) == (422, "idempotency-key-reused")
    assert count(slow, "operations") == 3


def test_an_error_of_one_is_not_anothers(
    together: Together, slow: SlowDatabase, mug: UUID, mine: UUID
) -> None:
    """A unique index refuses the second retry, and with it the insert that they share."""
    command = AdjustStock(product_id=mug, quantity=1, type="increment")
    slow.go.set()
    with slow.transaction() as connection:
        dead = record(connection, command).id
        record(connection, command, retry_of=dead)
    slow.go.clear()
    slow.count = 0
    first, refused, last = together(
        [
            keyed(mug, mine, "first"),
            submission(command, retry_of=dead),
            keyed(mug, mine, "last"),
        ]
    )
    assert isinstance(first, Accepted)
    assert isinstance(last, Accepted)
    assert "uq_operations_retry_of" in str(refused)
    assert count(slow, "operations") == 5


def test_without_its_database_nobody_is_tried_one_by_one(
    together: Together, slow: SlowDatabase, mug: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = slow.statement

    @contextmanager
    def away_later() -> Iterator[Connection]:
        with held() as connection:
            if slow.count > 1:
                raise OperationalError("insert", {}, Exception("away"))
            yield connection

    monkeypatch.setattr(slow, "statement", away_later)
    answers = together([adjustment(mug) for _ in range(20)])
    assert {type(one) for one in answers} == {OperationalError}
    assert slow.count == 2


def test_an_answer_that_is_lost_to_one_who_is_tried_alone_is_only_theirs(
    together: Together, slow: SlowDatabase, mug: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept = acceptance.accept
    lost = adjustment(mug)

    def fail(connection: Connection, asked: Sequence[Any], *more: Any, **named: Any) -> Any:
        if len(asked) > 1:
            raise OperationalError("INSERT", {}, Deadlock("deadlock detected"))
        if asked[0].id == lost.operation.id:
            raise OperationalError("INSERT", {}, psycopg2.OperationalError("gone"))
        return accept(connection, asked, *more, **named)

    monkeypatch.setattr("db.queries.acceptance.accept", fail)
    before, unknown, after = together([adjustment(mug), lost, adjustment(mug)])
    assert isinstance(before, Accepted)
    assert isinstance(unknown, Problem)
    assert unknown.facts == {"outcome": "unknown"}
    assert isinstance(after, Accepted)


def test_what_is_durable_is_accepted_whatever_becomes_of_a_repeated_key(
    together: Together,
    slow: SlowDatabase,
    mug: UUID,
    mine: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, again = keyed(mug, mine, "k"), keyed(mug, mine, "k")
    slow.go.set()
    assert not Acceptance(slow).accept(first).replayed
    slow.go.clear()

    def stopping(*_: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("terminating connection"))

    monkeypatch.setattr("db.queries.idempotency.of_operations", stopping)
    new, repeated, other = together([adjustment(mug), again, adjustment(mug)])
    assert isinstance(new, Accepted)
    assert isinstance(other, Accepted)
    assert isinstance(repeated, OperationalError)
    assert count(slow, "operations") == 4


def order(product_id: UUID, mine: UUID, key: str, **more: Any) -> Submission:
    command = CreateOrder(order_id=uuid7())

    def price(prices: Prices) -> NewOrder:
        if product_id not in prices:
            raise Invalid(("/items/0/productId", "there is no such product"))
        known = prices[product_id]
        return draft(
            command.order_id,
            customer_id="c",
            shipping_address="a",
            currency="USD",
            items=[(product_id, known.name, 2, known.price)],
        )

    operation = new_operation(command, api_key_id=mine, key=key, fingerprint="00", **more)
    return Submission(operation, products=frozenset({product_id}), order=price)


def test_orders_are_priced_together_and_a_replay_writes_none(
    together: Together, slow: SlowDatabase, mug: UUID, mine: UUID
) -> None:
    one, unknown, twin, other = together(
        [
            order(mug, mine, "one"),
            order(uuid7(), mine, "unknown"),
            order(mug, mine, "one"),
            order(mug, mine, "other"),
        ]
    )
    assert unknown.status == 422
    assert twin == Accepted(one.operation, replayed=True)
    with slow.transaction() as connection:
        rows = connection.execute(
            text(
                "SELECT o.id, o.total = 2 * i.unit_price FROM orders o, order_items i"
                " WHERE i.order_id = o.id"
            )
        ).all()
    assert {tuple(row) for row in rows} == {
        (one.operation.order_id, True),
        (other.operation.order_id, True),
    }
    assert count(slow, "orders") == 2


def test_a_key_is_free_again_after_its_time(slow: SlowDatabase, mug: UUID, mine: UUID) -> None:
    slow.go.set()
    acceptance = Acceptance(slow)
    old = acceptance.accept(keyed(mug, mine, "k")).operation
    with slow.transaction() as connection:
        connection.execute(text("UPDATE idempotency_keys SET created_at = now() - interval '1y'"))
    new = acceptance.accept(keyed(mug, mine, "k", quantity=2))
    assert not new.replayed
    assert new.operation.id != old.id
    assert acceptance.accept(keyed(mug, mine, "k", quantity=2)).replayed
