"""The servers for one machine: PostgreSQL and Valkey as they install with the package."""

from workers.data_dir import DataDir, StartupError, default_data_dir
from workers.embedded_postgres import EmbeddedPostgres
from workers.embedded_server import EmbeddedServer
from workers.embedded_valkey import EmbeddedValkey

__all__ = [
    "DataDir",
    "EmbeddedPostgres",
    "EmbeddedServer",
    "EmbeddedValkey",
    "StartupError",
    "default_data_dir",
]
