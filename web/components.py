"""Components: tells operators which part of the system is away, and when it is back."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from db.models.operator_alert import COMPONENT_AWAY
from db.queries import operator_alerts
from db.session import Database
from web.outbox import outbox
from workers.events import Component
from workers.operators import tell_away, tell_back
from workers.tell import Told

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
# How long a component must be away before anybody is told: a restart is no news. Those that give
# signs of life count as away some seconds later than they go.
PATIENCE: dict[Component, float] = {"database": 3.0, "redis": 3.0, "workers": 10.0, "beat": 10.0}
# Who sees it away renews the alert; when nobody has for this long, it is over.
CALM_SECONDS = 5.0

# Whether each component is well; None if that cannot be seen now.
Look = Callable[[], Mapping[Component, bool | None]]
# For how many seconds nothing was seen of a component.
Silence = Callable[[Component], float]


@dataclass(slots=True)
class _Absence:
    """An absence of a component, by the monotonic clock.

    Attributes:
        since: when it was last seen.
        noticed: when it was found away.
        until: when it was last found so.
        told: whether anybody was told.
    """

    since: float
    noticed: float
    until: float
    told: bool = False


class ComponentWatch:
    """Looks every second, in a thread of its own; all web processes raise one alert together.

    It is written by the web, because nothing else may be left to do it: the hint through Redis
    may be lost, and the streams' own repair brings it to the clients within a second.

    Args:
        database: of the web process.
        look: what is well.
        silence: since when what is found away was not seen.
    """

    def __init__(
        self, database: Database, look: Look, silence: Silence = lambda component: 0.0
    ) -> None:
        self._database = database
        self._look = look
        self._silence = silence
        self._absences: dict[Component, _Absence] = {}
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self._run, name="components", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            try:
                self.look()
            except SQLAlchemyError as error:
                # It is told as soon as there is a database to tell it through.
                log.info("components_not_told", error=repr(error).splitlines()[0])
            except Exception:
                log.exception("components_watch_failed")

    def look(self) -> None:
        """Look once, and tell what is news.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it could not be told.
        """
        now = time.monotonic()
        for component, is_well in self._look().items():
            absence = self._absences.get(component)
            if is_well is False:
                if absence is None:
                    since = now - self._silence(component)
                    absence = self._absences[component] = _Absence(since, now, now)
                absence.until = now
            if absence is None or (is_well is None and absence.told):
                continue
            if absence.until - absence.noticed >= PATIENCE[component]:
                self._tell(component, absence, now)
            elif is_well is not False:
                del self._absences[component]

    def _tell(self, component: Component, absence: _Absence, now: float) -> None:
        told: Told = []
        with self._database.transaction() as connection:
            if absence.until == now or not absence.told:
                told += tell_away(connection, component, now - absence.since, now - absence.until)
            if absence.until != now:
                told += tell_back(connection, component, CALM_SECONDS)
            is_over = component not in operator_alerts.open_causes(connection, COMPONENT_AWAY)
        absence.told = True
        if is_over:
            del self._absences[component]
        outbox.tell(told)
