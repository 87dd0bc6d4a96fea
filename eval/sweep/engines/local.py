"""A pool on this machine: one run on each of its slots, which differ in the environment that their runs see (the GPU)."""

import os
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from queue import SimpleQueue
from typing import Any

from eval.sweep.attempt import Attempt, Outcome


def environments(slots: int, gpus: int) -> list[dict[str, str]]:
    """What the runs of each slot see: one of the GPUs that this process sees, by the name that it has here."""
    names = (os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(gpus)))).split(",")
    return [{"CUDA_VISIBLE_DEVICES": names[slot % gpus].strip()} if gpus else {} for slot in range(slots)]


class Local:
    """Threads that wait for the processes of runs."""

    def __init__(self, environments: Sequence[Mapping[str, str]]):
        self.slots = self.queue = len(environments)
        self.free: SimpleQueue[Mapping[str, str]] = SimpleQueue()
        for environment in environments:
            self.free.put(environment)
        self.pool = ThreadPoolExecutor(self.slots)

    def submit(self, attempts: Sequence[Attempt]) -> list[Future[Outcome]]:
        return [self.pool.submit(self._carry, attempt) for attempt in attempts]

    def _carry(self, attempt: Attempt) -> Outcome:
        environment = self.free.get()
        try:
            return attempt(environment)
        finally:
            self.free.put(environment)

    def wait(self, handles: Collection[Any]) -> None:
        if not handles:  # all that is left is others'
            time.sleep(0.5)
        wait(handles, 0.5, FIRST_COMPLETED)

    def drop(self, handles: Collection[Any]) -> list[Any]:
        return [handle for handle in handles if handle.cancel()]

    clock = staticmethod(time.monotonic)

    def close(self) -> None:
        self.pool.shutdown()
