"""How requests are parsed: APIFlask with pydantic, strict where it is lenient."""

import json
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from apiflask.schema_adapters.pydantic import PydanticAdapter
from apiflask.schema_adapters.registry import registry
from flask import Request
from flask.globals import request_ctx
from pydantic import BaseModel, ValidationError

from web.errors import Invalid, Problem
from web.schemas.faults import said

# As `json.loads` would make one anew for each body.
_JSON = json.JSONDecoder(parse_float=Decimal, parse_constant=Decimal)
_TOO_DEEP = "The body is nested too deeply."


class StrictAdapter(PydanticAdapter):
    """Validates what APIFlask's own adapter would let through or lose.

    Bodies must say that they are JSON, numbers are read as decimals, a query parameter that is
    given twice is not silently halved, and every bad field is named by a JSON pointer.
    """

    def validate_input(self, request: Request, location: str, **_: Any) -> BaseModel:
        """The parsed body or query.

        Raises:
            Problem: 400 malformed, 413 too large, 415 not JSON, 422 not valid.
        """
        # What is handed in stands for the request of the moment, at a price for each look at it.
        request = request_ctx.request
        if location == "json":
            return parse(self.model_class, read_json(request))
        if not request.query_string:
            return _of_nothing(self.model_class)
        given = request.args.to_dict(flat=False)
        values = {name: found[0] if len(found) == 1 else found for name, found in given.items()}
        return parse(self.model_class, values, prefix="?")


@lru_cache
def _of_nothing(model: type[BaseModel]) -> BaseModel:
    """The one that all requests without a query share, as it cannot be changed."""
    return parse(model, {}, prefix="?")


registry.register("pydantic", StrictAdapter)


def read_json(request: Request) -> Any:
    """The body as JSON whose fractions are decimals; NaN and Infinity stay visible as such.

    Raises:
        Problem: 400 malformed, 415 not declared as JSON.
    """
    if not request.is_json:
        raise Problem(415, "unsupported-media-type", "The body must be sent as application/json.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        # A small body that unpacks to a large one would be past its limit before it is seen.
        raise Problem(415, "unsupported-media-type", "The body must be sent without an encoding.")
    data = request.get_data()
    if request.content_length is None:
        # A body in chunks is cut off at the limit in silence; one more read tells.
        request.stream.read(1)
    try:
        return _JSON.decode(data.decode(json.detect_encoding(data), "surrogatepass"))
    except RecursionError:
        raise Problem(400, "malformed-request", _TOO_DEEP) from None
    except json.JSONDecodeError as error:
        detail = f"The body is no JSON: {error.msg}, line {error.lineno}, column {error.colno}."
        raise Problem(400, "malformed-request", detail) from None
    except UnicodeDecodeError:
        raise Problem(400, "malformed-request", "The body is no UTF-8.") from None
    except (ValueError, InvalidOperation):
        raise Invalid(("", "a number has too many digits or too large an exponent")) from None


def parse(model: type[BaseModel], values: Any, prefix: str = "/") -> BaseModel:
    """The model of these values.

    Raises:
        Invalid: with a pointer to every bad field.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise Invalid(*(named(problem, prefix) for problem in found[:100])) from None


def named(problem: Any, prefix: str) -> tuple[str, str]:
    """The pointer to a bad field, and what is wrong with it."""
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in problem["loc"]]
    return (prefix + "/".join(steps) if steps else ""), said(problem)
