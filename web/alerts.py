"""Stock alerts: the open ones."""

from datetime import datetime
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response

from db.queries import alerts
from web.auth import needs
from web.pages import cut, decode_cursor
from web.schemas.alerts import AlertOut, AlertPage, AlertsQuery
from web.schemas.base import answer
from web.services import services

blueprint = APIBlueprint("alerts", __name__, tag="Inventory")


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(value)
    return moment


@blueprint.get("/api/inventory/alerts")
@needs("read")
@blueprint.input(AlertsQuery, location="query", arg_name="query")
@blueprint.output(AlertPage)
def list_alerts(query: AlertsQuery) -> Response:
    """Open stock alerts, newest first.

    An alert opens with the change that leaves `stock` at or below the product's threshold and
    ends with the one that lifts it above. A product has at most one; going from low to out of
    stock changes it.
    """
    place = decode_cursor(query.cursor, _moment, UUID)
    with services().database.transaction() as connection:
        rows = alerts.open_alerts(
            connection, limit=query.limit + 1, before=(place[0], place[1]) if place else None
        )
    page = cut(rows, query.limit, lambda row: [row["raised_at"], row["id"]])
    items = [AlertOut(**row) for row in page["items"]]
    body = AlertPage(items=items, next_cursor=page["next_cursor"])
    return Response(answer(body), content_type="application/json")
