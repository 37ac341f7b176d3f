"""The clock's schedule: names, periods in seconds, queues. It imports nothing of ours.

A tick is a multiple of the period since 1970, in UTC: a period of a day ticks at midnight.
"""

from typing import Any

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    name: {"task": name, "schedule": seconds, "options": {"queue": queue}}
    for name, seconds, queue in (
        ("maintenance.sweep", 2.0, "maintenance"),
        ("alerts.sweep", 60.0, "maintenance"),
        ("analytics.refresh", 10.0, "analytics"),
        ("maintenance.clean_up", 3600.0, "maintenance"),
        ("integrity.check", 86_400.0, "maintenance"),
    )
}
