"""A run's folder: its record, its checkpoint, and how an interrupted run is found again."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from backbones.dense import KERNEL, kernel
from envs.files.whole import made, staged
from envs.outside import as_file_name
from eval.config.config import Config, later_options
from eval.results import record
from eval.results.record import CHECKPOINT

RECORD = "record.jsonl"
OFFLINE_END = "offline.pt"  # what the offline phase had learned
FORMAT = 2  # of checkpoints: since 2 an optimiser keeps its state by seed


@contextmanager
def new_folder(what: str, runs: Path) -> Iterator[Path]:
    """A fresh folder for a run; its name helps people, and nothing reads it. It goes again when nothing is written to it."""
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{as_file_name(what)}"
    with made(runs):
        folder = _make(runs, stem)
        try:
            yield folder
        finally:
            if folder.exists() and not any(path.stat().st_size for path in folder.iterdir()):
                shutil.rmtree(folder)


def _make(runs: Path, stem: str) -> Path:
    for suffix in ("", *(f"-{n}" for n in range(2, 100))):
        with suppress(FileExistsError):
            (runs / (stem + suffix)).mkdir()
            return runs / (stem + suffix)
    raise FileExistsError(f"{runs / stem}: too many runs of one second")


def unfinished_folder(config: Config, runs: Path, origin: dict[str, Any] | None = None) -> Path:
    """The newest run that is not finished; where an `origin` of its offline phase is given, of those that began there.

    ValueError when there is none, or only of other configurations.
    """
    candidates = []
    for path in record.find(runs) if runs.exists() else []:
        try:
            run = record.read(path)
        except (ValueError, OSError) as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        if run.status != "finished" and (origin is None or run.start.get("offline_from") == origin):
            candidates.append(run)
    candidates.sort(key=lambda run: run.start.get("created", ""))
    if not candidates:
        what = "unfinished run with that offline phase" if origin else "unfinished run"
        raise ValueError(f"nothing to resume in {runs}: no {what}; without --resume one begins")
    others = {run.path.parent: difference(run.start.get("config", {}), config.to_json()) for run in candidates}
    same = [folder for folder, other in others.items() if not other]
    if not same:
        newest = candidates[-1].path.parent
        raise ValueError(f"{newest} is of another configuration: {others[newest]}")
    return same[-1]


def refuse_other_ground(run: record.Run, now: dict[str, Any]) -> None:
    """ValueError when a run would be continued on other data, in a simulator that moves differently, or on another kind of
    device, whose optimiser keeps its state differently."""
    if (before := run.start.get("files", {})) != (here := now.get("files", {})):
        changed = next(name for name in before | here if before.get(name) != here.get(name))
        raise ValueError(f"{run.path.parent}: {changed} has changed since; start a new run")
    for part, field in (("dataset", "sha256"), ("physics", "hash")):
        before, here = run.start[part].get(field), now[part].get(field)
        if before != here:
            raise ValueError(f"{run.path.parent}: its {part} has {field} {before}, here it is {here}; start a new run")
    if run.start["device"].startswith("cpu") != now["device"].startswith("cpu"):
        raise ValueError(f"{run.path.parent}: its device is {run.start['device']}, here it is {now['device']}; choose --device")


def keep_kernel(begun: dict[str, Any]) -> None:
    """This process computes with the kernel of the run that began with this line. ValueError where it cannot."""
    if recorded := begun.get("kernel"):  # a fresh run has none yet, records from before the choice never
        os.environ.setdefault(KERNEL, recorded)
        if (here := kernel()) != recorded:
            raise ValueError(f"kernel {here}: the run to go on from has {recorded}; {KERNEL}={recorded} chooses it where it is")


def keep_compile(begun: dict[str, Any], asked: bool) -> bool:
    """Whether updates are compiled, as in the run that began with this line. ValueError where it was not and now would be."""
    recorded = bool(begun.get("compile", asked))  # older records do not say
    if asked and not recorded:
        raise ValueError("--compile: the run to go on from is not compiled; it goes on without")
    return recorded


def saved_state(folder: Path, config: Config, start: dict[str, Any]) -> dict[str, Any]:
    """What the run in `folder` saved; nothing where it ended before that, so that it begins again.

    ValueError when it cannot go on here: `start` is what its record's first line would be now.
    """
    run = record.read(folder / RECORD)
    refuse_other_ground(run, start)
    if (folder / CHECKPOINT).exists():
        return load_checkpoint(folder / CHECKPOINT, config.to_json())
    if "offline_from" in run.start:
        if (folder / OFFLINE_END).exists():
            return load_checkpoint(folder / OFFLINE_END, config.offline_phase())
        raise ValueError(f"{folder}: ended before it had anything; start a new run with --offline-from, without --resume")
    print(f"{folder}: ended before its first checkpoint; it begins again", file=sys.stderr)
    return {}


def shared_state(folder: Path, config: Config, start: dict[str, Any]) -> dict[str, Any]:
    """What the run in `folder` had learned at the end of its offline phase, for a run that would have the same one.

    ValueError when there is none, or this run's would be another.
    """
    for phase, steps in (("offline", config.offline_steps), ("online", config.online_steps)):
        if not steps:
            raise ValueError(f"offline_from {folder}: this run has no {phase} phase")
    if not (folder / OFFLINE_END).exists():
        raise ValueError(f"offline_from {folder}: no {OFFLINE_END} there; a run leaves it when its offline phase has ended")
    refuse_other_ground(record.read(folder / RECORD), start)
    return load_checkpoint(folder / OFFLINE_END, config.offline_phase())


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """`state` in place of the last checkpoint, which stays where this one cannot be written: OSError."""
    with staged(path) as (whole,), open(whole, "wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch closes its archive on the way out, and fails once more
                raise error.__context__ from None
            raise


def load_checkpoint(path: Path, config: dict[str, Any]) -> dict[str, Any]:
    """What a run saved. ValueError when it cannot be read, or is of another format or configuration than this one."""
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        saved = state["config"]
    except Exception as error:  # a damaged file can raise anything
        if isinstance(error, OSError) and error.filename:
            raise
        hint = "; without it --resume begins anew" if path.name == CHECKPOINT else ""
        raise ValueError(f"{path}: not a readable checkpoint ({type(error).__name__}){hint}") from None
    if other := difference(saved, config):
        raise ValueError(f"{path} is of another configuration: {other}")
    if state.get("format") != FORMAT:
        raise ValueError(
            f"{path} has format {state.get('format', 1)}, written by another version, not {FORMAT}; start a new run"
        )
    return state


def difference(saved: dict[str, Any], wanted: dict[str, Any]) -> str:
    """The first field in which a configuration, perhaps an older version's, is not the one wanted; nothing where it is."""

    def flat(config: dict[str, Any]) -> dict[str, Any]:
        nested = {f"{k}.{n}": v for k, part in config.items() if isinstance(part, dict) for n, v in part.items()}
        return {k: v for k, v in config.items() if not isinstance(v, dict)} | nested

    new = flat(wanted)
    old = {name: value for name, value in later_options(wanted).items() if name in new} | flat(saved)
    for name in sorted(old.keys() | new.keys(), key=lambda name: (not (name in old and name in new), name)):
        if old.get(name) != new.get(name):
            return f"its {name} is {old.get(name)}, here {new.get(name)}"
    return ""
