"""Signals that ask a command to stop, which saves first: Ctrl-C, SIGTERM, and a terminal that closes."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from stat import S_ISCHR
from typing import Any


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[list[int]]:
    """In here a signal calls `stop` and is listed; the same once more ends the process. What nohup began stays."""
    received: list[int] = []

    def handle(number: int, _: Any) -> None:
        received.append(number)
        signal.signal(number, signal.SIG_DFL)
        if number == signal.SIGHUP:
            _leave_terminal()
        stop()

    heard = [signal.SIGINT, signal.SIGTERM] + [signal.SIGHUP] * (signal.getsignal(signal.SIGHUP) != signal.SIG_IGN)
    before = {number: signal.signal(number, handle) for number in heard}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_terminal() -> None:
    """What is printed from now on is lost instead of failing: every write to a terminal that is gone does."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if S_ISCHR(os.fstat(stream).st_mode):  # a terminal, or what is one no more
            os.dup2(nowhere, stream)
    os.close(nowhere)
