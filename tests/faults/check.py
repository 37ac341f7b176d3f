"""What must hold after any fault: nothing lost, nothing twice, nothing out of order."""

import itertools
from collections.abc import Sequence
from typing import Any

from sqlalchemy import create_engine, text

from db.settings import DatabaseSettings
from tests.faults.load import Load
from tests.faults.report import Fault
from tests.faults.watcher import Watcher
from tests.functional.service import Service, wait_until

_TOLD = """
    SELECT count(*) FROM operations o
    LEFT JOIN (SELECT stream, data ->> 'operationId' AS operation_id, count(*) AS told
               FROM events WHERE stream LIKE 'operations:%' AND data ->> 'status' <> 'queued'
               GROUP BY 1, 2) e
        ON e.stream = 'operations:' || o.api_key_id AND e.operation_id = o.id::text
    WHERE o.api_key_id IS NOT NULL AND coalesce(e.told, 0)"""
LOST = {
    "operations without an end": "SELECT count(*) FROM operations WHERE status = 'queued'",
    "ends that were never told": f"{_TOLD} < 1",
    "streams with a gap": """
        SELECT count(*) FROM (
            SELECT FROM events GROUP BY stream
            HAVING max(position) <> count(*) OR min(position) <> 1) x""",
    "streams that are behind": """
        SELECT count(*) FROM (
            SELECT 'stock:' || product_id AS stream, version AS head FROM stock_levels
            UNION ALL SELECT 'order:' || id, version FROM orders
            UNION ALL SELECT 'product:' || id, version FROM products
            UNION ALL SELECT name, head FROM streams) s
        LEFT JOIN (SELECT stream, max(position) AS last FROM events GROUP BY 1) e USING (stream)
        WHERE s.head <> coalesce(e.last, 0)""",
}
DOUBLED = {
    "ends that were told twice": f"{_TOLD} > 1",
    "operations with two movements of one product": """
        SELECT count(*) FROM (
            SELECT FROM stock_movements GROUP BY operation_id, product_id HAVING count(*) > 1) x""",
}
UNEVEN = {
    "levels that differ from their ledger": """
        SELECT count(*) FROM stock_levels l
        LEFT JOIN (SELECT product_id, sum(on_hand_change) AS h, sum(reserved_change) AS r,
                          count(*) AS n FROM stock_movements GROUP BY 1) m USING (product_id)
        WHERE (l.on_hand, l.reserved, l.version)
              <> (coalesce(m.h, 0), coalesce(m.r, 0), coalesce(m.n, 0))""",
    "levels below nothing": """
        SELECT count(*) FROM stock_levels
        WHERE on_hand < 0 OR reserved < 0 OR reserved > on_hand""",
}
# Each query counts what must not be, once nothing is queued any more.
WRONG = {**LOST, **DOUBLED, **UNEVEN}


def ask_database(service: Service, query: str, **values: Any) -> Any:
    """What a query gives in its one row and column."""
    url = DatabaseSettings(database_url=service.env["DATABASE_URL"]).database_url
    engine = create_engine(url)
    with engine.connect() as connection:
        found = connection.execute(text(query), values).scalar_one()
    engine.dispose()
    return found


def count_ended(load: Load) -> int:
    """How many of a load's operations have their end."""
    query = "SELECT count(finished_at) FROM operations WHERE product_id = :product"
    return int(ask_database(load.service, query, product=load.product_id))


def check_all(
    fault: Fault, service: Service, *loads: Load, watchers: Sequence[Watcher] = ()
) -> None:
    """The common check, over the whole database and for all that clients know and saw.

    Args:
        fault: keeps what was found.
        service: which has time to end what is queued.
        loads: what clients were told to be accepted, all of them stopped.
        watchers: of products that loads post to.

    Raises:
        AssertionError: something was lost, doubled, out of order, or does not add up.
    """
    queued = LOST["operations without an end"]
    wait_until(lambda: not ask_database(service, queued), 60)
    wrong: dict[str, int] = {}
    for column, queries in (("lost", LOST), ("doubled", DOUBLED), ("uneven", UNEVEN)):
        for name, query in queries.items():
            _note(wrong, fault, column, name, ask_database(service, query))
    for load in loads:
        _check_load(wrong, fault, load)
    for watcher in watchers:
        _check_watcher(wrong, fault, watcher)
    fault.checked = True
    assert wrong == {}, wrong


def _note(wrong: dict[str, int], fault: Fault, column: str, name: str, count: int) -> None:
    if not count:
        return
    wrong[name] = wrong.get(name, 0) + count
    if column != "uneven":
        setattr(fault, column, getattr(fault, column) + count)


_LIVES = """
    SELECT coalesce(json_object_agg(o.id, json_build_array(o.status, m.version)), '{}')
    FROM operations o LEFT JOIN stock_movements m ON m.operation_id = o.id
    WHERE o.product_id = :product AND o.kind = 'adjust-stock'"""

_ENDED = """
    SELECT count(*) FROM operations
    WHERE id = ANY(CAST(:ids AS uuid[])) AND status IN ('succeeded', 'dead')"""


def _check_load(wrong: dict[str, int], fault: Fault, load: Load) -> None:
    """What was accepted has had its effect, once, in the order of each client's asking."""
    lives = ask_database(load.service, _LIVES, product=load.product_id)
    accepted = [one for mine in load.by_client.values() for one in mine]
    lost = [one for one in accepted if lives.get(one, [None])[0] not in ("succeeded", "dead")]
    _note(wrong, fault, "lost", "accepted operations without an effect", len(lost))
    _note(wrong, fault, "doubled", "operations that nobody knows", len(lives) - len(set(accepted)))
    _note(wrong, fault, "doubled", "keys that made two", len(accepted) - len(set(accepted)))
    for mine in load.by_client.values():
        turns = [turn for one in mine if (turn := lives.get(one, [None, None])[1]) is not None]
        swapped = sum(later < earlier for earlier, later in itertools.pairwise(turns))
        _note(wrong, fault, "out_of_order", "effects before earlier ones", swapped)
    if load.flood is not None:
        accepted = load.flood.stop()
        ended = ask_database(load.service, _ENDED, ids=accepted)
        _note(wrong, fault, "lost", "of a flood without an end", len(accepted) - ended)


def _check_watcher(wrong: dict[str, int], fault: Fault, watcher: Watcher) -> None:
    """What it was told is the stream, from its first look to the end."""
    head = ask_database(
        watcher.service,
        "SELECT version FROM stock_levels WHERE product_id = :product",
        product=watcher.product_id,
    )
    wait_until(lambda: watcher.reached(head), 30)
    watcher.close()
    assert watcher.refused == [], watcher.refused
    _note(wrong, fault, "lost", "events that a client missed", len(watcher.missed(head)))
    _note(wrong, fault, "doubled", "events that a client was told twice", watcher.repeated())
    _note(wrong, fault, "out_of_order", "events before earlier ones", watcher.swapped())
