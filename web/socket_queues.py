"""What waits to be sent to one client: handed out in small batches, and measured."""

from typing import Any

import engineio

# Clients written in Python refuse a long-polling answer of more packets than this whole.
_BATCH = 16


def use_batching_queues(server: engineio.Server) -> None:
    """Have an Engine.IO server keep what it sends in queues of ours.

    The library takes all that waits at once: what a client has not received is then in no queue
    any more, and cannot be counted.
    """
    plain: Any = type(server.create_queue())
    empty = server.get_queue_empty_exception()

    class BatchingQueue(plain):  # type: ignore[misc]
        """Looks empty after each batch, until somebody waits for the next one."""

        _taken = 0

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            if not block and self._taken >= _BATCH:
                raise empty
            found = super().get(block, timeout)
            self._taken = 1 if block else self._taken + 1
            return found

    server.create_queue = BatchingQueue


def waiting_bytes(queue: Any) -> int:
    """How much waits in such a queue, not counting what the operating system has taken."""
    wire = getattr(queue, "wire", None)
    rest = len(wire.rest) if wire is not None else 0
    return rest + sum(len(packet.data or "") for packet in list(queue.queue) if packet is not None)
