"""Who waits for whom: bulks for earlier ones, single operations for bulks, bulks for singles."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Connection, text

from db.models.operation import Waiting

# Of the single operations, so many are looked at: those that the next batch of the line takes.
NEXT_SINGLES = 500

_WAITING = text("""
    SELECT id, seq, kind, payload, attempts, product_id, order_id, api_key_id, request_id,
           created_at, false AS held_back
    FROM operations WHERE status = 'queued' AND queue = 'bulk' ORDER BY seq
""")


def waiting(connection: Connection) -> list[Waiting]:
    """The operations of all bulks that have not ended, in order of acceptance."""
    return [Waiting(*row) for row in connection.execute(_WAITING)]


_NEXT_PRODUCTS = text("""
    SELECT product_id FROM bulk_rows
    WHERE bulk_id = :id AND state = 'waiting' AND product_id > :after
    ORDER BY product_id LIMIT :limit
""")


def next_products(
    connection: Connection, bulk_id: UUID, *, after: UUID, limit: int
) -> Sequence[UUID]:
    """Of so many rows that wait the products, in the products' order; one may come repeatedly."""
    wanted = {"id": bulk_id, "after": after, "limit": limit}
    return connection.execute(_NEXT_PRODUCTS, wanted).scalars().all()


_HELD = text("""
    SELECT named.product_id FROM unnest(CAST(:products AS uuid[])) AS named (product_id)
    CROSS JOIN LATERAL (
        SELECT FROM bulk_rows r
        WHERE r.bulk_id = ANY(:bulks) AND r.product_id = named.product_id AND r.state = 'waiting'
        LIMIT 1
    ) AS found
""")


def held(
    connection: Connection, bulk_ids: Collection[UUID], product_ids: Collection[UUID]
) -> set[UUID]:
    """Those of these products of which any of these bulks has rows that wait."""
    if not bulk_ids or not product_ids:
        return set()
    wanted = {"bulks": list(bulk_ids), "products": list(product_ids)}
    return set(connection.execute(_HELD, wanted).scalars())


_ALL = text("SELECT seq, payload FROM operations WHERE status = 'queued' AND queue = 'bulk'")
_AHEAD = text("""
    SELECT DISTINCT bulk_id, product_id FROM bulk_rows
    WHERE bulk_id = ANY(:bulks) AND product_id = ANY(:products) AND state = 'waiting'
""")


def ahead_of(connection: Connection, product_ids: Collection[UUID]) -> dict[UUID, int]:
    """Of these products, those with rows that wait, and the place in line of their first bulk.

    Dry runs are ahead of nobody: they change nothing.
    """
    if not product_ids:
        return {}
    places = {
        UUID(payload["bulk_id"]): seq
        for seq, payload in connection.execute(_ALL)
        if not payload["dry_run"]
    }
    if not places:
        return {}
    wanted = {"bulks": list(places), "products": list(product_ids)}
    found: dict[UUID, int] = {}
    for bulk_id, product_id in connection.execute(_AHEAD, wanted):
        found[product_id] = min(places[bulk_id], found.get(product_id, places[bulk_id]))
    return found


_EARLIER = text("""
    WITH earlier AS (
        SELECT product_id, order_id FROM operations
        WHERE status = 'queued' AND queue = 'line' AND seq < :seq ORDER BY seq LIMIT :most
    )
    SELECT product_id FROM earlier WHERE product_id IS NOT NULL
    UNION SELECT i.product_id FROM earlier JOIN order_items i USING (order_id)
    UNION ALL SELECT NULL FROM (SELECT count(*) AS waiting FROM earlier) c WHERE waiting = :most
""")


def products_before(connection: Connection, seq: int) -> set[UUID] | None:
    """The products that single operations wait for which were accepted before this place.

    Returns:
        None if so many wait that the bulk's turn has not come.
    """
    wanted = {"seq": seq, "most": NEXT_SINGLES}
    found = set(connection.execute(_EARLIER, wanted).scalars())
    return None if None in found else found
