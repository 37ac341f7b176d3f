"""Alerts: of stock, and what operators are told; the open ones and the history."""

from datetime import datetime
from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response

from db.queries import alerts, operator_alerts
from web import exports
from web.answers import json_response
from web.auth import needs
from web.pages import cut, decode_cursor, moment
from web.schemas.alerts import (
    AlertOut,
    AlertPage,
    AlertsQuery,
    SystemAlertOut,
    SystemAlertPage,
    SystemAlertsQuery,
)
from web.services import services
from web.tables import wants_csv

blueprint = APIBlueprint("alerts", __name__, tag="Inventory")


def _place(cursor: str | None) -> tuple[datetime, UUID] | None:
    place = decode_cursor(cursor, moment, UUID)
    return (place[0], place[1]) if place else None


def _cut(rows: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    return cut(rows, limit, lambda row: [row["raised_at"], row["id"]])


@blueprint.get("/api/inventory/alerts")
@needs("read")
@blueprint.input(AlertsQuery, location="query", arg_name="query")
@blueprint.output(AlertPage)
def list_alerts(query: AlertsQuery) -> Response:
    """Stock alerts, newest first: the open ones, unless `status` asks for the history; as CSV with
    `Accept: text/csv`.

    An alert opens with the change that leaves `stock` at or below the product's threshold and
    ends with the one that lifts it above. A product has at most one; going from low to out of
    stock changes it. Each says which operation raised it, and which one ended it.
    """
    wanted = {"wanted": query.status, "product_id": query.product_id}
    before = _place(query.cursor)
    if wants_csv():
        return exports.alerts(services().database, **wanted)
    with services().database.transaction() as connection:
        rows = alerts.page(connection, limit=query.limit + 1, before=before, **wanted)
    page = _cut(rows, query.limit)
    items = [AlertOut(**row) for row in page["items"]]
    body = AlertPage(items=items, next_cursor=page["next_cursor"])
    return json_response(body)


@blueprint.get("/api/system/alerts")
@needs("read")
@blueprint.input(SystemAlertsQuery, location="query", arg_name="query")
@blueprint.output(SystemAlertPage)
@blueprint.doc(tags=["System"])
def list_system_alerts(query: SystemAlertsQuery) -> Response:
    """What operators are told, newest first: what lasts, unless `status` asks for the history; as
    CSV with `Accept: text/csv`.

    `operation_dead` lasts until the operation is tried again, `integrity` until the difference
    is mended, `component_away` until the component is back. Each is told once per cause, as a
    `system_alert`, and once more when it is over, with `resolved: true`.
    """
    before = _place(query.cursor)
    if wants_csv():
        return exports.system_alerts(services().database, wanted=query.status)
    with services().database.transaction() as connection:
        rows = operator_alerts.page(
            connection, limit=query.limit + 1, before=before, wanted=query.status
        )
    page = _cut(rows, query.limit)
    items = [SystemAlertOut(**row) for row in page["items"]]
    body = SystemAlertPage(items=items, next_cursor=page["next_cursor"])
    return json_response(body)
