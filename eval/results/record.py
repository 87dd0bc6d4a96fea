"""Run records: what one run did, one JSON object a line, appended as it happens.

    {"kind": "start", "schema": 1, "created": ..., "command": ..., "config": {...}, "versions": {...}, "dataset": {...}, ...}
    {"kind": "metrics", "phase": "offline", "step": 500, "values": {"critic_loss": [one number a seed], ...}}
    {"kind": "evaluation", "seed": 0, "phase": "offline", "step": 5000, "success": [1, 0], "return": [...], "length": [...]}
    {"kind": "clock", "phase": "offline", "step": 5000, "seconds": 97.3}
    {"kind": "end", "status": "finished" | "stopped" | "failed", "reason": "...", "seconds": 412.0}

A run that went on from another one's offline phase (`--offline-from`) has the lines of that phase, without the clock, and its
start says whose they are: "offline_from" with the first run's record, command, commit, versions and device.

Entry i of an evaluation's lists is episode i. Where a critic chooses among samples, "one_sample" has the same of episodes in
which one sample acts that it did not choose. Where a task does not report success, "score" has what counts instead, each
episode's return or D4RL's normalised score, and success is 0. The clock says, at each evaluation, how long the run's steps
took up to there, of all its seeds together, with compiling and without evaluations and pauses: it belongs to a machine, all
else to the configuration. A run that was interrupted and resumed says some things twice, identically but for the clock and how
many episodes "one_sample" has; the last one counts. A torn last line is ignored. Nothing is learned from a record's path.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from statistics import fmean
from typing import Any

from envs.files.whole import claim, wait_for_turn

SCHEMA = 1
CHECKPOINT = "checkpoint.pt"  # beside a record: where its run goes on from
PHASES = ("offline", "online")
HARMLESS = {
    "dataset",  # where the data lie; tables compare the data themselves
    "seeds",
    "eval_every",
    "log_every",
}  # runs that differ in these alone are alike; which evaluations a table averages is its own question (tables/rules.py)
NOT_OFFLINE = {
    *("method", "preset", "changes"),  # names of numbers that count themselves
    "dataset",  # where the data lie; records have their hash
    *("online_steps", "online_warmup", "warmup_actions", "updates_per_step", "online_share", "replay_capacity"),
}  # what the offline phase does not depend on
ELSEWHERE = "elsewhere"  # in the place of a preset's name: what was not trained here has none
SUCCESS = "success rate (%)"  # what most tasks are judged by
METRICS = b'{"kind":"metrics"'  # how a writer begins a line of metrics: most of a record


class Writer:
    """Appends to one record, and keeps other writers from it until it is closed or this process ends.

    A new record gets its name when its first line is whole. BlockingIOError names the process that has a record.
    """

    def __init__(self, path: Path):
        self.path = path
        self._place = path if path.exists() else path.with_suffix(".new")
        self._file = open(self._place, "ab", buffering=0)  # noqa: SIM115 - it stays open, and with it the lock
        try:
            if not claim(self._file):
                print(f"{path}: no locks here, so nothing keeps a second process from this run", file=sys.stderr)
        except BlockingIOError as error:
            self._file.close()
            raise BlockingIOError(f"{path.parent}: {error}") from None
        _drop_torn_line(self._place)

    def write(self, kind: str, **fields: Any) -> None:
        """One line, on disk when this returns; when it cannot be written the file stays as it was."""
        self.write_all([{"kind": kind, **fields}])

    def write_all(self, lines: Iterable[dict[str, Any]]) -> None:
        """The same of several lines, all or none."""
        self._place.stat()  # fails where the file is gone
        _write(self._file, lines, self.path)
        if self._place != self.path:
            self._place = self._place.rename(self.path)

    def close(self) -> None:
        self._file.close()


def append(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Adds lines to a file that other processes add to as well, each in its turn: all or none, on disk when this returns."""
    with open(path, "ab", buffering=0) as file:
        wait_for_turn(file)
        _drop_torn_line(path)
        _write(file, lines, path)


@dataclass(frozen=True)
class Run:
    """One record, read: its first line, its evaluations and metrics in the order of their steps, and how it ended.

    `seconds` is the wall time of all its sessions; None when one of them did not say how long it took.
    """

    path: Path
    start: dict[str, Any]
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    end: dict[str, Any] | None = None
    seconds: float | None = None
    clock: dict[tuple[str, int], float] = field(default_factory=dict)
    """Seconds of training up to an evaluation, by phase and step; older records do not say."""

    @property
    def status(self) -> str:
        return self.end["status"] if self.end else "unfinished"

    def last(self, seed: int, phase: str) -> dict[str, Any] | None:
        """The last evaluation of a seed in a phase, if there is one."""
        found = self.of(seed, phase)
        return found[-1] if found else None

    def of(self, seed: int, phase: str) -> list[dict[str, Any]]:
        """The evaluations of a seed in a phase, by step."""
        return [e for e in self.evaluations if e["seed"] == seed and e["phase"] == phase]

    def training_step(self, line: dict[str, Any]) -> int:
        """The step of an evaluation or of metrics, counted from the start of the offline phase."""
        return line["step"] + (self.start["config"]["offline_steps"] if line["phase"] == "online" else 0)


