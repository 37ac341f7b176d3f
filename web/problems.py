"""Problems by name: what each one means and what to do; pages and examples are made of this."""

from dataclasses import dataclass, field
from typing import Any

from db.models.order import STATUSES


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """A kind of problem.

    Attributes:
        status: the HTTP status that it comes with.
        meaning: what has happened.
        remedy: what the client, or the person behind it, does about it.
        members: what the document carries beyond the members of every problem.
        sample: example values of these members.
    """

    status: int
    meaning: str
    remedy: str
    members: dict[str, str] = field(default_factory=dict)
    sample: dict[str, Any] = field(default_factory=dict)


_PRODUCT = "0193599a-3f6e-7c61-9f0e-5b6f0d1c2a3b"
_ORDER = "0193599a-7d10-7a44-8c55-1f2e3d4c5b6a"

PROBLEMS: dict[str, ProblemKind] = {
    "malformed-request": ProblemKind(
        400,
        "The request could not be read: the body is no JSON or no UTF-8, is nested too deeply, or"
        " the HTTP message itself is broken.",
        "Send well-formed JSON; `detail` names the line and the column of the fault.",
    ),
    "unauthorized": ProblemKind(
        401,
        "The header `X-API-Key` is missing, or its key is unknown, revoked or expired. Which of"
        " them is not told.",
        "Send a live key. `pms keys list` shows the keys, `pms keys create` makes one.",
    ),
    "forbidden": ProblemKind(
        403,
        "The key is good, and it lacks the scope that this call needs.",
        "Use a key with that scope: `write` may read too, `admin` may do everything.",
        {"requiredScope": "the scope that is needed"},
        {"requiredScope": "write"},
    ),
    "not-found": ProblemKind(
        404,
        "There is nothing at this address, or nothing with this identifier.",
        "Check the path and the identifier; identifiers are UUIDs in their canonical form.",
    ),
    "method-not-allowed": ProblemKind(
        405,
        "The address is right, the method is not.",
        "Use one of the methods that the header `Allow` names.",
    ),
    "request-timeout": ProblemKind(
        408,
        "The request did not arrive whole in the time that it may take.",
        "Send it again, with its `Idempotency-Key`; if that keeps failing, look at the network.",
    ),
    "length-required": ProblemKind(
        411,
        "The request does not say how long its body is.",
        "Send `Content-Length`, or the body in chunks.",
    ),
    "body-too-large": ProblemKind(
        413,
        "The body is larger than the service takes: `MAX_BODY_BYTES`, or `MAX_BULK_BYTES` where"
        " many products are adjusted at once.",
        "Send less at once: split it into several requests.",
    ),
    "uri-too-long": ProblemKind(
        414,
        "The address with its query is longer than the service reads.",
        "Shorten the query.",
    ),
    "unsupported-media-type": ProblemKind(
        415,
        "The body is said to be neither JSON nor, where many products are adjusted at once, CSV in"
        " UTF-8; or it is packed.",
        "Send it with `Content-Type: application/json`, or `text/csv` where that is taken, without"
        " a `Content-Encoding`.",
    ),
    "invalid-input": ProblemKind(
        422,
        "The request is well-formed, and some of it does not fit: a field is missing, unknown, of"
        " the wrong type or out of range, or names a product that is not there.",
        "Mend each field that `errors` names. Nothing was done.",
        {
            "errors": "one `{pointer, detail}` for each bad field; the pointer is a JSON pointer"
            " into the body, `?name` for a query parameter, or the name of a header"
        },
        {"errors": [{"pointer": "/quantity", "detail": "must be an integer"}]},
    ),
    "idempotency-key-reused": ProblemKind(
        422,
        "This `Idempotency-Key` came before, with another request (method, path, query or body).",
        "Use a new key for each new request, and the old one only to send the very same again.",
    ),
    "too-many-requests": ProblemKind(
        429,
        "The key has used up what it may ask in this window.",
        "Wait for as many seconds as `Retry-After` says; `RateLimit-Remaining` warns before."
        " An admin can give a key a rate of its own.",
    ),
    "headers-too-large": ProblemKind(
        431,
        "The headers are larger than the service reads.",
        "Send fewer or shorter headers; often it is a cookie.",
    ),
    "error": ProblemKind(
        400,
        "The request could not be served; the status says of which kind the fault is.",
        "Read `detail`; if it does not help, ask the operator with the `requestId`.",
    ),
    "internal-error": ProblemKind(
        500,
        "Something went wrong on the side of the service.",
        "Tell the operator the `requestId`, which finds it in the log. With an `Idempotency-Key`"
        " it is safe to send the request again.",
    ),
    "unavailable": ProblemKind(
        503,
        "Something that the service needs, most often the database, is away. Nothing was done,"
        " unless `outcome` says that this is not known: the answer of the database got lost.",
        "Send the request again after as many seconds as `Retry-After` says, with the same"
        " `Idempotency-Key`. If it had none and the outcome is unknown, look first.",
        {"outcome": "`unknown` if it may have been done all the same; else left out"},
        {"outcome": "unknown"},
    ),
    "precondition-failed": ProblemKind(
        412,
        "The product has changed since: its version is not the one that `If-Match` names, or is"
        " the one that `If-None-Match` excludes.",
        "Read the product again, decide again, and send the new `ETag`.",
        {"version": "the version as it is now"},
        {"version": 4},
    ),
    "sku-taken": ProblemKind(
        409,
        "Another product has this SKU.",
        "Choose another one, or take it away from the other product first (`sku: null`).",
        {"errors": "names the field `/sku`"},
        {"errors": [{"pointer": "/sku", "detail": "is another product's"}]},
    ),
    "key-expired": ProblemKind(
        409,
        "The API key has expired.",
        "Make a new key.",
    ),
    "key-revoked": ProblemKind(
        409,
        "The API key was revoked, which is for good.",
        "Make a new key.",
    ),
    "insufficient-stock": ProblemKind(
        409,
        "More units were asked for than can be sold. Nothing was taken or reserved.",
        "Ask for at most `available` units, or wait for a delivery.",
        {
            "productId": "the product",
            "available": "what can be sold of it",
            "requested": "what was asked for",
        },
        {"productId": _PRODUCT, "available": 3, "requested": 5},
    ),
    "stock-changed": ProblemKind(
        409,
        "At its turn the operation met another stock than its `expectedStock`.",
        "Read the stock again and decide again.",
        {"expected": "the stock that was expected", "stock": "the stock that there was"},
        {"expected": 10, "stock": 7},
    ),
    "stock-limit": ProblemKind(
        409,
        "There would be more units of the product in the house than can be counted.",
        "Check the quantity; it is most likely a slip.",
        {"onHand": "units in the house", "limit": "the most that there may be"},
        {"onHand": 10, "limit": 1_000_000_000_000},
    ),
    "count-below-reserved": ProblemKind(
        409,
        "Fewer units were counted than accepted orders hold.",
        "Cancel orders until `reserved` is no more than what is there, then count again.",
        {"reserved": "units that orders hold", "counted": "units that were counted"},
        {"reserved": 5, "counted": 3},
    ),
    "invalid-transition": ProblemKind(
        409,
        "The order cannot go from the status that it has to the one that was asked for.",
        "Take one of the steps that `allowedTransitions` names; none means that it has ended.",
        {
            "orderId": "the order",
            "orderStatus": f"its status: one of {', '.join(STATUSES)}",
            "allowedTransitions": "where it can go from there",
        },
        {
            "orderId": _ORDER,
            "orderStatus": "pending",
            "allowedTransitions": ["confirmed", "cancelled"],
        },
    ),
    "not-dead": ProblemKind(
        409,
        "Only an operation that is dead can be tried again, and this one is not.",
        "Read the operation: it may still be in the line, or have ended by itself.",
    ),
    "already-retried": ProblemKind(
        409,
        "The dead operation was tried again before; a second time would do it twice.",
        "Look for the operation whose `retryOf` names the dead one; if that one is dead too, try"
        " that one again.",
    ),
    "unreadable-operation": ProblemKind(
        409,
        "What the operation keeps cannot be read any more; it was most likely submitted to an"
        " older version of the service.",
        "Submit it anew.",
    ),
    "operation-dead": ProblemKind(
        500,
        "The service tried the operation several times, could not bring it to an end, and gave it"
        " up. It has changed nothing.",
        "Tell the operator the operation's id; its `error` says why. Submit it again once the"
        " cause is mended.",
    ),
    "bulk-refused": ProblemKind(
        409,
        "Of an adjustment of many products that was to be all or nothing, some rows were refused;"
        " none was applied.",
        "Mend the rows that `refused` names, each by its own problem, and send all of them again.",
        {"refused": "one `{row, productId, sku, quantity, type, problem}` for each refused row"},
        {
            "refused": [
                {
                    "row": 0,
                    "productId": _PRODUCT,
                    "sku": "MUG-1",
                    "quantity": 12,
                    "type": "decrement",
                    "problem": {
                        "type": "/docs/problems/insufficient-stock",
                        "title": "Insufficient stock",
                        "status": 409,
                        "detail": "12 units were asked for and 8 can be sold.",
                        "productId": _PRODUCT,
                        "available": 8,
                        "requested": 12,
                    },
                }
            ]
        },
    ),
    "nothing-to-retry": ProblemKind(
        409,
        "The operation has no refused rows that could be tried again: it is no bulk, has not ended,"
        " refused nothing, or was all or nothing.",
        "Read the operation: its `result` counts the refused rows once it has ended.",
    ),
    "repair-impossible": ProblemKind(
        409,
        "Open orders hold more units of the product than the ledger has on hand, which no level"
        " can say.",
        "Take the units that are missing into the house by an adjustment, and repair then.",
        {"onHand": "what the ledger has on hand", "reserved": "what open orders hold"},
        {"onHand": 3, "reserved": 5},
    ),
    "processing-failed": ProblemKind(
        500,
        "The operation that was to reserve the order's items was given up, and the order is"
        " rejected; or a row of a bulk could not be applied, though no rule was against it.",
        "Tell the operator, who may have the order's operation tried again: that makes the order."
        " Send the row of a bulk again.",
    ),
}


def title_of(code: str) -> str:
    """A problem's title: its name, for people."""
    return code.replace("-", " ").capitalize().replace("Sku ", "SKU ")


def example_of(code: str) -> dict[str, Any]:
    """A problem document such as clients get."""
    kind = PROBLEMS[code]
    sample = dict(kind.sample)
    if code == "precondition-failed":
        detail = "The product's version is 4, which the request's condition excludes."
    else:
        detail = kind.meaning.replace("`", "")
    return {
        "type": f"/docs/problems/{code}",
        "title": title_of(code),
        "status": kind.status,
        "detail": detail,
        "instance": "/api/inventory/adjust" if kind.status != 412 else "/api/products",
        "requestId": "0193599b-0000-7000-8000-000000000001",
        **sample,
    }
