"""Ten thousand products: only the rows in sight are there, and the others come as one scrolls."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect
from sqlalchemy import create_engine, text

from tests.functional.service import Service

TOTAL = 10_000
_FILL = text("""
    WITH made AS (
        INSERT INTO products (id, sku, name, description, price, category_id, images,
                              low_stock_threshold, status, version, created_at, updated_at)
        SELECT gen_random_uuid(), 'ENDLESS-' || n, 'Endless ' || lpad(n::text, 5, '0'), '', n,
               'endless', '[]', 5, 'draft', 1, now(), now()
        FROM generate_series(1, :total) n
        RETURNING id
    )
    INSERT INTO stock_levels (product_id, on_hand, reserved, version, ever_stocked, updated_at)
    SELECT id, 0, 0, 0, false, now() FROM made
""")


def fill(service: Service) -> None:
    """Write them all at once, past the API; as drafts, of which none is missed."""
    url = service.env["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://", 1)
    with create_engine(url).begin() as connection:
        connection.execute(text("INSERT INTO categories (id) VALUES ('endless')"))
        connection.execute(_FILL, {"total": TOTAL})


def test_an_endless_list_stays_small(window: Callable[..., Page], service: Any) -> None:
    fill(service)
    page = window("#/products?categoryId=endless&sort=name")
    expect(page.get_by_role("link", name="Endless 00001")).to_be_visible()
    for seen in (60, 180, 400, 800):
        name = f"Endless {seen:05}"
        while not page.get_by_role("link", name=name).count():
            # Less than what is drawn: no row is passed over, also when a frame is late.
            page.mouse.wheel(0, 800)
            page.evaluate("new Promise(requestAnimationFrame)")
        assert page.locator(".row").count() < 60
    row = page.locator(".row", has_text="Endless 00800")
    # What is in sight is followed: its stock is there.
    expect(row.locator(".stock")).to_contain_text("0")
