"""The applying stage alone, in a process of its own: a full line, in batches of a given size.

Reads ``{"operations": …, "products": …, "limit": …}`` a line, answers with the seconds that the
applying took; that of the recording before is not counted.
"""

import json
import sys
import time

from sqlalchemy import text

from db.session import line_database, web_database
from tests.factories.shop import new_key, new_products
from workers.app import app as celery
from workers.collector import spare_the_collector
from workers.commands import AdjustStock
from workers.dispatch import record
from workers.logs import configure_logs
from workers.runner import apply_next


def main() -> None:
    """Serve until there is nothing more to read."""
    configure_logs()
    celery.loader.import_default_modules()
    spare_the_collector()
    web, line = web_database(), line_database()
    key, product_ids = new_key(web), new_products(web, 500)
    total = 0
    for wish in map(json.loads, sys.stdin):
        chosen = product_ids[: wish["products"]]
        with web.transaction() as connection:
            for number in range(wish["operations"]):
                command = AdjustStock(chosen[number % len(chosen)], 1, "increment")
                record(connection, command, api_key_id=key.id, request_id=f"bench-{number}")
        total += wish["operations"]
        began = time.perf_counter()
        while apply_next(line, wish["limit"]):
            pass
        seconds = time.perf_counter() - began
        with web.transaction() as connection:
            rows, units = connection.execute(
                text("SELECT count(*), sum(on_hand_change)::bigint FROM stock_movements")
            ).one()
        assert rows == units == total, f"{total} operations, {rows} ledger rows, {units} units"
        sys.__stdout__.write(json.dumps(seconds) + "\n")
        sys.__stdout__.flush()


if __name__ == "__main__":
    main()
