"""Whether this worker is about to end: its main process says so, its children look.

One byte of memory, which they share over the fork.
"""

import mmap

_FLAG = mmap.mmap(-1, 1)


def begin_to_end() -> None:
    """From now on nothing new is begun."""
    _FLAG[0] = 1


def is_ending() -> bool:
    """Whether that has been said."""
    return _FLAG[0] == 1
