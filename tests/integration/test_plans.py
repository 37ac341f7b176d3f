"""Plans: no statement of the line or the sales reads a large table whole for some of its rows."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text
from uuid_utils.compat import uuid7

from db.queries import orders, sales, sales_spans
from db.session import Database, line_database, marker_database, web_database
from tests.factories.shop import new_key, new_products
from workers.app import app as celery
from workers.commands import AdjustStock, ChangeOrderStatus, CreateOrder
from workers.dispatch import record
from workers.runner import apply_next

celery.loader.import_default_modules()

PAST = 20_000
LARGE = ("operations", "events", "stock_movements", "orders", "order_items", "order_transitions")
_SCAN = re.compile(rf"Seq Scan on ({'|'.join(LARGE)})\b")


@pytest.fixture
def past(database: Database) -> tuple[UUID, list[UUID]]:
    """A shop that has been busy: a key and its products."""
    key_id, made = new_key(database).id, new_products(database, 400)
    with database.transaction() as connection:
        for statement in (
            """INSERT INTO operations (id, queue, kind, payload, status, attempts, product_id,
               finished_at) SELECT gen_random_uuid(), 'line', 'adjust-stock', '{}', 'succeeded', 1,
               :product, now() FROM generate_series(1, :past)""",
            """INSERT INTO events (stream, position, name, data, created_at)
               SELECT 'old', n, 'system_alert', '{"type": "integrity", "message": "m"}', now()
               FROM generate_series(1, :past) n""",
            """INSERT INTO stock_movements (product_id, version, kind, on_hand_change,
               reserved_change, on_hand, reserved, operation_id, created_at)
               SELECT gen_random_uuid(), 1, 'adjustment', 1, 0, 1, 0, gen_random_uuid(), now()
               FROM generate_series(1, :past)""",
            """INSERT INTO orders (id, status, version, customer_id, shipping_address, total,
               currency, created_at, updated_at) SELECT gen_random_uuid(), 'delivered', 5, 'c', 'a',
               1, 'USD', now(), now() FROM generate_series(1, :past)""",
            """INSERT INTO order_items (order_id, line, product_id, name, quantity, unit_price,
               line_total) SELECT id, 1, :product, 'n', 1, 1, 1 FROM orders""",
        ):
            connection.execute(text(statement), {"past": PAST, "product": made[0]})
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")
    return key_id, made


@pytest.fixture
def plans() -> Iterator[list[tuple[str, str]]]:
    """Every statement of the line with its plan, as it is made just before it runs."""
    seen: list[tuple[str, str]] = []

    def explain(_c: Any, cursor: Any, statement: str, values: Any, _x: Any, _m: bool) -> None:
        for one in statement.split("; "):
            if not one.startswith("EXECUTE"):
                seen.append((one, ""))
                continue
            with cursor.connection.cursor() as other:
                other.execute(f"EXPLAIN {one}", values)
                seen.append((one, "\n".join(row[0] for row in other.fetchall())))

    engines = (line_database().engine, marker_database().engine)
    for engine in engines:
        # New connections prepare their statements before our eyes.
        engine.dispose()
        event.listen(engine, "before_cursor_execute", explain)
    yield seen
    for engine in engines:
        event.remove(engine, "before_cursor_execute", explain)


def submit(database: Database, key_id: UUID, made: list[UUID]) -> None:
    """Adjustments, orders of two items, and a step of each order."""
    with database.transaction() as connection:
        for number, product in enumerate(made):
            record(connection, AdjustStock(product, 9, "increment"), api_key_id=key_id)
            if number % 4 == 0:
                draft = orders.draft(
                    uuid7(),
                    customer_id="c",
                    shipping_address="a",
                    currency="USD",
                    items=[(one, "n", 1, Decimal(1)) for one in (product, made[number - 1])],
                )
                record(connection, CreateOrder(draft.id), api_key_id=key_id, order=draft)
                step = ChangeOrderStatus(draft.id, "confirmed")
                record(connection, step, api_key_id=key_id)


@pytest.mark.parametrize("limit", [1, 20, 500])
def test_the_line_never_reads_a_large_table_whole(
    database: Database,
    past: tuple[UUID, list[UUID]],
    plans: list[tuple[str, str]],
    limit: int,
) -> None:
    submit(database, *past)
    applied = 0
    while applied < 3 * limit and (count := apply_next(line_database(), limit)):
        applied += count
    told = " ".join(statement for statement, _ in plans)
    assert {name for name in LARGE if re.search(rf"\b{name}\b", told)} >= set(LARGE[:3])
    assert [plan for _, plan in plans if _SCAN.search(plan)] == []


def test_the_best_sellers_of_a_range_are_read_from_its_spans_and_days_alone(
    database: Database,
) -> None:
    today = datetime.now(UTC).date()
    new_products(database, 200)
    with database.transaction() as connection:
        sales.use_zone(connection, "UTC")
        for statement in (
            """INSERT INTO sales_days (timezone, day, orders, units, revenue)
               SELECT 'UTC', CAST(:today AS date) - n, 1, 1, 1 FROM generate_series(0, 364) n""",
            """INSERT INTO product_sales_days (timezone, day, product_id, units, revenue)
               SELECT 'UTC', CAST(:today AS date) - n, id, 1, 1
               FROM generate_series(0, 364) n, products""",
        ):
            connection.execute(text(statement), {"today": today})
        sales_spans.complete(connection)
        # The planner knows them as they were when there were the large ones only.
        for table in ("product_sales_spans", "sales_spans"):
            connection.execute(text(f"DELETE FROM {table} WHERE size < 256"))
            connection.execute(text(f"ANALYZE {table}"))
        sales_spans.complete(connection)
    ran: list[tuple[str, Any]] = []

    def note(_c: Any, _d: Any, statement: str, values: Any, _x: Any, _m: bool) -> None:
        ran.append((statement.rpartition("; ")[2], values))

    for days in (2, 364):
        with web_database().snapshot() as connection:
            state = sales.state(connection, "UTC")
            start = today - timedelta(days=days)
            where = sales.sources(connection, state, start, today)
            event.listen(connection, "before_cursor_execute", note)
            sales.top_products(connection, where, 10)
            statement, values = ran[-1]
            plan = connection.exec_driver_sql(f"EXPLAIN {statement}", values).scalars().all()
        best = "\n".join(plan)
        assert "Seq Scan on product_sales" not in best
        ways = [line for line in plan if "Index Cond" in line and "TimeZone" in line]
        assert len(ways) == 2
        # Not all that there is of the time zone.
        assert all("first" in way or "day" in way for way in ways), best
