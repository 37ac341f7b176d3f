"""Python's garbage collector, told what it need not look at."""

import gc
from typing import Any

# New objects that may pile up before the young ones are looked through. A request or a batch makes
# some thousands, nearly all of which go by themselves.
_YOUNG = 20_000


def spare_the_collector(**_: Any) -> None:
    """What is loaded by now stays: looking through it for garbage is a fifth of what work costs."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
