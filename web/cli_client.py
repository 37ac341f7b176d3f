"""The command line's client of the API: patient with what passes, clear about what does not."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, Any, Self

import orjson
import requests
from urllib3.exceptions import MaxRetryError
from uuid_utils.compat import uuid7

from web.cli_errors import FAILED, KEY, REFUSED, UNKNOWN, USAGE, AwayError, CommandError, LostError
from web.cli_output import printable
from web.cli_target import Target

# A key may be allowed a hundred requests a minute: what takes more of them waits, and goes on.
LONG_PATIENCE = 130.0
_CONNECT_SECONDS, _READ_SECONDS = 5.0, 15.0
_PAUSE = 0.5
_SHOWN_FAULTS = 20
_UPLOAD_SECONDS = 120.0
_CODES = {401: KEY, 403: KEY, 404: UNKNOWN, 409: REFUSED, 412: REFUSED, 422: USAGE}
# What a balancer answers in the place of a service that starts again.
_IN_ITS_PLACE = (502, 503, 504)
_BROKEN_OFF = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered.

    Attributes:
        status: 2xx.
        body: its document.
        is_replay: whether it is the answer to an earlier request with the same key.
    """

    status: int
    body: Any
    is_replay: bool = False


class Api:
    """The REST API of a service.

    A request is sent again, safely, while the service is away for a moment or asks for
    patience: every change carries an idempotency key.

    Args:
        target: the service and the key.
        patience: seconds that a request may take altogether, once the service has answered for
            the first time. Before that, nobody is made to wait for what does not run.
    """

    def __init__(self, target: Target, patience: float = 10.0) -> None:
        self.target = target
        self._patience = patience
        self._reached = False
        self._session = requests.Session()
        # No proxy stands between a machine and itself, and none is to see its key.
        self._session.trust_env = not target.is_local
        if target.secret is not None:
            self._session.headers["X-API-Key"] = target.secret

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def get(self, path: str, **query: Any) -> Any:
        """Read something.

        Raises:
            CommandError: it cannot be read.
        """
        self.target.key()
        return self._request("GET", path, params=query).body

    def pages(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All items of a list."""
        return list(self.each(path, **query))

    def each(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The items of a list, read page by page as they are asked for."""
        cursor = None
        while True:
            page = self.get(path, limit=100, cursor=cursor, **query)
            yield from page["items"]
            cursor = page["nextCursor"]
            if cursor is None:
                return

    def send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        wait: int | None = None,
        once: str | None = None,
        **query: Any,
    ) -> Answer:
        """Change something, once.

        Args:
            method: ``POST``, ``PUT``, ``PATCH`` or ``DELETE``.
            path: of what.
            body: the JSON document.
            wait: seconds to wait for the operation's end.
            once: the idempotency key; a new one unless given. An empty one is sent as it is, and
                refused: it would not be what its user relies on.
            query: the query's parameters.

        Raises:
            CommandError: it was refused, or could not be done.
            LostError: its answer did not come.
        """
        self.target.key()
        headers = {"Idempotency-Key": str(uuid7()) if once is None else once}
        if wait is not None:
            headers["Prefer"] = f"wait={wait}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        return self._request(
            method, path, params=query, data=_document(body), headers=headers, seconds=wait or 0
        )

    def upload(self, path: str, file: IO[bytes], *, once: str, **query: Any) -> Answer:
        """Send a CSV file, as it is, once.

        Args:
            path: where to.
            file: is read anew if it has to be sent again.
            once: the idempotency key.
            query: the query's parameters.

        Raises:
            CommandError: it was refused, or could not be done.
            LostError: its answer did not come.
        """
        self.target.key()
        headers = {"Idempotency-Key": once, "Content-Type": "text/csv"}
        return self._request(
            "POST", path, params=query, data=file, headers=headers, seconds=_UPLOAD_SECONDS
        )

    def download(self, path: str, **query: Any) -> Iterator[bytes]:
        """A list as CSV, piece by piece.

        Raises:
            CommandError: it cannot be read, or broke off.
        """
        self.target.key()
        what = {"params": query, "headers": {"Accept": "text/csv"}, "stream": True}
        with self._send("GET", path, _READ_SECONDS, what) as response:
            if not response.headers.get("Content-Type", "").startswith("text/csv"):
                self._read(response, ())
                raise self._stranger(response)
            try:
                yield from response.iter_content(65_536)
            except requests.RequestException as error:
                raise CommandError(f"the export broke off: {printable(error)[:200]}") from None

    def health(self) -> dict[str, Any]:
        """How the service says it is, also when that is badly; needs no key."""
        return dict(self._request("GET", "/health", also=(503,)).body)

    def _request(
        self, method: str, path: str, *, seconds: float = 0, also: tuple[int, ...] = (), **what: Any
    ) -> Answer:
        deadline = time.monotonic() + self._patience + seconds
        lost: LostError | None = None
        while True:
            try:
                return self._try(method, path, also, _READ_SECONDS + seconds, what)
            except AwayError as error:
                if isinstance(error, LostError):
                    lost = error
                pause = float(error.problem.get("retryAfter", _PAUSE))
                if not self._reached or time.monotonic() + pause > deadline:
                    # Whatever became of it when it was sent again.
                    raise lost or error from None
            except CommandError as error:
                # Who refuses another try says nothing of the one before.
                if lost is not None and error.code in (FAILED, KEY):
                    raise lost from None
                raise
            time.sleep(pause)

    def _try(
        self, method: str, path: str, also: tuple[int, ...], patience: float, what: dict[str, Any]
    ) -> Answer:
        if hasattr(what.get("data"), "seek"):
            what["data"].seek(0)
        return self._read(self._send(method, path, patience, what), also)

    def _send(
        self, method: str, path: str, patience: float, what: dict[str, Any]
    ) -> requests.Response:
        try:
            return self._session.request(
                method,
                self.target.url + path,
                timeout=(_CONNECT_SECONDS, patience),
                # A redirection would take the key elsewhere.
                allow_redirects=False,
                **what,
            )
        except (requests.RequestException, UnicodeError) as error:
            raise self._unreachable(error) from None

    def _read(self, response: requests.Response, also: tuple[int, ...]) -> Answer:
        is_replay = response.headers.get("Idempotent-Replayed") == "true"
        if response.status_code == 204:
            return Answer(204, None, is_replay)
        try:
            body = response.json()
        except ValueError:
            raise self._stranger(response) from None
        if response.ok or response.status_code in also:
            self._reached = True
            return Answer(response.status_code, body, is_replay)
        raise self._refusal(response, body)

    def _unreachable(self, error: Exception) -> CommandError:
        url = self.target.url
        if isinstance(error, requests.exceptions.SSLError):
            return CommandError(f"{url}: no safe connection: {printable(error)[:200]}")
        # Connecting is all that is tried in vain without anything having been sent.
        is_sent = not (error.args and isinstance(error.args[0], MaxRetryError))
        kind = LostError if is_sent else AwayError
        if isinstance(error, requests.Timeout):
            return kind(f"{url} does not answer in time; `pms status` says more")
        if isinstance(error, _BROKEN_OFF):
            return kind(f"the answer of {url} broke off; `pms status` says more")
        if not isinstance(error, requests.ConnectionError):
            return CommandError(f"--url {url}: {printable(error)[:200]}", USAGE)
        return kind(
            f"no service at {url}: start it with `pms up`, or say where it is with --url, or "
            "with HOST and PORT"
        )

    def _stranger(self, response: requests.Response) -> CommandError:
        kind = response.headers.get("Content-Type", "nothing").partition(";")[0]
        is_passing = self._reached and response.status_code in _IN_ITS_PLACE
        return (LostError if is_passing else CommandError)(
            f"{self.target.url} does not answer as Backend PMS does (HTTP {response.status_code}, "
            f"{printable(kind)[:50]}): another program may be there; say where the service is "
            "with --url, or with HOST and PORT"
        )

    def _refusal(self, response: requests.Response, body: Any) -> CommandError:
        if not isinstance(body, dict) or "detail" not in body:
            return self._stranger(response)
        self._reached = True
        status, detail = response.status_code, printable(body["detail"])
        if status == 401:
            message = self.target.refusal("write")
        elif status == 403:
            scope = printable(body.get("requiredScope", "admin"))
            message = (
                f"the key from {self.target.origin} may not do this: {detail} "
                f"`pms keys create NAME --scope {scope}` makes one that may"
            )
        elif status in (429, 503):
            # What may have been done is not to be asked for anew.
            is_lost = body.get("outcome") == "unknown"
            again = "" if is_lost else " Try again in a moment"
            message = f"the service cannot do this now: {detail}{again}"
            seconds = response.headers.get("Retry-After", "")
            after = {"retryAfter": int(seconds)} if seconds.isdigit() else {}
            return (LostError if is_lost else AwayError)(message, FAILED, {**body, **after})
        else:
            message = _faults(body.get("errors", [])) or detail
        return CommandError(message, _CODES.get(status, FAILED), body)


def _faults(errors: list[dict[str, Any]]) -> str:
    """What is wrong with the input, fault by fault; nothing if none is named."""
    said = [
        f"{printable(one.get('pointer') or 'the body')}: {printable(one.get('detail', ''))}"
        for one in errors[:_SHOWN_FAULTS]
    ]
    if len(errors) > _SHOWN_FAULTS:
        said.append(f"and {len(errors) - _SHOWN_FAULTS:,} more")
    return "not valid: " + "; ".join(said) if said else ""


def _document(body: Any) -> bytes | None:
    """JSON in UTF-8: with escapes a large product could be more than the service takes."""
    if body is None:
        return None
    try:
        return orjson.dumps(body, default=_digits)
    except TypeError:
        # An argument that was no UTF-8, or a number beyond all measure: the service says what is
        # wrong with it.
        return json.dumps(body, default=float).encode()


def _digits(number: Decimal) -> orjson.Fragment:
    """A number as it was written, to its last digit."""
    return orjson.Fragment(str(number))
