"""Real servers for every test process, and what integration tests hold on to."""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.factories.bodies import product_body
from tests.servers import TestServers, reachable_folder

pytest_plugins = ["tests.running"]

_servers = TestServers()


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers before anything of ours is imported: settings are read once a process."""
    # A job in the background of a shell ignores it, and so would all that is started here.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    is_controller = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if is_controller or config.option.collectonly:
        os.environ.update(DATABASE_URL="postgresql://none/none", REDIS_URL="redis://none")
        return
    for name in ("PMS_API_KEY", "RATE_LIMIT_API", "SHOP_TIMEZONE", "SHOP_CURRENCY", "REDIS_TOKEN"):
        os.environ.pop(name, None)
    database_url, redis_url = _servers.start(reachable_folder())
    os.environ.update(DATABASE_URL=database_url, REDIS_URL=redis_url)
    from db.migrate import upgrade
    from workers.logs import configure_logs

    configure_logs()
    upgrade(database_url)


def pytest_unconfigure() -> None:
    """Stop what was started."""
    _servers.stop()


@pytest.fixture(scope="session")
def servers() -> TestServers:
    """The servers of this test process."""
    return _servers


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The Redis of this test process."""
    return os.environ["REDIS_URL"]


@pytest.fixture
def database() -> Any:
    """The database, emptied before the test."""
    from db.session import web_database
    from tests.factories.shop import empty

    found = web_database()
    empty(found)
    return found


@pytest.fixture
def make_key(database: Any) -> Callable[..., str]:
    """Make API keys: ``make_key(scopes=["read"], rate="5/minute")`` is a secret."""
    from web.auth import create_key

    def make(scopes: list[str] | None = None, **more: Any) -> str:
        more.setdefault("rate", "1000000/minute")
        with database.transaction() as connection:
            _, secret = create_key(connection, name="test", scopes=scopes or ["admin"], **more)
        return secret

    return make


@pytest.fixture(scope="session")
def session_app() -> Any:
    """The Flask application of this test process, without its server and its background."""
    from web.app import create_web

    return create_web(async_mode="threading").app


@pytest.fixture
def app(session_app: Any, database: Any, redis_url: str) -> Any:
    """The Flask application on an empty database and an empty Redis."""
    from redis import Redis

    with Redis.from_url(redis_url) as redis:
        redis.flushdb()
    for limiter in session_app.extensions["limiter"]:
        limiter.reset()
    return session_app


class Client:
    """A test client that carries a key."""

    def __init__(self, app: Any, secret: str | None) -> None:
        self._client = app.test_client()
        self.headers = {"X-API-Key": secret} if secret else {}

    def open(self, method: str, path: str, **options: Any) -> Any:
        """Send a request; ``headers`` are added to the key's."""
        headers = {**self.headers, **options.pop("headers", {})}
        return self._client.open(path, method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.open("GET", path, **options)

    def post(self, path: str, **options: Any) -> Any:
        return self.open("POST", path, **options)

    def put(self, path: str, **options: Any) -> Any:
        return self.open("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Any:
        return self.open("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Any:
        return self.open("DELETE", path, **options)


@pytest.fixture
def frozen_redis(app: Any, servers: TestServers) -> Iterator[None]:
    """Redis takes connections and says nothing; it comes back after the test."""
    os.kill(servers.valkey.pid, signal.SIGSTOP)
    yield
    os.kill(servers.valkey.pid, signal.SIGCONT)


@pytest.fixture
def client(app: Any, make_key: Callable[..., str]) -> Client:
    """A client with an admin key."""
    return Client(app, make_key())


@pytest.fixture
def client_with(app: Any) -> Callable[[str | None], Client]:
    """A client with another key, or with none."""
    return lambda secret: Client(app, secret)


@pytest.fixture
def apply_line(database: Any) -> Callable[[], None]:
    """Do what a worker does when it is woken: apply the line until it is empty."""
    from db.session import line_database
    from workers.app import app as celery
    from workers.drain import drain

    celery.loader.import_default_modules()
    return lambda: drain(line_database()) and None


@pytest.fixture
def product(client: Client) -> Callable[..., str]:
    """Make products; gives the id."""

    def make(stock: int = 0, **fields: Any) -> str:
        found = client.post("/api/pms/products", json=product_body(**fields))
        assert found.status_code == 201, found.text
        product_id: str = found.json["id"]
        if stock:
            increment = {"productId": product_id, "quantity": stock, "type": "increment"}
            assert client.post("/api/inventory/adjust", json=increment).status_code == 202
        return product_id

    return make
