"""A run's folder: its record, its checkpoint, and how an interrupted run is found again."""

import os
import pickle
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from eval.config.config import Config, name_of
from eval.results import record

RECORD, CHECKPOINT = "record.jsonl", "checkpoint.pt"
FORMAT = 2  # of checkpoints: since 2 an optimiser keeps its state by seed


def new_folder(config: Config, runs: Path) -> Path:
    """A fresh folder for a run; its name helps people, and nothing reads it."""
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{name_of(config.algo)}-{name_of(config.backbone)}-{config.task.name}"
    for suffix in ("", *(f"-{n}" for n in range(2, 100))):
        try:
            (runs / (stem + suffix)).mkdir(parents=True)
            return runs / (stem + suffix)
        except FileExistsError:
            continue
    raise FileExistsError(f"{runs / stem}: too many runs of one second")


def unfinished_folder(config: Config, runs: Path) -> Path:
    """The newest run that can be resumed. ValueError when there is none, or only of other configurations."""
    candidates = []
    for path in record.find(runs) if runs.exists() else []:
        try:
            run = record.read(path)
        except ValueError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        if run.status != "finished" and (path.parent / CHECKPOINT).exists():
            candidates.append(run)
    candidates.sort(key=lambda run: run.start["created"])
    if not candidates:
        raise ValueError(f"nothing to resume in {runs}: no unfinished run with a checkpoint")
    same = [run for run in candidates if run.start["digest"] == config.digest()]
    if not same:
        refuse_other_config(candidates[-1].start["config"], config.to_json(), candidates[-1].path.parent)
    return same[-1].path.parent


def refuse_other_ground(run: record.Run, now: dict[str, Any]) -> None:
    """ValueError when a run would be continued on other data, in a simulator that moves differently, or on another kind of
    device, whose optimiser keeps its state differently."""
    for part, field in (("dataset", "sha256"), ("physics", "hash")):
        before, here = run.start[part].get(field), now[part].get(field)
        if before != here:
            raise ValueError(f"{run.path.parent}: its {part} has {field} {before}, here it is {here}; start a new run")
    if run.start["device"].startswith("cpu") != now["device"].startswith("cpu"):
        raise ValueError(f"{run.path.parent}: its device is {run.start['device']}, here it is {now['device']}; choose --device")


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """`path` is the old file until it is the whole new one, also when writing fails."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: Path, config: Config) -> dict[str, Any]:
    """What a run saved. ValueError when it cannot be read, or is of another format or configuration."""
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        saved = state["config"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not a readable checkpoint ({type(error).__name__})") from None
    refuse_other_config(saved, config.to_json(), path)
    if state.get("format") != FORMAT:
        raise ValueError(
            f"{path} has format {state.get('format', 1)}, written by another version, not {FORMAT}; start a new run"
        )
    return state


def refuse_other_config(saved: dict[str, Any], wanted: dict[str, Any], where: Path) -> None:
    """ValueError naming the first field in which two configurations differ."""

    def flat(config: dict[str, Any]) -> dict[str, Any]:
        nested = {f"{k}.{n}": v for k, part in config.items() if isinstance(part, dict) for n, v in part.items()}
        return {k: v for k, v in config.items() if not isinstance(v, dict)} | nested

    old, new = flat(saved), flat(wanted)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            raise ValueError(f"{where} is of another configuration: its {name} is {old.get(name)}, here {new.get(name)}")
