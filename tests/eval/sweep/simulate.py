"""A cluster on paper: runs that only sleep, in simulated time, go through the sweep's loop.

Workers are killed by a seed's dice, at any moment of a run, and take their claims' heartbeats with them; what a run had not
checkpointed is lost.
"""

import heapq
import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from eval.sweep.attempt import Attempt, Job, Outcome
from eval.sweep.claims import Claims, Hold
from eval.sweep.drive import Sweep

CHECKPOINT = 600.0  # seconds between two, as in eval.running.train
START = 30.0  # seconds before a run's first step: imports, data, compilation
TICK = 30.0  # seconds of simulated time between two looks


@dataclass(eq=False)
class Sleep:
    """An attempt: when it ends, and how far its run is then."""

    hold: Hold
    outcome: Outcome
    over: bool = False

    def done(self) -> bool:
        return self.over

    def result(self) -> Outcome:
        return self.outcome


@dataclass
class Cluster:
    """An engine of `slots` workers. Of all attempts a share `killed` breaks off; the claim then stays as it is."""

    slots: int
    killed: float
    dice: random.Random
    useful: float  # seconds that all runs take
    now: float = 0.0
    events: list[tuple[float, int, Sleep]] = field(default_factory=list)
    saved: dict[str, float] = field(default_factory=dict)  # seconds of each run that are in its checkpoint
    finished: list[str] = field(default_factory=list)  # units, as often as they were
    lost: int = 0
    order: Iterator[int] = field(default_factory=count)

    @property
    def queue(self) -> int:
        return self.slots

    def clock(self) -> float:
        return self.now

    def submit(self, attempts: Sequence[Attempt]) -> list[Sleep]:
        return [self._start(attempt) for attempt in attempts]

    def _start(self, attempt: Attempt) -> Sleep:
        job = attempt.job
        facts = {"owner": {"place": "a machine of the simulation"}, "folder": job.folder, "job": str(job)}
        hold = Claims(attempt.runs).take(job.units, lambda last: last.state == "left" or last.path in attempt.void, facts)
        assert hold, f"{job} was begun while somebody has it"
        begun, whole = self.saved.get(job.folder, 0.0), 3600 * (job.hours or 0.0)
        length = START + whole - begun
        if self.dice.random() < self.killed:
            length *= self.dice.random()
            trained = max(0.0, length - START)
            self.saved[job.folder] = begun + trained // CHECKPOINT * CHECKPOINT
            sleep = Sleep(hold, Outcome("died", "its worker was killed"))
        else:
            sleep = Sleep(hold, Outcome("finished"))
        heapq.heappush(self.events, (self.now + length, next(self.order), sleep))
        return sleep

    def wait(self, handles: Collection[Any]) -> None:
        until = min(self.now + TICK, self.events[0][0]) if self.events else self.now + TICK
        self.now = until
        while self.events and self.events[0][0] <= until:
            _, _, sleep = heapq.heappop(self.events)
            sleep.over = True
            if sleep.outcome.kind == "died":
                self.lost += 1
                continue
            sleep.hold.say(state="finished")
            self.finished += [claim.facts["unit"] for claim in sleep.hold.claims]

    def drop(self, handles: Collection[Any]) -> list[Any]:
        return []

    def close(self) -> None:
        pass


class Silent:
    """No screen."""

    def ended(self, job: Job, outcome: Outcome, again: bool) -> None:
        pass

    def look(self, running: Iterable[Job], waiting: Iterable[Job], elsewhere: Iterable[Job]) -> None:
        pass


def simulate(runs: int, slots: int, killed: float, seed: int, hours: tuple[float, float], folder: Path) -> Cluster:
    """The cluster after its last run."""
    dice = random.Random(seed)
    lengths = [dice.uniform(*hours) for _ in range(runs)]
    cluster = Cluster(slots, killed, dice, 3600 * sum(lengths))
    jobs = [Job((), (i,), (f"run-{i}",), "sleep", "task", "sleep", hours=length) for i, length in enumerate(lengths)]
    jobs.sort(key=lambda job: job.hours or 0.0, reverse=True)  # as a sweep does: the end comes sooner
    Sweep(jobs, cluster, lambda job: Attempt(job, folder, "simulated"), runs, Silent()).run()
    return cluster


def share_lost(cluster: Cluster) -> float:
    """Of the workers' time: by starts, steps done twice, waiting for silent claims, idling at the end."""
    return 1 - cluster.useful / (cluster.slots * cluster.now)
