"""The tables of the peers: stock and its ledger, as a textbook has them."""

import psycopg2

SCHEMA = """
    CREATE TABLE stock (
        product_id uuid PRIMARY KEY,
        on_hand bigint NOT NULL CHECK (on_hand >= 0),
        version bigint NOT NULL
    ) WITH (fillfactor = 70);
    CREATE TABLE ledger (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        operation_id uuid NOT NULL UNIQUE,
        product_id uuid NOT NULL REFERENCES stock,
        change bigint NOT NULL,
        on_hand bigint NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    );
"""
_FILL = """
    INSERT INTO stock SELECT gen_random_uuid(), %s, 0 FROM generate_series(1, %s)
    RETURNING product_id::text
"""
# Never below zero, with its ledger row, in one statement: the row's lock orders the changes.
ADJUST = """
    WITH moved AS (
        UPDATE stock SET on_hand = on_hand + %(change)s, version = version + 1
        WHERE product_id = %(product)s AND on_hand + %(change)s >= 0
        RETURNING on_hand, version
    ), written AS (
        INSERT INTO ledger (operation_id, product_id, change, on_hand)
        SELECT %(operation)s, %(product)s, %(change)s, on_hand FROM moved
    )
    SELECT on_hand, version FROM moved
"""


def prepare(url: str, products: int, stock: int) -> list[str]:
    """Make the tables and so many products with so much stock; gives their ids."""
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(SCHEMA)
        cursor.execute(_FILL, (stock, products))
        found = [row[0] for row in cursor]
    connection.close()
    return found


def moved(url: str) -> tuple[int, int]:
    """Ledger rows, and units that went out of the stock by the ledger.

    Raises:
        AssertionError: stock and ledger disagree.
    """
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*), coalesce(-sum(change), 0)::bigint FROM ledger")
        rows, units = cursor.fetchone()
        cursor.execute("SELECT sum(version)::bigint FROM stock")
        assert cursor.fetchone()[0] == rows, "stock and ledger disagree"
    connection.close()
    return rows, units
