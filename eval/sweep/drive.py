"""The loop of a sweep: hands jobs to an engine, takes up again what died, and waits for what others have claimed."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Protocol

from eval.sweep.attempt import Attempt, Job, Outcome, is_finished, stop_file
from eval.sweep.claims import Claim, Claims, Watch
from eval.sweep.engines import Engine, Handle

PAUSE = 60  # seconds before what died is taken up again, and as many more each time: a full disk may be full for a while


class Screen(Protocol):
    """Is told what happens."""

    def ended(self, job: Job, outcome: Outcome, again: bool) -> None: ...

    def look(self, running: Iterable[Job], waiting: Iterable[Job], elsewhere: Iterable[Job]) -> None: ...


class Sweep:
    """Jobs, and what has become of them. `run` returns when nothing is left to do, or once it was asked to `stop`."""

    def __init__(self, jobs: list[Job], engine: Engine, attempt: Callable[[Job], Attempt], retries: int, screen: Screen):
        self.engine, self.attempt, self.retries, self.screen = engine, attempt, retries, screen
        self.watch = Watch(engine.clock)
        self.waiting = [*jobs]
        self.running: dict[Handle, Job] = {}
        self.elsewhere: list[Job] = []  # claimed by somebody else, or by an attempt that is not known to be gone
        self.resting: dict[Job, float] = {}  # died, and are not taken up again before this moment
        self.deaths: Counter[str] = Counter()  # by job
        self.void: set[Path] = set()  # claims that do not hold
        self.stop = False

    def run(self) -> None:
        self._forget_failures()
        while self.running or (not self.stop and (self.waiting or self.elsewhere or self.resting)):
            if self.stop:
                self.waiting += [self.running.pop(handle) for handle in self.engine.drop([*self.running])]
            self._submit()
            self.engine.wait(self.running)
            for handle in [handle for handle in self.running if handle.done()]:
                self._take(self.running.pop(handle), outcome_of(handle))
            self._look_elsewhere()
            self.screen.look(self.running.values(), [*self.waiting, *self.resting], self.elsewhere)

    def _claims(self, job: Job) -> Claims:
        return Claims(self.attempt(job).runs)

    def _forget_failures(self) -> None:
        """What failed before this sweep began is tried once more."""
        for job in self.waiting:
            for claim in map(self._claims(job).last, job.units):
                if claim and claim.state == "failed":
                    self.void.add(claim.path)

    def _submit(self) -> None:
        jobs: list[Job] = []
        while self.waiting and len(self.running) + len(jobs) < self.engine.queue and not self.stop:
            jobs += self._free(self.waiting.pop(0))
        if jobs:
            attempts = [replace(self.attempt(job), void=frozenset(self.void)) for job in jobs]
            self.running |= zip(self.engine.submit(attempts), jobs, strict=True)

    def _free(self, job: Job) -> list[Job]:
        """The part of a job that nobody has, if any; the rest is waited for, or has ended."""
        claims, free = self._claims(job), []
        state = {seed: self._state(claims, claims.last(unit)) for seed, unit in zip(job.seeds, job.units, strict=True)}
        for kind, seeds in groupby(sorted(job.seeds, key=state.__getitem__), key=state.__getitem__):
            part = job.only([*seeds])
            if kind == "free":
                free.append(part)
            elif kind == "running":
                self.elsewhere.append(part)
            elif kind == "finished":
                self.screen.ended(part, Outcome("finished", "elsewhere"), False)
            else:
                last = claims.last(part.units[0])
                self.screen.ended(part, Outcome("failed", str(last and last.facts.get("reason"))), False)
        return free

    def _state(self, claims: Claims, claim: Claim | None) -> str:
        """free, running, finished or failed."""
        if claim is None or claim.state == "left" or claim.path in self.void:
            return "free"
        if claim.state == "finished" and not is_finished(claims.folder.parent / claim.facts["folder"]):
            self.void.add(claim.path)  # its record was taken away
        elif claim.state == "running" and self.watch.abandoned(claim):
            self.void.add(claim.path)
        return "free" if claim.path in self.void else claim.state

    def _look_elsewhere(self) -> None:
        """Takes up what others have left, and what has died and rested, unless it is held: by a process that saves, say."""
        rested = [job for job, until in self.resting.items() if until <= self.engine.clock()]
        self.resting = {job: until for job, until in self.resting.items() if job not in rested}
        jobs, self.elsewhere = [*self.elsewhere, *rested], []
        for job in jobs:
            self.waiting[:0] = self._free(job)

    def _take(self, job: Job, outcome: Outcome) -> None:
        """What an attempt came to."""
        if outcome.kind == "busy":
            self.elsewhere.append(job)
        elif outcome.kind == "died":
            self.deaths[job.folder] += 1
            if self.deaths[job.folder] <= self.retries:
                self.resting[job] = self.engine.clock() + PAUSE * self.deaths[job.folder]
                self.screen.ended(job, outcome, True)
            else:
                self.screen.ended(job, Outcome("failed", f"died {self.deaths[job.folder]} times, {outcome.reason}"), False)
        elif outcome.kind == "stopped":
            self.waiting.insert(0, job)
        else:
            self.screen.ended(job, outcome, False)


def outcome_of(handle: Handle) -> Outcome:
    """How an attempt ended; one whose carrier is gone has died."""
    try:
        return handle.result()
    except Exception as error:
        return Outcome("died", " ".join(f"{type(error).__name__}: {error}".split())[:200])


def ask_to_stop(runs: Path, sweep: str) -> None:
    """Every attempt of the sweep saves and ends, on whichever machine."""
    path = stop_file(runs, sweep)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
