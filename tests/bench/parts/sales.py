"""Sales over a year by day: counted from a million orders, and as our API answers."""

import time
from datetime import UTC, datetime, timedelta
from statistics import median

import psycopg2

from tests.bench.bench import Bench, ratios
from tests.bench.goals import show
from tests.bench.load import ask, build_request, connections
from tests.bench.loop import Loop
from tests.bench.shops import ours
from tests.functional.service import wait_until

_ORDERS = """
    INSERT INTO orders (id, status, version, customer_id, shipping_address, total, currency,
                        created_at, updated_at)
    SELECT gen_random_uuid(), 'delivered', 5, 'c' || n % 5000, 'Somewhere 1',
           19.00 * (1 + n % 3), 'USD', at, at
    FROM (SELECT n, now() - (random() * 364) * interval '1 day' AS at
          FROM generate_series(1, {count}) AS n) AS sold
"""
_ITEMS = """
    INSERT INTO order_items (order_id, line, product_id, name, quantity, unit_price, line_total)
    SELECT o.id, line, p.ids[1 + (random() * 199)::int % 200], 'Mug', 2, 9.50, 19.00
    FROM orders o, (SELECT array_agg(id) AS ids FROM products) AS p,
         LATERAL generate_series(1, (o.total / 19.00)::int) AS line
"""
# The day, orders, units and revenue, and the best sellers: what the API's answer holds.
_BY_DAY = """
    SELECT (o.created_at AT TIME ZONE 'UTC')::date, count(*) FILTER (WHERE i.line = 1),
           sum(i.quantity), sum(i.line_total)
    FROM orders o JOIN order_items i ON i.order_id = o.id
    WHERE o.created_at >= %(start)s AND o.status NOT IN ('queued', 'rejected', 'cancelled')
    GROUP BY 1 ORDER BY 1
"""
_BEST = """
    SELECT i.product_id, sum(i.quantity), sum(i.line_total)
    FROM orders o JOIN order_items i ON i.order_id = o.id
    WHERE o.created_at >= %(start)s AND o.status NOT IN ('queued', 'rejected', 'cancelled')
    GROUP BY 1 ORDER BY 2 DESC LIMIT 10
"""


def measure(bench: Bench) -> None:
    """Both ways in turn; they must agree."""
    bench.street.close()
    count = 50_000 if bench.short else 1_000_000
    with ours(bench.ground) as shop:
        _fill(bench, shop.database_url, count)
        start = (datetime.now(UTC) - timedelta(days=364)).date()
        path = f"/api/analytics/sales?startDate={start}&endDate={datetime.now(UTC).date()}"
        request = build_request("GET", path, headers=shop.headers)
        loop = Loop()
        connection = psycopg2.connect(shop.database_url)
        connection.autocommit = True
        with connections(loop, shop.port, each=1) as (door,):
            answers = []

            def by_api() -> float:
                return median(
                    _timed(lambda: answers.append(ask(loop, door, request))) for _ in range(9)
                )

            def raw() -> float:
                return _timed(lambda: _count(connection, start))

            found = bench.interleave({"raw": raw, "ours": by_api})
        connection.close()
        assert all(status == 200 for status, _ in answers), answers[0]
    milliseconds = {name: median(each) * 1000 for name, each in found.items()}
    detail = f"{count:,} orders; raw {show(milliseconds['raw'])} ms by psycopg2, ours "
    detail += f"{show(milliseconds['ours'])} ms over HTTP, {len(answers[0][1]):,} bytes"
    bench.tell("sales", ratios(found["raw"], found["ours"]), detail, smaller=bench.short)


def _timed(run: object) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _count(connection: object, start: object) -> None:
    with connection.cursor() as cursor:
        for query in (_BY_DAY, _BEST):
            cursor.execute(query, {"start": start})
            cursor.fetchall()


def _fill(bench: Bench, url: str, count: int) -> None:
    """A year of orders, and the rollups as the clock makes them."""
    run = bench.ground.run_sql
    run(
        url,
        "SET session_replication_role = replica",
        _ORDERS.format(count=count),
        _ITEMS,
        "SET session_replication_role = origin",
        "INSERT INTO sales_changes (accepted_at) SELECT DISTINCT date_trunc('hour', created_at) "
        "FROM orders",
        # Else the server would do it while both are measured.
        "VACUUM ANALYZE",
    )
    wait_until(lambda: run(url, "SELECT count(*) FROM sales_changes")[0][0] == 0, 300)
