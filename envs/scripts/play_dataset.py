"""Datasets of scripted episodes, in OGBench's format. Each has a seed of its own: the number of workers cannot matter."""

import json
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from envs.command import progress
from envs.files.ogbench import data_files
from envs.files.sidecar import sha256
from envs.files.whole import staged
from envs.scripts.play import Episode, Script
from envs.scripts.pool import scripted
from envs.scripts.wander import Wander

GENERATOR_VERSION = 1  # raise it whenever the same seed gives other rows


def generate(
    script: Script | Wander, dataset: str, folder: Path, rows: int, workers: int = 1, overwrite: bool = False
) -> dict[str, Any]:
    """Write `dataset` into `folder`: `rows` rows rounded up to whole episodes, and a tenth for validation.

    Nothing is written before all of it is there. Returns the sidecar's facts. FileExistsError when the dataset exists
    and `overwrite` is not set.
    """
    existing = data_files(folder, dataset)[-1]
    if existing.exists() and not overwrite:
        raise FileExistsError(f"{existing} exists already; --overwrite replaces it")
    episodes = math.ceil(rows / script.episode_rows)
    counts = (episodes, math.ceil(episodes / 10))
    with staged(*data_files(folder, dataset)) as (val_path, sidecar_path, train_path):  # first: the folder may not be writable
        with progress(total=sum(counts) * script.episode_rows, desc=dataset, unit="row", unit_scale=True) as bar:
            train, val = roll_splits(script, counts, workers, bar)
        np.savez_compressed(val_path, **val)
        np.savez_compressed(train_path, **train)
        facts = {
            "source": "generated",
            "generator": GENERATOR_VERSION,
            "script": asdict(script),
            "rows": episodes * script.episode_rows,
            "episodes": episodes,
            "versions": {package: version(package) for package in ("ogbench", "mujoco", "numpy")},
            "sha256": {path.name: sha256(path) for path in (train_path, val_path)},
        }
        sidecar_path.write_text(json.dumps(facts, indent=2) + "\n")
    return facts


def roll_splits(script: Script | Wander, counts: Sequence[int], workers: int, bar: tqdm) -> list[Episode]:
    """The rows of `counts[split]` episodes for each split, end to end, rolled out in `workers` processes."""
    length = script.episode_rows
    splits: list[Episode] = [{} for _ in counts]
    jobs = [(script, split, index) for split, count in enumerate(counts) for index in range(count)]
    episodes = scripted(type(script).make_env, (script,), _episode, jobs, min(workers, len(jobs)))
    with closing(episodes):
        for (_, split, index), episode in zip(jobs, episodes, strict=True):
            for key, rows in episode.items():
                if index == 0:
                    splits[split][key] = np.empty((counts[split] * length, *rows.shape[1:]), rows.dtype)
                splits[split][key][index * length : (index + 1) * length] = rows
            bar.update(length)
    return splits


def _episode(env: Any, script: Script | Wander, split: int, index: int) -> Episode:
    return script.episode(env, split, index)
