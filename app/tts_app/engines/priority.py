"""The operating system's lowest priority, for work that no one waits for (Linux; SCHED_IDLE of sched(7))."""

import os
from contextlib import suppress


def yield_thread(thread: int = 0) -> None:
    """Give a thread, by default the calling one, a core only where no other thread wants it."""
    os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))


def yield_process() -> None:
    """Give this process's threads, and those that they start later, only cores that no other thread wants."""
    for thread in os.listdir("/proc/self/task"):  # noqa: PTH208 - names that are numbers
        with suppress(ProcessLookupError):  # the thread has ended meanwhile
            yield_thread(int(thread))
