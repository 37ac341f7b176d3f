"""What is wrong with a value of a client's, in plain words."""

import re
from collections.abc import Callable
from typing import Any

Context = dict[str, Any]


def said(fault: Any) -> str:
    """A fault that pydantic found, as clients are told it.

    Args:
        fault: one of `ValidationError.errors()`, with its context; the kinds are those of
            https://docs.pydantic.dev/latest/errors/validation_errors/.
    """
    context: Context = fault.get("ctx") or {}
    words = _WORDS.get(fault["type"])
    if words is not None:
        return words if isinstance(words, str) else words(context)
    if "error" in context:
        # Of our own validators.
        return str(context["error"])
    sentence = re.sub(r"^(Input|Value|String|Data) should\b", "must", fault["msg"])
    return sentence[:1].lower() + sentence[1:]


def _counted(number: int, thing: str) -> str:
    """So many things: ``1 row``, ``12,000 rows``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _bound(name: str, words: str) -> Callable[[Context], str]:
    return lambda context: f"must be {words} {context[name]:,}"


def _too_short(thing: str) -> Callable[[Context], str]:
    def words(context: Context) -> str:
        least = context["min_length"]
        return "must not be empty" if least == 1 else f"must have at least {_counted(least, thing)}"

    return words


def _too_long(thing: str) -> Callable[[Context], str]:
    return lambda context: f"must have at most {_counted(context['max_length'], thing)}"


def _pattern(context: Context) -> str:
    # The one pattern of all texts.
    return "must not hold a NUL" if "\\x00" in context["pattern"] else "has not the right form"


def _literal(context: Context) -> str:
    return f"must be {context['expected'].replace(chr(39), '')}"


_WORDS: dict[str, str | Callable[[Context], str]] = {
    "missing": "must be given",
    "extra_forbidden": "is not known here",
    "string_type": "must be text",
    "string_sub_type": "must be text",
    "string_unicode": "must be Unicode text",
    "string_too_short": _too_short("character"),
    "string_too_long": _too_long("character"),
    "string_pattern_mismatch": _pattern,
    "literal_error": _literal,
    "list_type": "must be an array",
    "too_short": _too_short("item"),
    "too_long": _too_long("item"),
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "int_type": "must be an integer",
    "int_parsing": "must be an integer",
    "int_parsing_size": "is out of range",
    "bool_type": "must be true or false",
    "greater_than": _bound("gt", "more than"),
    "greater_than_equal": _bound("ge", "at least"),
    "less_than": _bound("lt", "less than"),
    "less_than_equal": _bound("le", "at most"),
}
