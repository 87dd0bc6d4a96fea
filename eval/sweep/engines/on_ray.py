"""Ray: a task for each run, with its share of processors and GPUs, on a cluster or on this machine."""

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

try:
    import ray
except ImportError:
    raise ImportError("Ray is not installed: pip install -c constraints.txt -e '.[ray]'") from None

from eval.sweep.attempt import CODE, Attempt, Outcome


class OnRay:
    """Tasks of a cluster; Ray itself retries none."""

    queue = 1000

    def __init__(self, address: str | None, cpus: float, gpus: float):
        ray.init(address, log_to_driver=False, runtime_env={"env_vars": {"PYTHONPATH": str(CODE)}})
        self.needs: Mapping[str, Any] = {"num_cpus": cpus, "num_gpus": gpus}
        self.carry = ray.remote(max_retries=0, **self.needs)(carry)

    @property
    def slots(self) -> int:
        """As the cluster is now."""
        there = ray.cluster_resources()
        room = [
            there.get(name, 0) // self.needs[need]
            for name, need in (("CPU", "num_cpus"), ("GPU", "num_gpus"))
            if self.needs[need]
        ]
        return max(1, int(min(room)))

    def submit(self, attempts: Sequence[Attempt]) -> list[Future[Outcome]]:
        return [self.carry.remote(attempt).future() for attempt in attempts]

    def wait(self, handles: Collection[Any]) -> None:
        wait(handles, 0.5, FIRST_COMPLETED)

    def drop(self, handles: Collection[Any]) -> list[Any]:
        return []  # a task that begins finds the sweep stopped

    clock = staticmethod(time.monotonic)

    def close(self) -> None:
        ray.shutdown()


def carry(attempt: Attempt) -> Outcome:
    return attempt()
