"""Clocks of machines that are wrong."""

from datetime import datetime, timedelta, tzinfo


def wrong_by(hours: float) -> type[datetime]:
    """What stands for ``datetime`` in a module of a machine whose clock is wrong."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(hours=hours)

    return Wrong
