"""What schemathesis is told beyond the OpenAPI document: real products, and no suicide.

It is loaded by `schemathesis run` itself, which is a process of its own.
"""

import os
import random
import re
from typing import Any

import requests
import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.checks import CheckContext

URL = os.environ["FUZZ_URL"]
KEY = os.environ["FUZZ_KEY"]
NOBODY = "01900000-0000-7000-8000-000000000000"
CHOICE = random.Random(os.environ["FUZZ_SEED"])
# What JSON Schema cannot say, in the words of the refusals. Anything else that is refused though
# it fits the schema is a fault of the one or the other.
BEYOND_THE_SCHEMA = re.compile(
    r"(sku: |productId: )?there is no such product"
    r"|there is no such stream, or it has no gap"
    r"|must not be before from"
    r"|or sku must be given"
    r"|is no cursor of this list"
    r"|must be in the future"
    r"|is out of range"
    r"|is no day of the calendar"
    r"|must be between 1970-01-01 and 9990-12-31"
    r"|the range ends, on .*, before it starts, on .*"
    r"|the range is longer than ten years"
    r"|is no IANA time zone such as .*"
    r"|is not known to the database"
    r"|the total must be less than .*"
)


def _call(method: str, path: str, **body: Any) -> Any:
    headers = {"X-API-Key": KEY, "Prefer": "wait=20"}
    found = requests.request(method, URL + path, json=body or None, headers=headers, timeout=30)
    found.raise_for_status()
    return found.json()


def _product() -> str:
    made = _call(
        "POST",
        "/api/pms/products",
        name="Mug",
        description="",
        price=1,
        categoryId="fuzz",
        images=[],
    )
    product_id: str = made["id"]
    _call("POST", "/api/inventory/adjust", productId=product_id, quantity=1000, type="increment")
    return product_id


PRODUCTS = [_product() for _ in range(3)]


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Spare the key that all this is done with; half of the rest is about known products."""
    if (case.path_parameters or {}).get("key_id") == os.environ["FUZZ_KEY_ID"]:
        case.path_parameters["key_id"] = NOBODY
    if case.meta is None or not case.meta.generation.mode.is_positive or CHOICE.random() < 0.5:
        return
    product_id = CHOICE.choice(PRODUCTS)
    if isinstance(case.body, dict):
        if "productId" in case.body:
            case.body["productId"] = product_id
        if isinstance(case.body.get("items"), list):
            for item in case.body["items"]:
                item["productId"] = product_id
    if "productId" in (case.query or {}):
        case.query["productId"] = product_id
    if case.path_parameters and "/stock/" in case.path:
        case.path_parameters["product_id"] = product_id


@schemathesis.check
def only_rules_beyond_the_schema_refuse(ctx: CheckContext, response: Response, case: Case) -> None:
    """What fits the schema and is refused all the same is refused for a reason it cannot know."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    # A table's schema says only that it is text.
    if response.status_code != 422 or case.media_type == "text/csv":
        return
    problem = response.json()
    if problem["type"].endswith("/idempotency-key-reused"):
        return
    for error in problem["errors"]:
        assert BEYOND_THE_SCHEMA.fullmatch(error["detail"]), f"refused by {error}"


@schemathesis.check
def errors_are_problems(ctx: CheckContext, response: Response, case: Case) -> None:
    """Every error is a problem document that says nothing of the machinery."""
    if response.status_code < 400 or case.path == "/health" or case.method == "HEAD":
        return
    assert response.headers["content-type"][0] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["requestId"] == response.headers["x-request-id"][0]
    assert "Traceback" not in response.text
