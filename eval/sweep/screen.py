"""What a sweep shows: in a terminal a bar for the whole and a line for each run under way, else what happens, line by line."""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from eval.sweep.attempt import Job, Outcome
from eval.sweep.claims import Claims
from eval.sweep.cost import makespan, mean_hours, span
from eval.sweep.progress import progress

LINES = 12  # of runs under way that are shown
REFRESH = 1.0  # seconds


class Screen:
    """Is told by the loop what happens."""

    def __init__(self, jobs: Sequence[Job], runs: Path, slots: int):
        self.runs, self.slots, self.terminal = runs, slots, sys.stderr.isatty()
        self.claims, self.failures = Claims(runs), list[str]()
        self.total, self.mean = sum(len(job.seeds) for job in jobs), mean_hours(jobs)
        self.done, self.failed = 0, 0  # runs of one seed
        self.spent, self.foreseen = 0.0, 0.0  # hours of the finished ones, as they were and as they had been expected
        self.drawn = -REFRESH
        form = "{percentage:3.0f}%|{bar:25}| {desc}"
        self.bar = tqdm(total=self.total, bar_format=form, disable=not self.terminal)
        place = range(1, 1 + min(slots, LINES))
        self.lines = [tqdm(position=i, bar_format="{desc}", leave=False, disable=not self.terminal) for i in place]

    def ended(self, job: Job, outcome: Outcome, again: bool) -> None:
        """An attempt, or a job that others had."""
        words = ", ".join(filter(None, (f"{job}: {outcome.kind}", outcome.reason)))
        if again:
            return self.say(f"{words}; it is taken up again after a pause")
        self.done += len(job.seeds)
        if outcome.kind == "failed":
            self.failed += len(job.seeds)
            self.failures.append(f"{words}; see {self.runs / job.folder}")
        else:
            claims = [claim.facts for unit in job.units if (claim := self.claims.last(unit))]
            took = max((facts["ended"] - facts["since"] for facts in claims if "ended" in facts), default=0.0) / 3600
            self.spent, self.foreseen = self.spent + took, self.foreseen + self.foresee(job)
            words += ", ".join(filter(None, (f" in {span(took)}", progress(self.runs / job.folder))))
        self.bar.update(len(job.seeds))
        if outcome.kind == "failed" or not self.terminal:
            self.say(f"{words} ({self.done} of {self.total})")

    def foresee(self, job: Job) -> float:
        """Hours of a job as they were expected before the sweep; where nobody knew, as those of the others."""
        return job.hours if job.hours is not None else (self.mean or 1.0) * len(job.seeds)

    def say(self, words: str) -> None:
        tqdm.write(f"{time.strftime('%H:%M:%S')} {words}", file=sys.stderr)

    def look(self, running: Iterable[Job], waiting: Iterable[Job], elsewhere: Iterable[Job]) -> None:
        """Draw what is under way now."""
        if not self.terminal or time.monotonic() - self.drawn < REFRESH:
            return
        self.drawn = time.monotonic()
        claims = {job: self.claims.last(job.units[0]) for job in running}  # an engine may have begun some of them only
        since = {job: claim.facts["since"] for job, claim in claims.items() if claim and claim.state == "running"}
        others = sum(len(job.seeds) for job in elsewhere)
        words = [f"{self.done} of {self.total} runs", self.time_left(since, [*waiting, *(claims.keys() - since.keys())])]
        words += [f"{self.failed} failed"] * bool(self.failed) + [f"{others} with others"] * bool(others)
        self.bar.set_description_str(", ".join(filter(None, words)))
        shown = [f"  {job}: {progress(self.runs / job.folder) or 'starts'}" for job in since]
        for line, text in zip(self.lines, [*shown, *[""] * len(self.lines)], strict=False):
            line.set_description_str(text)

    def time_left(self, since: Mapping[Job, float], waiting: Iterable[Job]) -> str:
        """And what it costs, as far as that is known: from rates, corrected by the runs that have finished."""
        if not (self.mean or self.foreseen):
            return ""
        rate = self.spent / self.foreseen if self.foreseen else 1.0
        left = [max(0.0, rate * self.foresee(job) - (time.time() - begun) / 3600) for job, begun in since.items()]
        rest = [rate * self.foresee(job) for job in waiting]
        gone = self.spent + sum((time.time() - begun) / 3600 for begun in since.values())
        return f"{span(gone)} of {span(gone + sum(left) + sum(rest))} spent, {span(makespan([*left, *rest], self.slots))} left"

    def close(self) -> None:
        for bar in (*self.lines, self.bar):
            bar.close()
