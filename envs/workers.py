"""Processes that compute for this one: they end with it, leave Ctrl-C to it, and one that is lost is named in one line."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from typing import Any


class Lost(OSError):
    """A process that computed for this one has ended before it was told to."""


class Worker(SpawnProcess):
    """A fresh process; forking would break the threads that this one may hold."""

    def start(self) -> None:
        main = sys.modules["__main__"]
        if not Path(getattr(main, "__file__", None) or os.curdir).exists():  # a script from standard input: '<stdin>'
            del main.__file__  # or else the new process looks for it and ends
        super().start()

    def death(self) -> str | None:
        """How it ended, in words; None while it runs, and when this process ended it."""
        if self.exitcode in (None, 0, -signal.SIGTERM):
            return None
        if self.exitcode < 0:
            memory = " (out of memory?)" if self.exitcode == -signal.SIGKILL else ""
            return f"was killed by {signal.Signals(-self.exitcode).name}{memory}"
        return f"ended with exit code {self.exitcode}, for the reason above"


class Pool(ProcessPoolExecutor):
    """`workers` processes, each of which calls `begin(*arguments)` first."""

    def __init__(self, workers: int, begin: Callable[..., None], *arguments: Any):
        self.workers: list[Worker] = []
        super().__init__(workers, _Context(self.workers), _begin, (begin, *arguments))
        # All start before the first job: one that starts while another dies would be waited for without end.
        self._safe_to_dynamically_spawn_children = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Lost, with a line that says how, when one of the processes is missed in the block."""
        try:
            yield
        except BrokenProcessPool:
            self.shutdown()  # so that every exit code is known
            deaths = [death for worker in self.workers if (death := worker.death())]
            raise Lost(f"a worker process {(deaths or ['has ended'])[0]}; fewer --workers may help") from None


class _Context(SpawnContext):
    """Makes workers, and lists them."""

    def __init__(self, workers: list[Worker]):
        self._workers = workers

    def Process(self, *args: Any, **kwargs: Any) -> Worker:  # type: ignore[override]
        self._workers.append(Worker(*args, **kwargs))
        return self._workers[-1]


def follow_parent() -> None:
    """What a process that computes for another does first: from now on it ends with that one, and leaves Ctrl-C
    and a terminal that closes to it."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _begin(begin: Callable[..., None], *arguments: Any) -> None:
    follow_parent()
    begin(*arguments)
