"""What the database holds of a shop, in the words of the reference."""

from collections import Counter
from typing import Any

from sqlalchemy import Connection, text

from db.session import Database
from tests.faults.check import WRONG
from tests.faults.reference import ATTEMPTS, Asked, Shop


class Kept:
    """All that was written of a shop, at one moment."""

    def __init__(self, database: Database) -> None:
        with database.snapshot() as connection:
            self._connection = connection
            self.ends = {
                row.id: row
                for row in self._rows("""
                    SELECT id::text, status, attempts, api_key_id IS NULL AS internal,
                           replace(error ->> 'type', '/docs/problems/', '') AS code
                    FROM operations WHERE status <> 'queued'""")
            }
            self.queued = self._rows("SELECT id::text FROM operations WHERE status = 'queued'")
            self.ledger = self._rows("""
                SELECT product_id::text, kind, on_hand_change, reserved_change, operation_id::text
                FROM stock_movements ORDER BY product_id, version""")
            self.levels = self._rows("""
                SELECT product_id::text AS id, on_hand, reserved, l.version,
                       low_stock_threshold, p.status = 'published' AS published
                FROM stock_levels l JOIN products p ON p.id = l.product_id""")
            self.steps = self._rows("""
                SELECT o.id::text, o.status, o.reason, array_agg(
                           to_status ORDER BY t.version) FILTER (WHERE to_status <> '') AS road
                FROM orders o LEFT JOIN order_transitions t ON t.order_id = o.id
                GROUP BY o.id""")
            self.alerts = self._rows(
                "SELECT product_id::text, severity FROM alerts WHERE resolved_at IS NULL"
            )
            self.told = self._rows("""
                SELECT DISTINCT ON (data ->> 'productId') data ->> 'productId' AS product,
                       data ->> 'type' AS type
                FROM events WHERE stream = 'system' AND data ->> 'productId' IS NOT NULL
                ORDER BY data ->> 'productId', position DESC""")
            self.wrong = {name: self._rows(query)[0][0] for name, query in WRONG.items()}
            self.gaps = {
                name: count for name, count in self.wrong.items() if name.startswith("streams")
            }
        del self._connection

    def _rows(self, query: str) -> list[Any]:
        connection: Connection = self._connection
        return list(connection.execute(text(query)))

    @property
    def dead(self) -> set[str]:
        """The operations that were given up."""
        return {row.id for row in self.ends.values() if row.status == "dead"}

    def check_ends(self, shop: Shop) -> None:
        """Each end is the one that the reference gives."""
        ends = {i: (row.status, row.code) for i, row in self.ends.items() if not row.internal}
        assert ends == shop.ends

    def check_stock(self, shop: Shop) -> None:
        """Ledgers and levels are the reference's, to the row."""
        found: dict[str, list[Any]] = {}
        for product, *row in self.ledger:
            found.setdefault(product, []).append(tuple(row))
        assert found == {i: shelf.ledger for i, shelf in shop.shelves.items() if shelf.ledger}
        for level in self.levels:
            shelf = shop.shelves[level.id]
            expected = (shelf.on_hand, shelf.reserved, len(shelf.ledger))
            assert (level.on_hand, level.reserved, level.version) == expected

    def check_orders(self, shop: Shop, ids: dict[str, str]) -> None:
        """Orders went the reference's way; ``ids`` of orders by the keys that made them."""
        found = {row.id: ["queued", *(row.road or [])] for row in self.steps}
        assert found == {i: shop.orders[key] for key, i in ids.items()}
        for row in self.steps:
            assert row.status == found[row.id][-1]
            assert (row.reason is not None) == (row.status == "rejected")

    def check_alerts(self, shop: Shop) -> None:
        """An alert is open exactly where the stock deserves it, and the last word said so."""
        expected = {}
        for level in self.levels:
            shelf = shop.shelves[level.id]
            expected[level.id] = shelf.severity(level.low_stock_threshold, level.published)
        assert sorted(self.alerts) == sorted(pair for pair in expected.items() if pair[1])
        told = {row.product: row.type for row in self.told}
        for product, severity in expected.items():
            assert told.get(product, "stock_recovered") == (severity or "stock_recovered")

    def check_attempts(self, asked: list[Asked], lost: Counter[str]) -> None:
        """Each was tried as often as its own bugs and deaths in its turn say, and given up so.

        Args:
            asked: all operations.
            lost: how often a worker was lost while it was an operation's turn.
        """
        # One that cannot be kept takes the others of its first batch with it.
        shared = int(any(one.unwritable for one in asked))
        for one in asked:
            end = self.ends.get(one.id)
            if end is None:
                continue
            failed = end.attempts - (end.status != "dead")
            assert end.attempts <= ATTEMPTS
            assert one.unwritable or failed <= one.raises + lost[one.id] + shared
            assert end.status != "dead" or end.attempts == ATTEMPTS
            # A rule's no comes before a bug.
            assert end.status != "succeeded" or not one.doomed
