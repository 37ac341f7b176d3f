"""Tables that stay fast: the ledger without needless keys, room for rows that are rewritten.

Revision: 0006
Revises: 0005

The line writes a movement together with its level and the end of its operation, and counts both,
so that looking each of them up once more, at a third of what applying an adjustment costs, proves
nothing new. What the keys guarded beside that, a trigger guards: operations stay.

The code of the revision before runs on this schema.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# What a table has room for, and when it is swept: at a share of a large table's rows, not at the
# fifth that is PostgreSQL's default.
STORAGE = {
    "operations": {"autovacuum_vacuum_scale_factor": 0.05, "autovacuum_analyze_scale_factor": 0.05},
    "stock_levels": {"autovacuum_vacuum_scale_factor": 0.05},
    "streams": {"fillfactor": 50},
    "alerts": {"fillfactor": 80},
}

OPERATIONS_STAY = (
    """
    CREATE FUNCTION refuse_forgetting() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'operations stay: the ledger names them'
            USING ERRCODE = 'restrict_violation';
    END $$
    """,
    """
    CREATE TRIGGER operations_stay
    BEFORE DELETE OR TRUNCATE ON operations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_forgetting()
    """,
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for statement in OPERATIONS_STAY:
        op.execute(statement)
    for key in ("product_id_products", "operation_id_operations"):
        op.drop_constraint(op.f(f"fk_stock_movements_{key}"), "stock_movements")
    op.drop_index("ix_stock_movements_operation_id", table_name="stock_movements")
    for table, settings in STORAGE.items():
        given = ", ".join(f"{name} = {value}" for name, value in settings.items())
        op.execute(f"ALTER TABLE {table} SET ({given})")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '10min'")
    for table, settings in STORAGE.items():
        op.execute(f"ALTER TABLE {table} RESET ({', '.join(settings)})")
    op.create_index(
        "ix_stock_movements_operation_id", "stock_movements", ["operation_id"], unique=False
    )
    for column, other in (("product_id", "products"), ("operation_id", "operations")):
        op.create_foreign_key(
            op.f(f"fk_stock_movements_{column}_{other}"),
            "stock_movements",
            other,
            [column],
            ["id"],
        )
    op.execute("DROP TRIGGER operations_stay ON operations")
    op.execute("DROP FUNCTION refuse_forgetting()")
