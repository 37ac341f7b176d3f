"""A step of the road in a process of its own, which may be told where to die."""

import os
import traceback
from collections.abc import Callable

from db.session import jobs_database, line_database, marker_database, web_database
from workers import crash


def dies_at(point: str, step: Callable[[], object]) -> bool:
    """Do a step in a forked process that dies at a point, if it passes it.

    Args:
        point: one of `workers.crash.POINTS`.
        step: what to do.

    Returns:
        False if it never passed the point, and ended its step.
    """
    pid = os.fork()
    if pid == 0:
        _be_mortal(point, step)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, crash.EXIT_CODE), f"the step failed in its process: {code}"
    return code == crash.EXIT_CODE


def _be_mortal(point: str, step: Callable[[], object]) -> None:
    code = 1
    try:
        for database in (web_database(), line_database(), marker_database(), jobs_database()):
            database.forget_inherited_connections()
        crash.arm(f"{point}=1")
        step()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
