"""Threads: how many compute an update, how they wait for one another, and that acting takes one.

An update is a thousand small kernels, after each of which its threads wait for one another. libgomp, which torch brings, lets
them spin for milliseconds: the fastest way on a quiet machine, and ruinous beside another busy process, since a thread that
spins keeps its core from the very thread that it waits for. Where a process has more threads than cores, libgomp lets them
sleep instead. So while others want the cores, this process holds further threads that do nothing. How threads wait changes no
number; how many compute does.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import torch

from eval.config.config import Config

BREAK_EVEN = 1 << 22  # batch x width^2, multiplications of a layer; below it the second of two threads brings less than a tenth
STAT = Path("/proc/stat")
CHOSEN = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # where one of these is set, it says how threads wait
LOOK_EVERY = 0.5  # seconds


def set_threads(config: Config, recorded: int | None) -> str:
    """Sets how many threads compute an update, and says so: OMP_NUM_THREADS, else what the resumed run has `recorded`, else
    one for small networks and torch's choice, all cores, for others."""
    if "OMP_NUM_THREADS" in os.environ:
        reason = "from OMP_NUM_THREADS"
        if recorded not in (None, torch.get_num_threads()):
            reason += f"; the run began with {recorded}, so numbers may round differently from now on"
    elif recorded is not None:
        torch.set_num_threads(recorded)
        reason = "as the run began"
    elif config.algo.batch_size * config.backbone.width**2 < BREAK_EVEN:
        torch.set_num_threads(1)
        reason = "small networks"
    else:
        reason = "all cores"
    return f"threads: {torch.get_num_threads()} for updates ({reason}), 1 for acting"


@contextmanager
def one_thread() -> Iterator[None]:
    """Computes with one thread in here: what comes out does not depend on how many there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Waiting:
    """How threads wait: `look`, called between updates, lets them spin on a quiet machine, and sleep where others use more than
    half of a core that they need. On other systems than Linux they go on as they are."""

    def __init__(self) -> None:
        self.threads = torch.get_num_threads()
        self.follows_load = self.threads > 1 and STAT.exists() and not any(name in os.environ for name in CHOSEN)
        self.crowd: Event | None = None  # ends it
        if self.follows_load:
            self.cores = os.sched_getaffinity(0)
            self.looked, self.used = time.monotonic(), used_by_others(self.cores)

    def look(self) -> None:
        now = time.monotonic()
        if not self.follows_load or now - self.looked < LOOK_EVERY:
            return
        elapsed, used = now - self.looked, used_by_others(self.cores)
        crowded = self.threads + (used - self.used) / elapsed > len(self.cores) + 0.5
        self.looked, self.used = now, used
        if crowded and self.crowd is None:
            self.crowd = crowd(len(self.cores) // (self.threads - 1))
        elif self.crowd is not None and not crowded:
            self.crowd.set()
            self.crowd = None


def crowd(teams: int) -> Event:
    """Starts `teams` further teams of threads, which do nothing until the event is set."""
    end = Event()
    for _ in range(teams):
        ready = Event()
        Thread(target=_stand_by, args=(ready, end), daemon=True).start()
        ready.wait()
    return end


def _stand_by(ready: Event, end: Event) -> None:
    torch.ones(1 << 20)  # so large that torch divides the work: OpenMP gives this thread a team, and takes it back at its end
    ready.set()
    end.wait()


def used_by_others(cores: set[int]) -> float:
    """Seconds, since the machine started, for which something else than this process has had these cores."""
    names = {f"cpu{core}" for core in cores}
    rows = [line.split() for line in STAT.read_text().splitlines()]
    busy = sum(sum(map(int, row[1:9])) - int(row[4]) - int(row[5]) for row in rows if row[0] in names)  # not idle, no I/O
    return busy / os.sysconf("SC_CLK_TCK") - time.process_time()
