"""Settings out of the environment; what is wrong with them in one line each, without secrets."""

import re
import sys
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

Kind = TypeVar("Kind", bound=BaseSettings)

#: What is true of all settings: an empty one is an unset one, and the line break at the end of a
#: file that a secret was read from does not belong to it.
FROM_ENVIRONMENT = SettingsConfigDict(env_ignore_empty=True, str_strip_whitespace=True)
# As the command line has it for wrong usage.
_EXIT_CODE = 2


class WrongSettingsError(Exception):
    """What is wrong with the environment: one line for each setting, without secrets."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def read(kind: type[Kind], **given: Any) -> Kind:
    """One package's settings.

    Args:
        kind: the class of the settings.
        given: what is not to be read from the environment.

    Raises:
        WrongSettingsError: with a line for each that is wrong.
    """
    try:
        return kind(**given)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise WrongSettingsError([_explain(kind, detail) for detail in found]) from None
    except SettingsError as error:
        raise WrongSettingsError([str(error)]) from None


def read_or_exit(kind: type[Kind]) -> Kind:
    """One package's settings; a process with a wrong one says so and ends here."""
    try:
        return read(kind)
    except WrongSettingsError as error:
        sys.stderr.writelines(f"pms: {line}\n" for line in error.lines)
        sys.exit(_EXIT_CODE)


def _explain(kind: type[BaseSettings], detail: ErrorDetails) -> str:
    """One line: the variable, its value unless that is secret, what is wrong, and what helps."""
    # An error without a place is one of fields that belong together: an address and its token.
    name = str(detail["loc"][0]) if detail["loc"] else "redis_url"
    value = detail["input"] if detail["loc"] else detail["input"].get(name)
    about = kind.model_fields[name]
    hint = f" ({about.description})" if about.description else ""
    if detail["type"] == "missing":
        return f"{name.upper()} is not set{hint}; set it"
    given = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    shown = f"={shown_value(given)}" if about.repr else ", whose value is not shown"
    reason = detail["msg"].removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:]
    remedy = "correct it"
    if not about.is_required():
        default = about.get_default(call_default_factory=True, validated_data={})
        remedy += f", or unset it for {default}" if default else ", or unset it"
    return f"{name.upper()}{shown}: {reason}{hint}; {remedy}"


def shown_value(text: str) -> str:
    """A setting's value as it may be shown: in one line, and a URL without its password."""
    shown = without_password(text)
    return "".join(letter if letter.isprintable() else "?" for letter in shown)


def without_password(text: str) -> str:
    """A URL as it may be shown; other text stays as it is."""
    # By its look alone: a password with a special character in it is a part of no readable URL.
    shown = re.sub(r"(?<=://)([^:/@]*):.*@", r"\1:…@", text, flags=re.DOTALL)
    shown = re.sub(r"(?<=://)([^:/@\[\]]*):(?![0-9]*([/?#]|$))[^/?#…]+", r"\1:…", shown)
    return re.sub("(?<=password=)[^&]*", "…", shown)
