"""Connections to PostgreSQL: one engine a process, one place that begins and commits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import orjson
import psycopg2  # type: ignore[import-untyped]
from psycopg2.extensions import (  # type: ignore[import-untyped]
    TRANSACTION_STATUS_IDLE,
    TRANSACTION_STATUS_INERROR,
    TRANSACTION_STATUS_INTRANS,
)
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from db.errors import READ_ONLY
from db.settings import database_settings

# A peer that stops answering is noticed by the kernel after this long, in milliseconds.
_TCP_USER_TIMEOUT_MS = 5_000
# The longest that whoever applies the line may take: after it a task is killed, and the session of
# a process that froze ended. Three attempts of this must fit into what the line may stand still.
LINE_SECONDS = 6


def make_engine(
    url: str,
    *,
    application: str,
    statement_timeout_ms: int,
    idle_in_transaction_ms: int,
    pool_size: int | None,
    pool_timeout: float = 1.5,
    synchronous_commit: str = "on",
    autocommit: bool = False,
    may_scan: bool = True,
) -> Engine:
    """An engine whose every connection carries its limits.

    Args:
        url: the database, with the driver named.
        application: shown in ``pg_stat_activity``.
        statement_timeout_ms: the server ends a statement that takes longer.
        idle_in_transaction_ms: the server ends the session of a process that froze inside a
            transaction, and with it that session's locks.
        pool_size: connections kept and at most used; None opens one a use.
        pool_timeout: seconds a caller waits for a free connection.
        synchronous_commit: ``off`` only for what may be lost in a crash of the server.
        autocommit: each statement commits by itself.
        may_scan: whether a plan may read a whole table where an index would serve; if not, one
            plan serves however many rows a prepared statement names.
    """
    options = " ".join(
        f"-c {name}={value}"
        for name, value in {
            "TimeZone": "UTC",
            "statement_timeout": statement_timeout_ms,
            "idle_in_transaction_session_timeout": idle_in_transaction_ms,
            # The promise behind a 202 rests on this; a lax server default must not break it.
            "synchronous_commit": synchronous_commit,
            # The statements are short: compiling them costs more than it gives.
            "jit": "off",
            "enable_seqscan": "on" if may_scan else "off",
            "plan_cache_mode": "auto" if may_scan else "force_generic_plan",
        }.items()
    )
    arguments = {
        "application_name": application,
        "connect_timeout": 2,
        "keepalives_idle": 10,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": _TCP_USER_TIMEOUT_MS,
        # While a fail-over is under way the address may lead to a standby, which lets anybody in.
        "target_session_attrs": "read-write",
        "options": options,
    }
    more: dict[str, Any] = {"connect_args": arguments, "json_deserializer": orjson.loads}
    if autocommit:
        more["isolation_level"] = "AUTOCOMMIT"
    if pool_size is None:
        more |= {"poolclass": NullPool}
    else:
        more |= {"pool_size": pool_size, "max_overflow": 0, "pool_use_lifo": True}
        more |= {"pool_timeout": pool_timeout}
    engine = create_engine(url, **more)
    event.listen(engine, "handle_error", _leave_what_takes_nothing_in)
    return engine


def _leave_what_takes_nothing_in(context: ExceptionContext) -> None:
    """A server that has become read-only may stay so: the next connection finds who is not."""
    if getattr(context.original_exception, "pgcode", None) == READ_ONLY:
        context.is_disconnect = True


def _end_autocommit(connection: Connection, driver: Any) -> None:
    """Give the connection back as it was, or not at all."""
    if not connection.invalidated:
        try:
            driver.autocommit = False
        except psycopg2.Error as error:
            connection.invalidate(error)


class Database:
    """One process' way to PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that commits when the block ends well, and else leaves nothing."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def statement(self) -> Iterator[Connection]:
        """For one statement, or some that need not see the same: each commits by itself.

        That is one round trip where a transaction takes three. The driver is told directly: the
        library's own way to it asks the server twice, and loses connections that have died.

        Raises:
            sqlalchemy.exc.OperationalError: the connection has died.
        """
        with self.engine.connect() as connection:
            driver = connection.connection.dbapi_connection
            assert driver is not None
            try:
                driver.autocommit = True
            except psycopg2.Error as error:
                connection.invalidate(error)
                raise OperationalError("BEGIN", None, error, connection_invalidated=True) from error
            try:
                yield connection
            finally:
                _end_autocommit(connection, driver)

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A read-only transaction in which every statement sees the same moment.

        Its first statement begins it, on the same way, and it is ended here: by the library's
        switches that took more ways there and back than what is read.

        Raises:
            sqlalchemy.exc.OperationalError: the connection has died.
        """
        with self.statement() as connection:
            event.listen(connection, "before_cursor_execute", _begin_snapshot_too, retval=True)
            try:
                yield connection
            finally:
                _roll_back(connection)

    def forget_inherited_connections(self) -> None:
        """In a forked child: leave the parent's sockets alone and open new ones."""
        self.engine.dispose(close=False)


