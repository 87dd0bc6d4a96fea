"""What a sweep shows: in a terminal a bar for the whole and a line for each run under way, else what happens, line by line."""

import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from eval.sweep.attempt import Job, Outcome
from eval.sweep.claims import Claims
from eval.sweep.cost import makespan, mean_hours
from eval.sweep.progress import progress

LINES = 12  # of runs under way that are shown
REFRESH = 1.0  # seconds


class Screen:
    """Is told by the loop what happens."""

    def __init__(self, jobs: Sequence[Job], runs: Path, slots: int):
        self.runs, self.slots, self.terminal = runs, slots, sys.stderr.isatty()
        self.claims, self.failed = Claims(runs), list[str]()
        self.total, self.mean = sum(len(job.seeds) for job in jobs), mean_hours(jobs)
        self.done, self.spent, self.foreseen = (
            0,
            0.0,
            0.0,
        )  # runs; hours of the finished, as they were and as they were expected
        self.drawn = 0.0
        form = "{percentage:3.0f}%|{bar:25}| {desc}"
        self.bar = tqdm(total=self.total, bar_format=form, disable=not self.terminal)
        self.lines = [
            tqdm(position=i + 1, bar_format="{desc}", leave=False, disable=not self.terminal) for i in range(min(slots, LINES))
        ]

    def ended(self, job: Job, outcome: Outcome, again: bool) -> None:
        """An attempt, or a job that others had."""
        words = ", ".join(filter(None, (f"{job}: {outcome.kind}", outcome.reason)))
        if again:
            return self.say(f"{words}; it is taken up again")
        self.done += len(job.seeds)
        if outcome.kind == "failed":
            self.failed.append(f"{words}; see {self.runs / job.folder}")
        else:
            claims = [claim.facts for unit in job.units if (claim := self.claims.last(unit))]
            took = max((facts["ended"] - facts["since"] for facts in claims if "ended" in facts), default=0.0) / 3600
            self.spent, self.foreseen = self.spent + took, self.foreseen + self.expected(job)
            words += f" in {60 * took:.1f} min, {progress(self.runs / job.folder)}"
        self.bar.update(len(job.seeds))
        if outcome.kind == "failed" or not self.terminal:
            self.say(words)

    def expected(self, job: Job) -> float:
        return job.hours if job.hours is not None else self.mean * len(job.seeds)

    def say(self, words: str) -> None:
        tqdm.write(f"{time.strftime('%H:%M:%S')} {words}", file=sys.stderr)

    def look(self, running: Iterable[Job], waiting: Iterable[Job], elsewhere: Iterable[Job]) -> None:
        """Draw what is under way now."""
        if not self.terminal or time.monotonic() - self.drawn < REFRESH:
            return
        self.drawn = time.monotonic()
        under_way = [
            (job, claim.facts) for job in running if (claim := self.claims.last(job.units[0])) and claim.state == "running"
        ]
        rate = self.spent / self.foreseen if self.foreseen else 1.0
        left = [max(0.0, rate * self.expected(job) - (time.time() - facts["since"]) / 3600) for job, facts in under_way]
        rest = [rate * self.expected(job) for job in waiting]
        others = sum(len(job.seeds) for job in elsewhere)
        self.bar.set_description_str(
            f"{self.done} of {self.total} runs, {self.spent:.1f} of {self.spent + sum(left) + sum(rest):.1f} hours, "
            f"{makespan([*left, *rest], self.slots):.1f} hours left"
            + f", {len(self.failed)} failed" * bool(self.failed)
            + f", {others} with others" * bool(others)
        )
        shown = [f"  {job}: {progress(self.runs / job.folder) or 'starts'}" for job, _ in under_way]
        for line, text in zip(self.lines, [*shown, *[""] * len(self.lines)], strict=False):
            line.set_description_str(text)

    def close(self) -> None:
        for bar in (*self.lines, self.bar):
            bar.close()
