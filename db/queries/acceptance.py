"""Acceptance: the one statement that makes operations durable, be it one or a hundred."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Connection

from db.models.operation import Operation
from db.queries.orders import NewOrder
from db.queries.prepared import execute


@dataclass(frozen=True, slots=True)
class NewOperation:
    """An operation that is to be written.

    Args:
        id: its own.
        queue: where it waits.
        kind: of its command.
        payload: the command, as JSON.
        product_id: what it is about, if it is a product.
        order_id: what it is about, if it is an order.
        api_key_id: who asks, and is told of the end; None for the product itself.
        request_id: follows the operation through every log line.
        retry_of: the dead operation that this one tries again.
        key: the idempotency key that stands for it.
        fingerprint: of the request that carried the key, in hexadecimal digits.
    """

    id: UUID
    queue: str
    kind: str
    payload: orjson.Fragment
    product_id: UUID | None = None
    order_id: UUID | None = None
    api_key_id: UUID | None = None
    request_id: str | None = None
    retry_of: UUID | None = None
    key: str | None = None
    fingerprint: str | None = None

    def accepted(self, seq: int, created_at: datetime) -> Operation:
        """The operation as it stands once it is written."""
        return Operation(
            id=self.id,
            seq=seq,
            kind=self.kind,
            status="queued",
            attempts=0,
            result=None,
            error=None,
            product_id=self.product_id,
            order_id=self.order_id,
            api_key_id=self.api_key_id,
            request_id=self.request_id,
            retry_of=self.retry_of,
            created_at=created_at,
            finished_at=None,
        )


# What an operation names must be there, or be written with it. Scalar subqueries, since they are
# always answered by an index: a join might read the whole of a table for a handful of rows.
_ASKED = """
    asked AS (
        SELECT * FROM ROWS FROM (json_to_recordset(%(asked)s) AS (
            id uuid, queue text, kind text, payload jsonb, product_id uuid, order_id uuid,
            api_key_id uuid, request_id text, retry_of uuid, key text, fingerprint text
        )) WITH ORDINALITY AS a(id, queue, kind, payload, product_id, order_id, api_key_id,
                                request_id, retry_of, key, fingerprint, place)
        WHERE product_id IS NOT DISTINCT FROM (SELECT id FROM products p WHERE p.id = a.product_id)
          AND order_id IS NOT DISTINCT FROM coalesce(
              (SELECT id FROM orders o WHERE o.id = a.order_id), {new_order})
    )"""
# Sorted, so that two processes cannot deadlock over their keys.
_TAKEN = """,
    taken AS (
        INSERT INTO idempotency_keys AS kept (api_key_id, key, fingerprint, operation_id)
        SELECT api_key_id, key, decode(fingerprint, 'hex'), id FROM asked WHERE key IS NOT NULL
        ORDER BY api_key_id, key
        ON CONFLICT (api_key_id, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, operation_id = excluded.operation_id,
            status = NULL, headers = NULL, body = NULL, created_at = now()
        WHERE kept.created_at < now() - make_interval(secs => %(ttl)s)
        RETURNING operation_id
    )"""
_MADE = """,
    made AS (
        INSERT INTO operations (id, queue, kind, payload, product_id, order_id, api_key_id,
                                request_id, retry_of)
        SELECT id, queue, kind, payload, product_id, order_id, api_key_id, request_id, retry_of
        FROM asked {where} ORDER BY place
        RETURNING id, seq, created_at, order_id
    )"""
_DRAFTS = """
    drafts AS (
        SELECT * FROM json_to_recordset(%(orders)s) AS d(
            id uuid, customer_id text, shipping_address text, currency text, total numeric,
            items json)
    ),"""
_PLACED = """,
    placed AS (
        INSERT INTO orders (id, status, version, customer_id, shipping_address, total, currency,
                            created_at, updated_at)
        SELECT id, 'queued', 0, customer_id, shipping_address, total, currency, now(), now()
        FROM drafts WHERE id IN (SELECT order_id FROM made)
    ),
    listed AS (
        INSERT INTO order_items
            (order_id, line, product_id, name, quantity, unit_price, line_total)
        SELECT d.id, line, product_id, name, quantity, unit_price, line_total
        FROM drafts d, json_to_recordset(d.items) AS i(
            line int, product_id uuid, name text, quantity bigint, unit_price numeric,
            line_total numeric)
        WHERE d.id IN (SELECT order_id FROM made)
    )"""


@lru_cache
def _statement(has_keys: bool, has_orders: bool) -> str:
    """The statement, without the parts that have nothing to do: planning them takes its time."""
    new_order = "(SELECT id FROM drafts d WHERE d.id = a.order_id)" if has_orders else "NULL"
    where = "WHERE key IS NULL OR id IN (SELECT operation_id FROM taken)" if has_keys else ""
    return (
        "WITH"  # noqa: S608 - our own words
        + (_DRAFTS if has_orders else "")
        + _ASKED.format(new_order=new_order)
        + (_TAKEN if has_keys else "")
        + _MADE.format(where=where)
        + (_PLACED if has_orders else "")
        + " SELECT id, seq, created_at FROM made"
    )


def accept(
    connection: Connection,
    asked: Sequence[NewOperation],
    orders: Sequence[NewOrder] = (),
    *,
    ttl: int,
) -> dict[UUID, Operation]:
    """Write operations, their idempotency keys and their orders.

    Args:
        connection: the transaction whose commit accepts them.
        asked: in their order; no two of them with the same idempotency key.
        orders: those that some of them create.
        ttl: seconds after which an idempotency key is free again.

    Returns:
        Those that were written, by their ids. The others name something that is not there, or
        their key stands for something else already; nothing of them was written.

    Raises:
        sqlalchemy.exc.IntegrityError: one of them tries an operation again that was tried again
            already; nothing was written.
    """
    if not asked:
        return {}
    values: dict[str, Any] = {"asked": orjson.dumps(asked).decode()}
    has_keys = any(one.key is not None for one in asked)
    if has_keys:
        values["ttl"] = ttl
    if orders:
        values["orders"] = orjson.dumps(orders).decode()
    made = execute(connection, _statement(has_keys, bool(orders)), values)
    given = {one.id: one for one in asked}
    return {
        operation_id: given[operation_id].accepted(seq, created_at)
        for operation_id, seq, created_at in made
    }
