"""How much a client may say: messages a minute per API key, over all web processes."""

from limits.strategies import SlidingWindowCounterRateLimiter

from db.models.api_key import ApiKey
from web.limit_storage import SharedStorage
from web.limits import parse_rate, seconds_until_next


class MessageLimits:
    """Counts messages over all web processes.

    Args:
        rate: of a key that carries none of its own, such as ``1000/minute``.
    """

    def __init__(self, rate: str) -> None:
        self._rate = rate
        self._limiter = SlidingWindowCounterRateLimiter(SharedStorage())

    def refuse_for(self, key: ApiKey) -> int | None:
        """Count one message.

        Returns:
            None if it is allowed, else the seconds after which another one may be.
        """
        item, who = parse_rate(key.ws_rate or self._rate), ("messages", str(key.id))
        if self._limiter.hit(item, *who):
            return None
        return seconds_until_next(self._limiter, item, *who)
