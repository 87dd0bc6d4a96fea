"""Slurm, by submitit: array jobs with a time limit. Before it is reached the run saves, and its job is queued again."""

import threading
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

try:
    import submitit
except ImportError:
    raise ImportError("submitit is not installed: pip install -c constraints.txt -e '.[slurm]'") from None

from eval.sweep.attempt import Attempt, Outcome

ARRAY = 1000  # jobs of one array; Slurm's own limit (MaxArraySize) is 1001 unless it was changed
REQUEUED = 1000  # times that a job may reach its time limit


class OnSlurm:
    """Jobs that outlive this process. Parameters are submitit's, such as timeout_min or slurm_partition."""

    queue = ARRAY

    def __init__(self, folder: Path, parameters: dict[str, Any], cluster: str = "slurm"):
        self.slots = int(parameters.get("slurm_array_parallelism", ARRAY))
        self.executor = submitit.AutoExecutor(folder, cluster, **{f"{cluster}_max_num_timeout": REQUEUED})
        self.executor.update_parameters(**parameters)

    def submit(self, attempts: Sequence[Attempt]) -> list[Any]:
        with self.executor.batch():
            return [self.executor.submit(Queued(attempt)) for attempt in attempts]

    def wait(self, handles: Collection[Any]) -> None:
        time.sleep(1)  # submitit asks Slurm for all jobs at once, and not more often than is good for it

    def drop(self, handles: Collection[Any]) -> list[Any]:
        pending = [job for job in handles if job.state == "PENDING"]
        for job in pending:
            job.cancel()
        return pending

    clock = staticmethod(time.monotonic)

    def close(self) -> None:
        pass


class Queued:
    """An attempt in a job: in a thread, so that this one can hear that the job's time is over."""

    def __init__(self, attempt: Attempt):
        self.attempt = attempt

    def __call__(self) -> Outcome:
        self.over = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            self.outcome = pool.submit(self.attempt, over=self.over.is_set)
            return self.outcome.result()

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Called by submitit when Slurm announces the end: returns once the run has saved, to be queued again."""
        self.over.set()
        self.outcome.exception()  # waits, whatever comes of it
        return submitit.helpers.DelayedSubmission(Queued(self.attempt))
