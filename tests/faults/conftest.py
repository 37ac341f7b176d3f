"""Faults are injected into a running service."""

from tests.functional.conftest import admin_key, api, new_product, service

__all__ = ["admin_key", "api", "new_product", "service"]