def identity(start: dict[str, Any]) -> str:
    """What pictures and evaluations of a run name it by: a hash of its record's first line."""
    return hashlib.sha256(json.dumps(start, sort_keys=True).encode()).hexdigest()[:16]


def score(evaluation: dict[str, Any]) -> float:
    """The mean over an evaluation's episodes of what counts: success, in percent, else return or D4RL's normalised score."""
    return fmean(evaluation["score"]) if "score" in evaluation else 100 * fmean(evaluation["success"])


def of_one_sample(evaluation: dict[str, Any]) -> float:
    """The same of the episodes in which one sample acted that no critic chose."""
    return fmean(evaluation["one_sample"]) * (1 if "score" in evaluation else 100)


def scored_by(start: dict[str, Any]) -> str:
    """What the evaluations of a run with this first line are judged by, in words."""
    by = start["task"]["score"] if isinstance(start.get("task"), dict) else "success"
    return SUCCESS if by == "success" else by


def read(path: Path, metrics: bool = True) -> Run:
    """The record at `path`, without its metrics where they are not wanted. ValueError in one line when it is not a record."""
    *whole, _torn = path.read_bytes().split(b"\n")
    lines = []
    for number, text in enumerate(whole, 1):
        if not metrics and text.startswith(METRICS):
            continue
        try:
            lines.append(json.loads(text))
        except ValueError:
            raise ValueError(f"{path}: line {number} is not JSON") from None
        if not isinstance(lines[-1], dict) or "kind" not in lines[-1]:
            raise ValueError(f"{path}: line {number} has no kind")
    if not lines or lines[0].get("kind") != "start":
        raise ValueError(f"{path}: a record begins with a line of kind 'start'")
    if lines[0].get("schema") != SCHEMA:
        raise ValueError(f"{path}: schema {lines[0].get('schema')}, this version reads {SCHEMA}")

    def latest(kind: str, *keys: str) -> list[dict[str, Any]]:
        found = {tuple(line[key] for key in keys): line for line in lines if line["kind"] == kind}
        return sorted(found.values(), key=lambda line: (line["phase"] == "online", line["step"]))

    try:
        evaluations, values = latest("evaluation", "seed", "phase", "step"), latest("metrics", "phase", "step")
        clock = {(line["phase"], line["step"]): float(line["seconds"]) for line in lines if line["kind"] == "clock"}
    except KeyError as error:
        raise ValueError(f"{path}: a line without {error}") from None
    except TypeError:
        raise ValueError(f"{path}: a line whose seed, phase or step is not one") from None
    ends = [line for line in lines if line["kind"] in ("end", "resume")]
    end = ends[-1] if ends and ends[-1]["kind"] == "end" else None
    return Run(path, lines[0], evaluations, values, end, _seconds(lines), clock)


def _seconds(lines: list[dict[str, Any]]) -> float | None:
    sessions = sum(line["kind"] in ("start", "resume") for line in lines)
    told = [line["seconds"] for line in lines if line["kind"] == "end" and isinstance(line.get("seconds"), int | float)]
    return sum(told) if len(told) == sessions else None


def find(folder: Path, suffixes: tuple[str, ...] = (".jsonl",)) -> list[Path]:
    """Every record below a folder, or file that ends so, also behind links. A folder that cannot be read is named on stderr."""
    found, visited = [], set()
    for where, folders, names in os.walk(folder, onerror=_unread, followlinks=True):
        if (real := os.path.realpath(where)) in visited:  # a link that leads back
            folders.clear()
            continue
        visited.add(real)
        found += [Path(where, name) for name in names if name.endswith(suffixes)]
    return sorted(found)


def _unread(error: OSError) -> None:
    print(f"left out: {error.filename}: {error.strerror}", file=sys.stderr)


def _write(file: FileIO, lines: Iterable[dict[str, Any]], path: Path) -> None:
    """Lines at the end of a file, all or none; OSError names `path`."""
    whole = b"".join(json.dumps(line, allow_nan=False, separators=(",", ":")).encode() + b"\n" for line in lines)
    size = os.fstat(file.fileno()).st_size
    try:
        while whole:  # what is written in part, as a disk fills, fails the second time and says why
            whole = whole[file.write(whole) :]
        os.fsync(file.fileno())
    except OSError as error:
        file.truncate(size)
        raise OSError(error.errno, error.strerror, str(path)) from None


def _drop_torn_line(path: Path) -> None:
    if path.exists() and not (data := path.read_bytes()).endswith(b"\n"):
        with open(path, "r+b") as file:
            file.truncate(data.rfind(b"\n") + 1)
