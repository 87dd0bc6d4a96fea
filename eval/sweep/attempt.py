"""One attempt at a job: claim it, start or resume its run in a process of its own, and say how that ended.

It happens wherever an engine carries it, so it is small, can be pickled, and imports neither torch nor an engine.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from envs.outside import as_file_name
from eval.results import record
from eval.results.record import CHECKPOINT
from eval.sweep.claims import FOLDER, HEARTBEAT, Claim, Claims, Hold, Watch, identity

CODE = Path(__file__).parents[2]
LOOK = 0.5  # seconds between looks at a run
LOG = "log.txt"
Kind = Literal["finished", "failed", "died", "stopped", "busy"]


@dataclass(frozen=True)
class Job:
    """Seeds of one configuration, trained by one process. Plain values: it travels to other machines."""

    options: tuple[str, ...]
    """Those of `eval.run`, without seeds."""
    seeds: tuple[int, ...]
    units: tuple[str, ...]
    """The names of its claims, one a seed."""
    method: str
    task: str
    label: str
    """The method, and in what this run differs from others of the sweep."""
    part: str = ""
    """What wants it: a table, the grid, a file."""
    hours: float | None = None
    """Of all its seeds, as expected here."""
    machines: Mapping[str, float] = field(default_factory=dict, compare=False)
    """The same at the rates of each machine that was measured."""

    @property
    def folder(self) -> str:
        """Below the folder of runs: words for people, which nothing reads, and a digest of its claims."""
        return f"{as_file_name(f'{self.method}-{self.task}')}-{hashlib.sha256(' '.join(self.units).encode()).hexdigest()[:12]}"

    def only(self, seeds: Sequence[int]) -> "Job":
        """The same for some of its seeds."""
        units = tuple(unit for unit, seed in zip(self.units, self.seeds, strict=True) if seed in seeds)
        hours = self.hours and self.hours * len(seeds) / len(self.seeds)
        return replace(self, seeds=tuple(seeds), units=units, hours=hours)

    def __str__(self) -> str:
        return f"{self.label} {self.task} seed{'s' * (len(self.seeds) > 1)} {' '.join(map(str, self.seeds))}"


@dataclass(frozen=True)
class Outcome:
    """finished; failed for a reason of its own; died, and may be taken up again; stopped as asked; busy: others have it."""

    kind: Kind
    reason: str = ""


@dataclass(frozen=True)
class Attempt:
    """A job, and where and how to run it. Calling it makes the attempt."""

    job: Job
    runs: Path
    sweep: str
    options: tuple[str, ...] = ()
    """Further ones of `eval.run`: where and how."""
    environment: Mapping[str, str] = field(default_factory=dict)
    first: tuple[tuple[str, ...], ...] = ()
    """Modules to run before it, with their arguments."""
    void: frozenset[Path] = frozenset()
    """Claims that the sweep found not to hold."""

    def __call__(self, environment: Mapping[str, str] | None = None, over: Callable[[], bool] = bool) -> Outcome:
        """Blocks until the run has ended, or was asked to stop: by its sweep, or as this machine's time is `over()`."""
        if stop_file(self.runs, self.sweep).exists():
            return Outcome("stopped")
        facts = {"sweep": self.sweep, "job": str(self.job), "folder": self.job.folder, "since": time.time()}
        hold = Claims(self.runs).take(self.job.units, self._free, facts)
        if hold is None:
            return Outcome("busy")
        outcome = Outcome("died", "the attempt broke off")
        try:
            outcome = self._work(hold, {**self.environment, **(environment or {})}, over)
        finally:
            state = outcome.kind if outcome.kind in ("finished", "failed") else "left"
            hold.give_back(state=state, reason=outcome.reason, ended=time.time())
        return outcome

    def _free(self, last: Claim) -> bool:
        """Whether a claim does not keep this attempt away."""
        return last.state == "left" or last.path in self.void or (last.state == "running" and Watch().abandoned(last))

    def _work(self, hold: Hold, environment: Mapping[str, str], over: Callable[[], bool]) -> Outcome:
        folder = self.runs / self.job.folder
        folder.mkdir(parents=True, exist_ok=True)
        if is_finished(folder):
            return Outcome("finished")

        def asked() -> bool:
            return over() or stop_file(self.runs, self.sweep).exists() or hold.superseded()

        for command in (*self.first, self._command(folder)):
            begin = (folder / LOG).stat().st_size if (folder / LOG).exists() else 0
            code, stopped = supervise(command, folder / LOG, environment, hold, asked)
            if code or stopped:
                return judge(code, stopped, folder, begin)
        return Outcome("finished")

    def _command(self, folder: Path) -> tuple[str, ...]:
        """Resume what can be resumed; what ended before its first checkpoint, without a reason, begins again."""
        resume = False
        for run in filter(Path.is_dir, folder.iterdir()):
            if (run / CHECKPOINT).exists():
                resume = True
            elif ending(run) is None:
                shutil.rmtree(run)
        options = (*self.job.options, "--seeds", *map(str, self.job.seeds), "--runs", str(folder), *self.options)
        return ("eval.run", *options, *("--resume",) * resume)


def supervise(
    command: tuple[str, ...], log: Path, environment: Mapping[str, str], hold: Hold, asked: Callable[[], bool]
) -> tuple[int, bool]:
    """The exit code of `python -m COMMAND`, and whether it was `asked()` to stop. Meanwhile the claims' heartbeat goes on."""
    with open(log, "ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "eval.sweep.tied", str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env={**os.environ, "PYTHONPATH": f"{CODE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}", **environment},
            start_new_session=True,  # Ctrl-C is the sweep's, which then asks its runs to stop
        )
    stopped, beaten = False, time.monotonic()
    try:
        hold.say(run=identity(process.pid))
        while True:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(LOOK), stopped
            if not stopped and asked():
                stopped = True
                process.terminate()
            if time.monotonic() - beaten > HEARTBEAT:
                hold.beat()
                beaten = time.monotonic()
    finally:
        if process.poll() is None:  # something broke here: the run saves, and goes on another time
            process.terminate()
            process.wait()


def stop_file(runs: Path, sweep: str) -> Path:
    """While it exists, the attempts of a sweep stop: it reaches every machine that sees the folder."""
    return runs / FOLDER / f"{sweep}.stop"


def judge(code: int, stopped: bool, folder: Path, begin: int) -> Outcome:
    """What an exit code of `eval.run` means, with the reason from its record or its log, which begins there."""
    if code == 0:  # it was asked to stop when it was about to end
        return Outcome("finished" if is_finished(folder) else "stopped")
    if code < 0 or code > 128:
        name = signal.Signals(-code if code < 0 else code - 128).name
        return Outcome("stopped" if stopped else "died", f"ended by {name}")
    told = (folder / LOG).read_bytes()[begin:].decode(errors="replace").strip().splitlines() or ["no reason was given"]
    errors = [line.removeprefix("error: ") for line in told if line.startswith("error: ")]
    return Outcome("died" if code == os.EX_TEMPFAIL else "failed", (errors or told)[-1])


def ending(run: Path) -> dict[str, Any] | None:
    """How the run in this folder ended; None when it did not say."""
    for path in record.find(run):
        with suppress(ValueError):
            return record.read(path, metrics=False).end
    return None


def is_finished(folder: Path) -> bool:
    """Whether a job's folder has its whole run."""
    return any((ending(run) or {}).get("status") == "finished" for run in folder.glob("*/"))
