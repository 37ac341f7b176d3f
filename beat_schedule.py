"""The clock's schedule: names, periods in seconds, queues. It imports nothing of ours."""

from typing import Any

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    # A message that waited longer than its period has been replaced by the next one.
    name: {
        "task": name,
        "schedule": seconds,
        "options": {"queue": queue, "expires": max(seconds, 10.0)},
    }
    for name, seconds, queue in (
        ("maintenance.sweep", 2.0, "maintenance"),
        ("alerts.sweep", 60.0, "maintenance"),
        ("analytics.refresh", 10.0, "analytics"),
        ("maintenance.clean_up", 3600.0, "maintenance"),
    )
}
