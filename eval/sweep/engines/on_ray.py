"""Ray: a task for each run, with its share of processors and GPUs, on a cluster or on this machine."""

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Any

try:
    import ray
except ImportError:
    raise ImportError("Ray is not installed: pip install -c constraints.txt -e '.[ray]'") from None

from envs.files.whole import replaced
from eval.results import record
from eval.sweep.attempt import CODE, Attempt, Outcome

Records = dict[str, bytes]  # by their place in the folder of runs


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
        kinds = (("CPU", self.needs["num_cpus"]), ("GPU", self.needs["num_gpus"]))
        return max(1, int(min(there.get(name, 0) // need for name, need in kinds if need)))

    def submit(self, attempts: Sequence[Attempt]) -> list["Task"]:
        return [Task(self.carry.remote(attempt).future(), attempt.runs) for attempt in attempts]

    def wait(self, handles: Collection[Any]) -> None:
        if not handles:  # all that is left is others'
            time.sleep(0.5)
        wait([task.future for task in handles], 0.5, FIRST_COMPLETED)

    def drop(self, handles: Collection[Any]) -> list[Any]:
        return []  # a task that begins finds the sweep stopped

    clock = staticmethod(time.monotonic)

    def close(self) -> None:
        ray.shutdown()


class Task:
    """An attempt as a task. Its records come home, should the machine that made them not see this one's folder of runs."""

    def __init__(self, future: "Future[tuple[Outcome, Records]]", runs: Path):
        self.future, self.runs = future, runs

    def done(self) -> bool:
        return self.future.done()

    def result(self) -> Outcome:
        outcome, records = self.future.result()
        for place, content in records.items():
            if not (self.runs / place).exists():
                with replaced(self.runs / place) as whole:
                    whole.write_bytes(content)
        return outcome


def carry(attempt: Attempt) -> tuple[Outcome, Records]:
    """What a task does."""
    outcome, folder = attempt(), attempt.runs / attempt.job.folder
    ended = record.find(folder) if outcome.kind in ("finished", "failed") and folder.exists() else []
    return outcome, {str(path.relative_to(attempt.runs)): path.read_bytes() for path in ended}