class TerseDatabase(Database):
    """The same, with fewer ways there and back, which are most of what a small batch costs.

    A transaction is begun by its first statement, on the same way; its last one may be sent with
    its commit before it (`db.queries.prepared.COMMIT`).

    Args:
        engine: each of its statements commits by itself, as far as the driver knows.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        event.listen(engine, "before_cursor_execute", _begin_too, retval=True)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that commits when the block ends well, and else leaves nothing."""
        with self.engine.connect() as connection:
            try:
                yield connection
            except BaseException:
                _roll_back(connection)
                raise
            if _status(connection) != TRANSACTION_STATUS_IDLE:
                connection.exec_driver_sql("COMMIT")


def _beginning(begin: str) -> Callable[..., tuple[str, Any]]:
    """What SQLAlchemy calls before each statement: it begins a transaction where none runs."""

    def begin_too(
        _connection: Connection, cursor: Any, statement: str, values: Any, *_: Any
    ) -> tuple[str, Any]:
        if cursor.connection.info.transaction_status == TRANSACTION_STATUS_IDLE:
            statement = f"{begin}; {statement}"
        return statement, values

    return begin_too


_begin_too = _beginning("BEGIN")
_begin_snapshot_too = _beginning("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _status(connection: Connection) -> int:
    """What the driver knows of the transaction without asking the server."""
    driver: Any = connection.connection.driver_connection
    status: int = driver.info.transaction_status
    return status


def _roll_back(connection: Connection) -> None:
    if connection.invalidated:
        return
    status = _status(connection)
    if status in (TRANSACTION_STATUS_INTRANS, TRANSACTION_STATUS_INERROR):
        connection.exec_driver_sql("ROLLBACK")
    elif status != TRANSACTION_STATUS_IDLE:
        # Broken off in the middle of a statement: nobody else may use this connection.
        connection.invalidate()


@lru_cache
def web_database() -> Database:
    """The database as a web process uses it: short statements, shorter patience."""
    settings = database_settings()
    return Database(
        make_engine(
            settings.database_url,
            application="pms-web",
            statement_timeout_ms=10_000,
            idle_in_transaction_ms=5_000,
            pool_size=settings.database_pool_size,
        )
    )


@lru_cache
def line_database() -> Database:
    """The database as the line's worker uses it; a frozen one loses its lock in `LINE_SECONDS`.

    Its statements name their rows. For some hundred of them the planner would sometimes rather
    read millions.
    """
    return TerseDatabase(
        make_engine(
            database_settings().database_url,
            application="pms-line",
            statement_timeout_ms=LINE_SECONDS * 1_000,
            idle_in_transaction_ms=LINE_SECONDS * 1_000,
            pool_size=2,
            autocommit=True,
            may_scan=False,
        )
    )


@lru_cache
def marker_database() -> Database:
    """The database for the line's marker: each statement commits by itself, and not to disk.

    Losing the last of them in a crash of the server loses nothing but a suspicion.
    """
    engine = make_engine(
        database_settings().database_url,
        application="pms-line-marker",
        statement_timeout_ms=LINE_SECONDS * 1_000,
        idle_in_transaction_ms=LINE_SECONDS * 1_000,
        pool_size=2,
        synchronous_commit="off",
        autocommit=True,
        may_scan=False,
    )
    return Database(engine)


@lru_cache
def jobs_database() -> Database:
    """The database as the clock's jobs use it: long reads are allowed."""
    return Database(
        make_engine(
            database_settings().database_url,
            application="pms-jobs",
            statement_timeout_ms=300_000,
            idle_in_transaction_ms=60_000,
            pool_size=2,
        )
    )
