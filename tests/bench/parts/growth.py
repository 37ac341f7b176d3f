"""A table that grows: what an adjustment costs with 10 million before it, and with 10 thousand.

The cost is the CPU of all processes end to end, the servers' included: it is less moved by
chance than the time is.
"""

from contextlib import ExitStack
from statistics import median

from tests.bench.bench import Bench, ratios
from tests.bench.goals import show
from tests.bench.runs import Run, journey
from tests.bench.shops import Ours, ours

_STEP = 1_000_000
_PRODUCTS = 1_000
_FILL = (
    "SET session_replication_role = replica",
    """CREATE TABLE IF NOT EXISTS bench_products AS
       SELECT gen_random_uuid() AS id, n - 1 AS n FROM generate_series(1, {products}) AS n""",
    """CREATE TABLE bench_step AS
       SELECT uuidv7() AS operation_id, p.id AS product_id,
              ({begin} + g.n) / {products} + 1 AS version,
              now() - interval '30 days' + ({begin} + g.n) * interval '0.2 s' AS at
       FROM generate_series(0, {count} - 1) AS g (n)
       JOIN bench_products p ON p.n = ({begin} + g.n) % {products}""",
    """INSERT INTO operations (id, queue, kind, payload, status, attempts, result, product_id,
                               api_key_id, request_id, created_at, finished_at)
       SELECT operation_id, 'line', 'adjust-stock',
              jsonb_build_object('product_id', product_id, 'quantity', 1, 'type', 'increment'),
              'succeeded', 1, jsonb_build_object('productId', product_id, 'stock', version),
              product_id, (SELECT id FROM api_keys LIMIT 1), operation_id::text, at, at
       FROM bench_step""",
    """INSERT INTO stock_movements (product_id, version, kind, on_hand_change, reserved_change,
                                    on_hand, reserved, operation_id, created_at)
       SELECT product_id, version, 'adjustment', 1, 0, version, 0, operation_id, at
       FROM bench_step""",
    """INSERT INTO events (stream, position, name, data, created_at)
       SELECT 'stock:' || product_id, version, 'inventory_update',
              jsonb_build_object('productId', product_id, 'stock', version,
                                 'operationId', operation_id), at
       FROM bench_step""",
    "DROP TABLE bench_step",
)
_PRODUCTS_BEFORE = (
    "SET session_replication_role = replica",
    """INSERT INTO products (id, name, description, price, category_id, images, status,
                             low_stock_threshold, version)
       SELECT id, 'Mug', '', 9.5, 'kitchen', '[]', 'draft', 0, 1 FROM bench_products""",
    """INSERT INTO stock_levels (product_id, on_hand, reserved, version, ever_stocked, updated_at)
       SELECT product_id, count(*), 0, count(*), true, now() FROM stock_movements
       WHERE product_id IN (SELECT id FROM bench_products) GROUP BY 1""",
)


def measure(bench: Bench) -> None:
    """Many and few, in turn."""
    bench.street.close()
    many, few = (100_000, 1_000) if bench.short else (10_000_000, 10_000)
    with ExitStack() as stack:
        runs = {}
        for name, count in (("few", few), ("many", many)):
            shop = stack.enter_context(ours(bench.ground))
            _fill(bench, shop, count)
            ready = stack.enter_context(journey(shop, False, bench.ground.server_pids))
            ready.flood(bench.seconds(3.0, 0.5))
            runs[name] = lambda one=ready: one.flood(bench.seconds(6.0, 1.0))
        found = bench.interleave(runs, 3 if bench.short else 5)
    cost = {name: [run.cpu * 1e6 for run in done] for name, done in found.items()}
    detail = f"with {many:,} {show(median(cost['many']))} µs of CPU, {_rate(found['many'])}/s; "
    detail += f"with {few:,} {show(median(cost['few']))} µs, {_rate(found['few'])}/s"
    bench.tell("growth", ratios(cost["many"], cost["few"]), detail, smaller=bench.short)


def _rate(done: list[Run]) -> str:
    return show(median(run.rate for run in done))


def _fill(bench: Bench, shop: Ours, count: int) -> None:
    """So many operations with their ledger rows and events, of products of their own."""
    run, url = bench.ground.run_sql, shop.database_url
    products = min(_PRODUCTS, count)
    for begin in range(0, count, _STEP):
        values = {"begin": begin, "count": min(_STEP, count - begin), "products": products}
        run(url, *(statement.format(**values) for statement in _FILL))
        bench.say(f"{begin + values['count']:,} operations written")
    run(url, *_PRODUCTS_BEFORE, "VACUUM ANALYZE", "CHECKPOINT")
